"""What can be set for a shared cache, and the cache that is made of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from netlab.config import Duration, Kind, Size
from netlab.policy.forwarding import Hop
from netlab.policy.http_cache.freshness import Heuristic
from netlab.service import Context

if TYPE_CHECKING:
    from netlab.http.cache.shared import SharedCache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
PurgeNetwork = Annotated[
    Network, Kind(parse=ipaddress.ip_network, allowed="a network such as 127.0.0.0/8 or ::1", metavar="NETWORK")
]


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheRules:
    """largest  bytes of content; what is larger is passed on only
    grace    seconds past its freshness for which an answer stands in for an origin that cannot be reached
    targets  fields that come before Cache-Control (RFC 9213), the first that is there counts
    purgers  who may throw out stored answers with the method PURGE
    """

    room: int = 64 << 20
    largest: int = 8 << 20
    heuristic: Heuristic = field(default_factory=Heuristic)
    grace: float = 3600.0
    targets: tuple[str, ...] = ()
    purgers: tuple[Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CacheSettings:
    """What is kept of the answers."""

    cache: bool = False
    """Keep answers and give them again, as RFC 9111 has it for a cache that many share."""
    cache_size: Size = 64 << 20
    """Memory for kept answers."""
    cache_largest: Size = 8 << 20
    """An answer with more content is not kept."""
    cache_guess: Duration = 86400.0
    """The longest that an answer is fresh which does not say for how long: a tenth of the time since Last-Modified; 0
    is never."""
    cache_grace: Duration = 3600.0
    """How long past its freshness an answer stands in for an upstream that cannot be reached."""
    cache_target: tuple[str, ...] = ("CDN-Cache-Control",)
    """Fields that count in place of Cache-Control where they are there (RFC 9213); the first comes first."""
    cache_purge: tuple[PurgeNetwork, ...] = ()
    """Clients whose PURGE requests throw out what is kept of a URL; else use `netlab cache purge`."""

    def cache_rules(self) -> CacheRules:
        return CacheRules(
            room=self.cache_size,
            largest=min(self.cache_largest, self.cache_size),
            heuristic=Heuristic(longest=self.cache_guess),
            grace=self.cache_grace,
            targets=self.cache_target,
            purgers=self.cache_purge,
        )


def shared_cache(config: CacheSettings, hop: Hop, context: Context) -> SharedCache:
    """The cache of a proxy, which is named in its answers (Cache-Status) as the proxy is in Via."""
    from netlab.http.cache.shared import SharedCache  # only a proxy that has a cache pays for it

    return SharedCache(hop.name, config.cache_rules(), context.clock, context.flows)
