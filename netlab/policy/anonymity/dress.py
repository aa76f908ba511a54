"""A browser's clothes for a request that no such browser made: the fields it would send, spelled and ordered so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from netlab.policy.anonymity.profiles import CODINGS, PRIORITY, Kind, Profile, acceptable, kind_of
from netlab.policy.anonymity.sites import Place, relation

Pair = tuple[str, str]
METADATA = ("sec-fetch-site", "sec-fetch-mode", "sec-fetch-user", "sec-fetch-dest")


class Dressed(NamedTuple):
    """Fields in the profile's order, and that order in lower-case names; `undo` as in `Applied`."""

    fields: list[Pair]
    order: tuple[str, ...]
    undo: str | None


def dress(
    fields: Sequence[Pair], method: str, to: Place, profile: Profile, left: Callable[[str], bool] = lambda name: False
) -> Dressed:
    """What the profile's browser would send: as a navigation where HTML is asked for first, else as `fetch()` does,
    whose Accept a script may set as it likes. What is `left` (by lower-case name) is neither added nor changed.
    """
    own = {name.lower(): value for name, value in fields}
    kind = kind_of(own.get("sec-fetch-dest"), own.get("accept"))
    worn = {name: value for name, value in _worn(own, kind, method, to, profile).items() if not left(name)}
    spelled = {name.lower(): name for name in profile.order(kind)}
    unworn = {*METADATA, "priority", "upgrade-insecure-requests", "expect"} - set(worn)
    pairs, met = list[Pair](), set[str]()
    for name, value in fields:
        key = name.lower()
        if key in worn:
            if key not in met:  # said twice, it is the browser's once
                pairs.append((spelled[key], worn[key]))
            met.add(key)
        elif key not in unworn or left(key):
            pairs.append((spelled.get(key, name), value))
    pairs += [(spelled[key], value) for key, value in worn.items() if key not in met]
    accepted = own.get("accept-encoding", "")
    more = set(_codings(worn.get("accept-encoding", accepted))) - set(_codings(accepted))
    undo = accepted if more else None
    order = tuple(map(str.lower, profile.order(kind)))
    return Dressed(arrange(pairs, order), order, undo)


def _worn(own: dict[str, str], kind: Kind, method: str, to: Place, profile: Profile) -> dict[str, str]:
    """The fields of the browser's own, by lower-case name."""
    worn = {
        "user-agent": profile.user_agent,
        "accept": acceptable(profile.accept(kind), own.get("accept")) if kind != "other" else own.get("accept", "*/*"),
        "accept-encoding": CODINGS[to.trustworthy],
        "accept-language": profile.accept_language,
    }
    if kind == "navigation":
        worn["upgrade-insecure-requests"] = "1"
    if to.trustworthy:
        worn |= profile.hints
        worn |= _metadata(own, kind, to)
    if method not in ("GET", "HEAD"):
        worn["origin"] = own.get("origin", str(to))
    if profile.engine == "firefox":
        worn["priority"] = PRIORITY[kind]
    return worn


def _metadata(own: dict[str, str], kind: Kind, to: Place) -> dict[str, str]:
    """Fetch metadata: the client's own where it is a browser; else it agrees with what is left of Referer."""
    if "sec-fetch-mode" in own:
        return {name: own[name] for name in METADATA if name in own}
    site = relation(to, None, own.get("referer"), own.get("origin"))
    if kind == "navigation":
        return {
            "sec-fetch-site": site,
            "sec-fetch-mode": "navigate",
            "sec-fetch-user": "?1",
            "sec-fetch-dest": "document",
        }
    mode, destination = ("cors", "empty") if kind == "other" else ("no-cors", kind)
    return {
        "sec-fetch-site": "same-origin" if site == "none" else site,
        "sec-fetch-mode": mode,
        "sec-fetch-dest": destination,
    }


def arrange(fields: Iterable[Pair], order: Sequence[str]) -> list[Pair]:
    """Fields in the order of these lower-case names; those it does not name stay behind whom they followed."""
    ranks = {name: index for index, name in reversed(list(enumerate(order)))}
    rank = len(ranks)
    keyed: list[tuple[int, Pair]] = []
    for pair in fields:
        rank = ranks.get(pair[0].lower(), rank)
        keyed.append((rank, pair))
    return [pair for _, pair in sorted(keyed, key=lambda entry: entry[0])]


def _codings(value: str) -> list[str]:
    """The codings that are accepted; `*` and weights of 0 are not looked into: who writes them takes what we undo."""
    return [part.partition(";")[0].strip().lower() for part in value.split(",")]
