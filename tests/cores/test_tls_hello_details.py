"""Every list in a ClientHello, and the fingerprints as tshark and their specifications have them."""

from __future__ import annotations

import asyncio
import io
import shutil
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captures import synth
from captures.blocks import LinkType
from captures.pcapng import Writer
from netlab.cores.tls_hello import ClientHello, HelloReader
from netlab.cores.tls_hello_details import HelloDetails, read
from netlab.cores.tls_hello_fingerprint import ja3, ja3_text, ja4, ja4_raw
from netlab.cores.tls_hello_names import EXTENSIONS, extension_name, is_grease, name
from netlab.errors import RemoteProtocolError
from tests.tshark import fields

SECONDS = 10.0
GREASE = [0x0A0A + 0x1010 * step for step in range(16)]

# The worked example of JA4's specification: suites, extensions and signatures as JA4_ro lists them.
SUITES = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
KINDS = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
SIGNATURES = "0403,0804,0401,0503,0805,0501,0806,0601"


def numbers(text: str) -> list[int]:
    return [int(part, 16) for part in text.split(",")]


def vector(width: int, data: bytes) -> bytes:
    return len(data).to_bytes(width, "big") + data


def listed(outer: int, width: int, items: Sequence[int]) -> bytes:
    return vector(outer, b"".join(item.to_bytes(width, "big") for item in items))


def message(
    *, suites: Sequence[int] = (0x1301,), extensions: Sequence[tuple[int, bytes]] = (), version: int = 0x0303
) -> bytes:
    """A ClientHello, head and all."""
    block = b"".join(kind.to_bytes(2, "big") + vector(2, data) for kind, data in extensions)
    body = version.to_bytes(2, "big") + bytes(range(32)) + vector(1, b"") + listed(2, 2, suites) + b"\1\0"
    return b"\1" + vector(3, body + (vector(2, block) if extensions else b""))


def records(hello: bytes, size: int = 1 << 14) -> bytes:
    pieces = [hello[at : at + size] for at in range(0, len(hello), size)]
    return b"".join(b"\x16\3\1" + vector(2, piece) for piece in pieces)


def details(hello: bytes) -> HelloDetails:
    found = read(hello)
    assert isinstance(found, HelloDetails), found
    return found


def contents(kind: int) -> bytes:
    """What the example's extensions hold, where JA3 or JA4 look into them."""
    return {
        0: vector(2, b"\0" + vector(2, b"example.com")),
        16: vector(2, vector(1, b"h2") + vector(1, b"http/1.1")),
        13: listed(2, 2, [GREASE[3], *numbers(SIGNATURES)]),
        43: listed(1, 2, [GREASE[5], 0x0304, 0x0303]),
        10: listed(2, 2, [GREASE[1], 29, 23, 24]),
        11: listed(1, 1, [0]),
        51: vector(2, b"\x0a\x0a" + vector(2, b"\0") + b"\0\x1d" + vector(2, bytes(32))),
    }.get(kind, b"")


def example() -> bytes:
    """The specification's example, with the GREASE that Chromium adds around it."""
    kinds = [GREASE[0], *numbers(KINDS), GREASE[9]]
    return message(suites=[GREASE[2], *numbers(SUITES)], extensions=[(kind, contents(kind)) for kind in kinds])


