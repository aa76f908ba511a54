"""Every play, act by act; what Cache-Status and the flow say of it is tested beside it."""

from __future__ import annotations

import asyncio

import pytest

from tests.http.cache import plays_freshness, plays_parts, plays_storing, plays_validation, plays_vary
from tests.http.cache.playing import Play, staged

ACTS: dict[str, tuple[Play, ...]] = {
    f"{module.__name__.rpartition('_')[2]}.{name.lower()}": plays
    for module in (plays_freshness, plays_storing, plays_vary, plays_validation, plays_parts)
    for name, plays in vars(module).items()
    if isinstance(plays, tuple) and plays and all(isinstance(one, Play) for one in plays)
}


@pytest.mark.parametrize("act", ACTS)
async def test_plays(act: str) -> None:
    async with staged(ACTS[act]) as stage:
        assert [text for one in ACTS[act] for text in await stage.perform(one)] == []


async def test_names_are_told_apart() -> None:
    names = [one.name for plays in ACTS.values() for one in plays]
    assert len(set(names)) == len(names) > 250
    await asyncio.sleep(0)
