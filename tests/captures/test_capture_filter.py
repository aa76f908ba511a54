"""Capture filters: what the compiled program wants is what tcpdump's wants, packet by packet."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from captures import bpf, pcap
from captures.blocks import LinkType
from captures.capture_filter import compile_capture_filter
from captures.dissect import dissect, outermost
from captures.serialize import SYN, ip_packet, tcp_segment, udp_datagram
from netlab.errors import NetlabError, UsageError

ETHER_TYPES = {4: b"\x08\0", 6: b"\x86\xdd"}


def address(text: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def framed(packet: bytes) -> bytes:
    return bytes(12) + ETHER_TYPES[packet[0] >> 4] + packet


def made(source: str, destination: str, ports: tuple[int, int], protocol: str) -> bytes:
    ends = (address(source), ports[0]), (address(destination), ports[1])
    if protocol == "tcp":
        return framed(ip_packet(ends[0][0], ends[1][0], 6, tcp_segment(*ends, 1, 0, SYN)))
    if protocol == "udp":
        return framed(ip_packet(ends[0][0], ends[1][0], 17, udp_datagram(*ends, b"x")))
    return framed(ip_packet(ends[0][0], ends[1][0], 58 if ":" in source else 1, bytes(8)))


PACKETS = [
    made(source, destination, ports, protocol)
    for source, destination in (("10.0.0.1", "10.0.9.2"), ("10.0.9.2", "192.168.1.1"), ("fd00::1", "fd00::2"))
    for ports in ((40000, 80), (53, 41000), (443, 443))
    for protocol in ("tcp", "udp", "icmp")
]
PACKETS.append(
    bytes(12)
    + b"\x08\x06"
    + bytes.fromhex("0001080006040001")
    + bytes(6)
    + address("10.0.0.1")
    + bytes(6)
    + address("10.0.9.2")
)
FRAGMENT = bytearray(PACKETS[0])
FRAGMENT[20:22] = b"\x20\x05"
PACKETS.append(bytes(FRAGMENT))
OPTIONS = bytearray(PACKETS[0][:34] + bytes(4) + PACKETS[0][34:])  # four bytes of IP options
OPTIONS[14] = 0x46
PACKETS.append(bytes(OPTIONS))
PACKETS += [packet[:cut] for packet in PACKETS[:4] for cut in (14, 20, 30, 36)]

EXPRESSIONS = [
    "tcp", "udp", "icmp", "icmp6", "ip", "ip6", "arp", "port 80", "tcp port 80", "udp dst port 53", "src port 443",
    "portrange 50-60", "dst portrange 400-41000", "host 10.0.0.1", "src host 10.0.9.2", "dst host fd00::2",
    "net 10.0.0.0/16", "src net 10.0.9.0/24", "net fd00::/16", "not tcp", "tcp and not port 80",
    "(tcp or udp) and host 10.0.9.2", "not (tcp port 80 or udp port 53)", "ip and tcp and dst port 80 || icmp",
    "!arp && !udp", "arp host 10.0.0.1", "ip host 10.0.0.1", "tcp src portrange 40000-50000", "net 0.0.0.0/0",
]  # fmt: skip


def ours(expression: str) -> list[bytes]:
    program = compile_capture_filter(expression, 14)
    return [packet for packet in PACKETS if bpf.wanted(program, packet, int.from_bytes(packet[12:14], "big"))]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("tcpdump") is None:
        pytest.skip("tcpdump is not installed: install the package tcpdump")
    path = tmp_path_factory.mktemp("filters") / "packets.pcap"
    with path.open("wb") as sink:
        writer = pcap.Writer(sink, LinkType.ETHERNET)
        for number, packet in enumerate(PACKETS):
            writer.packet(number, packet)
    return path


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_same_packets_as_tcpdump(expression: str, file: Path) -> None:
    found = subprocess.run(
        ["tcpdump", "-r", str(file), "-w", "-", expression], capture_output=True, check=True, timeout=30
    )
    theirs = []
    data, at = found.stdout, 24
    while at < len(data):
        size = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
        theirs.append(data[at + 16 : at + 16 + size])
        at += 16 + size
    assert ours(expression) == theirs


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("port", "no port"),
        ("port 70000", "no port"),
        ("host nowhere", "no address"),
        ("tcp and", "no primitive"),
        ("(tcp", "expected"),
        ("tcp udp", "or the end"),
        ("icmp port 7", "has no ports"),
        ("proto nothing", "no protocol"),
        ("src tcp", "host, net or port"),
        ("not " * 60 + "tcp", "levels deep"),
        ("x" * 2000, "at most"),
    ],
)
def test_what_cannot_be_meant_is_said(expression: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compile_capture_filter(expression)


@pytest.mark.parametrize(("interface", "header"), [("lo", 14), ("any", 20)])
def test_a_live_interface_gives_what_its_filter_wants(interface: str, header: int) -> None:
    from captures.sniff import Sniffer

    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    try:
        sniffer = Sniffer(interface, f"tcp port {port}")
    except NetlabError as error:
        pytest.skip(str(error))
    with sniffer, server:
        threading.Thread(target=lambda: socket.create_connection(("127.0.0.1", port)).close()).start()
        server.accept()[0].close()
        packets = [packet.data for packet, _ in zip(sniffer.packets(2), range(3), strict=False)]
        assert [data[header + 20 + 13] & 0x17 for data in packets] == [0x02, 0x12, 0x10]
        layers = [dissect(data, outermost(sniffer.link_type, data)) for data in packets]
        assert [layer.name for layer in layers[0]][1:] == ["ip", "tcp"]
        assert sniffer.lost() == 0


def test_an_interface_that_is_not_there_is_said() -> None:
    from captures.sniff import Sniffer

    with pytest.raises(NetlabError, match=r"no interface 'nowhere'|on Linux only"):
        Sniffer("nowhere")


def test_an_interface_of_another_network_namespace_is_found() -> None:
    """Where /sys is still that of the namespace before."""
    look = "from captures.sniff import Sniffer; print(Sniffer('here').link_type)"
    made = f'ip link add here type veth peer name there && exec {sys.executable} -c "{look}"'
    done = subprocess.run(["unshare", "-n", "sh", "-c", made], capture_output=True, text=True, timeout=60, check=False)
    if "not permitted" in done.stderr:
        pytest.skip("network namespaces are made by root only")
    assert (done.stdout.strip(), done.stderr) == ("1", "")
