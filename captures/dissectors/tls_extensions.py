"""The extensions of TLS' hellos, each read as its RFC lays it out; the others as bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from captures.tree import Reader, Row, Short
from netlab.cores.tls_hello_names import (
    CERTIFICATE_COMPRESSIONS,
    EXTENSIONS,
    GROUPS,
    POINT_FORMATS,
    PSK_MODES,
    SIGNATURES,
    VERSIONS,
    extension_name,
    name,
)

SECTION = "RFC 8446 4.2"
CLIENT_HELLO, SERVER_HELLO, RETRY = 1, 2, 6

Reading = Callable[[Reader, int, dict[str, Any]], None]
"""(the extension's content, in which message it stands, what is learnt)"""


def read(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    """Pass the length of all extensions, and each of them."""
    total = reader.number(Row("tls.handshake.extensions_length", "Extensions Length", 16, "", SECTION))
    inner = reader.within(total)
    try:
        while inner.left:
            _extension(inner, message, facts)
    finally:
        reader.adopt(inner)


def _extension(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    mark = len(reader.fields)
    kind = reader.number(Row("tls.handshake.extension.type", "Type", 16, extension_name, SECTION))
    _, meaning, section = EXTENSIONS.get(kind, ("", "", SECTION))
    try:
        size = reader.number(Row("tls.handshake.extension.len", "Length", 16, "bytes of its content", section))
        inner = reader.within(size)
        try:
            CONTENTS.get(kind, _bytes)(inner, message, facts)
        except Short:
            pass
        if inner.left:
            inner.spoil("tls.handshake.extension.rest", "Rest", "behind what this extension should hold", section)
        reader.adopt(inner)
        if (reader.at - reader.fields[mark].start) // 8 - 4 < size:
            raise Short
    finally:
        reader.fold(mark, "tls.handshake.extension", extension_name(kind), kind, meaning, section)


def _bytes(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    if reader.left:
        reader.take(reader.left, "tls.handshake.extension.data", "Data", "", SECTION)


def _renegotiation(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 5746 3.2"
    size = reader.number(Row("tls.handshake.extensions_reneg_info_len", "Length", 8, "0 in a first handshake", section))
    what = "the Finished of the handshake before"
    reader.take(size, "tls.handshake.extensions_reneg_info", "Renegotiation Info", what, section)


def _padding(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    if reader.left:
        what = "makes the hello long enough for servers that fail at some lengths"
        reader.take(reader.left, "tls.handshake.extensions_padding_data", "Padding", what, "RFC 7685 3")


def _listed(outer: int, length: str, row: Row) -> Reading:
    """Reads a vector, its length in so many bytes, of numbers."""

    def reading(reader: Reader, message: int, facts: dict[str, Any]) -> None:
        size = reader.number(Row(length, "Length", outer * 8, "", row.section))
        inner = reader.within(size)
        try:
            while inner.left:
                inner.number(row)
        finally:
            reader.adopt(inner)

    return reading


def _server_name(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 6066 3"
    if not reader.left:  # the server's, which says only that it was taken
        return
    reader.number(Row("tls.handshake.extensions_server_name_list_len", "List Length", 16, "", section))
    while reader.left:
        row = Row(
            "tls.handshake.extensions_server_name_type", "Type", 8, lambda n: "" if n else "a host's name", section
        )
        reader.number(row)
        size = reader.number(Row("tls.handshake.extensions_server_name_len", "Length", 16, "", section))
        _text(reader, size, "tls.handshake.extensions_server_name", "Server Name", "what the client asks for", section)


def _text(reader: Reader, size: int, name_: str, label: str, meaning: str, section: str) -> None:
    at = reader.at // 8
    value = reader.data[at : at + size].decode("utf-8", "backslashreplace")
    reader.take(size, name_, label, meaning, section, value=value)


def _alpn(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 7301 3.1"
    reader.number(Row("tls.handshake.extensions_alpn_len", "List Length", 16, "", section))
    while reader.left:
        size = reader.number(Row("tls.handshake.extensions_alpn_str_len", "Length", 8, "", section))
        _text(reader, size, "tls.handshake.extensions_alpn_str", "Protocol", "", section)


VERSION = Row(
    "tls.handshake.extensions.supported_version", "Version", 16, lambda n: name(VERSIONS, n), "RFC 8446 4.2.1"
)
_VERSIONS = _listed(1, "tls.handshake.extensions.supported_versions_len", VERSION)


def _versions(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    if message == CLIENT_HELLO:
        _VERSIONS(reader, message, facts)
    else:
        facts["version"] = reader.number(VERSION)


GROUP = Row("tls.handshake.extensions_key_share_group", "Group", 16, lambda n: name(GROUPS, n), "RFC 8446 4.2.8")


def _key_share(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 8446 4.2.8"
    if message == RETRY:
        reader.number(GROUP._replace(name="tls.handshake.extensions_key_share_selected_group"))
        return
    if message == CLIENT_HELLO:
        reader.number(Row("tls.handshake.extensions_key_share_client_length", "List Length", 16, "", section))
    while reader.left:
        mark = len(reader.fields)
        group = reader.number(GROUP)
        row = Row("tls.handshake.extensions_key_share_key_exchange_length", "Length", 16, "", section)
        size = reader.number(row)
        reader.take(size, "tls.handshake.extensions_key_share_key_exchange", "Public Key", "", section)
        reader.fold(mark, "tls.handshake.extensions_key_share", "Key Share", group, name(GROUPS, group), section)


def _pre_shared_key(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 8446 4.2.11"
    if message != CLIENT_HELLO:
        row = Row("tls.handshake.extensions.psk.identity.selected", "Selected", 16, "the session that goes on", section)
        reader.number(row)
        return
    size = reader.number(Row("tls.handshake.extensions.psk.identities.length", "Identities Length", 16, "", section))
    inner = reader.within(size)
    try:
        while inner.left:
            length = inner.number(
                Row("tls.handshake.extensions.psk.identity.identity_length", "Length", 16, "", section)
            )
            inner.take(length, "tls.handshake.extensions.psk.identity.identity", "Identity", "a ticket", section)
            row = Row("tls.handshake.extensions.psk.identity.obfuscated_ticket_age", "Age, disguised", 32, "", section)
            inner.number(row)
    finally:
        reader.adopt(inner)
    size = reader.number(Row("tls.handshake.extensions.psk.binders_len", "Binders Length", 16, "", section))
    reader.take(size, "tls.handshake.extensions.psk.binders", "Binders", "proofs that the keys are known", section)


def _status(reader: Reader, message: int, facts: dict[str, Any]) -> None:
    section = "RFC 6066 8"
    if not reader.left:
        return
    reader.number(Row("tls.handshake.extensions_status_request_type", "Type", 8, "", section))
    for field, label in (("responder_ids", "Responders"), ("exts", "Extensions")):
        size = reader.number(
            Row(f"tls.handshake.extensions_status_request_{field}_len", f"{label} Length", 16, "", section)
        )
        reader.take(size, f"tls.handshake.extensions_status_request_{field}", label, "", section)


def _row(name_: str, label: str, bits: int, table: dict[int, str], section: str) -> Row:
    return Row(name_, label, bits, lambda n: name(table, n), section)


SIGNATURE = _row("tls.handshake.sig_hash_alg", "Signature Algorithm", 16, SIGNATURES, "RFC 8446 4.2.3")
CONTENTS: dict[int, Reading] = {
    0: _server_name,
    5: _status,
    10: _listed(
        2,
        "tls.handshake.extensions_supported_groups_length",
        _row("tls.handshake.extensions_supported_group", "Group", 16, GROUPS, "RFC 8446 4.2.7"),
    ),
    11: _listed(
        1,
        "tls.handshake.extensions_ec_point_formats_length",
        _row("tls.handshake.extensions_ec_point_format", "Point Format", 8, POINT_FORMATS, "RFC 8422 5.1.2"),
    ),
    13: _listed(2, "tls.handshake.sig_hash_alg_len", SIGNATURE),
    16: _alpn,
    21: _padding,
    27: _listed(
        1,
        "tls.compress_certificate.algorithms_length",
        _row("tls.compress_certificate.algorithm", "Compression", 16, CERTIFICATE_COMPRESSIONS, "RFC 8879 3"),
    ),
    41: _pre_shared_key,
    43: _versions,
    45: _listed(
        1,
        "tls.extension.psk_ke_modes_length",
        _row("tls.extension.psk_ke_mode", "Mode", 8, PSK_MODES, "RFC 8446 4.2.9"),
    ),
    50: _listed(2, "tls.handshake.sig_hash_alg_len", SIGNATURE),
    51: _key_share,
    0xFF01: _renegotiation,
}
