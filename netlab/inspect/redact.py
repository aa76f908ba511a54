"""Secrets masked in flows' records: credentials, cookies, tokens, TLS secrets; in fields, content and raw bytes alike.

A mask is as long as what it hides, so that offsets, lengths and the cut into packets stay what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.inspect.masks import SECRET_FIELDS, masked, masked_content
from netlab.inspect.record import Record


def redacted(record: Mapping[str, Any]) -> Record:
    """A copy of a flow's record that can be shown to anyone."""
    copy = dict(record)
    if "secrets" in (record.get("details") or {}):
        copy["details"] = {**record["details"], "secrets": "[redacted]"}
    if record.get("label"):
        copy["label"] = _walk(record["label"])  # it has the query of a request
    if record.get("events"):
        copy["events"] = [redacted_event(event) for event in record["events"]]
    if record.get("wire") or record.get("plain"):
        from netlab.inspect.tape_secrets import redacted_tape  # it knows every protocol, and few records want it

        copy |= {name: redacted_tape(record, record[name]) for name in ("wire", "plain") if record.get(name)}
    return copy


def redacted_event(event: Mapping[str, Any]) -> Record:
    """A copy of one event's record with the values of secret fields masked, however deep they stand."""
    return {**event, "fields": _walk(event.get("fields"))}


def _walk(value: Any) -> Any:
    match value:
        case str():
            return masked_content(value.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        case [str(name), str(text)] if name.lower() in SECRET_FIELDS:
            return [name, masked(name, text)]
        case list():
            return [_walk(item) for item in value]
        case dict():
            return {key: _walk([key, item])[1] for key, item in value.items()}
    return value
