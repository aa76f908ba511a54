"""The reverse proxy: a server before others, with routes to groups of them."""

from __future__ import annotations

from netlab.http.reverse_service import ReverseService
from netlab.service import Context
from servers.reverse_proxy.config import Config
from servers.reverse_proxy.groups import Groups


class Server(ReverseService):
    """Requests take the first route that matches, and go to its upstreams."""

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__("reverse-proxy", config, context)
        self.groups = Groups(config, context, self.gateway)
        self.configure(config, self.groups.of, otherwise=bool(config.to))
