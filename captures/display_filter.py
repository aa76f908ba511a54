"""Display filters over packets, in the grammar of Wireshark's as far as it goes here, with its field names.

    expression  =  conjunction *( ( "or" / "||" ) conjunction )
    conjunction =  negation *( ( "and" / "&&" ) negation )
    negation    =  ( "not" / "!" ) negation  /  "(" expression ")"  /  comparison  /  name
    comparison  =  name operator value  /  name "in" "{" value *( "," value ) "}"
    operator    =  "==" / "!=" / "<" / "<=" / ">" / ">=" / "contains" / "matches", or eq ne lt le gt ge
    value       =  number / address / network (10.0.0.0/8) / bytes (16:03:01) / word / quoted text / number ".." number

A name alone asks whether the packet has the field, or speaks the protocol. A field may stand in a packet several
times: a comparison holds if it holds for one of them, `!=` only if it does for all. `matches` ignores case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from captures.packet_fields import PROTOCOLS, Facts
from netlab.errors import UsageError

Test = Callable[[Facts], bool]
MAX_LENGTH, MAX_DEPTH = 2000, 50
WORDS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "~": "matches", "&&": "and", "||": "or"}
OPERATORS = ("==", "!=", "<", "<=", ">", ">=", "contains", "matches")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>&&|\|\||[=!<>]=|[(){},<>!~])|"""
    r"""(?P<word>[^\s(){},=!<>"'~&|]+))"""
)
_BYTES = re.compile(r"[0-9a-fA-F]{1,2}(?:[:.-][0-9a-fA-F]{1,2})+")


class Token(NamedTuple):
    kind: str  # text, mark, word or end
    value: str
    column: int  # from 0


@dataclass(frozen=True, slots=True)
class DisplayFilter:
    """A compiled expression."""

    expression: str
    _test: Test

    def __call__(self, facts: Facts) -> bool:
        return self._test(facts)


def compile_display_filter(expression: str) -> DisplayFilter:
    """Read an expression; UsageError shows the column with a caret. An empty one matches everything."""
    if len(expression) > MAX_LENGTH:
        raise UsageError(f"a display filter has at most {MAX_LENGTH} characters, this one {len(expression)}")
    if not expression.strip():
        return DisplayFilter(expression, lambda facts: True)
    parser = _Parser(expression)
    test = parser.expression()
    if parser.token.kind != "end":
        raise parser.error("expected 'and', 'or' or the end")
    return DisplayFilter(expression, test)


