"""Flows as they end, as server-sent events: bounded, a few batches a second, never in traffic's way."""

from __future__ import annotations

import asyncio
from typing import Any

from netlab.control.calls import view
from netlab.filter import compile_filter
from netlab.flow import FlowLog
from netlab.http.event_stream import EVENT_STREAM, event
from netlab.http.exchange import Exchange
from netlab.inspect.redact import redacted
from netlab.inspect.terminal import worth_a_line

FIELDS = [*EVENT_STREAM, ("X-Content-Type-Options", "nosniff")]
BATCH = 0.1
"""Seconds between two batches: what a person sees as at once."""
QUEUE = 5000
"""Flows that may end between two batches; more are counted and said."""
SIGN_OF_LIFE = 15.0


async def stream(exchange: Exchange, flows: FlowLog, expression: str) -> None:
    """`event: flows` with a list of them, `event: dropped` with how many more there were."""
    wanted, arrived = compile_filter(expression), asyncio.Event()
    subscription = flows.subscribe(arrived.set, limit=QUEUE, ended_only=True)
    try:
        exchange.start(200, FIELDS)
        exchange.send(b"retry: 1000\n\n")
        while True:
            try:
                async with asyncio.timeout(SIGN_OF_LIFE):
                    await arrived.wait()
            except TimeoutError:
                exchange.send(b": still here\n\n")
            arrived.clear()
            found = [view(flow, wanted) for _, flow in subscription.take()]
            batch = [
                redacted(without_events(record))
                for record in found
                if wanted.may_match(record)
                and (expression or worth_a_line(record["kind"], record["label"], record["outcome"]))
            ]
            if batch:
                exchange.send(event("flows", batch))
            if subscription.dropped:
                exchange.send(event("dropped", subscription.dropped))
                subscription.dropped = 0
            await exchange.ready()
            if not await exchange.pause(BATCH):
                break
    finally:
        subscription.close()
    exchange.finish()


def without_events(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "events"}
