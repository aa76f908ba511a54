"""What each level of anonymity does, as data: the proxy, its page and the audit read the same table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Level = Literal["transparent", "anonymous", "elite"]
Via = Literal["own", "passing", "none"]
Software = Literal["kept", "uniform", "profile"]
Referer = Literal["keep", "origin", "same-origin", "none"]
Cookies = Literal["keep", "first-party", "session", "none"]
Policy = Literal["keep", "first-party", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What is done with a request and its answer.

    tells        the client's address goes into X-Forwarded-For and Forwarded
    via          our name in Via: always the same, another for each request, or none
    identifiers  fields that name a person, a device or a way through networks are taken out
    software     User-Agent, client hints and Accept-Language stay, are the same for everyone, or are the session's
    referer      the whole URL, its origin for other origins, nothing for other origins, nothing
    cookies      all; none to and from other sites; nor any that outlives the browser; none
    validators   tags and dates of what a cache has: all; none to and from other sites; none
    hsts         Strict-Transport-Security of answers: all; none from other sites; none
    """

    level: Level
    tells: bool
    via: Via
    identifiers: bool
    software: Software
    referer: Referer
    cookies: Cookies
    validators: Policy
    hsts: Policy


LEVELS: dict[str, Rules] = {
    "transparent": Rules(
        level="transparent",
        tells=True,
        via="own",
        identifiers=False,
        software="kept",
        referer="keep",
        cookies="keep",
        validators="keep",
        hsts="keep",
    ),
    "anonymous": Rules(
        level="anonymous",
        tells=False,
        via="passing",
        identifiers=True,
        software="uniform",
        referer="same-origin",
        cookies="first-party",
        validators="first-party",
        hsts="first-party",
    ),
    "elite": Rules(
        level="elite",
        tells=False,
        via="none",
        identifiers=True,
        software="profile",
        referer="same-origin",
        cookies="session",
        validators="none",
        hsts="first-party",
    ),
}
NAMES: tuple[str, ...] = get_args(Level)

SENTENCES = {
    "transparent": "The origin knows that a proxy asks, for whom, and everything the client says.",
    "anonymous": "The origin knows that a proxy asks, but not for whom; all its clients look alike.",
    "elite": "Nothing says that a proxy asks; each session looks like a browser that it is not.",
}


class Line(NamedTuple):
    """One thing that levels treat differently, and in words how each does, in the order of `NAMES`."""

    what: str
    words: tuple[str, ...]


VIA = {"own": "this proxy's name", "passing": "a name of this request's own", "none": "not sent"}
SOFTWARE = {"kept": "as the client says", "uniform": "the same for all", "profile": "the session's profile"}
REFERER = {
    "keep": "whole",
    "origin": "to other origins only where from, without the path",
    "same-origin": "only within an origin",
    "none": "never",
}
COOKIES = {
    "keep": "all",
    "first-party": "not to or from other sites",
    "session": "not to or from other sites, and none that outlives the browser",
    "none": "none",
}
POLICY = {"keep": "all", "first-party": "not to or from other sites", "none": "none"}


def lines(rules: tuple[Rules, ...]) -> list[Line]:
    """What these levels do, one thing a line."""

    def line(what: str, *words: str) -> Line:
        return Line(what, words)

    return [
        line("client's address in X-Forwarded-For, Forwarded", *("told" if r.tells else "not told" for r in rules)),
        line("Via", *(VIA[r.via] for r in rules)),
        line("identifying fields", *("taken out" if r.identifiers else "kept" for r in rules)),
        line("User-Agent, client hints, Accept-Language", *(SOFTWARE[r.software] for r in rules)),
        line("order of fields", *("a browser's" if r.software == "profile" else "the client's" for r in rules)),
        line("Referer", *(REFERER[r.referer] for r in rules)),
        line("Cookie and Set-Cookie", *(COOKIES[r.cookies] for r in rules)),
        line("ETag, Last-Modified and questions about them", *(POLICY[r.validators] for r in rules)),
        line("Strict-Transport-Security", *(POLICY[r.hsts] for r in rules)),
    ]
