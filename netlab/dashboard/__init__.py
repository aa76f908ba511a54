"""The lab's page: what goes on in it, live, for people; served by netlab's own HTTP server."""

from __future__ import annotations

from netlab.dashboard.server import Dashboard

__all__ = ["Dashboard"]
