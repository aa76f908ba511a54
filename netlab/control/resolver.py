"""What `netlab resolver` asks of a lab: what its resolvers know, and what they are to forget or to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netlab.control.parts import meant
from netlab.cores.dns_names import from_text
from netlab.service import Service

Record = dict[str, Any]


def resolver(services: Mapping[str, Service], action: str, name: str, lines: Sequence[str]) -> Record:
    """Numbers, after what is asked for was done: status, dump, flush (a name), flush-tree (it and all below), load."""
    found = meant(services, "", "answering", "resolver", "netlab serve resolver is one")
    answering = next(iter(found.values()))
    cache, now = answering.recursion.cache, answering.context.clock.now()
    record: Record = {}
    if action == "dump":
        record["lines"] = list(cache.dump(now))
    elif action in ("flush", "flush-tree"):
        record["forgotten"] = cache.flush(from_text(name), subtree=action == "flush-tree")
        answering.ready.clear()  # what is ready may have been made of it
    elif action == "load":
        record["learnt"] = cache.load(lines, now)
    counted = answering.statistics.as_json() if action == "status" else {}
    return {"entries": len(cache), "bytes": cache.size, "ready": len(answering.ready), **counted, **record}


def together(told: Sequence[Record]) -> Record:
    """What several workers tell, added up; of shares and means, the mean."""
    names = dict.fromkeys(name for record in told for name in record)
    return {name: _sum(name, [record[name] for record in told if name in record]) for name in names}


def _sum(name: str, values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    if not known or isinstance(known[0], Mapping):
        return together(known) if known else None
    if name in MEANS:
        return round(sum(known) / len(known), 6)
    return [item for value in known for item in value] if isinstance(known[0], list) else sum(known)


MEANS = ("hits", "mean_rtt")
