"""An inspection as JSON, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from captures.tree import as_json
from netlab.cores import tls_hello_names as names
from netlab.cores.tls_hello_details import HelloDetails
from netlab.cores.tls_hello_fingerprint import ja3, ja3_text, ja4, ja4_raw
from netlab.http.inspection.facts import FieldNote, Inspection
from netlab.net.tcp_facts import agreed, state


def to_record(inspection: Inspection) -> dict[str, Any]:
    """Everything, in the order of the wire: connection, SYN, TCP, TLS, request, lint."""
    return {
        "connection": {
            "client": {"address": inspection.client[0], "port": inspection.client[1], "scope": inspection.client_scope},
            "server": {"address": inspection.server[0], "port": inspection.server[1]},
            "seconds": round(inspection.age, 6),
            "flow": inspection.flow,
            "level": inspection.level,
        },
        "syn": {"raw": inspection.syn.hex(), "layers": as_json(inspection.layers)} if inspection.syn else None,
        "tcp": _tcp(inspection),
        "tls": dict(inspection.tls) if inspection.tls is not None else None,
        "client_hello": None if inspection.hello is None else _hello(inspection.hello, inspection.hello_message),
        "request": _request(inspection),
        "lint": [
            {"kind": finding.kind, "field": finding.field, "sentence": finding.sentence, "section": finding.section}
            for finding in inspection.findings
        ],
    }


def _tcp(inspection: Inspection) -> dict[str, Any] | None:
    info = inspection.info
    return {**info, "state": state(info), "options": agreed(info)} if info else None


def _request(inspection: Inspection) -> dict[str, Any]:
    request, raw = inspection.request, inspection.raw
    return {
        "method": request.method,
        "target": request.target,
        "version": request.version,
        "form": request.form,
        "fields": [_field(field) for field in inspection.fields],
        "raw": raw.data.decode("latin-1"),
        "raw_is": "as received" if raw.exact else "rebuilt from what was read; optional blanks are normalized",
        "bytes": raw.size or None,
    }


def _field(field: FieldNote) -> dict[str, Any]:
    record: dict[str, Any] = {"name": field.name, "value": field.value}
    if field.secret:
        record["secret"] = True
    if field.known is not None:
        record |= {"meaning": field.known.meaning, "section": field.known.section, "status": field.known.status}
    return record


def _hello(hello: HelloDetails, message: bytes) -> dict[str, Any]:
    return {
        "bytes": hello.size,
        "legacy_version": _named(names.VERSIONS, hello.legacy_version),
        "random": hello.random.hex(),
        "session_id": hello.session_id.hex(),
        "server_name": hello.server_name,
        "alpn": [protocol.decode("latin-1") for protocol in hello.alpn],
        "versions": _all(names.VERSIONS, hello.versions),
        "cipher_suites": _all(names.CIPHER_SUITES, hello.cipher_suites),
        "groups": _all(names.GROUPS, hello.groups),
        "signature_algorithms": _all(names.SIGNATURES, hello.signature_algorithms),
        "key_shares": [{**_named(names.GROUPS, group), "bytes": size} for group, size in hello.key_shares],
        "point_formats": [names.name(names.POINT_FORMATS, number) for number in hello.point_formats],
        "psk_modes": [names.name(names.PSK_MODES, number) for number in hello.psk_modes],
        "certificate_compressions": _all(names.CERTIFICATE_COMPRESSIONS, hello.certificate_compressions),
        "extensions": [
            {
                "number": extension.kind,
                "name": names.extension_name(extension.kind),
                "meaning": meaning_of(extension.kind)[0],
                "section": meaning_of(extension.kind)[1],
                "data": extension.data.hex(),
                **({"malformed": True} if extension.kind in hello.malformed else {}),
            }
            for extension in hello.extensions
        ],
        "ja3": {"hash": ja3(hello), "text": ja3_text(hello)},
        "ja4": {"fingerprint": ja4(hello), "raw": ja4_raw(hello)},
        "raw": message.hex(),
    }


def meaning_of(kind: int) -> tuple[str, str]:
    """What an extension says, and where that stands."""
    known = names.EXTENSIONS.get(kind)
    if known is not None:
        return known[1], known[2]
    if names.is_grease(kind):
        return "means nothing, on purpose: servers must take what they do not know", "RFC 8701 3.1"
    return "unknown here", ""


def _all(table: dict[int, str], numbers: Iterable[int]) -> list[dict[str, Any]]:
    return [_named(table, number) for number in numbers]


def _named(table: dict[int, str], number: int) -> dict[str, Any]:
    grease = {"grease": True} if names.is_grease(number) else {}
    return {"number": number, "name": names.name(table, number), **grease}
