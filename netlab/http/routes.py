"""Routes: from a method and a path to the handler that answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from netlab.http.exchange import Exchange, Work
from netlab.http.own_methods import refuse_method

RouteHandler = Callable[..., Work]


@dataclass(slots=True)
class Route:
    """One path pattern and its handlers by method; GET answers HEAD too."""

    pattern: str
    handlers: dict[str, RouteHandler] = field(default_factory=dict)
    about: str = ""

    def handler(self, method: str) -> RouteHandler | None:
        handlers = self.handlers
        found = handlers.get(method) or (handlers.get("GET") if method == "HEAD" else None)
        return found or (handlers.get("*") if method != "TRACE" else None)  # which no handler is to reflect

    @property
    def allow(self) -> str:
        """The value of Allow (RFC 9110 10.2.1)."""
        methods = set(self.handlers) | {"OPTIONS"} | ({"HEAD"} if "GET" in self.handlers else set())
        return ", ".join(sorted(ANY_METHOD if "*" in methods else methods))


class Routes:
    """Exact paths are found in a dict; patterns (`/status/{codes}`, `/files/{rest...}`) by their first segment."""

    def __init__(self) -> None:
        self._exact: dict[str, Route] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], Route]]] = {}
        self.all: list[Route] = []

    def add(self, methods: str, pattern: str, handler: RouteHandler, about: str = "") -> None:
        """`methods` are separated by blanks; "*" is any. A pattern may be added to, method by method."""
        route = next((route for route in self.all if route.pattern == pattern), None)
        if route is None:
            route = Route(pattern)
            self.all.append(route)
            if "{" in pattern:
                first = pattern.split("/")[1]
                self._patterns.setdefault(first, []).append((_compiled(pattern), route))
            else:
                self._exact[pattern] = route
        route.about = route.about or about
        for method in methods.split():
            route.handlers[method] = handler

    def find(self, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route for a path without its query, and what its pattern caught, percent-decoded."""
        route = self._exact.get(path)
        if route is not None:
            return route, NOTHING
        for pattern, found in self._patterns.get(path[1:].partition("/")[0], ()):
            if match := pattern.fullmatch(path):
                return found, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def answer(self, exchange: Exchange, path: str) -> tuple[bool, Work]:
        """Answer, if this path is known; (whether it is, what there is to wait for)."""
        found = self.find(path)
        if found is None:
            return False, None
        route, caught = found
        handler = route.handler(exchange.request.method)
        if handler is not None:
            return True, handler(exchange, **caught)
        if exchange.request.method == "OPTIONS":
            exchange.respond(204, [("Allow", route.allow)])
        else:
            refuse_method(exchange, route.allow)
        return True, None


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(\.\.\.)?\}", pattern)
    spelled = [re.escape(parts[0])]
    for name, rest, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        spelled.append(f"(?P<{name}>{'.*' if rest else '[^/]+'}){re.escape(literal)}")
    return re.compile("".join(spelled))


NOTHING: dict[str, str] = {}
ANY_METHOD = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
