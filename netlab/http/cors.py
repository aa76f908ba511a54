"""CORS before a handler: preflights are answered here, and every answer says which pages may read it."""

from __future__ import annotations

import re

from netlab.cores.http1 import encode_fields
from netlab.http.authentication import Handler, Work
from netlab.http.exchange import Exchange
from netlab.policy.cors import Sharing

OWN = re.compile(rb"(?i)^access-control-[^\r\n]*\r\n", re.MULTILINE)


class Shared:
    """A handler whose answers are shared with other origins. What it says of that itself gives way to this."""

    def __init__(self, sharing: Sharing, inner: Handler) -> None:
        self._sharing, self._inner = sharing, inner

    def __call__(self, exchange: Exchange) -> Work:
        fields = exchange.request.fields
        origin, method = fields.get("origin"), fields.get("access-control-request-method")
        if exchange.request.method == "OPTIONS" and origin is not None and method is not None:
            # before authentication and limits: a browser sends no credentials with a preflight (Fetch 4.8)
            names = fields.get("access-control-request-headers")
            exchange.respond(204, self._sharing.preflight(origin, method, names))
            return None
        block = encode_fields(self._sharing.fields(origin))
        exchange.amend(lambda before: OWN.sub(b"", before) + block)
        return self._inner(exchange)
