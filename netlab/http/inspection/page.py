"""An inspection as a page for people: nothing on it is fetched, and all that came from outside is escaped."""

from __future__ import annotations

from collections.abc import Iterable

from captures.tree import Field, Layer
from netlab.http.inspection.drawing import drawing, shown
from netlab.http.inspection.facts import FieldNote, Inspection, RawHead
from netlab.http.inspection.markup import cards, code, details, escape, mark, row, section_mark, table
from netlab.http.inspection.page_tls import fingerprint_card, tls_section
from netlab.http.inspection.style import style
from netlab.http.lint import KINDS
from netlab.http.pages import visible
from netlab.net.tcp_facts import CONGESTION_STATES, FACTS, agreed, state
from netlab.text import duration, host_port

KIND_WORDS = {
    "malformed": "Values that do not have the form their specification gives them.",
    "contradictory": "What is at odds with something else in the request.",
    "duplicate": "What stands there more often than it may.",
    "obsolete": "What should no longer be sent.",
    "tracking": "What tells who you are, or what is special about you.",
    "unknown": "Names that nobody registered, or that belong elsewhere.",
}


def page(inspection: Inspection) -> bytes:
    """The whole page, in UTF-8."""
    parts = [
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<link rel="icon" href="data:,">\n<title>Your connection, inspected</title>\n',
        f"<style>{style()}</style>\n",
        _head(inspection),
        _syn_section(inspection),
        _tcp_section(inspection),
        tls_section(inspection),
        _request_section(inspection),
        _lint_section(inspection),
        "</html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _head(inspection: Inspection) -> str:
    client, server, info = inspection.client, inspection.server, inspection.info
    tls = inspection.tls
    found = [
        ("From", code(_place(client)), inspection.client_scope),
        ("To", code(_place(server)), f"flow {inspection.flow}, open for {duration(inspection.age)}"),
        ("Round trip", f"{duration(info['rtt'] / 1e6)} ± {duration(info['rttvar'] / 1e6)}" if info else "unknown", ""),
        ("Protocol", f"HTTP/{escape(inspection.request.version)}", "over TLS" if tls else "in the clear"),
        *([fingerprint_card(inspection)] if inspection.hello else []),
        ("Remarks", str(len(inspection.findings)) or "none", "on the request, below"),
    ]
    links = [("#syn", "SYN"), ("#tcp", "TCP"), ("#tls", "TLS"), ("#request", "request"), ("#lint", "remarks")]
    nav = "".join(f'<a href="{target}">{words}</a>' for target, words in links)
    return (
        "<h1>Your connection, inspected</h1>\n"
        '<p class="soft">What this server knows of the very connection that brought you this page. '
        'Programs get the same as JSON: <a href="?format=json">?format=json</a>.</p>\n'
        f"<nav>{nav}</nav>\n{cards(found)}\n"
    )


def _place(port: tuple[str, int]) -> str:
    host, number = port
    return host_port(host, number) if number else host or "a Unix socket"


# -- the SYN ------------------------------------------------------------------------------------------------------


def _syn_section(inspection: Inspection) -> str:
    begin = '<h2 id="syn">The packet you knocked with</h2>\n'
    if not inspection.syn:
        return (
            f"{begin}<p>Your SYN was not kept: the system is not Linux, the server was started with "
            "<code>--no-save-syn</code>, or the kernel was flooded with SYNs and answered with cookies.</p>\n"
        )
    drawn = "".join(_layer(layer, inspection.syn) for layer in inspection.layers)
    return (
        f"{begin}<p>The connection's first packet, your system's SYN: {len(inspection.syn)} bytes as they came in. "
        "Rows are 32 bits wide, as in the RFCs; the digits are the bits themselves.</p>\n"
        f"{drawn}{details('The bytes', f'<pre>{_hex_lines(inspection.syn)}</pre>')}\n"
    )


def _layer(layer: Layer, data: bytes) -> str:
    explained = table(("field", "value", "meaning", "where"), _field_rows(layer.fields), "stack indent")
    return (
        f"<h3>{escape(layer.label)}</h3>\n{drawing(layer, data)}\n"
        f"{details(f'{layer.label}, field by field', explained)}\n"
    )


def _field_rows(fields: Iterable[Field], depth: int = 0) -> str:
    rows = []
    for field in fields:
        label = ("· " * depth) + field.label
        wrong = mark("malformed", bad=True) if field.malformed else ""
        meaning = f'<td class="text">{escape(field.meaning)} {wrong}</td>'
        rows.append(
            row(f"<td>{escape(label)}</td>", f"<td>{code(shown(field))}</td>", meaning, section_mark(field.section))
        )
        rows.append(_field_rows(field.parts, depth + 1))
    return "".join(rows)


def _hex_lines(data: bytes) -> str:
    """Bytes as hexadecimal, sixteen a line, each line with its offset."""
    lines = [(at, data[at : at + 16]) for at in range(0, len(data), 16)]
    return "\n".join(f"<i>{at:04x}</i>  {line.hex(' ')}" for at, line in lines)


# -- TCP ----------------------------------------------------------------------------------------------------------

FIRST = (
    "rtt",
    "rttvar",
    "min_rtt",
    "snd_cwnd",
    "snd_ssthresh",
    "snd_mss",
    "rcv_mss",
    "advmss",
    "pmtu",
    "rto",
    "total_retrans",
    "lost",
    "reordering",
    "snd_wnd",
    "rcv_wnd",
    "bytes_received",
    "bytes_sent",
    "segs_in",
    "segs_out",
    "delivery_rate",
)
"""What to show first of TCP_INFO."""
NO_LIMIT = (0x7FFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)
"""What the kernel writes where there is none."""


def _tcp_section(inspection: Inspection) -> str:
    begin = '<h2 id="tcp">The connection, as the kernel sees it</h2>\n'
    info = inspection.info
    if not info:
        return f"{begin}<p>This system does not tell (TCP_INFO is Linux's).</p>\n"
    facts = {fact.name: fact for fact in FACTS}
    congestion = CONGESTION_STATES[info["ca_state"]] if info["ca_state"] < len(CONGESTION_STATES) else "unknown"
    words = f"State {state(info)}, congestion control {congestion}; agreed on: {', '.join(agreed(info)) or 'nothing'}."
    others = [name for name in info if name not in FIRST]

    def rows(names: Iterable[str]) -> str:
        return "".join(
            row(
                f"<td>{code(name)}</td>",
                f'<td class="number">{_amount(info[name], facts[name].unit)}</td>',
                f'<td class="text">{escape(facts[name].about)}</td>',
            )
            for name in names
            if name in info
        )

    columns = ("TCP_INFO", "", "meaning")
    return (
        f"{begin}<p>{escape(words)}</p>\n{table(columns, rows(FIRST), 'stack')}\n"
        f"{details('The rest of TCP_INFO', table(columns, rows(others), 'stack'))}\n"
    )


def _amount(number: int, unit: str) -> str:
    if unit == "µs":
        return duration(number / 1e6)
    if number in NO_LIMIT:
        return "no limit"
    return f"{number:,} {unit}".strip()


# -- the request --------------------------------------------------------------------------------------------------


def _request_section(inspection: Inspection) -> str:
    explained = table(("field", "value", "meaning", "where"), "".join(map(_note_row, inspection.fields)), "stack")
    return (
        f'<h2 id="request">The request</h2>\n<p>{_raw_words(inspection.raw)} '
        "Secrets are blurred until you point at them.</p>\n"
        f"<pre>{_raw_lines(inspection)}</pre>\n<h3>Field by field</h3>\n{explained}\n"
    )


def _raw_words(raw: RawHead) -> str:
    """How far the bytes shown are those that came."""
    if raw.exact:
        return f"The {raw.size} bytes of its head, as they came."
    came = (
        "" if not raw.size else ", as many as came" if len(raw.data) == raw.size else f" for the {raw.size} that came"
    )
    return (
        f"Its head, written anew from what was read, {len(raw.data)} bytes{came}: names, order and case are yours, "
        "optional blanks around values are normalized. With <code>--record full</code> it is the bytes themselves."
    )


def _raw_lines(inspection: Inspection) -> str:
    """The head's lines with their ends made visible; lines of secret fields blurred behind the colon."""
    lines = [visible(line) for line in inspection.raw.data.split(b"\r\n")[:-1]]
    secret = [False, *(field.secret for field in inspection.fields)]
    shown_lines = []
    for index, line in enumerate(lines):
        name, colon, value = line.partition(":")
        hide = index < len(secret) and secret[index]
        content = f"{escape(name + colon)}{_blurred(value)}" if hide else escape(line)
        shown_lines.append(f"{content}<i>\\r\\n</i>")
    return "\n".join(shown_lines)


def _note_row(field: FieldNote) -> str:
    known = field.known
    marks = [mark("secret")] if field.secret else []
    if known is None:
        meaning, section = "Not a field this server knows.", ""
        marks.append(mark("unregistered"))
    else:
        meaning, section = known.meaning, known.section
        if known.status != "permanent":
            marks.append(mark(known.status, bad=known.dated))
    return row(
        f"<td><b>{escape(field.name)}</b></td>",
        f'<td class="full">{_blurred(field.value) if field.secret else code(_printable(field.value))}</td>',
        f'<td class="text">{escape(meaning)} {" ".join(marks)}</td>',
        section_mark(section),
    )


def _printable(value: str) -> str:
    """A value with bytes outside ASCII spelled as what they are: nobody said which encoding they are in."""
    return value if value.isascii() else visible(value.encode("latin-1"))


def _blurred(value: str) -> str:
    return f'<code class="secret" tabindex="0" title="a secret: whoever has it can act as you">{escape(value)}</code>'


# -- remarks ------------------------------------------------------------------------------------------------------


def _lint_section(inspection: Inspection) -> str:
    begin = '<h2 id="lint">Remarks</h2>\n'
    if not inspection.findings:
        return f"{begin}<p>None: no field is repeated, dated, contradictory or malformed; none gives you away.</p>\n"
    parts = [begin]
    for kind in KINDS:
        found = [finding for finding in inspection.findings if finding.kind == kind]
        if found:
            items = "".join(
                f"<li><span>{escape(finding.sentence)}</span>{section_mark(finding.section, 'span')}</li>"
                for finding in found
            )
            parts.append(f'<h3>{kind.capitalize()}</h3>\n<p class="soft">{KIND_WORDS[kind]}</p>\n')
            parts.append(f'<ol class="lint">{items}</ol>\n')
    return "".join(parts)
