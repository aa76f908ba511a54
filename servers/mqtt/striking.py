"""Where faults strike: on packets that came over a link, and on those that are on their way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netlab.cores.mqtt import Event
from netlab.cores.mqtt_codes import Type
from servers.mqtt.handling import HANDLERS
from servers.mqtt.mischief import Fault, packets

if TYPE_CHECKING:
    from servers.mqtt.link import Link


def struck(link: Link, event: Event) -> bool:
    """Whether a fault has taken a packet that came; it may come again later, or come once more now."""
    kind = Type.__members__.get(type(event).__name__.upper())
    fault = link.broker.mischief.strike(link.name, kind, "received") if kind is not None else None
    if fault is None:
        return False
    tell(link, fault)
    if fault.what == "delay":
        link.loop.call_later(fault.seconds, link.take_late, event)
    elif fault.what == "duplicate":
        HANDLERS[type(event)](link, event)
        return link.finished
    return True


def after_faults(link: Link, data: bytes) -> Iterator[bytes]:
    """What faults leave of packets that are on their way out."""
    for packet in packets(data):
        fault = link.broker.mischief.strike(link.name, packet[0] >> 4, "sent")
        if fault is None:
            yield packet
            continue
        tell(link, fault)
        if fault.what == "duplicate":
            yield packet * 2
        elif fault.what == "delay":
            link.loop.call_later(fault.seconds, link.put_late, packet)


def tell(link: Link, fault: Fault) -> None:
    if link.mqtt is not None:
        link.mqtt.note("fault.struck", "netlab", packet=fault.packet.name, what=fault.what, way=fault.way)
