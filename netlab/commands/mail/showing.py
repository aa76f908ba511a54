"""Show one message: its head and text, its source, or what there is to know of it and of the way it came."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from netlab.commands.mail.asking import Asking, MailApi, address
from netlab.config import Flag, positional
from netlab.text import duration, escape, size

EXAMPLES = (
    ("netlab mail show", "the newest message"),
    ("netlab mail show 002ujWMIMeg3i2YlFFbxeO --as raw", "its source"),
    ("netlab mail show --as explained", "the conversation that brought it, its parts, the way it came, its links"),
    ("netlab mail show --json", "for a program"),
)


@dataclass(frozen=True, kw_only=True)
class Config(Asking):
    id: Annotated[str, positional] = "latest"
    """Which message."""
    form: Annotated[Literal["text", "html", "raw", "explained"], Flag("--as")] = "text"
    """As what."""
    json: bool = False
    """Print JSON: the message as the API tells it, or explained."""


async def run(config: Config) -> int:
    api = await MailApi.find(config)
    path = f"/api/v1/message/{quote(config.id, safe='')}"
    if config.form == "raw":
        sys.stdout.buffer.write(await api.call(f"{path}/raw"))
        return 0
    message = await api.json(path)
    explained = await api.json(f"{path}/explained") if config.form == "explained" else {}
    if config.json:
        print(json.dumps(explained or message))
    elif config.form == "html":
        print(_lines(message["HTML"]) or "the message has no HTML")
    else:
        print("\n".join([*_head(message), *(_explained(explained) if explained else ["", _lines(message["Text"])])]))
    return 0


def _lines(text: str) -> str:
    """Text of a stranger for a terminal: control characters are shown, and not obeyed."""
    return "\n".join(escape(line) for line in text.splitlines())


def _head(message: dict[str, Any]) -> Iterator[str]:
    yield f"From:     {address(message['From'])}"
    for name in ("To", "Cc", "Bcc", "ReplyTo"):
        if message[name]:
            yield f"{name + ':':<9} {', '.join(map(address, message[name]))}"
    yield f"Subject:  {escape(message['Subject'])}"
    yield f"Date:     {message['Date']}"
    for part in (*message["Attachments"], *message["Inline"]):
        named = f"{escape(part['FileName'])}  {escape(part['ContentType'])}"
        yield f"Part {part['PartID']:<4} {named}  {size(part['Size'])}"


def _explained(told: dict[str, Any]) -> Iterator[str]:
    yield from ("", "Parts")
    yield from _tree(told["Tree"], 1)
    yield from ("", "The way here" if told["Hops"] else "No Received fields: it came straight from its sender")
    for hop in told["Hops"]:
        delay = (
            "" if hop["delay"] is None else f"  +{duration(hop['delay'])}" if hop["delay"] >= 0 else "  back in time"
        )
        clauses = hop["clauses"]
        yield escape(f"  {clauses.get('from', '?')} → {clauses.get('by', '?')}  {clauses.get('with', '')}") + delay
    if told["Unsubscribe"]:
        yield from ("", "Leaving the list" + (", by one click" if told["Unsubscribe"]["one_click"] else ""))
        yield from (f"  {escape(each)}" for each in (*told["Unsubscribe"]["links"], *told["Unsubscribe"]["problems"]))
    if told["Links"]:
        yield from ("", "Links")
    for link in told["Links"]:
        yield f"  {link['kind']:<5}  {escape(link['url'])}" + (f"  ({escape(link['note'])})" if link["note"] else "")
    yield from ("", "Conversation" if told["Transcript"] else "It came without a conversation")
    begun = told["Transcript"][0]["time"] if told["Transcript"] else 0.0
    for said in told["Transcript"]:
        mark = {"client": ">", "server": "<"}.get(said["side"], "*")
        for text in said["text"].split("\n"):
            section = f"   {said['section']}" if said["section"] else ""
            yield f"  {duration(said['time'] - begun):>9}  {mark} {escape(text)}{section}"


def _delay(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"  +{duration(seconds)}" if seconds >= 0 else f"  {duration(-seconds)} back in time: a clock is wrong"


def _tree(part: dict[str, Any], depth: int) -> Iterator[str]:
    told = [part["FileName"], part["Charset"], part["Encoding"], size(part["End"] - part["Body"])]
    yield "  " * depth + escape(f"{part['PartID']}  {part['ContentType']}  {', '.join(filter(None, told))}")
    yield from (f"{'  ' * depth}   ! {escape(defect)}" for defect in part["Defects"])
    for each in part["Parts"]:
        yield from _tree(each, depth + 1)
