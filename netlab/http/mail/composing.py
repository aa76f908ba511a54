"""A message made of what `POST /api/v1/send` tells: Mailpit's names, checked, into a message with its parts."""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from mimetypes import guess_type
from typing import Any

from netlab.errors import UsageError

Told = dict[str, Any]
_NAME = re.compile(r"[!-9;-~]{1,76}")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
OURS = frozenset({"content-type", "content-transfer-encoding", "mime-version"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A message, and the envelope it comes in."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes


def compose(told: Told) -> Composed:
    """By Mailpit's names, in lower case at the top. UsageError for what makes no message, naming the field."""
    message = EmailMessage(policy=SMTP)
    sender = _contact(told.get("from"), "From")
    groups = {name: list(_contacts(told, name)) for name in ("To", "Cc", "ReplyTo")}
    bcc = [_address(each, "", "Bcc") for each in _several(told, "Bcc", str)]
    message["From"] = sender
    for name, header in (("To", "To"), ("Cc", "Cc"), ("ReplyTo", "Reply-To")):
        if groups[name]:
            message[header] = groups[name]
    message["Subject"] = _one_line(told.get("subject") or "", "Subject")
    message["Date"], message["Message-ID"] = formatdate(localtime=True), make_msgid(domain="netlab.test")
    if tags := _several(told, "Tags", str):
        message["X-Tags"] = _one_line(", ".join(tags), "Tags")
    _fill(message, told)
    _add_headers(message, told.get("headers") or {})
    recipients = dict.fromkeys(each.addr_spec for each in (*groups["To"], *groups["Cc"], *bcc))
    try:
        return Composed(sender=sender.addr_spec, recipients=tuple(recipients), content=bytes(message))
    except (MessageError, UnicodeError, ValueError) as error:
        raise UsageError(f"that makes no message: {error}") from None


def _fill(message: EmailMessage, told: Told) -> None:
    """Text, HTML, what is shown within it, and what is attached."""
    text, page = _text(told, "Text"), _text(told, "HTML")
    if text or not page:
        message.set_content(text)
    if page:
        put: Callable[..., None] = message.add_alternative if text else message.set_content
        put(page, subtype="html")
    files = [_File(each) for each in _several(told, "Attachments", dict)]
    body = message.get_body(("html",))
    for file in (file for file in files if file.content_id and isinstance(body, EmailMessage)):
        assert isinstance(body, EmailMessage)
        body.add_related(file.data, disposition="inline", cid=f"<{file.content_id}>", **file.named)
    for file in (file for file in files if not (file.content_id and isinstance(body, EmailMessage))):
        message.add_attachment(file.data, **file.named)


class _File:
    """One of `Attachments`."""

    def __init__(self, told: Told) -> None:
        asked = {name.lower(): value for name, value in told.items()}
        name, content = _text(asked, "Filename"), _text(asked, "Content")
        try:
            self.data = a2b_base64(content, strict_mode=True)
        except NotBase64 as error:
            raise UsageError(f"Attachments: the Content of {name[:60] or 'one'} is to be base64: {error}") from None
        self.content_id = _one_line(_text(asked, "ContentID"), "ContentID").strip("<>")
        kind = _text(asked, "ContentType") or guess_type(name)[0] or "application/octet-stream"
        if _TYPE.fullmatch(kind) is None:
            raise UsageError(f"Attachments: {kind[:60]!r} is no ContentType, as image/png is one")
        main, _, sub = kind.partition("/")
        self.named: Told = {"maintype": main, "subtype": sub, "filename": _one_line(name, "Filename")}


def _add_headers(message: EmailMessage, headers: Any) -> None:
    if not isinstance(headers, dict) or len(headers) > 1000:
        raise UsageError('Headers is to be an object, such as {"X-Shop": "1"}')
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or name.lower() in OURS or not isinstance(value, str):
            raise UsageError(f"Headers: {name[:60]!r} cannot be set so")
        del message[name]
        message[name] = _one_line(value, f"Headers: {name}")


def _contacts(told: Told, name: str) -> Iterator[Address]:
    return (_contact(each, name) for each in _several(told, name, dict))


def _contact(told: Any, where: str) -> Address:
    if not isinstance(told, dict):
        raise UsageError(f'{where} is to be {{"Email": "ada@shop.test", "Name": "Ada"}}')
    asked = {name.lower(): value for name, value in told.items()}
    return _address(_text(asked, "Email"), _text(asked, "Name"), where)


def _address(address: str, name: str, where: str) -> Address:
    try:
        return Address(_one_line(name, where), addr_spec=address)
    except (MessageError, ValueError, IndexError) as error:  # the library's parser ends so in the middle of an address
        raise UsageError(f"{where}: {address[:80]!r} is no address ({error})") from None


def _several(told: Told, name: str, kind: type) -> list[Any]:
    value = told.get(name.lower()) or []
    if not isinstance(value, list) or len(value) > 1000 or not all(isinstance(each, kind) for each in value):
        raise UsageError(f"{name} is to be a list of {'texts' if kind is str else 'objects'}, at most 1000")
    return value


def _text(told: Told, name: str) -> str:
    value = told.get(name.lower()) or ""
    if not isinstance(value, str):
        raise UsageError(f"{name} is to be a text")
    return value


def _one_line(text: Any, where: str) -> str:
    if not isinstance(text, str) or "\r" in text or "\n" in text:
        raise UsageError(f"{where} is to be one line of text")
    return text
