"""Requests that wait for an upstream to have less to do: first come, first served, and nobody for long."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from netlab.cores.fields import Fields
from netlab.http.pool_page import refuse
from netlab.policy.gateway_errors import Failure

if TYPE_CHECKING:
    from netlab.http.upstream_call import Call
    from netlab.http.upstreams import Upstreams


class Waiter:
    """One of them: the taker of its content while it waits, which takes nothing yet."""

    __slots__ = ("_queue", "call", "deadline")

    def __init__(self, queue: Queue, call: Call, deadline: float) -> None:
        self._queue, self.call, self.deadline = queue, call, deadline

    def content(self, data: bytes) -> None:
        raise AssertionError("content is not relayed while a request waits")

    def content_complete(self, trailers: Fields) -> None:
        """It is kept with the request."""

    def lost(self, error: Exception) -> None:
        self._queue.leave(self)

    def expire(self, now: float) -> None:
        self._queue.give_up(self)


class Queue:
    """Those that wait in one group: for their first upstream, or to be tried again."""

    def __init__(self, group: Upstreams) -> None:
        self._group = group
        self.first: OrderedDict[Waiter, None] = OrderedDict()
        self.again: OrderedDict[Waiter, None] = OrderedDict()
        self._advancing = False
        self.refused = self.timed_out = 0

    def take(self, call: Call) -> bool:
        """Let it wait, if it is only work that its upstreams have too much of, and there is room."""
        group, traffic, line = self._group, self._group.traffic, self._line(call)
        worth = group.busy or (not group.may_retry() if call.is_retry else bool(line))
        if not worth or not traffic.waiting or not traffic.wait_timeout:
            return False
        if len(self) >= traffic.waiting:
            self.refused += 1
            return False
        waiter = Waiter(self, call, asyncio.get_running_loop().time() + traffic.wait_timeout)
        line[waiter] = None
        group.gateway.sweep.add(waiter)
        call.exchange.relay(waiter, ready=False)
        call.exchange.flow.note("request.queued", waiting=len(self), upstreams=group.name)
        self.advance_soon()
        return True

    def _line(self, call: Call) -> OrderedDict[Waiter, None]:
        return self.again if call.is_retry else self.first

    def advance_soon(self) -> None:
        """At the end of this turn of the loop, see who can go on."""
        if not self._advancing:
            self._advancing = True
            asyncio.get_running_loop().call_soon(self._advance)

    def _advance(self) -> None:
        self._advancing = False
        group = self._group
        for waiter in [*self.first, *self.again]:
            call = waiter.call
            if call.is_retry and not group.may_retry():
                return
            member = call.find()
            if member is not None:
                self.leave(waiter)
                group.gateway.forward(call.exchange, call.to(member))
            elif not group.available:
                return

    def give_up(self, waiter: Waiter) -> None:
        """It has waited long enough."""
        self.leave(waiter)
        self.timed_out += 1
        group, call = self._group, waiter.call
        failed = call.failed
        if failed is None:
            seconds = group.traffic.wait_timeout
            reason = f"all upstreams have as much to do as they may, and none had less within {seconds:g} s"
            failed = Failure(503, "connection_limit_reached", reason)
        call.exchange.connection.in_turn(refuse, call.exchange, group, failed)

    def leave(self, waiter: Waiter) -> None:
        self._line(waiter.call).pop(waiter, None)
        self._group.gateway.sweep.discard(waiter)

    def __len__(self) -> int:
        return len(self.first) + len(self.again)
