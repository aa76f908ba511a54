"""What `netlab balancer` asks of a lab: which of its services balance, and what is to be changed at one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netlab.control.parts import meant
from netlab.errors import UsageError
from netlab.service import Service

if TYPE_CHECKING:
    from netlab.balancing.steering import Steering

Record = dict[str, Any]
COUNTED = ("active", "total", "errors", "ejections")
"""Numbers of an upstream that are all workers' together."""


def steer(services: Mapping[str, Service], service: str, action: str, arguments: Mapping[str, Any]) -> list[Record]:
    """Pools as records, of the one service that is meant, or for a list of all; UsageError says what cannot be done."""
    such_as = "netlab serve l7-balancer is one"
    found: dict[str, Steering] = meant(services, service, "steering", "balancer", such_as)
    if action == "add" and len(found) > 1:
        raise UsageError(f"say which balancer with --service: {', '.join(found)}")
    if action != "list":  # where nothing has the upstream, each of them can say so
        upstream, pool = arguments.get("upstream", ""), arguments.get("pool", "")
        found = {name: steering for name, steering in found.items() if steering.has(upstream, pool)} or found
    return [record for steering in found.values() for record in steering.act(action, **arguments)]


def together(answers: Sequence[list[Record]]) -> list[Record]:
    """The pools of several workers as one: numbers added up, everything else as the first has it."""
    first, *others = answers
    for number, pool in enumerate(first):
        theirs = [other[number] for other in others if number < len(other)]
        for upstream in pool["upstreams"]:
            for twin in (one for their in theirs for one in their["upstreams"]):
                if twin["upstream"] == upstream["upstream"]:
                    for name in COUNTED:
                        upstream[name] += twin[name]
    return first
