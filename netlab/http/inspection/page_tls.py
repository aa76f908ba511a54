"""The TLS part of the inspection page: what was agreed, what was offered, and what that tells of the client."""

from __future__ import annotations

from collections.abc import Iterable

from netlab.cores import tls_hello_names as names
from netlab.cores.tls_hello_details import Extension, HelloDetails
from netlab.cores.tls_hello_fingerprint import ja3, ja3_text, ja4, ja4_raw
from netlab.http.inspection.facts import Inspection
from netlab.http.inspection.markup import cards, chips, code, details, escape, mark, row, section_mark, table
from netlab.http.inspection.record import meaning_of

BEGIN = '<h2 id="tls">TLS</h2>\n'


def fingerprint_card(inspection: Inspection) -> tuple[str, str, str]:
    assert inspection.hello is not None
    return "JA4 fingerprint", code(ja4(inspection.hello)), "shared by all who use the same software"


def tls_section(inspection: Inspection) -> str:
    tls, hello = inspection.tls, inspection.hello
    if tls is None:
        return (
            f"{BEGIN}<p>This connection is not encrypted: whoever carries it can read and change it. "
            "Over https (<code>netlab serve http --tls</code>) your ClientHello would be shown here.</p>\n"
        )
    agreed = cards(
        [
            ("Version", escape(str(tls["version"]).replace("TLSv", "TLS ")), "the best both know"),
            ("Cipher suite", code(str(tls["cipher"])), "protects what is sent"),
            ("Protocol inside", code(str(tls["alpn"] or "none")), "chosen by ALPN"),
            ("Name asked for", code(str(tls["sni"] or "none")), "SNI, readable by anyone on the way"),
            ("Session", "resumed" if tls["resumed"] else "new", "a resumed one skips the certificate"),
        ]
    )
    offered = _hello(hello, inspection.hello_message) if hello is not None else "<p>The ClientHello was not kept.</p>\n"
    return f"{BEGIN}<h3>Agreed on</h3>\n{agreed}\n{offered}"


def _hello(hello: HelloDetails, message: bytes) -> str:
    grease = any(map(names.is_grease, (*hello.cipher_suites, *hello.kinds, *hello.groups, *hello.versions)))
    greased = (
        "The pale entries are GREASE (RFC 8701): numbers that mean nothing, so that servers learn to pass over "
        "what they do not know. "
        if grease
        else ""
    )
    shares = [
        (f"{names.name(names.GROUPS, group)}, {size} bytes", names.is_grease(group)) for group, size in hello.key_shares
    ]
    lists = [
        ("Versions", _chips(names.VERSIONS, hello.versions or (hello.legacy_version,))),
        ("Protocols to speak inside (ALPN)", chips((protocol.decode("latin-1"), False) for protocol in hello.alpn)),
        ("Cipher suites", _chips(names.CIPHER_SUITES, hello.cipher_suites)),
        ("Groups for the key exchange", _chips(names.GROUPS, hello.groups)),
        ("Key shares sent along", chips(shares)),
        ("Signatures the client can check", _chips(names.SIGNATURES, hello.signature_algorithms)),
        ("Compressions of the certificate", _chips(names.CERTIFICATE_COMPRESSIONS, hello.certificate_compressions)),
    ]
    return (
        f"<h3>Your ClientHello, {hello.size} bytes</h3>\n"
        f"<p>What your client offered, best first. {greased}All of it could be read by anyone on the way.</p>\n"
        + "".join(f"<h3>{title}</h3>\n{content}\n" for title, content in lists if "<li" in content)
        + f"<h3>Extensions, in their order</h3>\n{_extensions(hello)}\n"
        + _fingerprints(hello)
        + details("The bytes of the ClientHello", f"<pre>{_hexadecimal(message)}</pre>")
        + "\n"
    )


def _chips(table_of: dict[int, str], numbers: Iterable[int]) -> str:
    return chips((names.name(table_of, number), names.is_grease(number)) for number in numbers)


def _extensions(hello: HelloDetails) -> str:
    rows = "".join(_extension(extension, extension.kind in hello.malformed) for extension in hello.extensions)
    return table(("extension", "number", "bytes", "meaning", "where"), rows, "stack")


def _extension(extension: Extension, malformed: bool) -> str:
    meaning, section = meaning_of(extension.kind)
    pale = " class=grease" if names.is_grease(extension.kind) else ""
    wrong = mark("malformed", bad=True) if malformed else ""
    return row(
        f"<td{pale}>{escape(names.extension_name(extension.kind))}</td>",
        f'<td class="number">{extension.kind}</td>',
        f'<td class="number">{len(extension.data)}</td>',
        f'<td class="text">{escape(meaning)} {wrong}</td>',
        section_mark(section),
    )


def _fingerprints(hello: HelloDetails) -> str:
    rows = [
        ("JA4", ja4(hello), "lists sorted and hashed: the same for every connection of this software"),
        ("JA4_r", ja4_raw(hello), "what JA4 hashes"),
        ("JA3", ja3(hello), "lists in their order: browsers shuffle extensions today, and have a new one each time"),
        ("JA3, text", ja3_text(hello), "what JA3 hashes: version, suites, extensions, groups, point formats"),
    ]
    shown = "".join(
        row(f"<td><b>{name}</b></td>", f'<td class="full">{code(value)}</td>', f'<td class="text">{escape(words)}</td>')
        for name, value, words in rows
    )
    return (
        "<h3>Fingerprints</h3>\n<p>By these a server tells your software, whatever User-Agent says.</p>\n"
        f"{table(('', 'fingerprint', 'meaning'), shown, 'stack')}\n"
    )


def _hexadecimal(data: bytes) -> str:
    return "\n".join(data[at : at + 32].hex(" ") for at in range(0, len(data), 32))
