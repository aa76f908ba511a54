"""MQTT without I/O, either side of one connection: bytes to control packets and back, and what may come when.

A server is told `Connect` first and answers with a Connack; packets that came behind the CONNECT wait until then, and
`resume` gives them. Sessions, which outlive a connection, are `netlab.cores.mqtt_session`.
"""

from __future__ import annotations

from netlab.cores.mqtt_codes import RETURN_CODES, V5, Reason
from netlab.cores.mqtt_packets import Auth, Connack, Connect, Disconnect, Packet, Puback, Pubcomp, Pubrec
from netlab.cores.mqtt_reading import AUTHENTICATING, CLOSED, CONNECT, HELD, OPEN, Event, Limits, Reading, Stage
from netlab.cores.mqtt_serialize import serialize
from netlab.cores.mqtt_wire import NOTHING, TWO, Properties, Wrong
from netlab.errors import LocalProtocolError

__all__ = ["Core", "Event", "Limits", "Stage"]

UNSAID = {first: bytes((first, 2)) for first in (0x40, 0x50, 0x62, 0x70)}
"""How an acknowledgement begins whose reason is 0, and goes unsaid (3.4.2.1)."""


class Core(Reading):
    """One connection's packets. What is received comes as events, what is sent is gathered in `out`."""

    __slots__ = ()

    def resume(self) -> list[Event]:
        """What came behind the CONNECT, now that it is answered."""
        if self.stage not in (OPEN, AUTHENTICATING) or not self._rest:
            return []
        data, self._rest = b"".join((self._rest, *self._pieces)), b""
        self._pieces = []
        return self._read(data)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _part(self, wrong: Wrong, packet: bytes) -> None:
        if self.stage is CONNECT:
            self._refuse_connect(wrong, packet)
        else:
            self.farewell(wrong.code, str(wrong))

    def _refuse_connect(self, wrong: Wrong, data: bytes) -> None:
        """A CONNECT that cannot be read is answered only where it says how (3.1.4; 3.1.1 3.1.2.2)."""
        if not self._server or data[:1] != b"\x10":
            return
        if wrong.code is Reason.UNSUPPORTED_VERSION:
            self.last_words = b"\x20\x02\0\x01"  # in the form of all versions known to it [3.1.1 MQTT-3.1.2-2]
        elif b"\0\x04MQTT\x05" in data[2:12]:
            self.last_words = serialize(Connack(False, wrong.code), V5)

    def farewell(self, reason: int, words: str = "", properties: Properties = NOTHING) -> None:
        """DISCONNECT with a reason, where the version has one; the connection is closed behind it either way."""
        if self.stage is AUTHENTICATING and self._server:
            self.last_words = serialize(Connack(False, reason), V5)  # [MQTT-3.14.0-1]
        elif self.stage is OPEN and self.version == V5:
            said = serialize(Disconnect(reason, {**properties, "reason_string": words} if words else properties), V5)
            if len(said) > self.peer_packet_size:  # [MQTT-3.14.2-3]
                said = serialize(Disconnect(reason), V5)
            self.last_words = said
        self.stage = CLOSED

    # -- sending ---------------------------------------------------------------------------------------------------

    def send(self, packet: Packet) -> None:
        """Any packet. LocalProtocolError for what this side may not say now."""
        if self.stage is CLOSED:
            raise LocalProtocolError(f"{type(packet).__name__} on a connection that is closed")
        if isinstance(packet, Connect):
            self.version = packet.version
        self.out.append(self.serialize(packet))
        if isinstance(packet, Connack):
            self.stage = CLOSED if packet.reason else OPEN
        elif isinstance(packet, Disconnect):
            self.stage = CLOSED
        elif isinstance(packet, Auth) and self.stage is HELD:
            self.stage = AUTHENTICATING
        elif isinstance(packet, Puback | Pubcomp) or (isinstance(packet, Pubrec) and packet.reason >= 0x80):
            self._unanswered.discard(packet.packet_id)

    def serialize(self, packet: Packet) -> bytes:
        """A packet's bytes in the version that was agreed; another engine writes it otherwise."""
        return serialize(packet, self.version)

    def refuse(self, reason: Reason, properties: Properties = NOTHING) -> None:
        """CONNACK with a reason of 5.0, which 3.1.1 may have a return code for; the connection is closed behind it."""
        code = int(reason) if self.version == V5 else RETURN_CODES.get(reason, 0)
        if code:
            self.out.append(self.serialize(Connack(False, code, properties)))
        self.stage = CLOSED

    def acknowledge(self, first: int, packet_id: int, reason: int = 0) -> None:
        """PUBACK 0x40, PUBREC 0x50, PUBREL 0x62 or PUBCOMP 0x70, in as few bytes as it takes."""
        if reason and self.version == V5:
            self.out.append(b"%c\x03%b%c" % (first, TWO[packet_id], reason))
        else:
            self.out.append(UNSAID[first] + TWO[packet_id])
        if self._unanswered and (first == 0x40 or first == 0x70 or (first == 0x50 and reason >= 0x80)):
            self._unanswered.discard(packet_id)

    def outgoing(self) -> bytes:
        """What must be written now; empties it."""
        if self.last_words:
            self.conclude()
        out = self.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def conclude(self) -> None:
        """Put the farewell, if there is one, behind all that is to be written; nothing follows it [MQTT-3.14.4-1]."""
        if self.last_words:
            self.out.append(self.last_words)
            self.last_words = b""

    @property
    def closed(self) -> bool:
        """Nothing more is read or sent but what is in `out`."""
        return self.stage is CLOSED

    def __repr__(self) -> str:
        return f"<MQTT {self.version or '?'} {self.stage.value}>"
