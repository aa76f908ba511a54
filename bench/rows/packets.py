"""Captures: how fast they are read to a line for each packet, beside scapy, and how fast they are written."""

from __future__ import annotations

from bench.loads.packets import Dissect, Write
from bench.model import Case, Limit, Ratio, Row

lines = Row(
    name="packets.lines",
    about="a capture of HTTP and DNS read to a line for each packet, per second of CPU; netlab follows streams, too",
    unit="packets",
    columns=("rate", "load_cpu"),
    cases=(Case(name="netlab", load=Dissect(tool="netlab")), Case(name="scapy", load=Dissect(tool="scapy"))),
    claims=(Ratio(of="netlab", to=("scapy",), at_least=5.0),),
)

write = Row(
    name="packets.write",
    about="packets of 1,500 bytes written as pcapng into memory, megabytes per second of CPU",
    unit="MB",
    columns=("rate", "load_cpu"),
    cases=(Case(name="netlab", load=Write()),),
    claims=(Limit(of="netlab", metric="rate", unit="MB/s", at_least=200.0),),
)

ROWS = (lines, write)
