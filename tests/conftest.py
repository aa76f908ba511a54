"""What all tests share: both event loops, and no clock that fails them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop
from hypothesis import HealthCheck, settings

# how long an example takes says how busy the machine is, not whether the code is right
settings.register_profile("netlab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("netlab")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test runs on asyncio's own loop and on uvloop, unless it is about what no loop sees."""
    if item.get_closest_marker("one_loop"):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
