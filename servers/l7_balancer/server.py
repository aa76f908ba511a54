"""The layer 7 balancer: a server before others, whose routes lead to pools of upstreams, watched and steered."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.balancing.checks import Checks
from netlab.balancing.member import Member
from netlab.flow import FlowLog, Level, Outcome
from netlab.http.reverse_service import ReverseService
from netlab.net.dial import Dialer
from netlab.net.listen import Listener
from netlab.service import Context
from servers.l7_balancer.config import DEFAULT, Config
from servers.l7_balancer.pools import Pools


class Server(ReverseService):
    """Requests take the first route that matches, and go to its pool."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__("l7-balancer", config, context)
        quiet = FlowLog(Level.OFF)  # checks come every few seconds and would fill the log
        dialer = Dialer(quiet, addresses=context.addresses, service=self.name)
        self.checks = Checks(dialer, context.clock, context.random.random, self.tasks, self.turned)
        self.pools = Pools(context, self.gateway, self.tasks, self.checks)
        self._take(config)

    def _take(self, config: Config) -> None:
        plan = self.pools.plan(config)
        self.configure(config, plan.of, otherwise=DEFAULT in plan.pools)
        self.pools.carry_out(plan)

    async def background(self) -> None:
        await self.pools.work()

    def turned(self, member: Member, up: bool) -> None:
        """An upstream went down, or is back: a flow of its own, so that whoever watches sees it."""
        flow = self.context.flows.open("health", self.name)
        flow.label = f"{member.name} is {'up' if up else 'down'}: {member.checked}"
        flow.end(Outcome.OK if up else Outcome.UNREACHABLE, "up" if up else "down")

    def listeners(self) -> Sequence[Listener]:
        return super().listeners()