class _Parser:
    """Recursive descent, a method a rule."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = list(self._tokenize())
        self._at = self._depth = 0

    def _tokenize(self) -> Iterator[Token]:
        position, end = 0, len(self._expression.rstrip())
        while position < end:
            match = _TOKEN.match(self._expression, position)
            if match is None or match.lastgroup is None:
                column = position + len(self._expression[position:]) - len(self._expression[position:].lstrip())
                raise self.error("this means nothing here, or its quote is not closed", column)
            value = match[match.lastgroup]
            yield Token(
                match.lastgroup,
                WORDS.get(value, value) if match.lastgroup != "text" else value,
                match.start(match.lastgroup),
            )
            position = match.end()
        yield Token("end", "", end)

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def error(self, what: str, column: int | None = None) -> UsageError:
        column = self.token.column if column is None else column
        return UsageError(f"display filter, column {column + 1}: {what}\n  {self._expression}\n  {' ' * column}^")

    def _next(self) -> Token:
        token = self.token
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, *values: str) -> bool:
        if self.token.kind != "text" and self.token.value in values:
            self._next()
            return True
        return False

    def expression(self) -> Test:
        tests = [self._conjunction()]
        while self._take("or"):
            tests.append(self._conjunction())
        return tests[0] if len(tests) == 1 else lambda facts: any(test(facts) for test in tests)

    def _conjunction(self) -> Test:
        tests = [self._negation()]
        while self._take("and"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda facts: all(test(facts) for test in tests)

    def _negation(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} levels deep")
        try:
            if self._take("not", "!"):
                inner = self._negation()
                return lambda facts: not inner(facts)
            if self._take("("):
                inside = self.expression()
                if not self._take(")"):
                    raise self.error("expected ')'")
                return inside
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        token = self._next()
        if token.kind != "word" or token.value in (*OPERATORS, "and", "or", "in"):
            raise self.error("expected a field, a protocol or '('", token.column)
        name = token.value
        if name.partition(".")[0] not in PROTOCOLS:
            near = get_close_matches(name.partition(".")[0], PROTOCOLS, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(PROTOCOLS))}"
            raise self.error(f"{name} is no field or protocol{hint}", token.column)
        if self._take("in"):
            return self._set(name)
        operator = self.token.value if self.token.kind != "text" else ""
        if operator not in OPERATORS:
            return lambda facts: facts.has(name)
        self._next()
        return self._compare(name, operator, self._next())

    def _set(self, name: str) -> Test:
        if not self._take("{"):
            raise self.error("expected '{' behind in")
        tests = [_equal(self._value(self._next()))]
        while self._take(","):
            tests.append(_equal(self._value(self._next())))
        if not self._take("}"):
            raise self.error("expected ',' or '}'")
        return lambda facts: any(test(value) for value in facts.values(name) for test in tests)

    def _value(self, token: Token) -> str:
        if token.kind not in ("word", "text"):
            raise self.error("expected a value", token.column)
        return re.sub(r"\\(.)", r"\1", token.value[1:-1]) if token.kind == "text" else token.value

    def _compare(self, name: str, operator: str, token: Token) -> Test:
        text = self._value(token)
        if operator == "==":
            equal = _equal(text, quoted=token.kind == "text")
            return lambda facts: any(map(equal, facts.values(name)))
        if operator == "!=":
            equal = _equal(text, quoted=token.kind == "text")
            return lambda facts: bool(values := facts.values(name)) and not any(map(equal, values))
        if operator == "contains":
            wanted = _wanted(text, quoted=token.kind == "text")
            return lambda facts: any(_contains(value, wanted) for value in facts.contents(name))
        if operator == "matches":
            try:
                pattern = re.compile(text.encode(), re.IGNORECASE | re.DOTALL)
            except re.error as error:
                raise self.error(f"this is not a regular expression: {error.msg}", token.column) from None
            return lambda facts: any(pattern.search(_as_bytes(value)) for value in facts.contents(name))
        number = _number(text)
        if number is None:
            raise self.error(f"{operator} compares numbers", token.column)
        order, limit = _ORDER[operator], number
        return lambda facts: any(order(float(value), limit) for value in facts.values(name) if _is_number(value))


_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _number(text: str) -> float | None:
    try:
        return float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    except (ValueError, OverflowError):
        return {"true": 1.0, "false": 0.0}.get(text.lower())


def _as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray)) else str(value).encode()


def _wanted(text: str, *, quoted: bool) -> bytes:
    if not quoted and _BYTES.fullmatch(text):
        return bytes(int(part, 16) for part in re.split("[:.-]", text))
    return text.encode()


def _contains(value: Any, wanted: bytes) -> bool:
    return wanted in _as_bytes(value)


def _equal(text: str, *, quoted: bool = False) -> Callable[[Any], bool]:
    """Whether a field's value is what these words say: a number, a range of them, an address or a network, text."""
    if ".." in text and not quoted:
        low, _, high = text.partition("..")
        first, last = _number(low), _number(high)
        if first is not None and last is not None:
            return lambda value: _is_number(value) and first <= value <= last
    number = None if quoted else _number(text)
    network = None if quoted else _network(text)
    raw = _wanted(text, quoted=quoted)

    def equal(value: Any) -> bool:
        if _is_number(value):
            return number is not None and float(value) == number
        if isinstance(value, bytes):
            return value == raw
        if network is not None:
            return bool(network(value))
        return str(value) == text

    return equal


def _network(text: str) -> Callable[[str], bool] | None:
    """Whether an address is this one or in this network; None where the words are neither."""
    try:
        if "/" in text:
            network = ip_network(text, strict=False)
            return lambda value: _in(value, network)
        address = str(ip_address(text))
    except ValueError:
        return None
    return lambda value: value == address


def _in(value: str, network: Any) -> bool:
    try:
        return ip_address(value) in network
    except ValueError:
        return False
