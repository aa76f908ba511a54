"""Passwords: the slow hash runs once, off the loop, for a bounded number at a time, and says nothing of who exists."""

from __future__ import annotations

import asyncio

import pytest

from netlab.policy.auth.users import make_scrypt
from netlab.stores.passwords import Passwords, TooManyChecks

VERIFIER = make_scrypt("secret", b"salt", (4, 1, 1))
SLOW = make_scrypt("secret", b"salt", (14, 8, 1))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_was_right_is_known_for_a_while() -> None:
    time = Time()
    passwords = Passwords(lifetime=10, now=time)
    assert not passwords.known(VERIFIER, "secret")
    assert await passwords.check(VERIFIER, "secret")
    assert passwords.known(VERIFIER, "secret")
    assert not passwords.known(VERIFIER, "Secret")
    assert not passwords.known(make_scrypt("secret", b"other", (4, 1, 1)), "secret")
    assert not passwords.known(None, "secret")
    time.now = 10.0
    assert not passwords.known(VERIFIER, "secret")
    passwords.close()


async def test_what_is_wrong_is_not_remembered() -> None:
    passwords = Passwords()
    assert not await passwords.check(VERIFIER, "wrong")
    assert not await passwords.check(None, "secret")
    assert not await passwords.check("$scrypt$nothing", "secret")
    assert repr(passwords) == "<Passwords 0 remembered, 0 being checked>"
    passwords.close()


async def test_only_so_many_are_remembered() -> None:
    passwords = Passwords(remembered=2)
    verifiers = [make_scrypt(word, b"salt", (4, 1, 1)) for word in "abc"]
    for verifier, word in zip(verifiers, "abc", strict=True):
        assert await passwords.check(verifier, word)
    assert [passwords.known(verifier, word) for verifier, word in zip(verifiers, "abc", strict=True)] == [
        False,
        True,
        True,
    ]
    passwords.close()


async def test_many_who_ask_the_same_cost_one_hash() -> None:
    passwords = Passwords(waiting=1)
    assert await asyncio.gather(*(passwords.check(SLOW, "secret", client) for client in range(50))) == [True] * 50
    passwords.close()


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    passwords = Passwords()
    first = asyncio.get_running_loop().create_task(passwords.check(SLOW, "secret"))
    second = asyncio.get_running_loop().create_task(passwords.check(SLOW, "secret"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first
    passwords.close()


async def test_guessers_are_held_back() -> None:
    passwords = Passwords(waiting=5, each=3)
    loop = asyncio.get_running_loop()
    guesses = [loop.create_task(passwords.check(SLOW, str(number), "eve")) for number in range(4)]
    await asyncio.sleep(0)
    others = [loop.create_task(passwords.check(SLOW, "secret" + str(number), number)) for number in range(3)]
    await asyncio.wait([*guesses, *others])
    kinds = [type(task.exception()) for task in (*guesses, *others)]
    assert kinds == [type(None)] * 3 + [TooManyChecks] + [type(None)] * 2 + [TooManyChecks]
    assert await passwords.check(SLOW, "secret", "eve")
    passwords.close()


async def test_the_loop_goes_on_meanwhile() -> None:
    passwords = Passwords()
    running = asyncio.get_running_loop().create_task(passwords.check(SLOW, "secret"))
    turns = 0
    while not running.done():
        turns += 1
        await asyncio.sleep(0)
    assert turns > 2  # a loop that stands still has one; how many it is hangs on what else this machine does
    passwords.close()


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(Passwords())
