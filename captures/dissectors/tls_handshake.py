"""The messages of a TLS handshake: hellos, certificates, key exchanges, and what a connection may learn from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import md5
from typing import Any

from captures.dissectors import tls_certificates, tls_extensions
from captures.tree import Field, Reader, Row, Short
from netlab.cores import tls_hello_details, tls_hello_fingerprint
from netlab.cores.tls_hello_names import CIPHER_SUITES, GROUPS, SIGNATURES, VERSIONS, is_grease, name
from netlab.errors import RemoteProtocolError

TLS_1_2, TLS_1_3 = 0x0303, 0x0304
MESSAGE = "RFC 8446 4"
CLIENT_HELLO, SERVER_HELLO, NEW_SESSION_TICKET, ENCRYPTED_EXTENSIONS, CERTIFICATE = 1, 2, 4, 8, 11
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3
NAMES = {
    0: "Hello Request", 1: "Client Hello", 2: "Server Hello", 4: "New Session Ticket", 5: "End of Early Data",
    8: "Encrypted Extensions", 11: "Certificate", 12: "Server Key Exchange", 13: "Certificate Request",
    14: "Server Hello Done", 15: "Certificate Verify", 16: "Client Key Exchange", 20: "Finished",
    21: "Certificate URL", 22: "Certificate Status", 24: "Key Update", 25: "Compressed Certificate",
    254: "Message Hash",
}  # fmt: skip


def complete(content: bytes | bytearray, at: int) -> int:
    """Where the last message that is whole ends; one begins at `at`."""
    while at + 4 <= len(content):
        end = at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        if end > len(content):
            break
        at = end
    return at


def learn(content: bytes, facts: dict[str, Any]) -> None:
    """What both sides know behind these messages: the version, once the server has chosen it."""
    if content[:1] == bytes((SERVER_HELLO,)) and len(content) > 38 and "version" not in facts:
        found: dict[str, Any] = {}
        reader = Reader(content, 0, len(content))
        read(reader, {}, found)
        facts["version"] = found.get("version", TLS_1_2)


def names(content: bytes) -> list[str]:
    """The messages by name; a hello with the name it asks for."""
    found: list[str] = []
    at = 0
    while at + 4 <= len(content) and len(found) < 20:
        kind, end = content[at], at + 4 + int.from_bytes(content[at + 1 : at + 4], "big")
        label = NAMES.get(kind, "Encrypted Handshake" if len(content) < end else f"message {kind}")
        if kind == SERVER_HELLO and content[at + 6 : at + 38] == RETRY_RANDOM:
            label = "Hello Retry Request"
        elif kind == CLIENT_HELLO and end <= len(content):
            details = tls_hello_details.read(content[at:end])
            if not isinstance(details, RemoteProtocolError) and details.server_name:
                label = f"Client Hello (SNI={details.server_name})"
        found.append(label)
        at = end
    return found


def read(reader: Reader, context: Mapping[str, Any], facts: dict[str, Any] | None = None) -> list[Field]:
    """Pass messages to the reader's end; returns what follows from them, and puts into `facts` what later ones need."""
    derived: list[Field] = []
    known = dict(context) if facts is None else facts
    try:
        while reader.left:
            mark, begin = len(reader.fields), reader.at // 8
            kind = reader.number(Row("tls.handshake.type", "Type", 8, lambda n: NAMES.get(n, f"message {n}"), MESSAGE))
            length = reader.number(Row("tls.handshake.length", "Length", 24, "bytes of the message", MESSAGE))
            inner = reader.within(length)
            _body(inner, kind, known)
            reader.adopt(inner)
            cut = reader.at // 8 - begin - 4 < length
            reader.fold(mark, "tls.handshake", NAMES.get(kind, f"Message {kind}"), kind, "", MESSAGE)
            if cut:
                break
            derived += _derived(reader.data[begin : reader.at // 8], kind)
    except Short:
        pass
    return derived


def _body(inner: Reader, kind: int, facts: dict[str, Any]) -> None:
    try:
        if kind in BODIES:
            BODIES[kind](inner, facts)
        elif inner.left:
            inner.take(inner.left, "tls.handshake.data", "Data", "", MESSAGE)
    except Short:
        return
    if inner.left:
        inner.spoil("tls.handshake.rest", "Rest", "behind what the message should hold", MESSAGE)


def _version(reader: Reader, what: str) -> int:
    row = Row("tls.handshake.version", "Version", 16, lambda n: f"{name(VERSIONS, n)}; {what}", "RFC 8446 4.1.2")
    return reader.number(row)


def _session(reader: Reader) -> None:
    size = reader.number(Row("tls.handshake.session_id_length", "Session ID Length", 8, "", "RFC 8446 4.1.2"))
    reader.take(size, "tls.handshake.session_id", "Session ID", "for show in TLS 1.3", "RFC 8446 4.1.2")


def _suite(number: int) -> str:
    return name(CIPHER_SUITES, number)


SUITE = Row("tls.handshake.ciphersuite", "Cipher Suite", 16, _suite, "RFC 8446 B.4")
COMPRESSION = Row(
    "tls.handshake.comp_method", "Compression Method", 8, lambda n: "none" if not n else "not safe", "RFC 8446 4.1.2"
)


def _client_hello(reader: Reader, facts: dict[str, Any]) -> None:
    _version(reader, "what is really offered stands in supported_versions")
    reader.take(32, "tls.handshake.random", "Random", "32 bytes of chance", "RFC 8446 4.1.2")
    _session(reader)
    size = reader.number(Row("tls.handshake.cipher_suites_length", "Cipher Suites Length", 16, "", "RFC 8446 4.1.2"))
    mark, suites = len(reader.fields), reader.within(size)
    while suites.left > 1:
        suites.number(SUITE)
    suites.spoil("tls.handshake.ciphersuite", "Cipher Suite", "half of one", "RFC 8446 4.1.2")
    reader.adopt(suites)
    reader.fold(mark, "tls.handshake.ciphersuites", "Cipher Suites", size // 2, "best first", "RFC 8446 4.1.2")
    count = reader.number(
        Row("tls.handshake.comp_methods_length", "Compression Methods Length", 8, "", "RFC 8446 4.1.2")
    )
    for _ in range(min(count, reader.left)):
        reader.number(COMPRESSION)
    if reader.left:
        tls_extensions.read(reader, CLIENT_HELLO, facts)


def _server_hello(reader: Reader, facts: dict[str, Any]) -> None:
    facts["version"] = _version(reader, "what is really spoken stands in supported_versions")
    at = reader.at // 8
    retry = reader.data[at : at + 32] == RETRY_RANDOM
    what = "this value says: a HelloRetryRequest, say hello again, otherwise" if retry else "32 bytes of chance"
    reader.take(32, "tls.handshake.random", "Random", what, "RFC 8446 4.1.3")
    _session(reader)
    reader.number(SUITE)
    reader.number(COMPRESSION)
    if reader.left:
        tls_extensions.read(reader, 6 if retry else SERVER_HELLO, facts)


def _ticket(reader: Reader, facts: dict[str, Any]) -> None:
    section = "RFC 5077 3.3"
    reader.number(Row("tls.handshake.session_ticket_lifetime_hint", "Lifetime", 32, "seconds", section))
    size = reader.number(Row("tls.handshake.session_ticket_length", "Length", 16, "", section))
    reader.take(size, "tls.handshake.session_ticket", "Ticket", "only the server can read it", section)


def _key_exchange(reader: Reader, facts: dict[str, Any]) -> None:
    section = "RFC 8422 5.4"
    if reader.peek() != 3:  # only named curves are in use
        reader.take(reader.left, "tls.handshake.server_params", "Parameters", "", "RFC 5246 7.4.3")
        return
    reader.number(Row("tls.handshake.server_curve_type", "Curve Type", 8, "a named curve", section))
    row = Row("tls.handshake.server_named_curve", "Named Curve", 16, lambda n: name(GROUPS, n), section)
    reader.number(row)
    size = reader.number(Row("tls.handshake.server_point_len", "Public Key Length", 8, "", section))
    reader.take(size, "tls.handshake.server_point", "Public Key", "the server's half", section)
    if reader.left:
        _signed(reader)


def _signed(reader: Reader) -> None:
    section = "RFC 8446 4.4.3"
    row = Row("tls.handshake.sig_hash_alg", "Signature Algorithm", 16, lambda n: name(SIGNATURES, n), section)
    reader.number(row)
    size = reader.number(Row("tls.handshake.sig_len", "Signature Length", 16, "", section))
    reader.take(size, "tls.handshake.sig", "Signature", "", section)


def _client_key(reader: Reader, facts: dict[str, Any]) -> None:
    section = "RFC 8422 5.7"
    if reader.left and reader.peek() == reader.left - 1:
        size = reader.number(Row("tls.handshake.client_point_len", "Public Key Length", 8, "", section))
        reader.take(size, "tls.handshake.client_point", "Public Key", "the client's half", section)
    elif reader.left:
        reader.take(reader.left, "tls.handshake.client_key", "Key Exchange", "", "RFC 5246 7.4.7")


def _status(reader: Reader, facts: dict[str, Any]) -> None:
    section = "RFC 6066 8"
    reader.number(Row("tls.handshake.cert_status_type", "Type", 8, lambda n: "OCSP" if n == 1 else "", section))
    size = reader.number(Row("tls.handshake.cert_status_len", "Length", 24, "", section))
    reader.take(size, "tls.handshake.cert_status", "Stapled Answer", "what the authority says of it", section)


BODIES: dict[int, Callable[[Reader, dict[str, Any]], None]] = {
    CLIENT_HELLO: _client_hello,
    SERVER_HELLO: _server_hello,
    NEW_SESSION_TICKET: _ticket,
    CERTIFICATE: tls_certificates.read,
    12: _key_exchange,
    15: lambda reader, facts: _signed(reader),
    16: _client_key,
    22: _status,
}


def _derived(message: bytes, kind: int) -> list[Field]:
    """Fingerprints, which follow from a hello without standing in it."""
    if kind == CLIENT_HELLO:
        details = tls_hello_details.read(message)
        if isinstance(details, RemoteProtocolError):
            return []
        return [
            _fact("tls.handshake.ja3", "JA3", tls_hello_fingerprint.ja3(details)),
            _fact("tls.handshake.ja3_full", "JA3 in full", tls_hello_fingerprint.ja3_text(details)),
            _fact("tls.handshake.ja4", "JA4", tls_hello_fingerprint.ja4(details)),
            _fact("tls.handshake.ja4_r", "JA4 in full", tls_hello_fingerprint.ja4_raw(details)),
        ]
    if kind == SERVER_HELLO:
        return _ja3s(message)
    return []


def _ja3s(message: bytes) -> list[Field]:
    """JA3S: version, suite, extensions, in decimal, and the MD5 of that."""
    at = 39 + message[38] if len(message) > 38 else len(message)
    if at + 3 > len(message):
        return []
    kinds, index = [], at + 5
    while index + 4 <= len(message):
        kinds.append(int.from_bytes(message[index : index + 2], "big"))
        index += 4 + int.from_bytes(message[index + 2 : index + 4], "big")
    shown = "-".join(str(kind) for kind in kinds if not is_grease(kind))
    text = f"{int.from_bytes(message[4:6], 'big')},{int.from_bytes(message[at : at + 2], 'big')},{shown}"
    digest = md5(text.encode("ascii"), usedforsecurity=False).hexdigest()
    return [_fact("tls.handshake.ja3s", "JA3S", digest), _fact("tls.handshake.ja3s_full", "JA3S in full", text)]


def _fact(name_: str, label: str, value: str) -> Field:
    return Field(name_, label, value, 0, 0, "a fingerprint of the software that said hello")
