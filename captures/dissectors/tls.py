"""TLS (RFC 8446, RFC 5246): records, alerts, and the handshake's messages as far as they are in the clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from captures.dissectors import tls_handshake
from captures.messages import Decoded, NotThis, Script, Source, Talk
from captures.tree import Field, Layer, Reader, Row, Short
from netlab.cores.tls_hello_names import VERSIONS, name

NAME = "tls"
RECORD, ALERT = "RFC 8446 5.1", "RFC 8446 6"
CHANGE_CIPHER_SPEC, ALERTS, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24
TYPES = {20: "Change Cipher Spec", 21: "Alert", 22: "Handshake", 23: "Application Data", 24: "Heartbeat"}
LONGEST_RECORD = (1 << 14) + 2048  # RFC 5246 6.2.3
LONGEST_MESSAGE = 1 << 18
LEVELS = {1: "warning", 2: "fatal"}
DESCRIPTIONS = {
    0: "close notify", 10: "unexpected message", 20: "bad record MAC", 21: "decryption failed", 22: "record overflow",
    30: "decompression failure", 40: "handshake failure", 41: "no certificate", 42: "bad certificate",
    43: "unsupported certificate", 44: "certificate revoked", 45: "certificate expired", 46: "certificate unknown",
    47: "illegal parameter", 48: "unknown CA", 49: "access denied", 50: "decode error", 51: "decrypt error",
    60: "export restriction", 70: "protocol version", 71: "insufficient security", 80: "internal error",
    86: "inappropriate fallback", 90: "user canceled", 100: "no renegotiation", 109: "missing extension",
    110: "unsupported extension", 111: "certificate unobtainable", 112: "unrecognized name",
    113: "bad certificate status response", 115: "unknown PSK identity", 116: "certificate required",
    120: "no application protocol", 121: "ECH required",
}  # fmt: skip


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is TLS."""
    return len(data) >= 3 and data[0] in (20, 21, 22, 23) and data[1] == 3 and data[2] <= 4


def messages(source: Source, talk: Talk) -> Script:
    """Records; a run of them where a message of the handshake goes on in the next."""
    changed = f"changed by {source.side}"
    while True:
        end = yield from _record(source, 0)
        kind = source.peek(1)[0]
        if kind == CHANGE_CIPHER_SPEC:
            talk.facts[changed] = True
        encrypted = bool(talk.facts.get(changed)) and talk.facts.get("version") != tls_handshake.TLS_1_3
        if kind != HANDSHAKE or encrypted:
            source.emit(NAME, end, {"encrypted": encrypted, "version": talk.facts.get("version", 0)})
            continue
        content = bytearray(source.peek(end - 5, 5))
        count, complete = 1, tls_handshake.complete(content, 0)
        while complete < len(content) < LONGEST_MESSAGE:
            begin = end
            end = yield from _record(source, begin)
            if source.peek(1, begin)[0] != HANDSHAKE:  # RFC 8446 5.1: nothing else may stand between
                end = begin
                break
            content += source.peek(end - begin - 5, begin + 5)
            complete = tls_handshake.complete(content, complete)
            count += 1
        tls_handshake.learn(bytes(content), talk.facts)
        decoded = (Decoded("Handshake over several records", bytes(content), "tls.handshake"),) if count > 1 else ()
        source.emit(NAME, end, {"over": count > 1, "version": talk.facts.get("version", 0)}, decoded)


def _record(source: Source, at: int) -> Any:
    """Wait for the record that begins at index `at` of the message; the index behind it."""
    yield from source.need(at + 5)
    head = source.peek(5, at)
    length = head[3] << 8 | head[4]
    if not 20 <= head[0] <= 24 or head[1] != 3 or length > LONGEST_RECORD:
        raise NotThis("no TLS record")
    yield from source.need(at + 5 + length)
    return at + 5 + length


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """What the records are, messages of the handshake by name."""
    words: list[str] = []
    joined = bytearray()  # of a handshake's message that goes over several records
    at = 0
    while at + 5 <= len(data):
        kind, end = data[at], at + 5 + (data[at + 3] << 8 | data[at + 4])
        if kind == HANDSHAKE and not context.get("encrypted"):
            joined += data[at + 5 : end]
            words += [] if context.get("over") else tls_handshake.names(data[at + 5 : end])
        elif kind == ALERTS and end - at == 7:
            words.append(f"Alert: {LEVELS.get(data[at + 5], '?')}, {DESCRIPTIONS.get(data[at + 6], data[at + 6])}")
        else:
            sealed = "Encrypted " if kind in (HANDSHAKE, ALERTS) else ""
            words.append(f"{sealed}{TYPES.get(kind, 'record')}")
        at = end
    if context.get("over"):
        words = tls_handshake.names(bytes(joined))
    return ", ".join(words)


