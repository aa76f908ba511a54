"""One run of `netlab load`: made ready, watched, ended by Ctrl-C, and shown."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from clients.get.trust import Trust
from clients.load import Addresses, Config, show
from clients.load.generator import Bounds, Generator, monotonic
from clients.load.http import HttpDriver, Plan
from clients.load.journey import journey
from clients.load.results import Results
from clients.load.schedule import Step, arrivals
from netlab.flow import FlowLog, Level
from netlab.http.url import Url
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer, Timeouts
from netlab.net.secure import TlsOptions

LOOK = 0.2
"""Seconds between two looks at how far it has come."""


async def load(config: Config, addresses: Addresses | None) -> int:
    url = Url.parse(config.target)
    steps = config.step or (Step(config.rate, config.rate, config.duration),)
    plan = Plan(
        journey(url, config.request, method=config.method, data=config.data, fields=config.field),
        cookies=config.cookies and len(config.request) > 1,
        closes=config.new_connections,
        think=config.think,
    )
    results = Results(len(steps), tuple(map(str, plan.journey)))
    driver = HttpDriver(url, plan, await _dialer(addresses), _tls(config, url), _timeouts(config.timeout))
    generator = Generator(
        driver,
        None if config.closed else arrivals(steps, _chance(config)),
        Bounds(connections=config.connections, timeout=config.timeout),
        results,
        seconds=sum(step.seconds for step in steps),
    )
    with _interruptible(generator), _watched(generator):
        await generator.run()
    _print(config, steps, results)
    return 0 if results.all.answers and all(one.holds(results) for one in config.expect) else 1


def _print(config: Config, steps: tuple[Step, ...], results: Results) -> None:
    if config.json:
        print(json.dumps(show.as_json(config.target, steps, results, config.expect), indent=1))
        return
    how = "as fast as it answers" if config.closed else f"{', '.join(map(str, steps))} ({config.arrivals} arrivals)"
    print(show.report(f"{config.target}  {how}", steps, results, config.expect))


def _chance(config: Config) -> Callable[[], float] | None:
    return random.Random(config.seed).random if config.arrivals == "poisson" else None


async def _dialer(addresses: Addresses | None) -> Dialer:
    known = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
    return Dialer(FlowLog(Level.OFF), addresses=known, service="load")


def _tls(config: Config, url: Url) -> TlsOptions | None:
    if url.scheme != "https":
        return None
    return TlsOptions(context=Trust(cacert=config.cacert, insecure=config.insecure).context())


def _timeouts(seconds: float) -> Timeouts:
    return Timeouts(resolve=seconds, connect=seconds, tls=seconds)


@contextmanager
def _interruptible(generator: Generator) -> Iterator[None]:
    """Ctrl-C ends what is begun in good order, and the results are shown; a second one is the usual."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        generator.end()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextmanager
def _watched(generator: Generator) -> Iterator[None]:
    progress = show.Progress(generator.seconds)
    loop = asyncio.get_running_loop()

    timers: list[asyncio.TimerHandle] = []

    def look() -> None:
        if generator.began:
            progress.show(generator.results, monotonic() - generator.began, generator.open)
        timers[:] = [loop.call_later(LOOK, look)]

    if progress.shown:
        look()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
        progress.clear()
