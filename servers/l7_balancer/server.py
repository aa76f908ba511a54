"""The layer 7 balancer: a server before others, whose routes lead to pools of upstreams, watched and steered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import fields

from netlab.balancing.admin import Admin
from netlab.balancing.checks import Checks
from netlab.balancing.member import Member as Balanced
from netlab.balancing.settings import refuse_changes
from netlab.balancing.steering import Steering
from netlab.flow import FlowLog, Level, Outcome
from netlab.http.cache.rules import CacheSettings
from netlab.http.connection import HttpConnection
from netlab.http.forwarding import Forwarding
from netlab.http.repeated_call import RepeatedCall
from netlab.http.reverse_service import ReverseService
from netlab.http.upstream_call import Call
from netlab.http.upstreams import Member
from netlab.net.dial import Dialer
from netlab.net.listen import Listener
from netlab.service import Context
from servers.l7_balancer.config import DEFAULT, Config
from servers.l7_balancer.pools import Pools

FIXED = (
    "listen",
    "tls",
    "tls_listen",
    "status_listen",
    "expose",
    "client_certificates",
    "client_ca",
    "engine",
    "max_connections",
    "max_connections_per_address",
    *(field.name for field in fields(CacheSettings)),
)
"""Settings that are made use of only at the start."""
TICK = 0.25
"""Seconds between looks at drains."""


class Server(ReverseService):
    """Requests take the first route that matches, and go to its pool."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__("l7-balancer", config, context)
        self.where = config  # to listen: that stays
        quiet = FlowLog(Level.OFF)  # checks come every few seconds and would fill the log
        dialer = Dialer(quiet, addresses=context.addresses, service=self.name)
        self.checks = Checks(dialer, context.clock, context.random.random, self.tasks, self.turned)
        self.pools = Pools(context, self.gateway, self.tasks, self.checks, self.cut)
        self._take(config)
        self.steering = Steering(self.name, lambda: self.pools.steered, context.clock, lambda: self.pools.names.drain)
        self.admin = Admin(self.steering, context.flows, self.tasks)

    def _take(self, config: Config) -> None:
        plan = self.pools.plan(config)
        self.configure(config, plan.of, otherwise=DEFAULT in plan.pools)
        self.pools.carry_out(plan)

    def reload(self, config: Config) -> bool:
        """Take other settings while requests are under way, files they name read anew; whether they are other ones.

        UsageError leaves all as it was. What was done by hand stays, and what is known of upstreams that are in both.
        """
        changed = config != self.config
        refuse_changes(self.where, config, FIXED)
        self._take(config)
        return changed

    async def background(self) -> None:
        """Check, look up, end drains, and keep what latencies were, until cancelled."""
        self.pools.start()
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(TICK)
            self.pools.tidy()
            self.steering.lately.look(self.pools.members(), now())

    def cut(self, member: Member, why: str) -> None:
        """End what an upstream still has to do."""
        calls: list[Call | RepeatedCall] = list(member.endless)
        for connection in self.gate.connections:
            sink = connection.exchange.sink if isinstance(connection, HttpConnection) and connection.exchange else None
            call = sink.way if isinstance(sink, Forwarding) else sink
            if isinstance(call, Call | RepeatedCall) and call.member is member:
                calls.append(call)
        for call in calls:
            call.cut(why)

    def turned(self, member: Balanced, up: bool) -> None:
        """An upstream went down, or is back: a flow of its own, so that whoever watches sees it."""
        flow = self.context.flows.open("health", self.name)
        flow.label = f"{member.name} is {'up' if up else 'down'}: {member.checked}"
        flow.end(Outcome.OK if up else Outcome.UNREACHABLE, "up" if up else "down")

    def listeners(self) -> Sequence[Listener]:
        status, config = self.where.status_listen, self.where
        port = status.port if config.listen.port else 0
        return [*super().listeners(), self.admin.listener(status.host, port, reuse_port=self.context.reuse_port)]
