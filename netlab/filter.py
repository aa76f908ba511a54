"""Filter expressions over flows: `http.status >= 400 and host contains "shop"`.

    expression  =  conjunction *( "or" conjunction )
    conjunction =  negation *( "and" negation )
    negation    =  "not" negation  /  "(" expression ")"  /  comparison  /  value
    comparison  =  name operator value
    operator    =  "==" / "!=" / "<" / "<=" / ">" / ">=" / "contains" / "matches"
    value       =  word / number / duration / size / quoted text

A value alone is looked for in the label. A name is one of a flow's own (`outcome`, `client`, `duration` …), one of its
details, of its events' fields, or of its request's or response's header fields, in this order; `http.` before it asks
for the kind as well. What a flow does not have equals nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from netlab.errors import UsageError
from netlab.units import parse_duration, parse_size

Test = Callable[[Mapping[str, Any], bool | None], bool]
"""From a record, and what to answer for a regular expression that must not be run here (None: run it)."""

OWN = frozenset(
    "id kind service parent leg level client server started ended label result outcome received sent".split()  # noqa: SIM905  a list of words
)
DERIVED: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "duration": lambda record: None if record["ended"] is None else record["ended"] - record["started"],
    "status": lambda record: record["result"],
    "method": lambda record: record["label"].partition(" ")[0],
    "target": lambda record: record["label"].partition(" ")[2],
}
WITHOUT_EVENTS = OWN | DERIVED.keys()
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "contains", "matches")
MAX_LENGTH, MAX_DEPTH = 2000, 50

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>[()]|[=!<>]=|[<>=])|(?P<word>[^\s()=!<>"']+))"""
)


