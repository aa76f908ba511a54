"""The query of a request, and numbers and times in it, within bounds."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qsl

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import Unusable

LONGEST = 3600.0
"""Seconds that any answer may be asked to take."""

DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|s|m|h)")
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def query(request: Request) -> list[tuple[str, str]]:
    """Names and values as they stand in the target, percent-decoded."""
    return parse_qsl(request.path.partition("?")[2], keep_blank_values=True)


def grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Pairs as a dict; a name that occurs more than once has a list."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


class Arguments:
    """A query's arguments by name, whatever its case; the first of a name counts."""

    def __init__(self, request: Request) -> None:
        self._values: dict[str, str] = {}
        for name, value in query(request):
            self._values.setdefault(name.lower(), value)

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def true(self, name: str) -> bool:
        return self._values.get(name, "").lower() in ("1", "t", "true")

    def whole(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        text = self._values.get(name)
        return default if not text else whole(name, text, least=least, most=most)

    def seconds(self, name: str, default: float, *, most: float = LONGEST) -> float:
        text = self._values.get(name)
        return default if not text else seconds(name, text, most=most)


def whole(name: str, text: str, *, least: int = 0, most: int | None = None) -> int:
    """A whole number within bounds; raises Unusable."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Unusable(f"{name} is {text[:40]!r}; it must be a whole number")
    number = int(text)
    if number < least or (most is not None and number > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise Unusable(f"{name} is {number}; it must be {bounds}")
    return number


def segment(text: str) -> int:
    """A whole number that is a part of the path; what is none is no path of this server."""
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Unusable(f"{text[:40]!r} in the path must be a whole number", 404)
    return int(text)


def seconds(name: str, text: str, *, most: float = LONGEST) -> float:
    """Seconds as a number (`2`, `0.5`) or with units (`500ms`, `1m30s`); raises Unusable."""
    parts = DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        value = sum(float(number) * UNITS[unit] for number, unit in parts)
    else:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
    if not 0 <= value <= most:
        raise Unusable(f"{name} is {text[:40]!r}; it must be 0 to {most:g} seconds, such as 2, 0.5 or 500ms")
    return value
