"""Faults on chosen packets of a client: lost, said twice, or late, on either way, to see what MQTT makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netlab.cores.mqtt_codes import Type
from netlab.errors import UsageError

What = Literal["drop", "duplicate", "delay"]
NAMES = {"received": "of the client", "sent": "of the broker"}


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens to the next `left` packets of a type; `client` empty means any."""

    client: str
    packet: Type
    what: What
    way: Literal["received", "sent"]  # as the broker sees it
    seconds: float = 0.0  # of a delay
    left: int = 1

    def as_json(self) -> dict[str, object]:
        return {
            "client": self.client,
            "packet": self.packet.name,
            "what": self.what,
            "way": self.way,
            "seconds": self.seconds,
            "left": self.left,
        }


def fault(client: str, packet: str, what: str, way: str = "sent", seconds: float = 1.0, count: int = 1) -> Fault:
    """UsageError says what cannot be meant."""
    if packet.upper() not in Type.__members__:
        raise UsageError(f"{packet!r} is no packet of MQTT: {', '.join(name.lower() for name in Type.__members__)}")
    if what not in ("drop", "duplicate", "delay"):
        raise UsageError(f"{what!r} is none of drop, duplicate, delay")
    if way not in NAMES:
        raise UsageError(f"{way!r} is neither sent nor received")
    if count < 1 or seconds < 0:
        raise UsageError("a fault strikes once at least, and delays by no less than 0 s")
    kind = Type[packet.upper()]
    return Fault(client=client, packet=kind, what=what, way=way, seconds=seconds, left=count)  # type: ignore[arg-type]  # looked at above


class Mischief:
    """The faults that are still to strike."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def strike(self, client: str, packet: int, way: str) -> Fault | None:
        """The fault that strikes this packet, counted down."""
        for one in self.faults:
            if one.packet == packet and one.way == way and one.client in ("", client):
                one.left -= 1
                if not one.left:
                    self.faults.remove(one)
                return one
        return None


def packets(data: bytes) -> Iterator[bytes]:
    """Whole packets, one by one; what is left of one comes last."""
    at = 0
    while at < len(data):
        length, place = 0, 0
        while at + 1 + place < len(data):
            byte = data[at + 1 + place]
            length |= (byte & 127) << 7 * place
            place += 1
            if byte < 128:
                break
        end = at + 1 + place + length
        yield data[at:end]
        at = end
