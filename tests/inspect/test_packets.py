"""Flows exported as captures: tshark reads HTTP, names and comments from them, and https with no settings at all."""

from __future__ import annotations

import datetime
import ssl
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from captures.blocks import Block, Packet, Secrets
from captures.pcapng import Reader
from netlab.errors import NetlabError
from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.inspect.packet_log import PacketLog
from netlab.inspect.packets import write_pcapng
from netlab.inspect.record import to_record
from netlab.inspect.redact import redacted
from netlab.tape import Side
from tests.tshark import complaints, fields, run, tshark

REQUEST = b"GET /hello HTTP/1.1\r\nHost: www.shop.test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!"


class Lab:
    """A flow log whose clock moves a millisecond with every write, and the records of its flows."""

    def __init__(self, level: Level = Level.FULL, **bounds: int) -> None:
        self.time = 1000.0
        self.log = FlowLog(level, now=lambda: self.time, **bounds)  # type: ignore[arg-type]  # only bounds
        self.flows: list[Flow] = []

    def connection(self, port: int = 8080, kind: str = "tcp") -> Flow:
        flow = self.log.open(kind, "http")
        flow.client, flow.server = ("127.0.0.1", 51000 + len(self.flows)), ("127.0.0.2", port)
        if flow.full:
            flow.wire = self.log.tape()
        self.flows.append(flow)
        return flow

    def write(self, flow: Flow, side: Side, data: bytes) -> None:
        self.time += 0.001
        if flow.wire is not None:
            flow.wire.write(self.time, side, data)

    def exchange(self, connection: Flow, *, repeat: int = 1) -> None:
        """One or more requests on a connection, each with its flow."""
        for number in range(repeat):
            self.write(connection, "client", REQUEST)
            flow = self.log.open("http", "http", connection)
            flow.label = "GET /hello"
            start = number * len(REQUEST)
            flow.note("request.received", "client", start=start, end=start + len(REQUEST))
            self.write(connection, "server", ANSWER)
            flow.note("response.sent", "server", start=number * len(ANSWER), end=number * len(ANSWER) + 41)
            flow.end(Outcome.OK, "200")
            self.flows.append(flow)

    def records(self) -> list[dict[str, Any]]:
        return [to_record(flow, whole=True) for flow in self.flows]


def export(path: Path, records: list[dict[str, Any]], **settings: Any) -> Path:
    with path.open("wb") as file:
        write_pcapng(iter(records), file, **settings)
    return path


def blocks(records: list[dict[str, Any]]) -> list[Block]:
    file = BytesIO()
    write_pcapng(records, file)
    file.seek(0)
    return list(Reader(file))


def test_http_on_a_port_that_is_not_its_own_with_comments_and_names(tmp_path: Path) -> None:
    lab = Lab()
    connection = lab.connection(8080)
    lab.exchange(connection, repeat=2)
    lab.time += 1
    connection.end(Outcome.OK)
    names = {"127.0.0.2": ["www.shop.test"], "www.shop.test": ["not an address"]}
    capture = export(tmp_path / "http.pcapng", lab.records(), names=names)
    assert complaints(capture) == []
    assert fields(capture, "http.request", "http.host", "http.request.uri") == [("www.shop.test", "/hello")] * 2
    assert fields(capture, "http.response", "http.response.code", "tcp.stream") == [("200", "0")] * 2
    assert fields(capture, "http", "frame.comment") == [
        ("flow 2 request.received: GET /hello",),
        ("flow 2 response.sent: 200",),
        ("flow 3 request.received: GET /hello",),
        ("flow 3 response.sent: 200",),
    ]
    ((first,),) = fields(capture, "frame.number == 1", "frame.comment")
    assert first.startswith("synthesized by netlab")
    assert first.endswith("|flow 1: http tcp|outcome: ok")
    shown = fields(capture, "http.request", "ip.dst_host", options=("-N", "n"))
    assert shown == [("www.shop.test",)] * 2
    facts = run("capinfos", str(capture))
    assert "Capture comment:     synthesized by netlab" in facts
    assert "Capture application: netlab 0.1.0" in facts


