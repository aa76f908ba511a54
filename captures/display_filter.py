"""Display filters over packets, in the grammar of Wireshark's as far as it goes here, with its field names.

    expression  =  conjunction *( ( "or" / "||" ) conjunction )
    conjunction =  negation *( ( "and" / "&&" ) negation )
    negation    =  ( "not" / "!" ) negation  /  "(" expression ")"  /  comparison
    comparison  =  [ "any" / "all" ] operand operator ( value / name )  /  operand [ "not" ] "in" set  /  operand
    operand     =  ( name / function "(" operand ")" ) *( "[" slice "]" ) [ "&" number ]
    function    =  "lower" / "upper" / "len" / "count"
    slice       =  range *( "," range ), a range being 3, 0:2 (from, how many), 0-1 (from, to), :2, 2: or -1
    operator    =  "==" / "!=" / "<" / "<=" / ">" / ">=" / "contains" / "matches", or eq ne lt le gt ge, === and ~=
    set         =  "{" value *( [ "," ] value ) "}"
    value       =  number / address / network (10.0.0.0/8) / bytes (16:03:01) / word / quoted text / value ".." value

A name alone asks whether the packet has the field, or speaks the protocol; bits alone, whether one of them is set. A
field may stand in a packet several times: a comparison holds if it holds for one of them, `!=` and `===` only if for
all, `~=` if one differs. `matches` ignores case. Addresses have an order as numbers have, text as its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple

from captures.display_operands import FUNCTIONS, Operand, called, masked, of_field, sliced
from captures.display_values import ORDER, as_bytes, equal, has_order, number, ordered, wanted, wanted_bytes
from captures.packet_fields import PROTOCOLS, Facts
from netlab.errors import UsageError

Test = Callable[[Facts], bool]
MAX_LENGTH, MAX_DEPTH = 2000, 50
WORDS = {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "~": "matches", "&&": "and", "||": "or",
    "any_eq": "==", "all_ne": "!=", "all_eq": "===", "any_ne": "~=", "!==": "~=", "bitand": "&",
}  # fmt: skip
"""What is written, and what it means."""
OPERATORS = ("==", "!=", "===", "~=", "<", "<=", ">", ">=", "contains", "matches")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<mark>&&|\|\||[=!]==|[=!<>~]=|[(){},<>!~&\[\]])|"""
    r"""(?P<word>[^\s(){},=!<>"'~&|\[\]]+))"""
)


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
        every = self.token.value == "all" and self._ahead().kind == "word"
        if every or (self.token.value == "any" and self._ahead().kind == "word"):
            self._next()
        operand = self._operand()
        if self.token.value == "not" and self._ahead().value == "in":
            self._next()
            self._next()
            inside = self._set(operand, every=False)
            return lambda facts: not inside(facts)
        if self._take("in"):
            return self._set(operand, every=every)
        operator = self.token.value if self.token.kind != "text" else ""
        if operator not in OPERATORS:
            return operand.has
        self._next()
        return self._compare(operand, operator, every=every)

    def _ahead(self) -> Token:
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)]

    def _operand(self) -> Operand:
        """A field or a function of one, then a slice of it, then some of its bits."""
        token = self._next()
        if token.kind == "word" and token.value in FUNCTIONS and self._take("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise self.error(f"more than {MAX_DEPTH} levels deep")
            operand = called(token.value, self._operand())
            self._depth -= 1
            if not self._take(")"):
                raise self.error("expected ')'")
        else:
            operand = of_field(self._name(token))
        while self._take("["):
            operand = self._slice(operand)
        if self._take("&"):
            mask = number(self._value(self._next()))
            if mask is None or mask != int(mask) or mask < 0:
                raise self.error("a mask is a number", self._tokens[self._at - 1].column)
            operand = masked(operand, int(mask))
        return operand

    def _name(self, token: Token) -> str:
        if token.kind != "word" or token.value in (*OPERATORS, "and", "or", "in"):
            raise self.error("expected a field, a protocol or '('", token.column)
        name = token.value
        if not is_name(name):
            near = get_close_matches(name.partition(".")[0], PROTOCOLS, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(PROTOCOLS))}"
            raise self.error(f"{name} is no field or protocol{hint}", token.column)
        return name

    def _slice(self, operand: Operand) -> Operand:
        column, words = self.token.column, []
        while self.token.kind != "end" and self.token.value != "]":
            words.append(self._next().value)
        found = sliced(operand, "".join(words))
        if not self._take("]") or found is None:
            raise self.error("a slice is [3], [0:2] (from and how many) or [0-1] (from and to)", column)
        return found

    def _set(self, operand: Operand, *, every: bool) -> Test:
        if not self._take("{"):
            raise self.error("expected '{' behind in")
        tests = [self._member()]
        while not self._take("}"):
            self._take(",")
            if self.token.kind not in ("word", "text"):
                raise self.error("expected ',' or '}'")
            tests.append(self._member())
        quantify = all if every else any
        return lambda facts: (
            bool(values := operand.values(facts)) and quantify(any(test(value) for test in tests) for value in values)
        )

    def _member(self) -> Callable[[Any], bool]:
        """A value, or a range whose marks may stand apart."""
        token = self._next()
        text = self._value(token)
        if token.kind == "word" and (self.token.value.startswith("..") or text.endswith("..")):
            text += self._next().value
            text += self._next().value if text.endswith("..") else ""
        return equal(text, quoted=token.kind == "text")

    def _value(self, token: Token) -> str:
        if token.kind not in ("word", "text"):
            raise self.error("expected a value", token.column)
        return re.sub(r"\\(.)", r"\1", token.value[1:-1]) if token.kind == "text" else token.value

    def _compare(self, operand: Operand, operator: str, *, every: bool) -> Test:
        token = self._next()
        text, quoted = self._value(token), token.kind == "text"
        if not quoted and "." in text and is_name(text) and operator in COMPARE_FIELDS:
            return _with_field(operand, operator, of_field(text))
        if operator == "contains":
            sought = wanted(text, quoted=quoted)
            return lambda facts: any(sought in as_bytes(value) for value in operand.contents(facts))
        if operator == "matches":
            try:
                pattern = re.compile(text.encode(), re.IGNORECASE | re.DOTALL)
            except re.error as error:
                raise self.error(f"this is not a regular expression: {error.msg}", token.column) from None
            return lambda facts: any(pattern.search(as_bytes(value)) for value in operand.contents(facts))
        if operator in ORDER and not quoted and not operand.raw and not has_order(text):
            raise self.error(f"{operator} compares numbers, addresses, bytes or quoted text", token.column)
        same = operator in ("==", "!=", "===", "~=")
        test = equal(text, quoted=quoted) if same else ordered(operator, text)
        if operand.raw and same:
            raw = wanted_bytes(text, quoted=quoted)
            return _quantified(operator, operand, lambda value: bool(value == raw), every=every)
        return _quantified(operator, operand, test, every=every)


