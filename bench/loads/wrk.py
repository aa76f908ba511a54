"""HTTP requests as fast as they are answered: wrk, one thread, on the load's core."""

from __future__ import annotations

import gzip
import http.client
import re
import shutil
import ssl
import zlib
from dataclasses import dataclass
from pathlib import Path

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.stage import Target

PIPELINE, ABSOLUTE = (Path(__file__).with_name(f"{name}.lua") for name in ("pipeline", "absolute"))
SCALE = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}  # to milliseconds


@dataclass(frozen=True, kw_only=True)
class Wrk:
    """GET one path on so many connections, one request in flight on each, or `pipeline` of them in one write."""

    path: str
    length: int  # of the answer's content; checked once before anything is measured
    connections: int = 64
    pipeline: int = 1
    fields: tuple[tuple[str, str], ...] = ()
    megabytes: bool = False  # count content in MB instead of requests
    coding: str = ""  # "gzip": the answer must come in it; `length` is that of what it holds
    through: bool = False  # the target is a forward proxy, asked for what its upstream has; one at a time

    def missing(self) -> str:
        return "" if shutil.which("wrk") else "wrk"

    def check(self, target: Target) -> None:
        answer = ask(target, self._asked(target), dict(self.fields))
        if (answer.status, answer.coding) != (200, self.coding) or len(answer.decoded()) != self.length:
            wanted = f"200 with {self.length} bytes" + (f" in {self.coding}" if self.coding else "")
            raise NotAnswering(f"{target.url(self.path)} answered {answer}, not {wanted}")

    def run(self, target: Target, seconds: int) -> Sample:
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--latency"]
        for name, value in self.fields:
            command += ["-H", f"{name}: {value}"]
        if self.through:
            command += ["-H", f"Host: {target.behind.authority}", "-s", str(ABSOLUTE)]
            command += [target.url("/"), "--", self._asked(target)]
        elif self.pipeline > 1:
            command += ["-s", str(PIPELINE), target.url(self.path), "--", str(self.pipeline)]
        else:
            command.append(target.url(self.path))
        done = run(command, timeout=seconds + 30)
        return self._sample(done.output, done.cpu)

    def _asked(self, target: Target) -> str:
        """The request target."""
        return target.behind.url(self.path) if self.through else self.path

    def _sample(self, output: str, cpu: float) -> Sample:
        total = re.search(r"(\d+) requests in ([\d.]+)s", output)
        if total is None or int(total[1]) == 0:
            raise NotAnswering(f"wrk got no answer: {' '.join(output.split())}")
        if wrong := re.search(r"Non-2xx.*|Socket errors.*", output):
            raise NotAnswering(f"wrk met {wrong[0].strip()}")
        requests = float(total[1])
        return Sample(
            units=requests * self.length / 1e6 if self.megabytes else requests,
            seconds=float(total[2]),
            load_cpu=cpu,
            values={} if self.pipeline > 1 else _percentiles(output),  # wrk's are wrong with several in flight
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    coding: str  # Content-Encoding
    content: bytes  # as it came

    def __str__(self) -> str:
        return f"{self.status} with {len(self.content)} bytes" + (f" in {self.coding}" if self.coding else "")

    def decoded(self) -> bytes:
        try:
            return gzip.decompress(self.content) if self.coding == "gzip" else self.content
        except (OSError, EOFError, zlib.error) as error:
            raise NotAnswering(f"the content is not gzip: {error}") from error


def ask(target: Target, path: str, fields: dict[str, str]) -> Answer:
    """One request, on a connection of its own."""
    connection: http.client.HTTPConnection
    if target.scheme == "https":
        trusting = ssl._create_unverified_context()  # the certificate is not what is measured
        connection = http.client.HTTPSConnection(target.host, target.port, timeout=10, context=trusting)
    else:
        connection = http.client.HTTPConnection(target.host, target.port, timeout=10)
    try:
        connection.request("GET", path, headers=fields)
        response = connection.getresponse()
        coding = response.getheader("Content-Encoding", "")
        return Answer(status=response.status, coding=coding, content=response.read())
    except (OSError, http.client.HTTPException) as error:
        raise NotAnswering(f"{target.url(path)}: {error!r}") from error
    finally:
        connection.close()


def _percentiles(output: str) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    found = re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m)$", output, re.MULTILINE)
    return {f"p{part}": float(value) * SCALE[unit] for part, value, unit in found}
