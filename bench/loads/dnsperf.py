"""DNS questions over UDP: known names and distinct ones as fast as they are answered, and a flood (dnsperf)."""

from __future__ import annotations

import random
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import meter
from bench.loads.commands import Finished, run
from bench.model import NotAnswering, Sample
from bench.peers.dns import ZONE_TTL, asked
from bench.stage import Target
from netlab.cores.dns_codes import A
from netlab.cores.dns_message import RD, Message, Question, parse, serialize
from netlab.cores.dns_names import from_text

SECONDS = 10.0  # for the first answer to a name
MOST_RATE = 40_000  # distinct names a second that are held ready
ATTEMPTS = 4


@dataclass(frozen=True, kw_only=True)
class Dnsperf:
    """Every name of the zone in turn, with EDNS; `outstanding` questions in flight."""

    outstanding: int = 100
    clients: int = 8

    def missing(self) -> str:
        return "" if shutil.which("dnsperf") else "dnsperf (package dnsperf)"

    def check(self, target: Target) -> None:
        """Every name twice: what follows is about what is known."""
        with questioner(target) as sock:
            for _ in range(2):
                for name in asked():
                    ask(sock, name)

    def run(self, target: Target, seconds: int) -> Sample:
        done = dnsperf(target, asked(), "-l", str(seconds), "-c", str(self.clients), "-q", str(self.outstanding))
        return sample(done.output, done.cpu)


@dataclass(frozen=True, kw_only=True)
class Distinct(Dnsperf):
    """Names that nobody has asked for before, `label.ZONE`, which the zone has every one of."""

    zone: str = ""

    def check(self, target: Target) -> None:
        with questioner(target) as sock:
            ask(sock, next(iter(distinct(1, self.zone))))

    def run(self, target: Target, seconds: int) -> Sample:
        names = distinct(seconds * MOST_RATE, self.zone)
        options = ("-n", "1", "-l", str(seconds), "-c", str(self.clients), "-q", str(self.outstanding))
        done = dnsperf(target, names, *options)
        return sample(done.output, done.cpu)


@dataclass(frozen=True, kw_only=True)
class Fill(Distinct):
    """As many distinct names as are said, until all are known; what the server has in memory then."""

    names: int = 200_000

    def run(self, target: Target, seconds: int) -> Sample:
        """Only once: a server that knows the names is looked at again."""
        names = [f"known{number}.{self.zone}" for number in range(self.names)]
        with questioner(target) as sock:
            for _ in range(ATTEMPTS):
                unknown = [name for name in (names[0], names[-1], *names[:: self.names // 500]) if not aged(sock, name)]
                if not unknown:
                    break
                dnsperf(target, names, "-n", "1", "-c", str(self.clients), "-q", str(self.outstanding))
            else:
                raise NotAnswering(f"of 500 names {len(unknown)} are not known after they were asked for")
        values = {"memory": meter.memory(target.family()) / 1e6}
        return Sample(units=float(self.names), seconds=float(seconds), values=values)


@contextmanager
def questioner(target: Target) -> Iterator[socket.socket]:
    """A socket to ask from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((target.host, target.port))
        sock.settimeout(SECONDS)
        yield sock


def ask(sock: socket.socket, name: str) -> Message:
    """The reply to a question about one name, with one record; NotAnswering if it is another."""
    sock.send(serialize(Message(random.getrandbits(16), RD, question=[Question(from_text(name), A)])))
    try:
        reply = parse(sock.recv(4096))
    except OSError as error:
        raise NotAnswering(f"{name} was not answered: {error}") from None
    if len(reply.answer) != 1:
        raise NotAnswering(f"{name} was answered {reply}")
    return reply


def aged(sock: socket.socket, name: str) -> bool:
    """Whether a name comes from a cache: its time is less than that of the zone."""
    return ask(sock, name).answer[0].ttl < ZONE_TTL


def distinct(count: int, zone: str) -> list[str]:
    """Names that were not asked for before."""
    begin = random.getrandbits(40)
    return [f"x{begin:x}-{number}.{zone}" for number in range(count)]


def dnsperf(target: Target, names: Sequence[str], *options: str) -> Finished:
    with tempfile.TemporaryDirectory(prefix="netlab-bench-") as folder:
        path = Path(folder) / "questions"
        path.write_text("".join(f"{name} A\n" for name in names))
        command = ["dnsperf", "-e", "-s", target.host, "-p", str(target.port), "-d", str(path)]
        return run([*command, *options], timeout=180)


def sample(output: str, cpu: float) -> Sample:
    """From what dnsperf prints at its end."""
    completed = re.search(r"Queries completed:\s+(\d+)", output)
    seconds = re.search(r"Run time \(s\):\s+([\d.]+)", output)
    lost = re.search(r"Queries lost:\s+(\d+)", output)
    if completed is None or seconds is None or int(completed[1]) == 0:
        raise NotAnswering(f"dnsperf got no answer: {' '.join(output.split())[:200]}")
    values = {"lost": float(lost[1]) if lost is not None else 0.0}
    return Sample(units=float(completed[1]), seconds=float(seconds[1]), load_cpu=cpu, values=values)