def is_name(word: str) -> bool:
    """Whether a word can be a field's name, or a protocol's."""
    return word.partition(".")[0] in PROTOCOLS and _NAME.fullmatch(word) is not None


def _quantified(operator: str, operand: Operand, test: Callable[[Any], bool], *, every: bool) -> Test:
    """For one of several values, or for all: `!=` and `===` speak of all, unless they are told otherwise."""
    if operator == "!=":
        return lambda facts: bool(values := operand.values(facts)) and not any(map(test, values))
    if operator == "~=":
        return lambda facts: not all(map(test, operand.values(facts)))
    if operator == "===" or every:
        return lambda facts: bool(values := operand.values(facts)) and all(map(test, values))
    return lambda facts: any(map(test, operand.values(facts)))


def _with_field(operand: Operand, operator: str, other: Operand) -> Test:
    """Two fields of one packet against each other."""
    compare = COMPARE_FIELDS[operator]
    quantify = all if operator in ("!=", "===") else any

    def test(facts: Facts) -> bool:
        pairs = [(mine, its) for mine in operand.values(facts) for its in other.values(facts)]
        return bool(pairs) and quantify(type(mine) is type(its) and compare(mine, its) for mine, its in pairs)

    return test


COMPARE_FIELDS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "===": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "~=": lambda a, b: bool(a != b),
    **ORDER,
}
_NAME = re.compile(r"[A-Za-z0-9_.-]+")
