"""The mail API from a command: where it is, and how it is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from clients.get.client import fetch
from netlab.control.client import OneLab, connect, labs
from netlab.errors import NetlabError, UsageError
from netlab.text import escape

USUAL = "http://127.0.0.1:8025"
LARGEST = 128 << 20


@dataclass(frozen=True, kw_only=True)
class Asking(OneLab):
    """The settings that all actions share which read a sink."""

    api: str = ""
    """Where the mail API is, such as http://127.0.0.1:8025, Mailpit's too; without it, that of the sink that runs."""


class MailApi:
    """Calls of the API; NetlabError with its own sentence where it refuses."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    @classmethod
    async def find(cls, config: Asking) -> MailApi:
        """The one that was named, else that of the only sink there is, else the one at the usual place."""
        if config.api:
            return cls(config.api if "://" in config.api else f"http://{config.api}")
        found = []
        for lab in await labs():
            if config.lab in (None, str(lab.pid), lab.name):
                async with connect(lab.path) as control:
                    found += [each["url"] for each in await control.call("endpoints") if each["name"] == "mail"]
        if len(found) > 1:
            raise UsageError(f"several sinks are running; say which by --api: {', '.join(found)}")
        if not found and config.lab is not None:
            raise NetlabError(f"the lab {config.lab} has no mail sink; start one with `netlab serve smtp`")
        return cls(found[0] if found else USUAL)

    async def call(self, path: str, *, method: str = "GET", content: bytes | None = None, **query: object) -> bytes:
        target = f"{self.url}{path}"
        asked = {name: str(value) for name, value in query.items() if value not in (None, "")}
        if asked:
            target += f"?{urlencode(asked, quote_via=quote)}"
        fields = [("Accept", "application/json, text/plain;q=0.9, */*;q=0.1")]
        if content is not None:
            fields.append(("Content-Type", "application/json" if method != "POST" else "message/rfc822"))
        answer = await fetch(target, method=method, fields=fields, body=content, limit=LARGEST)
        if answer.status != 200:
            raise Refused(answer.status, _reason(answer.body) or f"{self.url} answered {answer.status} {answer.reason}")
        return answer.body

    async def json(self, path: str, **query: Any) -> Any:
        body = await self.call(path, **query)
        try:
            return json.loads(body)
        except ValueError:
            raise NetlabError(f"{self.url}{path} is no mail API: it answered no JSON") from None


class Refused(NetlabError):
    """The API's own no; `status` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _reason(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    try:
        told = json.loads(text)
    except ValueError:
        return escape(text.rpartition("\n")[2][:500])
    return escape(str(told.get("detail") or told.get("Error") or text)[:500]) if isinstance(told, dict) else ""


def address(contact: dict[str, str] | None) -> str:
    """A contact as it stands in a header."""
    if not contact:
        return "-"
    return escape(f"{contact['Name']} <{contact['Address']}>" if contact["Name"] else contact["Address"])


def line(summary: dict[str, Any]) -> str:
    """A message in one line."""
    to = ", ".join(escape(each["Address"]) for each in (*summary["To"], *summary["Cc"], *summary["Bcc"])) or "-"
    mark = " " if summary["Read"] else "*"
    when = summary["Created"][:19].replace("T", " ")
    return f"{mark} {summary['ID']}  {when}  {address(summary['From'])} → {to}  {escape(summary['Subject'])}"
