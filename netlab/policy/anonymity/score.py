"""What an origin learnt of a client, and a score: 100 less the weight of each thing it learnt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from netlab.policy.anonymity.identifying import HINTS, reason
from netlab.policy.anonymity.profiles import ORDER, Engine, engine_of, kind_of
from netlab.policy.anonymity.sites import place

Pair = tuple[str, str]
OF_THE_ORIGIN = frozenset(("host", "origin", "referer", "x-forwarded-host"))
Resolver = Literal["client", "here", "proxy", "parent", "nobody", "unknown"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """Of a ClientHello, what fingerprints are made of."""

    ja3: str
    ja4: str
    alpn: tuple[str, ...]
    grease: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One request as it came to an origin, or as far as that is known.

    origin    the origin's own address: scheme, host and port, as a URL
    address   of the connection's other end; empty: not known
    fields    in their order; None: not known
    hello     None without TLS
    resolver  who asked for the address of the name: the client; a proxy on its machine; one elsewhere, or its parent;
              nobody, of an address or a name that is known without asking
    """

    origin: str
    address: str
    fields: tuple[Pair, ...] | None
    hello: Hello | None
    resolver: Resolver

    def value(self, name: str) -> str | None:
        """A field's, its name in lower case."""
        return next((value for key, value in self.fields or () if key.lower() == name), None)


class Item(NamedTuple):
    """One thing an origin may learn. `weight` is what the score loses by it."""

    name: str
    weight: int
    sentence: str


class Mark(NamedTuple):
    """What is said of one item; `learnt` is None where it cannot be known, and is then counted as learnt."""

    item: Item
    learnt: bool | None
    words: str


def score(marks: list[Mark]) -> int:
    """100 - the sum of the weights of what was learnt, or may have been."""
    return 100 - sum(mark.item.weight for mark in marks if mark.learnt is not False)


def judge(own: Seen, seen: Seen) -> list[Mark]:
    """Item by item, what of a request that went out as `own` the origin learnt from it as `seen`."""
    marks = []
    for item, check in ITEMS.items():
        if seen.fields is None and item not in WITHOUT_FIELDS:
            marks.append(Mark(item, None, "not known"))
            continue
        words = check(own, seen)
        learnt = None if words is None else bool(words)
        marks.append(Mark(item, learnt, "not known" if words is None else words or "no"))
    return marks


# -- each gives what was learnt in words: "" for nothing, None where that cannot be known ------------------------


def _address(own: Seen, seen: Seen) -> str | None:
    if not seen.address or not own.address:
        return None
    if seen.address == own.address:
        return f"{seen.address}, the client's own"
    told = [name for name, value in seen.fields or () if _tells(own.address, name.lower(), value)]
    return f"{own.address}, in {', '.join(told)}" if told else ""


def _tells(address: str, name: str, value: str) -> bool:
    """Whether a field names a client by its address; the origin's own may be the same."""
    if name == "forwarded":
        return any(part.strip(' "[]') == address for part in re.findall(r"(?i)for=([^;,]*)", value))
    return name not in OF_THE_ORIGIN and address in re.split(r'[\s,;="\[\]]+', value)


def _proxy(own: Seen, seen: Seen) -> str:
    return ", ".join(name for name, _ in seen.fields or () if _says_proxy(name.lower()))


def _identifiers(own: Seen, seen: Seen) -> str:
    return ", ".join(name for name, _ in seen.fields or () if reason(name.lower()) and not _says_proxy(name.lower()))


def _cookies(own: Seen, seen: Seen) -> str:
    return "Cookie" if seen.value("cookie") is not None else ""


def _referer(own: Seen, seen: Seen) -> str:
    value = seen.value("referer")
    return value if value is not None and place(value) != place(seen.origin) else ""


def _validators(own: Seen, seen: Seen) -> str:
    names = ("if-none-match", "if-modified-since", "if-range")
    return ", ".join(name for name, _ in seen.fields or () if name.lower() in names)


