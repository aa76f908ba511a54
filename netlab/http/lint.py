"""What is odd about a request: repeated, dated, contradictory, malformed, and what gives its sender away. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from netlab.cores.fields import Fields
from netlab.http.field_table import field_table
from netlab.http.lint_pairs import contradictions
from netlab.http.lint_values import check_value

KINDS = ("malformed", "contradictory", "duplicate", "obsolete", "tracking", "unknown")
"""The kinds of findings, gravest first."""

LIMIT = 100
"""No request gets more findings than this; a request may have thousands of fields."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is looked at: a request without its content. `secure`: whether it came over TLS."""

    method: str
    target: str
    version: str
    fields: Fields
    has_body: bool = False
    secure: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One of KINDS, the field it is about (or `target`), one sentence, and where the rule stands; may be nowhere."""

    kind: str
    field: str
    sentence: str
    section: str = ""


def lint(head: Head) -> list[Finding]:
    """Everything there is to say, the gravest first, each field's in the order of the request."""
    found: list[Finding] = []
    for rule in (_malformed, contradictions_of, _duplicates, _dated, _tracking, _unknown):
        for finding in rule(head):
            found.append(finding)
            if len(found) == LIMIT:
                return found
    return found


def _malformed(head: Head) -> Iterator[Finding]:
    for name, value in head.fields:
        problem = check_value(name.lower(), value)
        if problem is not None:
            yield Finding("malformed", name, f"{name} {problem[0]}.", problem[1])


def contradictions_of(head: Head) -> Iterator[Finding]:
    for name, sentence, section in contradictions(
        head.method, head.version, head.fields, has_body=head.has_body, secure=head.secure
    ):
        yield Finding("contradictory", name, sentence, section)


def _duplicates(head: Head) -> Iterator[Finding]:
    """Fields that may stand once only, and lists that say the same thing twice."""
    seen = Counter(name.lower() for name, _ in head.fields)
    for name, count in seen.items():
        if count > 1 and name in SINGLE:
            shown, section = _shown(name), SINGLE[name]
            yield Finding("duplicate", shown, f"{shown} stands {count} times and may stand once.", section)
    for name in LISTS:
        twice = [item for item, count in Counter(head.fields.tokens(name)).items() if count > 1]
        for item in twice:
            shown = _shown(name)
            yield Finding("duplicate", shown, f"{shown} lists {item[:60]} more than once.", field_table()[name].section)


def _dated(head: Head) -> Iterator[Finding]:
    for name in dict.fromkeys(name.lower() for name, _ in head.fields):
        known = field_table().get(name)
        if name in DATED:
            yield Finding("obsolete", _shown(name), *DATED[name])
        elif known is not None and known.dated:
            yield Finding(
                "obsolete", known.name, f"{known.name} is {known.status}: {_lowered(known.meaning)}", known.section
            )
    if "x-gzip" in head.fields.tokens("accept-encoding"):
        yield Finding("obsolete", "Accept-Encoding", "x-gzip is the old name of gzip.", "RFC 9110 8.4.1.3")
    if "h2c" in head.fields.tokens("upgrade"):
        sentence = "An upgrade to HTTP/2 in the clear was dropped from the standard."
        yield Finding("obsolete", "Upgrade", sentence, "RFC 9113 3.1")


def _tracking(head: Head) -> Iterator[Finding]:
    for name in dict.fromkeys(name.lower() for name, _ in head.fields):
        if name in TRACKING:
            yield Finding("tracking", _shown(name), TRACKING[name], _section(name))
    yield from _given_away(head)
    query = head.target.partition("?")[2].partition("#")[0]
    for name in dict.fromkeys(
        name.lower() for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None)
    ):
        who = TRACKING_PARAMETERS.get(name) or (
            "advertising campaigns" if name.startswith(("utm_", "mtm_", "pk_")) else ""
        )
        if who:
            sentence = f"The parameter {name[:60]} is put into links by {who} to follow a person from site to site."
            yield Finding("tracking", "target", sentence)


def _given_away(head: Head) -> Iterator[Finding]:
    """What is said more exactly than it would have to be."""
    referer = head.fields.get("referer") or ""
    if "?" in referer:
        yield Finding("tracking", "Referer", "Referer gives away the query of the page before.", "RFC 9110 17.9")
    if len(head.fields.tokens("accept-language")) > 3:
        sentence = "Accept-Language lists so many languages that few people have the same."
        yield Finding("tracking", "Accept-Language", sentence, "RFC 9110 17.13")


def _unknown(head: Head) -> Iterator[Finding]:
    """Names nobody registered, and fields that only servers send."""
    for name in dict.fromkeys(name for name, _ in head.fields):
        known = field_table().get(name.lower())
        if known is None:
            new = " New names have no X- in front since 2012." if name[:2] in ("x-", "X-") else ""
            section = "RFC 6648 3" if new else "RFC 9110 16.3.1"
            yield Finding("unknown", name[:80], f"{name[:80]} is not a registered field.{new}", section)
        elif known.side == "response":
            sentence = f"{known.name} is for responses and means nothing in a request."
            yield Finding("unknown", known.name, sentence, known.section)


def _shown(name: str) -> str:
    known = field_table().get(name)
    return known.name if known is not None else name


def _section(name: str) -> str:
    known = field_table().get(name)
    return known.section if known is not None else ""


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


