"""See what a running proxy keeps of its answers, for how long and why; or throw some of it out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from netlab.config import positional
from netlab.control.client import OneLab, reach
from netlab.errors import UsageError
from netlab.http.url import Url
from netlab.policy.http_cache.uri import uri_of
from netlab.text import counted, escape, size

EXAMPLES = (
    ("netlab cache", "how full it is, and how often it had the answer"),
    ("netlab cache list", "what it holds, and how fresh that is"),
    ("netlab cache list 'http://www.shop.test/images/*'", "the same of all that begins so"),
    ("netlab cache purge http://www.shop.test/shop/tea-mint", "away with what is kept of one URL"),
    ("netlab cache purge 'http://www.shop.test/*'", "or of many"),
)


@dataclass(frozen=True, kw_only=True)
class Config(OneLab):
    action: Annotated[Literal["status", "list", "purge"], positional] = "status"
    """What to do."""
    url: Annotated[str, positional] = ""
    """Which URL, as clients write it; all that begin so where it ends in *."""
    service: str = ""
    """Which proxy, where several in one lab have a cache; else all of them."""
    json: bool = False
    """Print JSON."""

    def __post_init__(self) -> None:
        if self.action == "purge" and not self.url:
            raise UsageError("netlab cache purge needs a URL, or one that ends in * for all that begin so")
        if self.action == "status" and self.url:
            raise UsageError("netlab cache status takes no URL; list and purge do")


async def run(config: Config) -> int:
    """0; 1 where nothing was there to purge."""
    url = spelled(config.url)
    async with reach(config, "cache") as control:
        caches = await control.call("cache", service=config.service, action=config.action, url=url)
    print(json.dumps(caches) if config.json else "\n".join(map(page, caches)))
    return 1 if config.action == "purge" and not any(cache["purged"] for cache in caches) else 0


def spelled(url: str) -> str:
    """A URL as the cache spells it; one with a * is taken as it is where it names no whole host."""
    if not url or url == "*":
        return url
    try:
        parsed = Url.parse(url)
    except UsageError:
        if url.endswith("*"):
            return url
        raise
    return uri_of(parsed.scheme, parsed.authority, parsed.target)


def page(cache: dict[str, Any]) -> str:
    """One cache as lines for a person."""
    asked = cache["hits"] + cache["misses"]
    share = f", {cache['hits'] / asked:.0%} of {asked} requests" if asked else ""
    room = f"{size(cache['held'])} of {size(cache['room'])}"
    lines = [
        f"{cache['service']}  {counted(cache['responses'], 'response')}, {room}",
        f"  {counted(cache['hits'], 'hit')}{share}; {cache['validated']} validated",
        f"  {cache['stored']} stored, {cache['evicted']} driven out, {cache['invalidated']} invalidated",
    ]
    if "purged" in cache:
        lines.append(f"  {counted(cache['purged'], 'response')} thrown out")
    return "\n".join([*lines, *(line for entry in cache.get("entries", ()) for line in entry_lines(entry))])


def entry_lines(entry: dict[str, Any]) -> list[str]:
    whole = "" if entry["complete"] else " in part"
    head = f"  {entry['status']} {escape(entry['uri'])}  {size(entry['size'])}{whole}, used {entry['uses']} times"
    state = f"fresh for {entry['left']:.0f} s" if entry["fresh"] else f"stale for {-entry['left']:.0f} s"
    lines = [head, f"      {state}: {escape(entry['arithmetic'])} ({entry['section'] or 'RFC 9111 4.2'})"]
    if entry["vary"]:
        chosen = ", ".join(f"{name}: {'-' if value is None else value}" for name, value in entry["vary"].items())
        lines.append(f"      for {escape(chosen)}")
    return lines