class Token(NamedTuple):
    kind: str  # text, mark, word or end
    value: str
    column: int  # from 0


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled expression, and the names it asks for, each without the kind before it."""

    expression: str
    names: frozenset[str]
    _test: Test

    @property
    def needs_events(self) -> bool:
        """Whether a record must bring its events along to be judged."""
        return not self.names <= WITHOUT_EVENTS

    def __call__(self, record: Mapping[str, Any]) -> bool:
        return self._test(record, None)

    def may_match(self, record: Mapping[str, Any]) -> bool:
        """The same without regular expressions, which could take for ever where traffic waits; may say yes in error."""
        return self._test(record, True)


def compile_filter(expression: str) -> Filter:
    """Read an expression; UsageError shows the column with a caret. An empty one matches everything."""
    if len(expression) > MAX_LENGTH:
        raise UsageError(f"a filter has at most {MAX_LENGTH} characters, this one {len(expression)}")
    if not expression.strip():
        return Filter(expression, frozenset(), lambda record, assumed: True)
    parser = _Parser(expression)
    test = parser.expression()
    parser.expect_end()
    return Filter(expression, frozenset(parser.names), test)


class _Parser:
    """Recursive descent, a method a rule."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = list(self._tokenize())
        self._depth = 0
        self.names: set[str] = set()

    def _tokenize(self) -> Iterator[Token]:
        position, end = 0, len(self._expression.rstrip())
        while position < end:
            match = _TOKEN.match(self._expression, position)
            if match is None or match.lastgroup is None:
                start = position + len(self._expression[position:]) - len(self._expression[position:].lstrip())
                what = "this quote is not closed" if self._expression[start] in "\"'" else "this means nothing here"
                raise self._error(what, start)
            yield Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup))
            position = match.end()
        yield Token("end", "", end)

    def _error(self, what: str, column: int) -> UsageError:
        return UsageError(f"filter, column {column + 1}: {what}\n  {self._expression}\n  {' ' * column}^")

    def _next(self) -> Token:
        return self._tokens.pop(0) if len(self._tokens) > 1 else self._tokens[0]

    def _at_word(self, word: str) -> bool:
        if self._tokens[0].kind == "word" and self._tokens[0].value == word:
            self._next()
            return True
        return False

    def expect_end(self) -> None:
        if self._tokens[0].kind != "end":
            raise self._error("expected 'and', 'or' or the end", self._tokens[0].column)

    def expression(self) -> Test:
        tests = [self._conjunction()]
        while self._at_word("or"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda record, assumed: any(test(record, assumed) for test in tests)

    def _conjunction(self) -> Test:
        tests = [self._negation()]
        while self._at_word("and"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda record, assumed: all(test(record, assumed) for test in tests)

    def _negation(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} levels deep", self._tokens[0].column)
        try:
            if self._at_word("not"):
                inner = self._negation()
                return lambda record, assumed: not inner(record, None if assumed is None else not assumed)
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Test:
        token = self._next()
        if token.value == "(":
            inner = self.expression()
            if (closing := self._next()).value != ")":
                raise self._error("expected ')'", closing.column)
            return inner
        if token.kind in ("mark", "end") or token.value in ("and", "or", *OPERATORS):
            raise self._error("expected a name, a value or '('", token.column)
        if token.kind == "word" and self._tokens[0].value in ("=", *OPERATORS):
            return self._comparison(token.value)
        wanted = _unquoted(token).lower()
        return lambda record, assumed: wanted in record["label"].lower()

    def _comparison(self, name: str) -> Test:
        operator, value = self._next(), self._next()
        if operator.value == "=":
            raise self._error("write == to compare", operator.column)
        if value.kind in ("mark", "end"):
            raise self._error(f"expected a value after {operator.value}", value.column)
        kind, _, rest = name.rpartition(".")
        self.names.add(rest)
        compare = self._compare(operator.value, value)
        wanted_kind = kind if kind != "details" else ""

        def test(record: Mapping[str, Any], assumed: bool | None) -> bool:
            if wanted_kind and record["kind"] != wanted_kind:
                return False
            return compare(look_up(record, rest), assumed)

        return test

    def _compare(self, operator: str, token: Token) -> Callable[[Any, bool | None], bool]:
        text = _unquoted(token)
        number = _number(text) if token.kind == "word" else None
        match operator:
            case "==":
                return lambda found, _: _equal(found, text, number)
            case "!=":
                return lambda found, _: not _equal(found, text, number)
            case "contains":
                return lambda found, _: found is not None and text.lower() in str(found).lower()
            case "matches":
                pattern = self._pattern(text, token.column)
                return lambda found, assumed: (
                    assumed if assumed is not None else found is not None and pattern.search(str(found)) is not None
                )
        if number is None:
            raise self._error(f"{operator} compares numbers, durations (100ms) and sizes (64KiB)", token.column)
        return lambda found, _: (value := _as_number(found)) is not None and _ORDER[operator](value, number)

    def _pattern(self, text: str, column: int) -> re.Pattern[str]:
        try:
            return re.compile(text)
        except re.error as error:
            raise self._error(f"this is not a regular expression: {error.msg}", column) from None


_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def look_up(record: Mapping[str, Any], name: str) -> Any:
    """What a flow has under a name, or None; header fields are found in any case, with `_` for `-` too."""
    if name in OWN:
        return record[name]
    if name in DERIVED:
        return DERIVED[name](record)
    if name in record["details"]:
        return record["details"][name]
    events = record.get("events") or ()
    for event in events:
        if name in event["fields"] and name != "fields":
            return event["fields"][name]
    header = name.lower().replace("_", "-")
    for event in events:
        found = [value for field, value in event["fields"].get("fields") or () if field.lower() == header]
        if found:
            return ", ".join(found)
    return None


def _unquoted(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.value[1:-1]) if token.kind == "text" else token.value


def _number(text: str) -> float | None:
    """A plain number, or the seconds of a duration, or the bytes of a size."""
    for parse in (float, parse_duration, parse_size):
        try:
            return float(parse(text))
        except ValueError:
            continue
    return None


def _as_number(found: Any) -> float | None:
    try:
        return float(found)
    except (TypeError, ValueError):
        return None


def _equal(found: Any, text: str, number: float | None) -> bool:
    if found is None:
        return False
    if isinstance(found, bool):
        return text == ("true" if found else "false")  # as JSON has them
    if number is not None and (value := _as_number(found)) is not None:
        return value == number
    return str(found) == text
