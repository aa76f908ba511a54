"""Virtual hosts: several names on one port, each with something of its own (RFC 9110 7.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from netlab.http.exchange import Exchange, Handler, Work

Thing = TypeVar("Thing")

PORT = re.compile(r":\d*\Z")


class Hosts(Generic[Thing]):
    """What belongs to each name, and what to all the others. The whole name counts before a wildcard, the longer one
    of two wildcards before the shorter.
    """

    def __init__(self, named: Mapping[str, Thing], default: Thing) -> None:
        self._named, self.default = dict(named), default

    def find(self, authority: str) -> Thing:
        """What belongs to a host, with or without port."""
        return self._named.get(self.entry(authority), self.default)

    def entry(self, authority: str) -> str:
        """The name or wildcard that counts for a host; "" for none of them."""
        name = PORT.sub("", authority).strip("[]").lower().removesuffix(".")
        if name in self._named:
            return name
        while name:
            _, _, name = name.partition(".")
            if f"*.{name}" in self._named:
                return f"*.{name}"
        return ""


class Directed:
    """A handler that is only asked over connections that are for the host a request names (RFC 9110 7.4).

    A client that asked for one name in SNI was shown that name's certificate: to speak to another name on the same
    connection would be to take that certificate for its own. Without SNI nothing was promised.
    """

    def __init__(self, hosts: Hosts[Any], inner: Handler) -> None:
        self._hosts, self._inner = hosts, inner

    def __call__(self, exchange: Exchange) -> Work:
        asked = exchange.connection.transport.get_extra_info("server_name")
        if asked is None or self._hosts.entry(asked) == self._hosts.entry(exchange.request.authority):
            return self._inner(exchange)
        exchange.refuse(421, f"this connection is for {asked}; ask for another host on a connection of its own")
        return None
