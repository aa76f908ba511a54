"""What the kernel knows of a TCP connection: the SYN that opened it, and its state, times and counters (Linux)."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

TCP_INFO, TCP_SAVE_SYN, TCP_SAVED_SYN = 11, 27, 28  # linux/tcp.h; Python names none of the latter two
LARGEST = 1024  # bytes; both IP and TCP header at their longest are 120

STATES = {  # RFC 9293 3.3.2, numbered as Linux does
    1: "ESTABLISHED",
    2: "SYN-SENT",
    3: "SYN-RECEIVED",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "CLOSED",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECEIVED",
}
CONGESTION_STATES = ("open", "disorder", "congestion window reduced", "recovery", "loss")
OPTIONS = {1: "timestamps", 2: "SACK", 4: "window scale", 8: "ECN", 16: "ECN seen", 32: "SYN data", 64: "user timeout"}
"""Bits of `options`: what both ends agreed on in their SYNs."""


class Fact(NamedTuple):
    """One member of the kernel's struct tcp_info: its name there without `tcpi_`, its form, its unit, its meaning."""

    name: str
    form: str
    unit: str
    about: str


FACTS = tuple(
    Fact(*row)
    for row in (
        ("state", "B", "", "where the connection stands (RFC 9293 3.3.2)"),
        ("ca_state", "B", "", "what congestion control is doing"),
        ("retransmits", "B", "", "retransmissions of the oldest unacknowledged segment, in a row"),
        ("probes", "B", "", "probes of a window that is closed, or of an idle peer, not yet answered"),
        ("backoff", "B", "", "how often the retransmission timeout has been doubled"),
        ("options", "B", "", "what both ends agreed on in their SYNs"),
        ("window_scales", "B", "", "shift of the peer's windows, lower half, and of ours, upper half"),
        ("limited", "B", "", "bit 0: the rate is limited by the program, not the network"),
        ("rto", "I", "µs", "how long an acknowledgement may take before the segment is sent again (RFC 6298)"),
        ("ato", "I", "µs", "how long our own acknowledgement may be delayed"),
        ("snd_mss", "I", "bytes", "the most payload we put into one segment"),
        ("rcv_mss", "I", "bytes", "the payload of the peer's full segments, as far as seen"),
        ("unacked", "I", "segments", "sent and not acknowledged"),
        ("sacked", "I", "segments", "acknowledged out of order (RFC 2018)"),
        ("lost", "I", "segments", "taken for lost"),
        ("retrans", "I", "segments", "sent again and not acknowledged"),
        ("fackets", "I", "segments", "no longer used"),
        ("last_data_sent", "I", "ms", "since we last sent payload"),
        ("last_ack_sent", "I", "ms", "not kept by the kernel"),
        ("last_data_recv", "I", "ms", "since payload last came"),
        ("last_ack_recv", "I", "ms", "since an acknowledgement last came"),
        ("pmtu", "I", "bytes", "the largest packet the path takes, as far as known"),
        ("rcv_ssthresh", "I", "bytes", "the receive window's present ceiling"),
        ("rtt", "I", "µs", "the smoothed round-trip time (RFC 6298)"),
        ("rttvar", "I", "µs", "how much the round-trip time varies (RFC 6298)"),
        ("snd_ssthresh", "I", "segments", "above this congestion window, growth is slow (RFC 5681)"),
        ("snd_cwnd", "I", "segments", "the congestion window: how much may be under way (RFC 5681)"),
        ("advmss", "I", "bytes", "the MSS we announced"),
        ("reordering", "I", "segments", "how far the network has put segments out of order"),
        ("rcv_rtt", "I", "µs", "the round-trip time as a receiver sees it"),
        ("rcv_space", "I", "bytes", "what the receive buffer is tuned for"),
        ("total_retrans", "I", "segments", "retransmissions since the connection began"),
        ("pacing_rate", "Q", "bytes/s", "the rate at which segments are let go"),
        ("max_pacing_rate", "Q", "bytes/s", "the highest such rate"),
        ("bytes_acked", "Q", "bytes", "payload of ours that the peer acknowledged"),
        ("bytes_received", "Q", "bytes", "payload of the peer that we acknowledged"),
        ("segs_out", "I", "segments", "sent"),
        ("segs_in", "I", "segments", "received"),
        ("notsent_bytes", "I", "bytes", "written by the program and not yet sent"),
        ("min_rtt", "I", "µs", "the shortest round trip so far"),
        ("data_segs_in", "I", "segments", "received with payload"),
        ("data_segs_out", "I", "segments", "sent with payload"),
        ("delivery_rate", "Q", "bytes/s", "the rate at which payload of ours lately arrived"),
        ("busy_time", "Q", "µs", "spent sending"),
        ("rwnd_limited", "Q", "µs", "spent waiting for the peer's window"),
        ("sndbuf_limited", "Q", "µs", "spent waiting for room in our buffer"),
        ("delivered", "I", "segments", "delivered, retransmissions counted once"),
        ("delivered_ce", "I", "segments", "delivered with a mark of congestion (RFC 3168)"),
        ("bytes_sent", "Q", "bytes", "payload sent, retransmissions counted"),
        ("bytes_retrans", "Q", "bytes", "payload sent again"),
        ("dsack_dups", "I", "segments", "reported as received twice (RFC 2883)"),
        ("reord_seen", "I", "", "times that segments came out of order"),
        ("rcv_ooopack", "I", "segments", "received out of order"),
        ("snd_wnd", "I", "bytes", "the peer's window: how much it will take"),
        ("rcv_wnd", "I", "bytes", "our window: how much we will take"),
        ("rehash", "I", "", "times that the connection was moved to another path"),
        ("total_rto", "H", "", "timeouts of an acknowledgement"),
        ("total_rto_recoveries", "H", "", "times that a run of timeouts ended well"),
        ("total_rto_time", "I", "ms", "spent in such runs"),
    )
)
"""In the kernel's order. A newer kernel's struct goes on behind it, an older one's ends before; both are read."""

