"""Send lines as UDP datagrams, and see which are answered, how fast, and what the network says of the others."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Annotated, Any, NamedTuple

from netlab.config import Address, Count, Duration, Size, positional
from netlab.errors import PeerUnreachable, UsageError
from netlab.net.addresses import AddressMap, Overrides, SocketAddress
from netlab.net.resolve import SystemResolver, known, resolve
from netlab.net.standard_input import StandardInput
from netlab.net.tasks import Tasks
from netlab.net.udp import UdpClient
from netlab.text import duration, escape, in_json

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""

EXAMPLES = (
    ("netlab udp 127.0.0.1:7007", "type lines; each is a datagram, and comes back"),
    ("echo hello | netlab udp 127.0.0.1:7007", "one datagram"),
    ("netlab udp 127.0.0.1:7007 --size 1472 --count 5", "five datagrams that just fit an Ethernet's packet"),
    ("netlab udp 127.0.0.1:9", "what happens where nothing listens"),
)
PATTERN = bytes(range(33, 127))
MOST_WAITING = 1000
"""Datagrams remembered until they are answered; the oldest are forgotten."""
LARGEST = {False: 65_507, True: 65_527}
"""Payload of the largest datagram over IPv4 and over IPv6: 65,535 less the headers."""


@dataclass(frozen=True, kw_only=True)
class Config:
    target: Annotated[Address, positional]
    """Where to send."""
    size: Size = 0
    """Send datagrams of so many bytes instead of lines."""
    count: Count = 1
    """How many of them."""
    every: Duration = 1.0
    """How long from one of them to the next."""
    wait: Duration = 1.0
    """How long to wait for answers after the last was sent; 0 expects none."""
    json: bool = False
    """Print what is sent and received as JSON lines."""
    quiet: bool = False
    """Print the content of the answers and nothing else."""
    timeout: Duration = 5.0
    """How long a resolver may take."""


async def run(config: Config, *, addresses: Addresses | None = None) -> int:
    """Send, show, and give the exit code: 1 where nothing was answered, or the network says nothing listens there."""
    lab = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
    target = await locate(config.target, lab, config.timeout)
    if config.size > LARGEST[":" in target.address]:
        raise UsageError(f"--size {config.size}: a datagram holds at most {LARGEST[':' in target.address]} bytes here")
    with UdpClient(target.address, target.port) as client:
        return await Talk(config, client).run()


async def locate(target: Address, lab: AddressMap, seconds: float) -> SocketAddress:
    """The address to send to: the lab's, a literal, or what the system's resolver says first."""
    found = known(target.host, target.port, lab, Overrides())
    if found is None:
        try:
            async with asyncio.timeout(seconds):
                found = await resolve(target.host, SystemResolver())
        except TimeoutError:
            words = f"no answer about {target.host} from the resolver within {seconds:g} s"
            raise PeerUnreachable(words, stage="resolve", timed_out=True) from None
    return lab.locate(found.addresses[0], target.port)


class Sent(NamedTuple):
    """A datagram that may yet be answered."""

    number: int
    time: float
    data: bytes


class Talk:
    """Datagrams sent, answers matched to them: the one of the same content, else the oldest not yet answered."""

    def __init__(self, config: Config, client: UdpClient) -> None:
        self.config, self.client = config, client
        self.tasks = Tasks("udp")
        self.input = StandardInput()
        self.sent = self.answered = 0
        self.refused = ""
        self.round_trips: list[float] = []
        self._waiting: deque[Sent] = deque(maxlen=MOST_WAITING)
        self._all_answered = asyncio.Event()
        self._started = perf_counter()

    async def run(self) -> int:
        receiving = self.tasks.start(self._receive(), "answers")
        try:
            async for data in self._datagrams():
                self._send(data)
            await self._await_answers(receiving)
        finally:
            await self.tasks.cancel()
        self._end()
        failed = bool(self.refused) or (self.config.wait > 0 and self.sent > 0 and not self.answered)
        return 1 if failed else 0

    async def _datagrams(self) -> AsyncIterator[bytes]:
        if self.config.size:
            for number in range(self.config.count):
                if number:
                    await asyncio.sleep(self.config.every)
                yield pattern(self.config.size, number)
            return
        rest = b""
        while data := await self.input.read():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield line.removesuffix(b"\r")
                await asyncio.sleep(0)  # an answer, or a refusal, gets its turn
            if len(rest) > max(LARGEST.values()):
                raise UsageError(
                    f"a line of more than {len(rest)} bytes fits into no datagram; --size sends without lines"
                )
        if rest:
            yield rest

    def _send(self, data: bytes) -> None:
        self.sent += 1
        self._all_answered.clear()
        self._waiting.append(Sent(self.sent, perf_counter(), data))
        self._json("sent", number=self.sent, size=len(data), **in_json(data))
        if self.config.size or not self.input.terminal:  # who types has it before his eyes
            self._tell(f"> {self.sent}: {_shown(data)}")
        self.client.send(data)

    async def _await_answers(self, receiving: asyncio.Task[None]) -> None:
        """What was sent last may be answered yet; nothing is waited for that cannot come."""
        if self.sent and self.config.wait:
            waiting = self.tasks.start(self._all_answered.wait(), "the last answer")
            await asyncio.wait({waiting, receiving}, timeout=self.config.wait, return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self) -> None:
        while True:
            try:
                data = await self.client.receive()
            except PeerUnreachable as error:  # ICMP's word about an earlier datagram; others may still get through
                self._refused(str(error))
                if not self.input.terminal:
                    return
            else:
                self._received(data)

    def _received(self, data: bytes) -> None:
        sent = self._match(data)
        taken = None if sent is None else perf_counter() - sent.time
        if sent is not None and taken is not None:
            self.answered += 1
            self.round_trips.append(taken)
        if not self._waiting:
            self._all_answered.set()
        number = None if sent is None else sent.number
        self._json("received", number=number, size=len(data), round_trip=taken, **in_json(data))
        told = "unasked" if taken is None else f"round trip {duration(taken)}"
        self._tell(f"< {number or '-'}: {_shown(data)}  {told}")
        if self.config.quiet and not self.config.json:
            sys.stdout.buffer.write(data + b"\n")
            sys.stdout.buffer.flush()

    def _match(self, data: bytes) -> Sent | None:
        """The datagram this answers."""
        waiting = self._waiting
        found = next((sent for sent in waiting if sent.data == data), waiting[0] if waiting else None)
        if found is not None:
            waiting.remove(found)
        return found

    def _refused(self, sentence: str) -> None:
        self._json("refused", sentence=sentence)
        if not self.refused:
            self._tell(f"! {sentence}")
        self.refused = sentence

    def _end(self) -> None:
        times = self.round_trips
        self._json("end", sent=self.sent, answered=self.answered, refused=self.refused)
        if self.sent:
            spread = (
                f"; round trip {duration(min(times))} least, {duration(statistics.median(times))} median, "
                f"{duration(max(times))} most"
                if len(times) > 1
                else ""
            )
            self._tell(f"{self.sent} sent, {self.answered} answered{spread}")
        if self.refused:
            sys.stderr.write(f"netlab: {self.refused}: its host said so in an ICMP message\n")
        elif self.sent and not self.answered and self.config.wait:
            waited = duration(self.config.wait)
            sys.stderr.write(f"netlab: no answer within {waited}; UDP does not say whether anything arrived (--wait)\n")

    def _tell(self, words: str) -> None:
        if not (self.config.json or self.config.quiet):
            print(words, flush=True)

    def _json(self, event: str, **facts: Any) -> None:
        if self.config.json:
            time = round(perf_counter() - self._started, 6)
            print(json.dumps({"event": event, "time": time, **facts}), flush=True)


def pattern(size: int, number: int) -> bytes:
    """Content of so many printable bytes, another for each number, so that answers tell whose they are."""
    head = f"{number + 1} ".encode("ascii")
    return (head + PATTERN * (size // len(PATTERN) + 1))[:size]


def _shown(data: bytes) -> str:
    text = escape(data[:60].decode("utf-8", "replace"))
    return f"{len(data)} byte{'s' * (len(data) != 1)}  {text}{'…' if len(data) > 60 else ''}"