def _type(number: int) -> str:
    return TYPES.get(number, f"type {number}, which TLS has not")


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The records between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    derived: list[Field] = []
    try:
        while reader.left:
            derived += _read_record(reader, context)
    except Short:
        pass
    behind = reader.at // 8
    fields = tuple(reader.fields)
    return Layer(NAME, "Transport Layer Security", start * 8, reader.at, fields, "", (behind, behind), tuple(derived))


def handshake(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """Messages of a handshake whose records were taken off."""
    reader = Reader(data, start, len(data) if end is None else end)
    derived = tls_handshake.read(reader, context)
    behind = reader.at // 8
    fields = tuple(reader.fields)
    return Layer(NAME, "Transport Layer Security", start * 8, reader.at, fields, "", (behind, behind), tuple(derived))


def _read_record(reader: Reader, context: Mapping[str, Any]) -> list[Field]:
    mark = len(reader.fields)
    derived: list[Field] = []
    sealed = context.get("version") == tls_handshake.TLS_1_3 and reader.left and reader.peek() == APPLICATION_DATA
    named = "tls.record.opaque_type" if sealed else "tls.record.content_type"  # the real type is encrypted
    kind = reader.number(Row(named, "Content Type", 8, _type, RECORD))
    what = "the version; TLS 1.3 calls itself 1.2 here, so that nothing on the way is upset"
    reader.number(Row("tls.record.version", "Version", 16, lambda n: f"{name(VERSIONS, n)}: {what}", RECORD))
    length = reader.number(Row("tls.record.length", "Length", 16, "bytes of the content", RECORD))
    if length > LONGEST_RECORD:
        reader.amend("tls.record.length", meaning=f"{length} is too much for a record", malformed=True)
    inner = reader.within(length)
    try:
        derived = _content(inner, kind, context)
    except Short:
        pass
    if inner.left:
        inner.spoil("tls.record.rest", "Rest", "behind what the record should hold", RECORD)
    reader.adopt(inner)
    reader.fold(mark, "tls.record", f"{TYPES.get(kind, 'Unknown')} Record", kind, "", RECORD)
    if length > (reader.at - reader.fields[mark].start) // 8 - 5:
        raise Short
    return derived


def _content(inner: Reader, kind: int, context: Mapping[str, Any]) -> list[Field]:
    if kind == CHANGE_CIPHER_SPEC and inner.left == 1:
        what = "from here on this side encrypts; in TLS 1.3 only for show"
        inner.number(Row("tls.change_cipher_spec", "Change Cipher Spec", 8, what, "RFC 5246 7.1"))
    elif kind == ALERTS and inner.left == 2 and not context.get("encrypted"):
        inner.number(Row("tls.alert_message.level", "Level", 8, lambda n: LEVELS.get(n, "no such level"), ALERT))
        inner.number(
            Row("tls.alert_message.desc", "Description", 8, lambda n: DESCRIPTIONS.get(n, "no such alert"), ALERT)
        )
    elif kind == HANDSHAKE and context.get("over"):
        inner.take(inner.left, "tls.handshake.part", "Part of the Handshake", "joined with others", RECORD)
    elif kind == HANDSHAKE and not context.get("encrypted"):
        return tls_handshake.read(inner, context)
    elif inner.left:
        name_, label = (
            ("tls.app_data", "Encrypted Data") if kind == APPLICATION_DATA else ("tls.encrypted", "Encrypted")
        )
        inner.take(inner.left, name_, label, "only the two ends can read this", RECORD)
    return []
