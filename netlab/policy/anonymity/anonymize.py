"""What becomes of a request's fields on their way to an origin, at one level of anonymity, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from netlab.policy.anonymity.dress import dress
from netlab.policy.anonymity.identifying import HINTS, fits, reason
from netlab.policy.anonymity.levels import Rules
from netlab.policy.anonymity.profiles import Profile, engine_of
from netlab.policy.anonymity.sites import Place, Relation, place, relation

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request as far as its fields do not say it. `upgrade`: it offers another protocol, such as WebSocket."""

    method: str
    to: Place
    upgrade: bool = False


class Change(NamedTuple):
    """What happened to one field, and why. Values are not kept: they are what is to be forgotten."""

    name: str
    what: Literal["removed", "replaced", "added"]
    why: str


class Applied(NamedTuple):
    """Fields as they go to the origin, in their order; how the request came about; what was changed.

    order  lower-case names as a browser orders them, where that is not how the client does
    undo   the codings the client takes, where the origin is told of more: the others are to be undone on the way back
    """

    fields: list[Pair]
    relation: Relation
    changes: list[Change]
    order: tuple[str, ...] = ()
    undo: str | None = None


class Anonymity:
    """One level, and fields (lower-case patterns) that a person wants kept or dropped whatever the level says."""

    def __init__(self, rules: Rules, *, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> None:
        self.rules, self.keep, self.drop = rules, tuple(keep), tuple(drop)
        self.idle = _is_idle(rules) and not self.drop

    def apply(self, fields: Iterable[Pair], asked: Asked, profile: Profile) -> Applied:
        """`fields` without those of the hop: of Host, Connection and framing this knows nothing."""
        pairs = list(fields)
        request = _Request(pairs, asked, self.rules, profile)
        if self.idle:
            return Applied(pairs, request.relation, [])
        kept, changes = self._judge(pairs, request)
        if self.rules.software != "profile" or asked.upgrade or request.engine == profile.engine:
            return Applied(kept, request.relation, changes)
        dressed = dress(kept, asked.method, asked.to, profile, left=self._is_settled)
        before = {name.lower() for name, _ in kept}
        changes += [
            Change(name, "added", "the profile's browser sends it")
            for name, _ in dressed.fields
            if name.lower() not in before
        ]
        return Applied(dressed.fields, request.relation, changes, dressed.order, dressed.undo)

    def _is_settled(self, name: str) -> bool:
        """Whether a person has said what becomes of a field."""
        return fits(name, self.keep) or fits(name, self.drop)

    def trailing(self, trailers: Iterable[Pair]) -> list[Pair]:
        """Trailers, without what identifies."""
        return [
            (name, value)
            for name, value in trailers
            if fits(key := name.lower(), self.keep)
            or not (fits(key, self.drop) or (self.rules.identifiers and reason(key)))
        ]

    def _judge(self, pairs: list[Pair], request: _Request) -> tuple[list[Pair], list[Change]]:
        kept: list[Pair] = []
        changes: list[Change] = []
        for name, value in pairs:
            key = name.lower()
            if self.keep and fits(key, self.keep):
                kept.append((name, value))
                continue
            verdict = Verdict(None, "dropped by a setting") if fits(key, self.drop) else request.judge(key, value)
            if verdict is None:
                kept.append((name, value))
            elif verdict.value is None:
                changes.append(Change(name, "removed", verdict.why))
            else:
                kept.append((name, verdict.value))
                if verdict.value != value:
                    changes.append(Change(name, "replaced", verdict.why))
        return kept, changes


class Verdict(NamedTuple):
    """The value a field has from here on; None: it goes no further."""

    value: str | None
    why: str


class _Request:
    """What the rules say of each field of one request; None: it stays as it is."""

    __slots__ = ("asked", "engine", "names", "profile", "relation", "rules")

    def __init__(self, pairs: list[Pair], asked: Asked, rules: Rules, profile: Profile) -> None:
        names = self.names = {name.lower(): value for name, value in pairs}
        self.asked, self.rules, self.profile = asked, rules, profile
        self.engine = engine_of(names.get("user-agent"))
        self.relation = relation(asked.to, names.get("sec-fetch-site"), names.get("referer"), names.get("origin"))

    def judge(self, name: str, value: str) -> Verdict | None:
        known = JUDGES.get(name)
        if known is not None:
            return known(self, value)
        why = reason(name) if self.rules.identifiers else ""
        return Verdict(None, why) if why else None

    def cookie(self, value: str) -> Verdict | None:
        policy = self.rules.cookies
        if policy == "none":
            return Verdict(None, "no cookies are sent")
        if policy != "keep" and self.relation == "cross-site":
            return Verdict(None, "no cookies are sent for another site's page")
        return None

    def referer(self, value: str) -> Verdict | None:
        policy = self.rules.referer
        if policy == "keep":
            return None
        start = place(value)
        if policy != "none" and start == self.asked.to:
            return None
        if policy == "origin" and start is not None:
            return Verdict(f"{start}/", "another origin learns only where the client comes from")
        return Verdict(None, "another origin's address is nothing for this one")

    def origin(self, value: str) -> Verdict | None:
        """As browsers do where a page's Referrer-Policy says so (Fetch 3.2); CORS cannot do without it."""
        hidden = self.rules.referer in ("same-origin", "none") and place(value) != self.asked.to
        if hidden and self.names.get("sec-fetch-mode") in ("navigate", "no-cors"):
            return Verdict("null", "another origin's address is nothing for this one")
        return None

    def validator(self, value: str) -> Verdict | None:
        policy = self.rules.validators
        if policy == "none":
            return Verdict(None, "a tag or date from a cache can be a name")
        if policy == "first-party" and self.relation == "cross-site":
            return Verdict(None, "a tag or date can be a name, and another site's page asks")
        return None

    def byte_range(self, value: str) -> Verdict | None:
        """A range that was asked for on a condition cannot be asked for without it (RFC 9110 13.1.5)."""
        if "if-range" in self.names and self.validator("") is not None:
            return Verdict(None, "goes with If-Range")
        return None

    def user_agent(self, value: str) -> Verdict | None:
        return self._software(self.profile.user_agent)

    def accept_language(self, value: str) -> Verdict | None:
        return self._software(self.profile.accept_language)

    def hint(self, name: str) -> Verdict | None:
        secure = self.asked.to.trustworthy or self.rules.software != "profile"
        return self._software(self.profile.hints.get(name) if secure else None)

    def _software(self, value: str | None) -> Verdict | None:
        match self.rules.software:
            case "kept":
                return None
            case "uniform":
                return Verdict(value, "the same for all clients")
        return Verdict(value, "as the session's profile has it")

    def requested_with(self, value: str) -> Verdict | None:
        """Scripts say XMLHttpRequest, and servers look for it; Android's apps say their own names."""
        if not self.rules.identifiers or value.lower() == "xmlhttprequest":
            return None
        return Verdict(None, "names the app")


def _hint(name: str) -> Callable[[_Request, str], Verdict | None]:
    return lambda request, value: request.hint(name)


JUDGES: dict[str, Callable[[_Request, str], Verdict | None]] = {
    "cookie": _Request.cookie,
    "cookie2": _Request.cookie,
    "referer": _Request.referer,
    "origin": _Request.origin,
    "if-none-match": _Request.validator,
    "if-modified-since": _Request.validator,
    "if-range": _Request.validator,
    "range": _Request.byte_range,
    "user-agent": _Request.user_agent,
    "accept-language": _Request.accept_language,
    "x-requested-with": _Request.requested_with,
    **{name: _hint(name) for name in HINTS},
}


def _is_idle(rules: Rules) -> bool:
    """Whether nothing is changed at all."""
    kept = (rules.referer, rules.cookies, rules.validators)
    return not rules.identifiers and rules.software == "kept" and kept == ("keep", "keep", "keep")
