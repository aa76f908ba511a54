"""A message's HTML as a document that does nothing and loads nothing, whatever its sender wrote."""

from __future__ import annotations

import re
from base64 import b64encode

from netlab.cores.mail_message import Part
from netlab.http.mail.shapes import attached, body_of

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
FIELDS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-DNS-Prefetch-Control", "off"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]
IMAGES = 8 << 20
"""Bytes of a message's own images that are put into its document."""
_CID = re.compile(r"\bcid:([^\s\"'<>)]{1,255})", re.IGNORECASE)
# What no policy keeps a browser from: moving on, and connecting ahead, as Chromium does for frames it will not load.
_RENAMED = re.compile(r"<(?=(?:link|meta|base|i?frame|fencedframe|portal|object|embed|applet)\b)", re.IGNORECASE)


def document(message: Part, content: bytes) -> str:
    """Its HTML with its own images in it; the policy of `FIELDS` is to go with it."""
    own = {part.content_id: part for part in attached(message) if part.type.startswith("image/") and part.content_id}
    left = IMAGES

    def data_url(match: re.Match[str]) -> str:
        nonlocal left
        part = own.get(match[1])
        if part is None or (left := left - (part.end - part.body)) < 0:
            return match[0]
        return f"data:{part.type};base64,{b64encode(part.data(content)).decode()}"

    return _RENAMED.sub("<x-", _CID.sub(data_url, body_of(message, content, "text/html")))
