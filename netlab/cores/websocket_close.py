"""Close codes of WebSocket: which may stand in a frame, what they mean, and the payload they travel in."""

from __future__ import annotations

from netlab.errors import LocalProtocolError

NORMAL, GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED = 1000, 1001, 1002, 1003
NO_STATUS, ABNORMAL, INVALID_DATA, POLICY, TOO_BIG = 1005, 1006, 1007, 1008, 1009
INTERNAL_ERROR, TRY_AGAIN = 1011, 1013

MEANINGS = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1004: "reserved",
    1005: "no status received",
    1006: "abnormal closure",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
    1010: "mandatory extension",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
    1014: "bad gateway",
    1015: "TLS handshake failed",
}
"""RFC 6455 7.4.1 and the IANA registry; 3000-3999 are registered by others, 4000-4999 are private (7.4.2)."""
NEVER_SENT = frozenset((1004, 1005, 1006, 1015))
"""Reserved, or said only to an application about a close that carried no code (RFC 6455 7.4.1)."""
LONGEST_REASON = 123
"""Bytes: a control frame's payload is at most 125 (RFC 6455 5.5), two of them are the code."""


def may_be_sent(code: int) -> bool:
    """Whether a code may stand in a close frame (RFC 6455 7.4)."""
    return (1000 <= code <= 1014 and code not in NEVER_SENT) or 3000 <= code <= 4999


def meaning(code: int) -> str:
    """In words: `1001 going away`."""
    words = MEANINGS.get(code) or (
        "registered" if 3000 <= code <= 3999 else "private" if 4000 <= code <= 4999 else "unknown"
    )
    return f"{code} {words}"


def close_payload(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; 1005 is one without any. A reason that is too long is cut between characters."""
    if code == NO_STATUS:
        return b""
    if not may_be_sent(code):
        raise LocalProtocolError(f"{meaning(code)} cannot stand in a close frame; 1000-1014 and 3000-4999 can")
    told = reason.encode()[:LONGEST_REASON].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + told.encode()