def test_http_on_any_port_when_tshark_is_told(tmp_path: Path) -> None:
    lab = Lab()
    lab.exchange(lab.connection(51234))
    capture = export(tmp_path / "http.pcapng", lab.records())
    options = ("-d", "tcp.port==51234,http")
    assert fields(capture, "http.response", "http.response.code", options=options) == [("200",)]


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for www.shop.test and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.shop.test")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "certificate.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(secret)
    return folder / "certificate.pem", folder / "key.pem"


class TlsEnd:
    """One end of a TLS session in memory."""

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else "www.shop.test"
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_side=server, server_hostname=name)

    def shake(self) -> None:
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            pass


def https_session(lab: Lab, flow: Flow, version: ssl.TLSVersion, folder: Path) -> None:
    """A TLS session with one request on it: ciphertext on the flow's wire, the rest on its plain tape and details."""
    server_context, client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server_context.load_cert_chain(*certificate(folder))
    server_context.keylog_filename = str(folder / "keys")
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    for context in (server_context, client_context):
        context.set_alpn_protocols(["http/1.1"])
        context.minimum_version = context.maximum_version = version
    client, server = TlsEnd(client_context, server=False), TlsEnd(server_context, server=True)

    def carry(source: TlsEnd, target: TlsEnd, side: Side) -> None:
        data = source.outgoing.read()
        target.incoming.write(data)
        if data:
            lab.write(flow, side, data)

    for _ in range(3):
        client.shake()
        carry(client, server, "client")
        server.shake()
        carry(server, client, "server")
    flow.plain = lab.log.tape()
    request = lab.log.open("http", "http", flow)
    request.label = "GET /hello"
    lab.flows.append(request)
    client.session.write(REQUEST)
    carry(client, server, "client")
    assert server.session.read() == REQUEST
    lab.time += 0.0001  # it takes a while to decrypt, to answer and to encrypt
    flow.plain.write(lab.time, "client", REQUEST)
    request.note("request.received", "client", start=0, end=len(REQUEST))
    server.session.write(ANSWER)
    lab.time += 0.0009
    request.note("response.sent", "server", start=0, end=len(ANSWER))
    flow.plain.write(lab.time, "server", ANSWER)
    lab.time -= 0.0009
    carry(server, client, "server")
    request.end(Outcome.OK, "200")
    flow.detail(tls=server.session.version(), secrets=(folder / "keys").read_text())
    flow.end(Outcome.OK)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("port", [8443, 443, 50123])
def test_https_is_decrypted_with_no_settings(version: ssl.TLSVersion, port: int, tmp_path: Path) -> None:
    lab = Lab()
    https_session(lab, lab.connection(port), version, tmp_path)
    capture = export(tmp_path / "https.pcapng", lab.records())
    assert complaints(capture) == []
    assert fields(capture, "http.request", "http.request.method", "http.request.uri") == [("GET", "/hello")]
    assert fields(capture, "http.response", "http.response.code") == [("200",)]
    noted = [("flow 2 request.received: GET /hello",), ("flow 2 response.sent: 200",)]
    assert fields(capture, "http", "frame.comment") == noted
    sni = fields(capture, "tls.handshake.extensions_server_name", "tls.handshake.extensions_server_name")
    assert sni == [("www.shop.test",)]


def test_two_https_connections_share_one_block_of_secrets_before_the_packets(tmp_path: Path) -> None:
    lab = Lab()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        https_session(lab, lab.connection(8443), ssl.TLSVersion.TLSv1_3, tmp_path / str(number))
    capture = export(tmp_path / "https.pcapng", lab.records())
    assert fields(capture, "http.response", "http.response.code", "tcp.stream") == [("200", "0"), ("200", "1")]
    order = [type(block) for block in blocks(lab.records())]
    assert order.count(Secrets) == 1
    assert order.index(Secrets) < order.index(Packet)


def test_a_connection_given_twice_is_written_once() -> None:
    lab = Lab()
    lab.exchange(lab.connection())
    assert blocks(lab.records() * 2) == blocks(lab.records())


