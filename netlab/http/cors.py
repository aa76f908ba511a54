"""CORS before a handler: preflights are answered here, and every answer says which pages may read it."""

from __future__ import annotations

import re

from netlab.cores.http1 import encode_fields
from netlab.http.exchange import Exchange, Handler, Work
from netlab.policy.cors import Sharing

REMEMBERED = 256
OWN = re.compile(rb"(?i)^access-control-[^\r\n]*\r\n", re.MULTILINE)


class Shared:
    """A handler whose answers are shared with other origins. What it says of that itself gives way to this."""

    def __init__(self, sharing: Sharing, inner: Handler) -> None:
        self._sharing, self._inner = sharing, inner
        self._known: dict[str | None, bytes] = {}

    def __call__(self, exchange: Exchange) -> Work:
        fields = exchange.request.fields
        origin, method = fields.get("origin"), fields.get("access-control-request-method")
        if exchange.request.method == "OPTIONS" and origin is not None and method is not None:
            # before authentication and limits: a browser sends no credentials with a preflight (Fetch 4.8)
            names = fields.get("access-control-request-headers")
            exchange.respond(204, self._sharing.preflight(origin, method, names))
            return None
        block = self._fields(origin)
        exchange.amend(lambda before: without_own(before) + block)
        return self._inner(exchange)

    def _fields(self, origin: str | None) -> bytes:
        """The fields for an origin, made once; a client that makes up origins does not fill the memory."""
        known = self._known.get(origin)
        if known is None:
            known = encode_fields(self._sharing.fields(origin))
            if len(self._known) < REMEMBERED:
                self._known[origin] = known
        return known


def without_own(block: bytes) -> bytes:
    return OWN.sub(b"", block) if b"access-control-" in block.lower() else block
