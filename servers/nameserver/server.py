"""The nameserver: queries in over UDP and TCP, answers from zones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from netlab import __version__
from netlab.cores.dns_authority import Authority
from netlab.cores.dns_codes import AXFR, FORMERR, IXFR, REFUSED, SOA, rcode_name, type_name
from netlab.cores.dns_message import AA, HEADER, PLAIN_UDP, QR, Message, Record, parse_query, serialize
from netlab.cores.dns_names import from_text, to_text
from netlab.cores.dns_options import Identity
from netlab.cores.dns_rdata import from_text as rdata
from netlab.cores.dns_zone import Zone
from netlab.errors import RemoteProtocolError, UsageError
from netlab.flow import Flow, Outcome
from netlab.net.dns_stream import DnsStream
from netlab.net.gate import Gate, GateLimits
from netlab.net.listen import DatagramListener, Listener
from netlab.net.tasks import Tasks
from netlab.net.udp import Address, UdpListener, UdpSocket
from netlab.policy.access import in_networks
from netlab.service import Context
from servers.nameserver.config import Config
from servers.nameserver.world import Place, read_world
from servers.nameserver.zones import ZoneFiles

SLOW = 0.5  # seconds that a slow server of the world takes
LOOK_AGAIN = 2.0  # seconds between looks at the files
TRANSFER_SIZE = 16_000  # bytes of records in one message of a transfer


class Server:
    """One authority for the files given, or one for each server of a world."""

    def __init__(self, config: Config, context: Context) -> None:
        self.config, self.context = config, context
        self.tasks = Tasks("nameserver")
        self.gate = Gate(GateLimits(connections=config.max_connections))
        self.files = ZoneFiles(config.zone)
        if config.zone:
            place = Place(name="zones", address=config.listen.host, zones=tuple(self.files.read()))
            self.sites = [Site(self, place, config.listen.port)]
        else:
            self.sites = [Site(self, place, config.port) for place in read_world(config.world).places]

    def listeners(self) -> Sequence[Listener | DatagramListener]:
        return [listener for site in self.sites for listener in site.listeners()]

    async def background(self) -> None:
        """Zones of files are read again when they have changed."""
        while self.config.zone:
            await asyncio.sleep(LOOK_AGAIN)
            if self.files.changed():
                self.reload()

    def reload(self) -> str:
        """Read the files again; what is wrong with them is told, and the zones stay as they are."""
        flow = self.context.flows.open("dns", "nameserver")
        flow.label = "reload"
        try:
            zones = self.files.read()
        except UsageError as error:
            flow.end(Outcome.REFUSED, str(error))
            return str(error)
        self.sites[0].serve(zones)
        flow.end(Outcome.OK, ", ".join(f"{to_text(zone.origin)} {zone.serial}" for zone in zones))
        return flow.result


class Site:
    """One address and the zones that are served there."""

    def __init__(self, server: Server, place: Place, port: int) -> None:
        self.server, self.place, self.port = server, place, port
        self.serve(place.zones)

    def serve(self, zones: Iterable[Zone]) -> None:
        """Answer from these zones from now on."""
        self.authority = Authority(zones, Identity(f"netlab {__version__}", self.place.name))

    def listeners(self) -> list[Listener | DatagramListener]:
        name, host = "nameserver", self.place.address
        stream = Listener(
            name=name,
            scheme="dns",
            host=host,
            port=self.port,
            factory=self._stream,
            gate=self.server.gate,
        )
        return [stream, UdpListener(name=name, scheme="dns+udp", host=host, port=self.port, handler=self.datagram)]

    def _stream(self) -> DnsStream:
        idle = self.server.config.idle_timeout
        return DnsStream(self.server.gate, self.server.context.flows, "nameserver", self.message, idle=idle)

    # -- queries in, replies out ---------------------------------------------------------------------------------

    def datagram(self, sock: UdpSocket, data: bytes, peer: Address) -> None:
        """One query over UDP: answered at once, unless this server is one of the odd ones."""
        flow = self._flow(data, None)
        flow.client, flow.server = peer, sock.address
        if self.place.behaviour == "silent":
            flow.end(Outcome.REFUSED, "no answer: this server is a silent one")
            return
        wire = self._reply(data, flow, udp=True)
        if wire is None:
            return
        if self.place.behaviour == "slow":
            asyncio.get_running_loop().call_later(SLOW, sock.send, wire, peer)
        else:
            sock.send(wire, peer)

    def message(self, stream: DnsStream, data: bytes) -> None:
        """One query over TCP."""
        assert stream.flow is not None
        flow = self._flow(data, stream.flow)
        flow.client, flow.server = stream.flow.client, stream.flow.server
        wire = None if self.place.behaviour == "silent" else self._reply(data, flow, udp=False, stream=stream)
        if wire is None:
            flow.end(flow.outcome or Outcome.REFUSED, flow.result or "no answer")
            stream.dropped()
        else:
            stream.send(wire)

    def _flow(self, data: bytes, parent: Flow | None) -> Flow:
        flows = self.server.context.flows
        flow = flows.open("dns", "nameserver", parent)
        flow.received = len(data)
        if flow.full and parent is None:
            flow.wire = flows.tape()
            flow.wire.write(flows.now(), "client", data)
        return flow

    def _reply(self, data: bytes, flow: Flow, *, udp: bool, stream: DnsStream | None = None) -> bytes | None:
        """The reply in wire form; None where none may be sent."""
        try:
            query = parse_query(data)
        except RemoteProtocolError as error:
            return self._malformed(data, error, flow)
        if query.flags & QR:  # two servers that answered answers would never stop
            flow.end(Outcome.VIOLATION, "a reply, not a query")
            return None
        asked = query.question[0] if len(query.question) == 1 else None
        flow.label = f"{to_text(asked.name)} {type_name(asked.type)}" if asked else "no question"
        flow.note("query.received", "client", id=query.id, opcode=query.opcode, edns=query.edns is not None)
        transfer = asked is not None and asked.type in (AXFR, IXFR) and self.authority.objection(query) is None
        reply = self._transfer(query, flow, stream) if transfer else self._respond(query, stream)
        if self.place.behaviour == "lying":
            lie(reply)
        size = 65_535 if not udp else PLAIN_UDP if query.edns is None else max(min(query.edns.size, 1232), PLAIN_UDP)
        size = HEADER.size if udp and self.place.behaviour == "truncating" else size
        wire = serialize(reply, size, glue=not (reply.flags & AA or reply.answer))  # RFC 9471 2.1: of a referral
        flow.sent = len(wire)
        if flow.wire is not None:
            flow.wire.write(flow.log.now(), "server", wire)
        flow.note("reply.sent", "server", rcode=rcode_name(reply.rcode), answers=len(reply.answer))
        flow.end(Outcome.OK if reply.rcode in (0, 3) else Outcome.REFUSED, rcode_name(reply.rcode))
        return wire

    def _respond(self, query: Message, stream: DnsStream | None) -> Message:
        return self.authority.respond(query, idle=None if stream is None else stream.idle)

    def _malformed(self, data: bytes, error: RemoteProtocolError, flow: Flow) -> bytes | None:
        """FORMERR to what has at least a header and is no reply; silence to anything else."""
        flow.note("protocol.violated", "client", **error.facts())
        flow.label, flow.outcome = "malformed", Outcome.VIOLATION
        flow.end(Outcome.VIOLATION, str(error))
        if len(data) < HEADER.size or data[2] & 0x80:
            return None
        return serialize(Message(int.from_bytes(data[:2], "big"), QR, data[2] >> 3 & 15, FORMERR))

    # -- transfers -----------------------------------------------------------------------------------------------

    def _transfer(self, query: Message, flow: Flow, stream: DnsStream | None) -> Message:
        """AXFR over TCP to who may (RFC 5936); IXFR is answered with the whole zone (RFC 1995 4)."""
        zone = self.authority.zones.get(query.question[0].name.lower())
        client = flow.client[0] if isinstance(flow.client, tuple) else ""
        if zone is None or not in_networks(client, self.server.config.transfer):
            return self._part(query, [], REFUSED)
        if query.question[0].type == IXFR and (stream is None or _has_all(query, zone)):
            return self._part(query, [zone.soa])  # RFC 1995 2: nothing is newer; over UDP it says: come by TCP
        if stream is None:
            return self._part(query, [], FORMERR)
        pieces = list(_pieces(zone))
        for records in pieces[:-1]:
            stream.more(serialize(self._part(query, records)))
        return self._part(query, pieces[-1])

    def _part(self, query: Message, records: list[Record], rcode: int = 0) -> Message:
        part = query.reply(rcode, flags=0 if rcode else AA)
        part.answer, part.edns = records, self.authority.edns(query)
        return part


def _has_all(query: Message, zone: Zone) -> bool:
    """Whether who asks for what has changed has this serial already, or a later one (RFC 1995 2, RFC 1982 3.2)."""
    known = next((each.rdata[-20:-16] for each in query.authority if each.type == SOA), None)
    return known is not None and (int.from_bytes(known, "big") - zone.serial) % (1 << 32) < 1 << 31


def _pieces(zone: Zone) -> list[list[Record]]:
    """The records of a transfer, cut into messages: the SOA first and last (RFC 5936 2.2)."""
    pieces: list[list[Record]] = [[]]
    size = 0
    for record in (*zone.records(), zone.soa):
        size += len(record.name) + len(record.rdata) + 10
        if size > TRANSFER_SIZE:
            pieces.append([])
            size = 0
        pieces[-1].append(record)
    return pieces


def lie(reply: Message) -> None:
    """Say something of what is not ours beside the answer: a resolver must not believe it."""
    victim = from_text("www.shop.test.")
    reply.authority = [Record(from_text("shop.test."), 2, 86400, rdata("NS", "ns.liar.broken.test."))]
    reply.additional = [Record(victim, 1, 86400, rdata("A", "127.0.66.6"))]
