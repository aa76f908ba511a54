"""DNS questions over UDP as fast as they are answered: dnsperf, on the load's core."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.peers.dns import asked
from bench.stage import Target
from netlab.cores.dns_codes import A
from netlab.cores.dns_message import RD, Message, Question, parse, serialize
from netlab.cores.dns_names import from_text

SECONDS = 10.0  # for the first answer to a name


@dataclass(frozen=True, kw_only=True)
class Dnsperf:
    """Every name of the zone in turn, with EDNS; `outstanding` questions in flight."""

    outstanding: int = 100
    clients: int = 8

    def missing(self) -> str:
        return "" if shutil.which("dnsperf") else "dnsperf (package dnsperf)"

    def check(self, target: Target) -> None:
        """Every name once: what follows is about what is known."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((target.host, target.port))
            sock.settimeout(SECONDS)
            for number, name in enumerate(asked()):
                sock.send(serialize(Message(number, RD, question=[Question(from_text(name), A)])))
                try:
                    reply = parse(sock.recv(4096))
                except OSError as error:
                    raise NotAnswering(f"{name} was not answered: {error}") from None
                if len(reply.answer) != 1:
                    raise NotAnswering(f"{name} was answered {reply}")

    def run(self, target: Target, seconds: int) -> Sample:
        with tempfile.TemporaryDirectory(prefix="netlab-bench-") as folder:
            path = Path(folder) / "questions"
            path.write_text("".join(f"{name} A\n" for name in asked()))
            command = ["dnsperf", "-e", "-s", target.host, "-p", str(target.port), "-d", str(path), "-l", str(seconds)]
            done = run([*command, "-c", str(self.clients), "-q", str(self.outstanding)], timeout=seconds + 30)
        return sample(done.output, done.cpu)


def sample(output: str, cpu: float) -> Sample:
    """From what dnsperf prints at its end."""
    completed = re.search(r"Queries completed:\s+(\d+)", output)
    seconds = re.search(r"Run time \(s\):\s+([\d.]+)", output)
    lost = re.search(r"Queries lost:\s+(\d+)", output)
    if completed is None or seconds is None or int(completed[1]) == 0:
        raise NotAnswering(f"dnsperf got no answer: {' '.join(output.split())[:200]}")
    values = {"lost": float(lost[1]) if lost is not None else 0.0}
    return Sample(units=float(completed[1]), seconds=float(seconds[1]), load_cpu=cpu, values=values)
