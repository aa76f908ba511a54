"""Whether a proxy goes somewhere for a client: its rules, and behind them what holds where nobody said otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from netlab.net.addresses import SocketAddress
from netlab.net.dial import Check
from netlab.policy.access import LOOPBACK, NOT_GLOBAL, AccessRules, Asked, Refusal, Rule, in_networks, parse_rule

REMEMBERED = 4096
"""Verdicts that are kept; the rules do not change, and clients ask for the same again and again."""

SOCKS = "SOCKS"
"""What rules call the method of a request that came by SOCKS."""


class Names(Protocol):
    def __contains__(self, name: str, /) -> bool: ...


class Permission:
    """Asked before a name is resolved, where that suffices, and again about each address that is really dialled.

    rules          the user's; the first that matches counts
    connect_ports  ports for tunnels beyond loopback and the lab, as rules write them: `443,8000-8999`
    lab            names of the lab: whoever may use the proxy may reach them
    exposed        clients may come from other machines: those do not reach this one's loopback
    """

    def __init__(
        self, rules: Sequence[Rule], *, connect_ports: str = "443", lab: Names = frozenset(), exposed: bool = False
    ) -> None:
        self._lab = lab
        self._inside = AccessRules(rules)
        self._outside = AccessRules([*rules, *usual_rules(connect_ports, exposed=exposed)])
        self._verdicts: dict[tuple[object, ...], Refusal | None] = {}
        self._checks: dict[tuple[object, ...], Check] = {}
        self._for_clients = exposed or any(rule.clients for rule in rules)
        self._told_apart = [rule.clients for rule in self._outside.rules if rule.clients] if self._for_clients else []

    def refusal(self, client: str, host: str, port: int, method: str) -> Refusal | None:
        """The "no" that needs no address."""
        return self._verdict(client, host, port, method, None)

    def standing(self, client: str) -> str:
        """What of a client the rules look at: two for whom that is the same may reach the same."""
        return "".join("-+"[in_networks(client, networks)] for networks in self._told_apart)

    def check(self, client: str, host: str, port: int, method: str) -> Check:
        """What a dial asks about each address of the host; the same for the same question, so that an answer to it can
        be kept with a connection.
        """
        key = (client if self._for_clients else "", host, port, method)
        if (known := self._checks.get(key)) is not None:
            return known

        def allow(to: SocketAddress) -> Refusal | None:
            return self._verdict(client, host, port, method, to.address)

        if len(self._checks) >= REMEMBERED:
            self._checks.clear()
        self._checks[key] = allow
        return allow

    def _verdict(self, client: str, host: str, port: int, method: str, address: str | None) -> Refusal | None:
        inside = host in self._lab
        key = (client if self._for_clients else "", host, port, method, address, inside)
        try:
            return self._verdicts[key]
        except KeyError:
            pass
        rules = self._inside if inside else self._outside
        asked = Asked(client=client, host=host, port=port, method=method, address=address)
        if len(self._verdicts) >= REMEMBERED:
            self._verdicts.clear()
        verdict = self._verdicts[key] = None if rules.awaits_address(asked) else rules.check(asked)
        return verdict


def usual_rules(connect_ports: str, *, exposed: bool) -> list[Rule]:
    """What holds behind the user's own rules."""
    loopback = ",".join(map(str, LOOPBACK))
    others = ",".join(map(str, NOT_GLOBAL))
    rules = [parse_rule(f"allow to {loopback}")]
    if exposed:
        from_here = parse_rule(f"allow from {loopback} to {loopback}")
        rules = [from_here, _worded(f"deny to {loopback}", "other machines do not reach this one's loopback")]
    return [
        *rules,
        _worded(f"deny to {others}", "private and special addresses are refused unless a rule allows them"),
        parse_rule(f"allow port {connect_ports} method CONNECT,{SOCKS}"),
        parse_rule(f"allow port 80 method {SOCKS}"),
        _worded(f"deny method CONNECT,{SOCKS}", f"tunnels go to port {connect_ports}, to others by a rule"),
    ]


def _worded(rule: str, text: str) -> Rule:
    return replace(parse_rule(rule), text=text)