_FORMS = [(fact.name, struct.Struct("=" + fact.form)) for fact in FACTS]


def save_syn(listening: socket.socket) -> None:
    """Ask the kernel to keep the SYN of every connection this socket accepts; a `Listener.prepare`.

    It costs one small allocation per connection until the SYN is read or the connection ends. Without effect where
    the system has no such option.
    """
    if sys.platform == "linux":
        try:
            listening.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)
        except OSError:  # a kernel before 4.2
            pass


def saved_syn(transport: Any) -> bytes:
    """The IP and TCP headers of the client's SYN, as they arrived; b"" where they were not kept.

    The kernel hands them out once: whoever may want them again keeps them.
    """
    return _option(transport, TCP_SAVED_SYN)


def tcp_info(transport: Any) -> dict[str, int]:
    """The state, times and counters of a transport's connection by name, see FACTS; empty where unknown."""
    return read_info(_option(transport, TCP_INFO))


def read_info(data: bytes) -> dict[str, int]:
    """The members of a struct tcp_info of any kernel, as far as the bytes go."""
    found, at = {}, 0
    for name, form in _FORMS:
        if at + form.size > len(data):
            break
        found[name] = form.unpack_from(data, at)[0]
        at += form.size
    return found


def state(info: Mapping[str, int]) -> str:
    """The RFC's name of the state in a TCP_INFO; empty where there is none."""
    return STATES.get(info.get("state", 0), "")


def state_after(local: tuple[str, int], remote: tuple[str, int]) -> str:
    """The state of a connection whose socket is closed already, as /proc has it; CLOSED once it is forgotten."""
    family = "6" if ":" in local[0] else ""
    wanted = [_proc_address(*local), _proc_address(*remote)]
    try:
        with open(f"/proc/net/tcp{family}", encoding="ascii") as table:
            for line in table:
                columns = line.split()
                if columns[1:3] == wanted:
                    return STATES.get(int(columns[3], 16), "")
    except OSError:  # not Linux
        return ""
    return "CLOSED"


def _proc_address(host: str, port: int) -> str:
    """An address as /proc/net/tcp writes it: words of 32 bits in the machine's own order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.partition("%")[0])
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def agreed(info: Mapping[str, int]) -> list[str]:
    """The names of the options both ends agreed on."""
    return [name for bit, name in OPTIONS.items() if info.get("options", 0) & bit]


def _option(transport: Any, option: int) -> bytes:
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return b""
    try:
        data: bytes = sock.getsockopt(socket.IPPROTO_TCP, option, LARGEST)
    except (OSError, ValueError):  # not TCP, a kernel that does not know the option; closed (ValueError is uvloop's)
        return b""
    return data