def _software(own: Seen, seen: Seen) -> str:
    names = ("user-agent", *HINTS)
    same = [name for name, value in seen.fields or () if name.lower() in names and own.value(name.lower()) == value]
    return f"{', '.join(same)}: as the client sent it" if same else ""


def _language(own: Seen, seen: Seen) -> str:
    value = seen.value("accept-language")
    return value if value is not None and value == own.value("accept-language") else ""


def _order(own: Seen, seen: Seen) -> str:
    """The client's own names, spelled and ordered as it does; what a proxy says of itself hides nothing of that."""
    mine = [name for name, _ in own.fields or ()]
    seen_names = [name for name, _ in seen.fields or () if name in mine or not _says_proxy(name.lower())]
    return "as the client's" if seen_names == [name for name in mine if name in seen_names] else ""


def _tls(own: Seen, seen: Seen) -> str | None:
    if own.hello is None:
        return ""
    if seen.hello is None:
        return None
    return "the same as the client's own" if seen.hello.ja4 == own.hello.ja4 else ""


def _mask(own: Seen, seen: Seen) -> str:
    """What gives away that User-Agent is not true; of a program that claims to be no browser, nothing."""
    engine = engine_of(seen.value("user-agent"))
    if engine is None:
        return ""
    found = [*_not_its_tls(engine, seen.hello), *_not_its_fields(engine, seen)]
    return "; ".join(found)


def _lookup(own: Seen, seen: Seen) -> str | None:
    if seen.resolver == "unknown":
        return None
    words = {"client": "the client asked", "here": "the proxy asked, but on the client's machine"}
    return words.get(seen.resolver, "")


def _not_its_tls(engine: Engine, hello: Hello | None) -> list[str]:
    if hello is None:
        return []
    found = [] if "h2" in hello.alpn else ["browsers offer HTTP/2 in TLS"]
    return found if hello.grease or engine != "chromium" else [*found, "Chromium sends GREASE in TLS (RFC 8701)"]


def _not_its_fields(engine: Engine, seen: Seen) -> list[str]:
    names = [name for name, _ in seen.fields or ()]
    kind = kind_of(seen.value("sec-fetch-dest"), seen.value("accept"))
    order = ORDER[engine][kind == "navigation"]
    known = [name for name in names if name in order and (engine, name) != ("firefox", "Referer")]  # it moves about
    found = []
    if known != sorted(known, key=order.index):
        found.append("its fields have another order")
    if any(name not in order and name.lower() in {known.lower() for known in order} for name in names):
        found.append("its fields are spelled otherwise")
    missing = [name for name in ("Connection", "Accept-Encoding", "Accept-Language") if name not in names]
    if missing:
        found.append(f"it sends no {', '.join(missing)}")
    return found


def _says_proxy(name: str) -> bool:
    return name in ("via", "forwarded") or name.startswith("x-forwarded")


ITEMS: dict[Item, Callable[[Seen, Seen], str | None]] = {
    Item("address", 30, "the client's own address, as the connection's other end or in a field"): _address,
    Item("proxy", 5, "that a proxy asks"): _proxy,
    Item("identifiers", 10, "a field that names a person, a device, a request"): _identifiers,
    Item("cookies", 10, "cookies"): _cookies,
    Item("referer", 5, "which page of another origin the client comes from"): _referer,
    Item("validators", 5, "tags and dates of what is in the client's cache"): _validators,
    Item("software", 10, "which program the client is, in its own words"): _software,
    Item("language", 5, "which languages the client asks for"): _language,
    Item("order", 5, "the spelling and order of the client's fields, which tell programs apart"): _order,
    Item("tls", 5, "the client's TLS fingerprint"): _tls,
    Item("mask", 5, "that User-Agent is not true, by the order of fields or TLS"): _mask,
    Item("lookup", 5, "by a resolver of the client's own, that the name was looked up"): _lookup,
}
WITHOUT_FIELDS = tuple(item for item in ITEMS if item.name in ("address", "tls", "lookup"))
FORMULA = "score = 100 - the sum of the weights of what the origin learnt; what cannot be known counts as learnt"
assert sum(item.weight for item in ITEMS) == 100
