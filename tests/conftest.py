"""What all tests share: both event loops, no clock that fails them, a place for processes, a certificate authority."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from netlab.net.certs import Authority
from tests.netlab_process import Place, place

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole lab's tests first: while one of them takes a minute, another worker has all the others to do."""
    items.sort(key=lambda item: "tests/world/" not in item.nodeid)


@pytest.fixture
def here() -> Iterator[Place]:
    """A place for one test's netlab processes."""
    with place() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of one file's tests."""
    return Authority.load(tmp_path_factory.mktemp("state"))
