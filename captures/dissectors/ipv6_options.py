"""Options of IPv6's hop-by-hop and destination headers (RFC 8200 4.2): each a type, a length and data."""

from __future__ import annotations

from captures.tree import Reader, Row

SECTION = "RFC 8200 4.2"
PAD_1, PAD_N, ROUTER_ALERT, JUMBO = 0, 1, 5, 0xC2
OPTIONS = {
    PAD_1: ("Pad1", SECTION), PAD_N: ("PadN", SECTION), ROUTER_ALERT: ("Router Alert", "RFC 2711 2.1"),
    JUMBO: ("Jumbo Payload", "RFC 2675 2"), 4: ("Tunnel Encapsulation Limit", "RFC 2473 4.1.1"),
    0xC9: ("Home Address", "RFC 6275 6.3"), 0x63: ("RPL", "RFC 9008 4.1"), 0x30: ("Minimum Path MTU", "RFC 9268 4"),
}  # fmt: skip
ACTIONS = (
    "who does not know it passes over it", "who does not know it drops the packet",
    "who does not know it drops the packet and says so", "likewise, unless the destination is a multicast address",
)  # fmt: skip
ALERTS = {0: "a message of multicast listener discovery", 1: "a message of RSVP", 2: "a message of active networks"}


def _name(number: int) -> str:
    return f"{OPTIONS.get(number, (f'option {number}',))[0]}: {ACTIONS[number >> 6]}"


def read(reader: Reader) -> None:
    """Pass all options that are left in `reader`."""
    while reader.left:
        mark, kind = len(reader.fields), reader.peek()
        label, section = OPTIONS.get(kind, ("Unknown Option", SECTION))
        reader.number(Row("ipv6.opt.type", "Type", 8, _name, section))
        if kind != PAD_1:
            size = reader.number(Row("ipv6.opt.length", "Length", 8, "bytes of data", section))
            _data(reader, kind, size, section)
        reader.fold(mark, "ipv6.opt", label, kind, "", section)


def _data(reader: Reader, kind: int, size: int, section: str) -> None:
    if kind == PAD_N:
        reader.take(size, "ipv6.opt.padn", "Padding", "fills up to a multiple of eight bytes", section)
    elif kind == ROUTER_ALERT and size == 2:
        what = "routers on the way should look into this"
        reader.number(
            Row("ipv6.opt.router_alert", "Router Alert", 16, lambda n: f"{ALERTS.get(n, 'something')}: {what}", section)
        )
    elif kind == JUMBO and size == 4:
        reader.number(Row("ipv6.opt.jumbo", "Payload Length", 32, "more than 65,535 bytes", section))
    else:
        reader.take(size, "ipv6.opt.unknown", "Data", "not read further", section)
