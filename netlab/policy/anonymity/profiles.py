"""Browsers that a session can look like: what each of them says of itself, each field in agreement with the others.

Recorded from Chromium 156 and Firefox 153 on Linux; other systems and brands differ from those only in what is
written here. A profile is of the client's own engine where the client is a browser: what a page finds out by script,
and the forms of pictures that a browser can read, then agree with what its requests say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

Engine = Literal["chromium", "firefox"]
Browser = Literal["chrome", "edge", "firefox"]
System = Literal["Windows", "macOS", "Linux"]
Language = Literal["en-US", "en-GB", "de-DE", "fr-FR"]
Kind = Literal["navigation", "image", "style", "other"]

BROWSERS: tuple[Browser, ...] = get_args(Browser)
LANGUAGES: tuple[Language, ...] = get_args(Language)
VERSIONS: dict[Browser, tuple[int, ...]] = {"chrome": (156, 155), "edge": (156, 155), "firefox": (153,)}
BRANDS: dict[Browser, str] = {"chrome": "Google Chrome", "edge": "Microsoft Edge"}

CHROMIUM_SYSTEMS: dict[System, str] = {
    "Windows": "Windows NT 10.0; Win64; x64",
    "macOS": "Macintosh; Intel Mac OS X 10_15_7",
    "Linux": "X11; Linux x86_64",
}
FIREFOX_SYSTEMS: dict[System, str] = {
    "Windows": "Windows NT 10.0; Win64; x64",
    "macOS": "Macintosh; Intel Mac OS X 10.15",
    "Linux": "X11; Linux x86_64",
}
SYSTEMS: tuple[System, ...] = get_args(System)

ACCEPT_LANGUAGE: dict[Engine, dict[Language, str]] = {
    "chromium": {
        "en-US": "en-US,en;q=0.9",
        "en-GB": "en-GB,en-US;q=0.9,en;q=0.8",
        "de-DE": "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
        "fr-FR": "fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7",
    },
    "firefox": {
        "en-US": "en-US,en;q=0.9",
        "en-GB": "en-GB,en;q=0.9",
        "de-DE": "de,en-US;q=0.9,en;q=0.8",
        "fr-FR": "fr,fr-FR;q=0.9,en-US;q=0.8,en;q=0.7",
    },
}
ACCEPT: dict[Engine, dict[Kind, str]] = {
    "chromium": {
        "navigation": "text/html,application/xhtml+xml,application/xml;q=0.9,image/jxl,image/avif,image/webp,"
        "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        "image": "image/jxl,image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        "style": "text/css,*/*;q=0.1",
        "other": "*/*",
    },
    "firefox": {
        "navigation": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "image": "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "style": "text/css,*/*;q=0.1",
        "other": "*/*",
    },
}
CODINGS = {True: "gzip, deflate, br, zstd", False: "gzip, deflate"}
"""Accept-Encoding of both engines, to trustworthy origins and to others."""
PRIORITY: dict[Kind, str] = {"navigation": "u=0, i", "image": "u=5, i", "style": "u=2", "other": "u=4"}
"""Firefox sends it over HTTP/1.1 too (RFC 9218)."""

ORDER: dict[Engine, dict[bool, tuple[str, ...]]] = {
    "chromium": {
        True: (  # navigation
            *("Host", "Connection", "Content-Length", "Cache-Control", "sec-ch-ua", "sec-ch-ua-mobile"),
            *("sec-ch-ua-platform", "Upgrade-Insecure-Requests", "Content-Type", "User-Agent", "Origin", "Accept"),
            *("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-User", "Sec-Fetch-Dest", "Referer", "Accept-Encoding"),
            *("Accept-Language", "Cookie", "If-None-Match", "If-Modified-Since"),
        ),
        False: (
            *("Host", "Connection", "Content-Length", "Pragma", "Cache-Control", "sec-ch-ua-platform"),
            *("Authorization", "User-Agent", "sec-ch-ua", "Content-Type", "sec-ch-ua-mobile", "Accept", "Origin"),
            *("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Referer", "Accept-Encoding", "Accept-Language"),
            *("Cookie", "If-None-Match", "If-Modified-Since", "Range"),
        ),
    },
    "firefox": {
        True: (
            *("Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Length"),
            *("Origin", "Connection", "Referer", "Cookie", "Upgrade-Insecure-Requests", "Sec-Fetch-Dest"),
            *("Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "If-Modified-Since", "If-None-Match"),
            *("Priority", "Pragma", "Cache-Control"),
        ),
        False: (
            *("Host", "User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Referer", "Content-Type"),
            *("Authorization", "Content-Length", "Origin", "Range", "Connection", "Cookie", "Sec-Fetch-Dest"),
            *("Sec-Fetch-Mode", "Sec-Fetch-Site", "If-Modified-Since", "If-None-Match", "Priority"),
            *("Pragma", "Cache-Control"),
        ),
    },
}
"""Names as they are spelled on the wire over HTTP/1.1, in their order; True: of a navigation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One browser on one system, set to one language."""

    browser: Browser
    version: int
    system: System
    language: Language

    @property
    def engine(self) -> Engine:
        return "firefox" if self.browser == "firefox" else "chromium"

    @property
    def user_agent(self) -> str:
        if self.engine == "firefox":
            system = FIREFOX_SYSTEMS[self.system]
            return f"Mozilla/5.0 ({system}; rv:{self.version}.0) Gecko/20100101 Firefox/{self.version}.0"
        chrome = f"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{self.version}.0.0.0 Safari/537.36"
        edge = f" Edg/{self.version}.0.0.0" if self.browser == "edge" else ""
        return f"Mozilla/5.0 ({CHROMIUM_SYSTEMS[self.system]}) {chrome}{edge}"

    @property
    def accept_language(self) -> str:
        return ACCEPT_LANGUAGE[self.engine][self.language]

    @property
    def hints(self) -> dict[str, str]:
        """The client hints that are sent unasked, by lower-case name; Firefox has none."""
        if self.engine == "firefox":
            return {}
        return {
            "sec-ch-ua": brand_list(self.version, BRANDS[self.browser]),
            "sec-ch-ua-mobile": "?0",
            "sec-ch-ua-platform": f'"{self.system}"',
        }

    def accept(self, kind: Kind) -> str:
        return ACCEPT[self.engine][kind]

    def order(self, kind: Kind) -> tuple[str, ...]:
        return ORDER[self.engine][kind == "navigation"]

    def __str__(self) -> str:
        return f"{self.browser.capitalize()} {self.version} on {self.system}, {self.language}"


def brand_list(version: int, brand: str) -> str:
    """Sec-CH-UA as Chromium makes it: the engine, the brand and one that means nothing, whose name and place follow
    from the version (`GenerateBrandVersionList` in user_agent_utils.cc).
    """
    characters, nothing_versions = (" ", "(", ":", "-", ".", "/", ")", ";", "=", "?", "_"), ("8", "99", "24")
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    first, second = characters[version % 11], characters[(version + 1) % 11]
    pairs = ((f"Not{first}A{second}Brand", nothing_versions[version % 3]), ("Chromium", version), (brand, version))
    placed = [""] * 3
    for position, (name, number) in zip(orders[version % 6], pairs, strict=True):
        placed[position] = f'"{name}";v="{number}"'
    return ", ".join(placed)


def pool(browsers: Sequence[Browser] = BROWSERS, languages: Sequence[Language] = ("en-US",)) -> tuple[Profile, ...]:
    """All profiles there are of these; the first of each engine is what all clients of the level `anonymous` show."""
    return tuple(
        Profile(browser=browser, version=version, system=system, language=language)
        for browser in browsers
        for language in languages
        for version in VERSIONS[browser]
        for system in SYSTEMS
    )


REMEMBERED = 512
"""Characters of a User-Agent whose engine is remembered."""
CHROMIUM = re.compile(r"\b(?:Headless)?Chrom(?:e|ium)/")
FIREFOX = re.compile(r"\bFirefox/")


def engine_of(user_agent: str | None) -> Engine | None:
    """Whose fields these are; None for everything that is no browser, or one of which no profile is known."""
    if user_agent is None:
        return None
    return _remembered(user_agent) if len(user_agent) <= REMEMBERED else _engine_of(user_agent)


def _engine_of(user_agent: str) -> Engine | None:
    if CHROMIUM.search(user_agent):
        return "chromium"
    return "firefox" if FIREFOX.search(user_agent) else None


_remembered = lru_cache(1024)(_engine_of)

DESTINATIONS: dict[str, Kind] = {
    "document": "navigation",
    "iframe": "navigation",
    "frame": "navigation",
    "image": "image",
    "style": "style",
}


def kind_of(destination: str | None, accept: str | None) -> Kind:
    """What a browser would be fetching: by Sec-Fetch-Dest, else by what is accepted."""
    if destination is not None:
        return DESTINATIONS.get(destination, "other")
    first = (accept or "").partition(",")[0].partition(";")[0].strip().lower()
    if first == "text/html":
        return "navigation"
    if first.startswith("image/") and "," in (accept or ""):
        return "image"
    return "style" if first == "text/css" and "," in (accept or "") else "other"


def acceptable(offered: str, accepted: str | None) -> str:
    """What a profile accepts, without media types the client itself has not named: it may be unable to read them."""
    if accepted is None:
        return offered
    named = {part.partition(";")[0].strip().lower() for part in accepted.split(",")}
    ranges = [part for part in offered.split(",") if part.partition(";")[0] in named or "*" in part]
    return ",".join(ranges) if ranges else accepted
