"""What can be set for the anonymizing proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from netlab.config import Address, Duration, Kind
from netlab.errors import UsageError
from netlab.http.exits import ExitSetting, Rotation
from netlab.http.proxy_settings import Admission, ProxySettings
from netlab.policy.anonymity.levels import LEVELS, Cookies, Level, Policy, Referer, Rules
from netlab.policy.anonymity.profiles import BROWSERS, Browser, Language


def field_pattern(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._*!#$%&'+^`|~-]+", text):
        raise ValueError
    return text.lower()


FieldPattern = Annotated[
    str, Kind(parse=field_pattern, allowed="a field name, with * for any characters, such as X-Debug-*", metavar="NAME")
]


@dataclass(frozen=True, kw_only=True)
class Anonymizing(Admission):
    """What origins learn, and whom they see."""

    level: Level = "anonymous"
    """What origins learn; a request may say another in the field Anonymity-Level, which goes no further."""
    cookies: Literal["level", Cookies] = "level"
    """Cookie and Set-Cookie, where not as the level has it: keep, first-party (none to and from other sites), session
    (nor any that outlives the browser), none."""
    referer: Literal["level", Referer] = "level"
    """Referer, where not as the level has it: keep, origin (other origins get no path), same-origin, none."""
    validators: Literal["level", Policy] = "level"
    """ETag, Last-Modified, If-None-Match …, where not as the level has it: keep, first-party, none."""
    hsts: Literal["level", Policy] = "level"
    """Strict-Transport-Security of answers, where not as the level has it: keep, first-party, none."""
    keep: tuple[FieldPattern, ...] = ()
    """Leave such fields as they are, whatever the level says."""
    drop: tuple[FieldPattern, ...] = ()
    """Take such fields out of requests, whatever the level says."""
    browser: tuple[Browser, ...] = BROWSERS
    """Browsers that sessions may look like."""
    language: tuple[Language, ...] = ("en-US", "en-GB")
    """Languages that sessions may ask for; pages come in them."""
    session_time: Duration = 3600.0
    """How long a client looks the same."""
    exit: tuple[ExitSetting, ...] = ()
    """A way out: a local address or network (any of 127.0.0.0/8 on loopback), a parent proxy's URL, or direct."""
    rotate: Rotation = "sticky"
    """Which exit: each in turn, one for each client and host, or the first one that works."""
    tunnel_parents: bool = False
    """Ask HTTP parents for tunnels where http is wanted too: they can add and read nothing, but may refuse."""


@dataclass(frozen=True, kw_only=True)
class Config(ProxySettings, Anonymizing):
    """What can be set for the anonymizing proxy."""

    listen: Address = Address("127.0.0.1", 8118)
    """Where to listen, for HTTP and SOCKS alike; port 0 takes a free one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.browser or not self.language:
            raise UsageError("--browser and --language need one value at least: sessions have to look like something")
        for setting in self.exit:
            parent = setting.parent
            if parent is not None and (parent.host, parent.port) == (self.listen.host, self.listen.port):
                raise UsageError(f"--exit {setting.text} is this proxy itself: requests would go round for ever")

    def rules(self, level: str) -> Rules:
        """What a level comes to with these settings."""
        chosen = {name: getattr(self, name) for name in ("cookies", "referer", "validators", "hsts")}
        return replace(LEVELS[level], **{name: value for name, value in chosen.items() if value != "level"})
