"""Rewriting by URL: fields set and removed, a request sent elsewhere, answered from a file, blocked or delayed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal, NamedTuple

from netlab.units import parse_duration

Pair = tuple[str, str]
Action = Literal["set-request", "remove-request", "set-response", "remove-response", "to", "file", "block", "delay"]
ACTIONS: tuple[Action, ...] = (
    "set-request",
    "remove-request",
    "set-response",
    "remove-response",
    "to",
    "file",
    "block",
    "delay",
)
NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
FRAMING = frozenset(("connection", "content-length", "transfer-encoding", "upgrade", "trailer"))
"""Fields that say where a message ends, or are about one connection: not for a rule to change."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """For every URL that a pattern fits: one thing to do. Written `PATTERN ACTION [ARGUMENT]`.

    pattern   a URL with `*` for any characters; without a scheme for http and https, without a path for all paths
    argument  `NAME: VALUE`, a field's name, a URL whose `*` stand for what those of the pattern caught (the last of
              them, if it has fewer), the path of a file or folder, a status, seconds
    """

    pattern: str
    action: Action
    argument: str = ""
    text: str = ""
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", expression(self.pattern))

    def match(self, url: str) -> Sequence[str] | None:
        """What the pattern's asterisks caught; None if it does not fit."""
        found = self._compiled.fullmatch(url)
        return None if found is None else found.groups()

    def anchored(self, folder: PurePath) -> Rewrite:
        """The same rule, the path of its file as seen from a folder."""
        if self.action != "file" or self.argument.startswith("~"):
            return self
        return replace(self, argument=str(folder / self.argument))

    @property
    def pair(self) -> Pair:
        name, _, value = self.argument.partition(":")
        return name.strip(), value.strip()


class Elsewhere(NamedTuple):
    """Where a request goes instead: a URL, or the path of a file and what comes behind it in a folder."""

    rule: Rewrite
    url: str = ""
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done with one request: changes of fields in their order, a wait, and at most one other answer."""

    request: tuple[Rewrite, ...] = ()
    response: tuple[Rewrite, ...] = ()
    delay: float = 0.0

    def on_request(self, fields: Iterable[Pair]) -> list[Pair]:
        return edited(fields, self.request)

    def on_response(self, fields: Iterable[Pair]) -> list[Pair]:
        return edited(fields, self.response)


class Rewrites:
    """Rules in their order: changes of fields and delays add up, of to, file and block the first counts."""

    def __init__(self, rules: Sequence[Rewrite]) -> None:
        self.rules = tuple(rules)
        self._plans: dict[tuple[int, ...], Plan] = {}  # the same plan for the same rules, so that others can tell

    def find(self, url: str) -> tuple[Plan, Elsewhere | None] | None:
        """The plan for a URL, and where it leads instead; None where no rule fits."""
        fitting, elsewhere = [], None
        for index, rule in enumerate(self.rules):
            caught = rule.match(url)
            if caught is None:
                continue
            if rule.action in ("to", "file", "block"):
                elsewhere = elsewhere or _elsewhere(rule, caught)
            else:
                fitting.append(index)
        if not fitting and elsewhere is None:
            return None
        return self._plan(tuple(fitting)), elsewhere

    def _plan(self, fitting: tuple[int, ...]) -> Plan:
        plan = self._plans.get(fitting)
        if plan is None:
            rules = [self.rules[index] for index in fitting]
            plan = self._plans[fitting] = Plan(
                tuple(rule for rule in rules if rule.action.endswith("-request")),
                tuple(rule for rule in rules if rule.action.endswith("-response")),
                sum(float(rule.argument) for rule in rules if rule.action == "delay"),
            )
        return plan


def _elsewhere(rule: Rewrite, caught: Sequence[str]) -> Elsewhere:
    if rule.action != "to":
        return Elsewhere(rule, rest=caught[-1] if caught and rule.pattern.endswith("*") else "")
    left = iter(caught[-rule.argument.count("*") :])
    return Elsewhere(rule, url=re.sub(r"\*", lambda _: next(left, ""), rule.argument))


def edited(fields: Iterable[Pair], rules: Sequence[Rewrite]) -> list[Pair]:
    """Fields with the rules applied: a field that is set stands where its first line stood."""
    pairs = list(fields)
    for rule in rules:
        name, value = rule.pair
        key = name.lower()
        at = next((index for index, pair in enumerate(pairs) if pair[0].lower() == key), len(pairs))
        pairs = [pair for pair in pairs if pair[0].lower() != key]
        if rule.action.startswith("set-"):
            pairs.insert(at, (name, value))
    return pairs


def expression(pattern: str) -> re.Pattern[str]:
    """The expression for a pattern: its host without regard to case, each asterisk a group."""
    scheme, mark, rest = pattern.rpartition("://")
    host, slash, path = rest.partition("/")
    begin = _wild(scheme.lower(), "[^:/]") + mark if mark else "https?://"
    behind = "/" + _wild(path, ".") if slash else "/.*"
    return re.compile(begin + _wild(host.lower(), "[^/]") + behind, re.DOTALL)


def _wild(text: str, any_: str) -> str:
    """Each asterisk but the last takes as little as it can, for good: so no URL can make the search long."""
    first, *middle = map(re.escape, text.split("*"))
    if not middle:
        return first
    *middle, last = middle
    return first + "".join(f"(?>({any_}*?){literal})" for literal in middle) + f"({any_}*){last}"


# -- reading -----------------------------------------------------------------------------------------------------


def parse_rewrite(text: str) -> Rewrite:
    """One rule; ValueError says what is wrong with it."""
    pattern, _, rest = text.strip().partition(" ")
    word, _, argument = rest.strip().partition(" ")
    argument = argument.strip()
    action = next((known for known in ACTIONS if known == word), None)
    if action is None or not pattern:
        raise ValueError(f"a rule is PATTERN ACTION, with one of {', '.join(ACTIONS)}; {word!r} is none")
    if action.startswith(("set-", "remove-")):
        _check_field(action, argument)
    elif action == "to" and not re.fullmatch(r"https?://[!-\"$-.0-~][!-\"$-~]*", argument):
        raise ValueError(f"to leads to a URL with http:// or https://, percent-encoded, not {argument!r}")
    elif action == "to" and argument.count("*") > pattern.count("*"):
        raise ValueError(f"to has more * than its pattern: nothing can stand for them in {argument!r}")
    elif action == "file" and not argument:
        raise ValueError("file needs a path")
    elif action == "block":
        argument = argument or "403"
        if not re.fullmatch(r"[45]\d\d", argument):
            raise ValueError(f"block answers with a status from 400 to 599, not {argument!r}")
    elif action == "delay":
        argument = str(_seconds(argument))
    return Rewrite(pattern, action, argument, text.strip())


def _check_field(action: Action, argument: str) -> None:
    name, colon, value = argument.partition(":")
    name = name.strip()
    if not NAME.fullmatch(name) or not VALUE.fullmatch(value) or (action.startswith("set-") != bool(colon)):
        wanted = "NAME: VALUE" if action.startswith("set-") else "a field's name"
        raise ValueError(f"{action} takes {wanted}, not {argument!r}")
    if name.lower() in FRAMING or (name.lower() == "host" and action == "remove-request"):
        raise ValueError(f"{name} frames or routes a message; no rule may {action.partition('-')[0]} it")


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(f"delay takes a time such as 500ms or 2s, not {text!r}") from None
