"""A proxy with something behind it: an upstream of its own, on the load's core."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from bench.model import Server
from bench.stage import Stage, Target


class Proxy(Protocol):
    """A server that needs to know what it stands before; a forward proxy may ignore it."""

    def missing(self) -> str: ...

    def version(self) -> str: ...

    def start(self, stage: Stage, upstream: Target | None = None) -> Target: ...


@dataclass(frozen=True, kw_only=True)
class Before:
    """A proxy before an upstream that nobody else uses."""

    proxy: Proxy
    upstream: Server

    def missing(self) -> str:
        return self.proxy.missing() or self.upstream.missing()

    def version(self) -> str:
        return self.proxy.version()

    def start(self, stage: Stage) -> Target:
        behind = stage.behind()
        upstream = self.upstream.start(behind)
        behind.wait_until_ready(upstream)
        return replace(self.proxy.start(stage, upstream), upstream=upstream)


def named(text: str, upstream: Target | None) -> str:
    """With the upstream's host and port in place of `{upstream}`."""
    return text if upstream is None else text.replace("{upstream}", upstream.authority)
