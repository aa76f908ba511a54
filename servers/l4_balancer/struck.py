"""Faults on a connection that has its upstream: either leg may be struck, and its flow says so."""

from __future__ import annotations

from netlab.flow import Flow
from netlab.http.faults import by_direction, facts, mark, noticing
from netlab.net.addresses import SocketAddress
from netlab.net.faulty_relay import strike_relay
from netlab.net.relay import Relay
from netlab.policy.faults import Faults, Leg
from netlab.text import peer_text


def strike(faults: Faults, relay: Relay, flow: Flow, leg: Flow | None, host: str, upstream: SocketAddress) -> None:
    """`host` is what SNI names. Bytes pass both legs, the sender's first."""
    near = faults.strike(Leg.DOWNSTREAM, facts(flow, host=host))
    far = faults.strike(Leg.UPSTREAM, facts(flow, host=host, upstream=peer_text(upstream)))
    near, far = ([one for one in strikes if one.fault.shapes_bytes] for strikes in (near, far))
    if not near and not far:
        return
    mark([*near, *far], flow)
    if far and leg is not None:
        mark(far, leg)
    near_down, near_up = by_direction(near)
    far_down, far_up = by_direction(far)
    strike_relay(relay, [*far_down, *near_down], [*near_up, *far_up], noticing(flow))
