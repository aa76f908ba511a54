"""Paths that answer with any status: the one asked for, or one of several by weight."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import NamedTuple

from netlab.http.endpoints.answers import HTML, JSON, TEXT, Unusable, answering, respond
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.service import Context


class Special(NamedTuple):
    """What a status is answered with where it needs more than an empty page."""

    fields: tuple[tuple[str, str], ...] = (HTML,)
    body: bytes = b""


TEAPOT = rb"""
    -=[ teapot ]=-

            _
        .--'-'--.      __
   __  /         \___.' .'
  ( _\|               .'
   \__ \            .'
      \ '.       .-'
       '-----------'
"""
MORE_INFO = "X-More-Info"
REALM = 'Basic realm="Fake Realm"'
IMAGES = ["image/webp", "image/svg+xml", "image/jpeg", "image/png", "image/*"]
NOT_ACCEPTABLE = {"message": "Client did not request a supported media type.", "accept": IMAGES}
REDIRECT = Special((("Location", "/redirect/1"),))
SPECIAL = {
    **dict.fromkeys((301, 302, 303, 305, 307, 308), REDIRECT),
    401: Special((("WWW-Authenticate", REALM),)),
    304: Special(()),
    402: Special((TEXT, (MORE_INFO, "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.3")), b"Pay me first!"),
    406: Special((JSON,), json.dumps(NOT_ACCEPTABLE).encode()),
    407: Special((("Proxy-Authenticate", REALM),)),
    418: Special((TEXT, (MORE_INFO, "https://www.rfc-editor.org/rfc/rfc2324")), TEAPOT),
}


def register(routes: Routes, context: Context) -> None:
    handler = partial(status, context.random)
    about = "this status; of several, one by weight: 200:0.9,500:0.1"
    routes.add("GET POST PUT DELETE PATCH TRACE", "/status/{codes}", handler, about)


@answering
def status(chance: random.Random, exchange: Exchange, codes: str) -> None:
    respond_status(exchange, chosen(chance, codes))


def respond_status(exchange: Exchange, code: int) -> None:
    special = SPECIAL.get(code, Special())
    respond(exchange, code, special.fields, special.body)


def chosen(chance: random.Random, codes: str) -> int:
    """One of the comma-separated codes, each with an optional weight behind a colon."""
    values, weights = [], []
    for choice in codes.split(","):
        code, colon, weight = choice.partition(":")
        try:
            values.append(int(code) if code.isascii() and code.isdigit() else -1)
            weights.append(float(weight) if colon else 1.0)
        except ValueError:
            raise Unusable("Invalid status code") from None
    if not all(200 <= value <= 999 for value in values):
        raise Unusable("Invalid status code; a final response has one of 200 to 999 (1xx: see /early-hints, /broken)")
    if not (all(weight >= 0 for weight in weights) and 0 < sum(weights) < float("inf")):
        raise Unusable("Invalid status code; weights are numbers of 0 and more")
    return chance.choices(values, weights)[0] if len(values) > 1 else values[0]