def test_redacted_flows_stay_encrypted_or_masked(tmp_path: Path) -> None:
    lab = Lab()
    https_session(lab, lab.connection(8443), ssl.TLSVersion.TLSv1_3, tmp_path)
    clear = lab.connection(8080)
    lab.write(clear, "client", REQUEST[:-2] + b"Authorization: Basic dXNlcjpwYXNz\r\n\r\n")
    records = [redacted(record) for record in lab.records()]
    assert not [block for block in blocks(records) if isinstance(block, Secrets)]
    capture = export(tmp_path / "redacted.pcapng", records)
    assert fields(capture, "tls && http", "frame.number") == []
    assert "Authorization: Basic ************" in tshark(capture, "-O", "http", "-Y", "http.request")


def test_a_tape_that_was_cut_is_said_and_the_rest_still_reads(tmp_path: Path) -> None:
    lab = Lab(flow_bytes=500)
    connection = lab.connection(8080)
    lab.exchange(connection)
    lab.write(connection, "server", bytes(5000))
    lab.write(connection, "client", b"more")
    connection.end(Outcome.CUT, "reset")
    capture = export(tmp_path / "cut.pcapng", lab.records())
    said = [row[0] for row in fields(capture, 'frame.comment contains "not kept"', "frame.comment")]
    assert said == [
        "4 bytes of the client before this were not kept",
        "4596 bytes of the server before this were not kept",
    ]
    ((flags, number),) = fields(capture, "tcp.flags.reset == 1", "tcp.srcport", "tcp.seq")
    assert (flags, number) == ("51000", str(len(REQUEST) + 4 + 1))


def test_a_reset_by_the_server_a_unix_socket_and_datagrams(tmp_path: Path) -> None:
    lab = Lab()
    reset, local, query, open_still = lab.connection(), lab.connection(), lab.connection(53, "udp"), lab.connection()
    for flow in lab.flows:
        lab.write(flow, "client", b"\xbe\xef\1\0\0\1\0\0\0\0\0\0\3www\4shop\4test\0\0\1\0\1")
    reset.note("connection.reset", "server")
    reset.end(Outcome.CUT)
    local.client = local.server = "/run/lab.sock"
    local.end(Outcome.OK)
    query.end(Outcome.OK)
    assert not open_still.ended
    capture = export(tmp_path / "all.pcapng", lab.records())
    assert fields(capture, "tcp.flags.reset == 1", "ip.src") == [("127.0.0.2",)]
    assert fields(capture, "dns", "dns.qry.name") == [("www.shop.test",)]
    ((comment,),) = fields(capture, "ip.addr == 192.0.2.1 && tcp.flags == 2", "frame.comment")
    assert "|no IP addresses: /run/lab.sock to /run/lab.sock|" in comment
    assert len(fields(capture, "tcp.flags.fin == 1", "frame.number")) == 2
    ((comment,),) = fields(capture, "tcp.port == 51003 && tcp.flags == 2", "frame.comment")
    assert comment.endswith("|still open")


def test_flows_without_raw_bytes_are_refused_in_one_sentence() -> None:
    lab = Lab(Level.SUMMARY)
    lab.exchange(lab.connection())
    with pytest.raises(NetlabError, match=r"^none of the 2 flows given has raw bytes.*--record full.*netlab up`$"):
        write_pcapng(lab.records(), BytesIO())
    lab = Lab(total_bytes=10)
    lab.exchange(lab.connection())
    with pytest.raises(NetlabError, match="were not kept"):
        write_pcapng(lab.records(), BytesIO())


def test_a_connection_that_both_ends_recorded_is_there_once(tmp_path: Path) -> None:
    lab = Lab()
    lab.exchange(lab.connection())
    records = lab.records()
    records.append({**records[0], "id": "99", "service": "forward-proxy"})
    path = tmp_path / "twice.pcapng"
    with path.open("wb") as out:
        assert write_pcapng(records, out).startswith("1 conversation in ")
    assert not complaints(path)
    assert "also flow 99: forward-proxy" in tshark(path, "-T", "fields", "-e", "frame.comment")
    log = PacketLog(str(tmp_path / "watched.pcapng"), {})
    with log:
        for record in records:
            log.add(record)
    assert not complaints(tmp_path / "watched.pcapng")
