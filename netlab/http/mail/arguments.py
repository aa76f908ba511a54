"""What a request to the mail API asks: its query, and its content as JSON or a form."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from netlab.errors import BodyTooLarge, UsageError
from netlab.http.exchange import Exchange
from netlab.stores.mail_search import Search, parse_search

LARGEST = 4 << 20
"""Bytes of a call's arguments: the ids of 100,000 messages."""
JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain; charset=utf-8")
FRESH = ("Cache-Control", "no-store")


class Query:
    """The arguments in a request's target; the first of a name counts."""

    def __init__(self, exchange: Exchange) -> None:
        try:
            found = parse_qs(exchange.request.path.partition("?")[2], keep_blank_values=True, max_num_fields=50)
        except ValueError:
            raise UsageError("the query has more than 50 arguments") from None
        self._values = {name: values[0] for name, values in found.items()}

    def text(self, name: str, default: str = "") -> str:
        return self._values.get(name, default)

    def whole(self, name: str, default: int, most: int) -> int:
        text = self._values.get(name) or str(default)
        if not text.isascii() or not text.isdecimal() or len(text) > 15:
            raise UsageError(f"{name}={text[:40]} is no whole number")
        return min(int(text), most)

    def seconds(self, name: str, default: float, most: float) -> float:
        try:
            value = float(self._values.get(name) or default)
        except ValueError:
            value = -1.0
        if not 0 <= value <= most:
            raise UsageError(f"{name} is a number of seconds, at most {most:g}")
        return value

    def search(self) -> Search:
        """`query`, `tz` and `mailbox` together."""
        return parse_search(self.text("query"), self.text("tz")).within(self._values.get("mailbox"))


async def told(exchange: Exchange, most: int = LARGEST) -> dict[str, Any]:
    """The arguments in the content by lower-case name; UsageError for content that cannot be read."""
    try:
        content = await exchange.body(most)
    except BodyTooLarge as error:
        raise UsageError(str(error)) from None
    if not content.strip():
        return {}
    kind = (exchange.request.fields.get("content-type") or "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            form = parse_qs(content.decode(), keep_blank_values=True, max_num_fields=100_000)
            return {name.lower(): values if name.lower() == "ids" else values[0] for name, values in form.items()}
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise UsageError('the content is to be JSON, such as {"IDs": ["…"]}') from None
    if not isinstance(found, dict):
        raise UsageError("the content is to be an object of JSON")
    return {name.lower(): value for name, value in found.items()}


def texts(arguments: dict[str, Any], name: str) -> list[str]:
    """A list of texts among the arguments; empty where there is none."""
    value = arguments.get(name.lower()) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise UsageError(f"{name} is to be a list of texts")
    return value


def answer_json(exchange: Exchange, value: Any, status: int = 200) -> None:
    exchange.respond(status, [JSON, FRESH], json.dumps(value).encode() + b"\n")


def answer_ok(exchange: Exchange) -> None:
    exchange.respond(200, [TEXT, FRESH], b"ok")
