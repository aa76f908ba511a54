"""Where a redirect leads, and what of the request goes along (RFC 9110 15.4)."""

from __future__ import annotations

from dataclasses import replace

from clients.get.request import Request
from netlab.cores.http1 import Response
from netlab.errors import NetlabError, UsageError
from netlab.http.url import Url

CREDENTIALS = ("authorization", "cookie", "proxy-authorization", "host")
"""Fields that were meant for one origin only."""


def redirected(request: Request, response: Response) -> Request | None:
    """The request that follows a response, or None if the response does not lead on."""
    location = response.fields.get("location")
    if response.status not in (301, 302, 303, 307, 308) or location is None:
        return None
    following = replace(request, url=_target(request.url, location))
    if _becomes_get(request.method, response.status):
        following = _without(replace(following, method="GET", content=None), _about_content)
    if following.content is not None and not following.content.again:
        raise NetlabError(f"{request.url} redirects to {following.url} with the content, which can be read only once")
    if following.url.origin != request.url.origin:
        following = _without(following, CREDENTIALS.__contains__)
    return following


def _target(url: Url, location: str) -> Url:
    # browsers and servers put UTF-8 there, though the field is latin-1 on paper
    text = location.encode("latin-1").decode("utf-8", "replace")
    try:
        target = url.join(text)
    except (UsageError, ValueError) as error:
        raise NetlabError(f"{url} redirects to {text!r}, where no request can be sent: {error}") from None
    if target.origin == url.origin and target.user is None:
        target = replace(target, user=url.user, password=url.password)
    return target


def _becomes_get(method: str, status: int) -> bool:
    """303 always asks for a GET; 301 and 302 turn POST into GET, as every client has done (RFC 9110 15.4.2, note)."""
    return method != "HEAD" and (status == 303 or (status in (301, 302) and method == "POST"))


def _about_content(name: str) -> bool:
    return name.startswith("content-") or name in ("transfer-encoding", "expect")


def _without(request: Request, unwanted: object) -> Request:
    assert callable(unwanted)
    return replace(request, fields=tuple(pair for pair in request.fields if not unwanted(pair[0].lower())))