SINGLE = {
    "authorization": "RFC 9110 11.6.2",
    "content-length": "RFC 9110 8.6",
    "content-type": "RFC 9110 8.3",
    "cookie": "RFC 6265 5.4",
    "date": "RFC 9110 6.6.1",
    "from": "RFC 9110 10.1.2",
    "host": "RFC 9112 3.2",
    "if-modified-since": "RFC 9110 13.1.3",
    "if-range": "RFC 9110 13.1.5",
    "if-unmodified-since": "RFC 9110 13.1.4",
    "max-forwards": "RFC 9110 7.6.2",
    "origin": "RFC 6454 7.3",
    "proxy-authorization": "RFC 9110 11.7.2",
    "range": "RFC 9110 14.2",
    "referer": "RFC 9110 10.1.3",
    "upgrade-insecure-requests": "Upgrade Insecure Requests",
    "user-agent": "RFC 9110 10.1.5",
}
"""Fields that are no lists (RFC 9110 5.3), and who says so."""

LISTS = ("accept", "accept-encoding", "accept-language", "connection", "te", "upgrade")

DATED = {
    "keep-alive": ("Keep-Alive is a relic of HTTP/1.0 that HTTP/1.1 does not define.", "RFC 9112 C.2.2"),
    "proxy-connection": ("Proxy-Connection never worked; clients must not send it.", "RFC 9112 C.2.2"),
    "dnt": ("DNT was given up because hardly any site complied; Sec-GPC is what came of it.", "Global Privacy Control"),
    "public-key-pins": ("Public-Key-Pins has been given up by browsers.", "RFC 7469 2.1"),
    "dpr": ("DPR is the old name of Sec-CH-DPR.", "Responsive Image Client Hints"),
    "viewport-width": ("Viewport-Width is the old name of Sec-CH-Viewport-Width.", "Responsive Image Client Hints"),
    "width": ("Width is the old name of Sec-CH-Width.", "Responsive Image Client Hints"),
    "purpose": ("Purpose is the old name of Sec-Purpose.", "Fetch"),
    "content-transfer-encoding": ("Content-Transfer-Encoding is mail's; HTTP does not have it.", "RFC 9112 B.5"),
}
"""Fields that are dated though the registry does not say so."""

TRACKING = {
    "cookie": "Cookie tells this server that it is you again.",
    "if-none-match": "If-None-Match gives back a tag that a server can make one of a kind, as good as a cookie.",
    "if-modified-since": "If-Modified-Since gives back a date that a server can make one of a kind.",
    "referer": "Referer tells which page you came from.",
    "from": "From gives your mail address.",
    "via": "Via tells that a proxy is between, and which.",
    "forwarded": "Forwarded tells for whom a proxy asks.",
    "x-forwarded-for": "X-Forwarded-For tells for which address a proxy asks.",
    "x-real-ip": "X-Real-IP tells for which address a proxy asks.",
    "x-client-data": "X-Client-Data tells Google which experiments your Chrome takes part in.",
    "x-uidh": "X-UIDH is your mobile network's number for you.",
    "x-wap-profile": "X-WAP-Profile tells the model of your phone.",
    "traceparent": "Traceparent ties this request to others of the same trace.",
    "baggage": "Baggage hands on whatever the services before have put in.",
    "sec-ch-ua-full-version-list": "Sec-CH-UA-Full-Version-List tells your browser's version to the last digit.",
    "sec-ch-ua-full-version": "Sec-CH-UA-Full-Version tells your browser's version to the last digit.",
    "sec-ch-ua-model": "Sec-CH-UA-Model tells the model of your device.",
    "sec-ch-ua-arch": "Sec-CH-UA-Arch tells your kind of processor.",
    "sec-ch-ua-platform-version": "Sec-CH-UA-Platform-Version tells your system's version.",
    "device-memory": "Device-Memory tells how much memory your device has.",
    "downlink": "Downlink tells how fast your network is.",
    "rtt": "RTT tells how slow your network is.",
    "viewport-width": "Viewport-Width tells how wide your window is.",
    "dpr": "DPR tells how fine your screen is.",
    "sec-token-binding": "Sec-Token-Binding shows a key that is yours alone.",
}
"""Fields that tell who is there, or what is special about it."""

TRACKING_PARAMETERS = {
    "gclid": "Google's advertisements",
    "gclsrc": "Google's advertisements",
    "dclid": "Google's advertisements",
    "gbraid": "Google's advertisements",
    "wbraid": "Google's advertisements",
    "_ga": "Google Analytics",
    "fbclid": "Facebook",
    "igshid": "Instagram",
    "msclkid": "Microsoft's advertisements",
    "twclid": "Twitter's advertisements",
    "ttclid": "TikTok's advertisements",
    "li_fat_id": "LinkedIn",
    "yclid": "Yandex",
    "ysclid": "Yandex",
    "mc_eid": "Mailchimp",
    "mc_cid": "Mailchimp",
    "_hsenc": "HubSpot",
    "_hsmi": "HubSpot",
    "mkt_tok": "Marketo",
    "vero_id": "Vero",
    "oly_enc_id": "Omeda",
    "rb_clickid": "Rebrandly",
    "s_cid": "Adobe",
    "wickedid": "Wicked Reports",
}
"""Parameters in links whose only use is to recognize who follows them."""
