"""JSON Schema, as much of it as the shop's documents use: so that what they promise is what is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NoReturn

Schema = Mapping[str, Any]
Error = dict[str, str]

MOST_ERRORS = 20
DEEPEST = 32
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?")
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


class Checker:
    """Values against schemas; `components` are those that a `$ref` names."""

    def __init__(self, components: Mapping[str, Schema]) -> None:
        self._components = components

    def errors(self, value: Any, schema: Schema) -> list[Error]:
        """What is wrong with a value, each with a JSON Pointer as a URI fragment (RFC 6901 6)."""
        found: list[Error] = []
        for pointer, detail in self._check(value, schema, "#"):
            found.append({"detail": detail, "pointer": pointer})
            if len(found) == MOST_ERRORS:
                break
        return found

    def _check(self, value: Any, schema: Schema, at: str) -> Iterator[tuple[str, str]]:
        if "$ref" in schema:
            schema = self._components[schema["$ref"].rpartition("/")[2]]
        if "type" in schema and not is_type(value, schema["type"]):
            yield at, f"must be {described(schema['type'])}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield at, f"must be one of {', '.join(map(str, schema['enum']))}"
        elif isinstance(value, str):
            yield from _check_text(value, schema, at)
        elif isinstance(value, dict):
            yield from self._check_object(value, schema, at)
        elif isinstance(value, list):
            yield from self._check_array(value, schema, at)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from _check_number(value, schema, at)

    def _check_object(self, value: dict[str, Any], schema: Schema, at: str) -> Iterator[tuple[str, str]]:
        known = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{at}/{escaped(name)}", "is missing"
        if len(value) < schema.get("minProperties", 0):
            yield at, f"must have {schema['minProperties']} members or more"
        for name, member in value.items():
            if name in known:
                yield from self._check(member, known[name], f"{at}/{escaped(name)}")
            elif schema.get("additionalProperties") is False:
                yield f"{at}/{escaped(name)}", f"is not known; there are {', '.join(known)}"

    def _check_array(self, value: list[Any], schema: Schema, at: str) -> Iterator[tuple[str, str]]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", len(value))
        if not least <= len(value) <= most:
            yield at, f"must have {least} to {schema.get('maxItems', 'any number of')} items"
            return
        if schema.get("uniqueItems"):
            seen = [json.dumps(item, sort_keys=True) for item in value]
            if len(set(seen)) != len(seen):
                yield at, "must not say one thing twice"
        for index, item in enumerate(value):
            yield from self._check(item, schema.get("items", {}), f"{at}/{index}")


def _check_text(value: str, schema: Schema, at: str) -> Iterator[tuple[str, str]]:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if len(value) < least or (most is not None and len(value) > most):
        yield at, f"must have {least} to {most} characters"
    elif "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield at, f"must match {schema['pattern']}"


def _check_number(value: float, schema: Schema, at: str) -> Iterator[tuple[str, str]]:
    least, most = schema.get("minimum"), schema.get("maximum")
    if (least is not None and value < least) or (most is not None and value > most):
        yield at, f"must be {least} to {most}"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    """An ECMA-262 expression; its `$` is the very end, Python's stands before a last newline too."""
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def is_type(value: Any, types: str | list[str]) -> bool:
    return any(_is(value, name) for name in ([types] if isinstance(types, str) else types))


def _is(value: Any, name: str) -> bool:
    match name:
        case "integer":  # 1.0 is one too (JSON Schema core 4.2.3)
            return not isinstance(value, bool) and (
                isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            )
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "null":
            return value is None
    return isinstance(value, {"string": str, "boolean": bool, "array": list, "object": dict}[name])


def described(types: str | list[str]) -> str:
    words = {"integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false"}
    words |= {"array": "a list", "object": "an object", "null": "null"}
    return " or ".join(words[name] for name in ([types] if isinstance(types, str) else types))


def escaped(name: str) -> str:
    """A member's name in a JSON Pointer (RFC 6901 3), with what would not do in a URI fragment left to the reader."""
    return name.replace("~", "~0").replace("/", "~1")


def from_text(text: str, schema: Schema) -> Any:
    """A parameter's value of the type its schema wants; the text itself where it is none, to be found wrong."""
    match schema.get("type"):
        case "integer" if INTEGER.fullmatch(text):
            return int(text)
        case "number" if NUMBER.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
    return text


def parse_json(data: bytes) -> Any:
    """A JSON text (RFC 8259) that says each thing once, in Unicode; ValueError in words for anything else."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_depth_and_text(found)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a name twice (RFC 8259 4)")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_depth_and_text(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("a string has half of a surrogate pair (RFC 8259 8.2)")
    elif isinstance(value, float) and math.isinf(value):
        raise ValueError("a number is too large")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_depth_and_text(name, depth)
            _check_depth_and_text(member, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_depth_and_text(item, depth + 1)
