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
    """A proxy before an upstream that nobody else uses; a balancer before two of them."""

    proxy: Proxy
    upstream: Server
    two: bool = False

    def missing(self) -> str:
        return self.proxy.missing() or self.upstream.missing()

    def version(self) -> str:
        return self.proxy.version()

    def start(self, stage: Stage) -> Target:
        upstream = self._behind(stage)
        if self.two:
            twin = self._behind(stage)
            upstream = replace(upstream, twin=twin, processes=upstream.processes + twin.processes)
        return replace(self.proxy.start(stage, upstream), upstream=upstream)

    def _behind(self, stage: Stage) -> Target:
        behind = stage.behind()
        upstream = self.upstream.start(behind)
        behind.wait_until_ready(upstream)
        return upstream


def named(text: str, upstream: Target | None) -> str:
    """With the upstream's host and port in place of `{upstream}`, and the second one's in place of `{twin}`."""
    if upstream is None:
        return text
    twin = upstream.twin or upstream
    return text.replace("{upstream}", upstream.authority).replace("{twin}", twin.authority)