def client_hello(**options: object) -> bytes:
    """What OpenSSL sends first, records taken off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for option, value in options.items():
        setattr(context, option, value)
    context.set_alpn_protocols(["h2", "http/1.1"])
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="www.shop.test")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    reader = HelloReader()
    assert isinstance(reader.receive(outgoing.read()), ClientHello)
    return reader.message


# -- reading ------------------------------------------------------------------------------------------------------


def test_everything_is_read() -> None:
    hello = details(example())
    assert hello.legacy_version == 0x0303
    assert hello.random == bytes(range(32))
    assert hello.server_name == "example.com"
    assert hello.alpn == (b"h2", b"http/1.1")
    assert hello.versions == (GREASE[5], 0x0304, 0x0303)
    assert hello.groups == (GREASE[1], 29, 23, 24)
    assert hello.point_formats == (0,)
    assert hello.key_shares == ((0x0A0A, 1), (29, 32))
    assert hello.kinds == (GREASE[0], *numbers(KINDS), GREASE[9])
    data = example()
    for extension in hello.extensions:
        head = data[extension.start : extension.start + 4]
        assert head == extension.kind.to_bytes(2, "big") + len(extension.data).to_bytes(2, "big")


@given(size=st.integers(1, 600))
def test_the_message_is_kept_without_its_records(size: int) -> None:
    reader = HelloReader()
    assert isinstance(reader.receive(records(example(), size)), ClientHello)
    assert reader.message == example()


@given(data=st.binary(max_size=300))
def test_any_bytes_give_details_or_a_violation(data: bytes) -> None:
    for attempt in (data, b"\1" + vector(3, data), b"\1" + vector(3, b"\3\3" + bytes(32) + data)):
        found = read(attempt)
        assert isinstance(found, HelloDetails | RemoteProtocolError)
        if isinstance(found, HelloDetails):
            ja3(found), ja4(found)


@given(kind=st.sampled_from(sorted(EXTENSIONS)), data=st.binary(max_size=20))
def test_an_extension_that_cannot_be_is_named_and_costs_nothing_else(kind: int, data: bytes) -> None:
    hello = details(message(extensions=[(kind, data), (99, b"x")]))
    assert hello.kinds == (kind, 99)
    assert hello.malformed in ((), (kind,))


# -- names --------------------------------------------------------------------------------------------------------


def test_grease_is_sixteen_numbers() -> None:
    assert [number for number in range(1 << 16) if is_grease(number)] == GREASE


def test_names() -> None:
    assert extension_name(0) == "server_name"
    assert extension_name(0x1A1A) == "GREASE"
    assert extension_name(0x7777) == "0x7777"
    assert name({1: "one"}, 1) == "one"


# -- fingerprints -------------------------------------------------------------------------------------------------


def test_ja4_as_its_specification_computes_it() -> None:
    hello = details(example())
    assert ja4(hello) == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert ja4_raw(hello) == (
        "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9"
        "_0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01"
        "_0403,0804,0401,0503,0805,0501,0806,0601"
    )


def test_ja4_without_signatures_ends_without_underscore() -> None:
    extensions = [(kind, b"" if kind == 13 else contents(kind)) for kind in numbers(KINDS)]
    hello = details(message(suites=numbers(SUITES), extensions=extensions))
    assert 13 in hello.malformed
    assert ja4(hello).endswith("_6d807ffa2a79")


@pytest.mark.parametrize(
    ("alpn", "ends"),
    [
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_ja4_of_protocols_that_are_no_text(alpn: bytes, ends: str) -> None:
    hello = details(message(extensions=[(16, vector(2, vector(1, alpn)))]))
    assert ja4(hello)[8:10] == ends


def test_ja4_of_almost_nothing() -> None:
    assert ja4(details(message(suites=GREASE, version=0x0301))) == "t10i000000_000000000000_000000000000"
    assert ja4(details(message(version=0x9999))).startswith("t00i")
    many = list(range(0x2000, 0x2000 + 150))
    assert ja4(details(message(suites=many, extensions=[(kind, b"") for kind in many]))).startswith("t12i9999")


def test_ja3_text() -> None:
    assert ja3_text(details(message(version=0x0301))) == "769,4865,,,"
    assert ja3_text(details(example())).endswith(",29-23-24,0")


# -- against others -----------------------------------------------------------------------------------------------


def seen_by_tshark(folder: Path, hellos: Sequence[bytes], *names: str) -> list[tuple[str, ...]]:
    """What tshark says of each ClientHello, each on a connection of its own."""
    out = io.BytesIO()
    writer = Writer(out)
    writer.section()
    interface = writer.interface(LinkType.RAW_IP)
    for number, hello in enumerate(hellos):
        piece = synth.Piece(1000 + number, "client", 0, records(hello))
        conversation = synth.Conversation(
            client=("127.0.0.1", 20000 + number), server=("127.0.0.1", 443), pieces=[piece], started=1000 + number
        )
        for packet in synth.synthesize(conversation):
            writer.packet(interface, packet.time, packet.data)
    path = folder / "hellos.pcapng"
    path.write_bytes(out.getvalue())
    return fields(path, "tls.handshake.type == 1", *names)


def test_fingerprints_and_lists_as_tshark_has_them(tmp_path: Path) -> None:
    old = client_hello(maximum_version=ssl.TLSVersion.TLSv1_2)
    hellos = [example(), client_hello(), old, message(), message(version=0x0301, suites=numbers(SUITES))]
    names = ["ja3", "ja3_full", "ciphersuite", "extension.type", "extensions_supported_group", "sig_hash_alg"]
    names += ["extensions.supported_version", "extensions_key_share_group", "extensions_alpn_str"]
    names += ["extensions_server_name", "extensions_ec_point_format"]
    rows = seen_by_tshark(tmp_path, hellos, *(f"tls.handshake.{name}" for name in names))
    assert len(rows) == len(hellos)
    for data, row in zip(hellos, rows, strict=True):
        hello = details(data)
        assert row[:2] == (ja3(hello), ja3_text(hello))
        ours = [hello.cipher_suites, hello.kinds, hello.groups, hello.signature_algorithms, hello.versions]
        ours.append(tuple(group for group, _ in hello.key_shares))
        theirs = [tuple(int(part, 0) for part in cell.split("|") if part) for cell in row[2:8]]
        assert ours == theirs
        assert "|".join(protocol.decode() for protocol in hello.alpn) == row[8]
        assert (hello.server_name or "") == row[9]
        assert tuple(int(part) for part in row[10].split("|") if part) == hello.point_formats


@pytest.mark.parametrize("tool", ["curl", "openssl"])
async def test_clients_of_others(tool: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: install the package {tool}")
    hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos = HelloReader()
        while data := await reader.read(1 << 16):
            if isinstance(hellos.receive(data), ClientHello) and not hello.done():
                hello.set_result(hellos.message)
                break
        writer.transport.abort()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        arguments = {
            "curl": ["curl", "-4sk", f"https://localhost:{port}/"],
            "openssl": ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"],
        }[tool]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*arguments, stdin=quiet, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(SECONDS):
            data = await hello
            await process.wait()
    found = details(data)
    assert found.server_name == "localhost"
    assert found.malformed == ()
    [row] = seen_by_tshark(tmp_path, [data], "tls.handshake.ja3_full", "tls.handshake.ja3")
    assert row == (ja3_text(found), ja3(found))
    assert all(not extension_name(kind).startswith("0x") for kind in found.kinds)
