"""What TLS over MemoryBIO costs against the loop's own: small answers, handshakes, bulk both ways; one core each.

    python -m bench.tls_price [--seconds 3] [--rounds 5]

The server runs pinned to one core, the client (wrk, openssl) to the other. Rounds are interleaved, medians are shown,
and beside every rate stands the server's own CPU time per unit, which does not depend on how fast the client is.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop

from netlab.net.certs import Authority
from netlab.net.tls import TlsLayer
from netlab.net.tls_context import ServerContexts

SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\nContent-Type: text/plain\r\n\r\n" + b"x" * 32
MEGABYTE = 1 << 20
BULK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MEGABYTE + bytes(MEGABYTE)
SERVER_CORE, CLIENT_CORE = 0, 1
VARIANTS = ("native", "layer")


class Answers(asyncio.Protocol):
    """The least an HTTP server can do; anything that is no GET is swallowed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]  # a stream's transport has it

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /b"):
            self.write(BULK)
        elif data.startswith(b"GET"):
            self.write(SMALL)


async def serve(variant: str, state: Path) -> None:
    contexts = ServerContexts(Authority.load(state))
    loop = asyncio.get_running_loop()
    if variant == "layer":
        server = await loop.create_server(
            lambda: TlsLayer(Answers(), contexts, server_side=True), "127.0.0.1", 0, backlog=1024
        )
    else:
        server = await loop.create_server(Answers, "127.0.0.1", 0, ssl=contexts(None), backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True)
class Measured:
    rate: float  # units per second
    cpu: float  # the server's CPU seconds per unit


class Peer:
    """A server under measurement, in its own process."""

    def __init__(self, variant: str, state: Path) -> None:
        command = [sys.executable, "-m", "bench.tls_price", "--serve", variant, "--state", str(state)]
        self.process = subprocess.Popen(pinned(SERVER_CORE, command), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def measure(self, load: Callable[[int], tuple[float, float]]) -> Measured:
        """Run a load that tells how many units it moved in how many seconds."""
        before = self.cpu()
        units, seconds = load(self.port)
        return Measured(units / seconds, (self.cpu() - before) / units)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def pinned(core: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


def run_wrk(port: int, path: str, connections: int, seconds: float) -> tuple[float, float]:
    url = f"https://127.0.0.1:{port}{path}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", url]
    out = subprocess.run(pinned(CLIENT_CORE, command), capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)s", out)
    assert found is not None, out
    return float(found[1]), float(found[2])


def run_handshakes(port: int, seconds: float, version: str) -> tuple[float, float]:
    """Three clients at once, so that the server is not waiting for one client's arithmetic."""
    command = ["openssl", "s_time", "-new", "-connect", f"127.0.0.1:{port}", "-time", f"{seconds:g}", version]
    clients = [
        subprocess.Popen(pinned(CLIENT_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for _ in range(3)
    ]
    started = time.perf_counter()
    counts = [re.search(r"(\d+) connections in \d+ real", client.communicate()[0]) for client in clients]
    elapsed = time.perf_counter() - started
    return float(sum(int(count[1]) for count in counts if count)), elapsed


def run_upload(port: int, megabytes: int) -> tuple[float, float]:
    command = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{port}"]
    source = ["dd", "if=/dev/zero", "bs=1M", f"count={megabytes}", "status=none"]
    started = time.perf_counter()
    with subprocess.Popen(pinned(CLIENT_CORE, source), stdout=subprocess.PIPE) as feeder:
        subprocess.run(pinned(CLIENT_CORE, command), stdin=feeder.stdout, capture_output=True, check=False)
    return float(megabytes), time.perf_counter() - started


def loads(seconds: float) -> dict[str, Callable[[int], tuple[float, float]]]:
    return {
        "small answers, 64 connections": lambda port: run_wrk(port, "/", 64, seconds),
        "small answers, 1 connection": lambda port: run_wrk(port, "/", 1, seconds),
        "new handshakes, TLS 1.3": lambda port: run_handshakes(port, seconds, "-tls1_3"),
        "new handshakes, TLS 1.2": lambda port: run_handshakes(port, seconds, "-tls1_2"),
        "bulk sent, MiB, 4 connections": lambda port: run_wrk(port, "/b", 4, seconds),
        "bulk received, MiB": lambda port: run_upload(port, round(300 * seconds)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="a word of the loads to run")
    parser.add_argument("--serve", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(serve(options.serve, options.state))
        return
    for tool, package in {"wrk": "wrk", "openssl": "openssl", "taskset": "util-linux"}.items():
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: install {package}")
    compare(options.seconds, options.rounds, options.only)


def compare(seconds: float, rounds: int, only: str) -> None:
    results: dict[tuple[str, str], list[Measured]] = {}
    chosen = {name: load for name, load in loads(seconds).items() if only in name}
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        Authority.load(state)
        peers = {variant: Peer(variant, state) for variant in VARIANTS}
        try:
            for _ in range(rounds):
                for name, load in chosen.items():
                    for variant, peer in peers.items():
                        results.setdefault((name, variant), []).append(peer.measure(load))
        finally:
            for peer in peers.values():
                peer.stop()
    report(list(chosen), results)


def report(names: list[str], results: dict[tuple[str, str], list[Measured]]) -> None:
    print("| load | native /s | layer /s | layer ÷ native | CPU native | CPU layer | CPU layer ÷ native |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        rates = [statistics.median(m.rate for m in results[name, variant]) for variant in VARIANTS]
        costs = [statistics.median(m.cpu for m in results[name, variant]) * 1e6 for variant in VARIANTS]
        cells = [f"{rate:,.0f}" for rate in rates] + [f"{rates[1] / rates[0]:.2f}"]
        cells += [f"{cost:.1f} µs" for cost in costs] + [f"{costs[1] / costs[0]:.2f}"]
        print("|", name, "|", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
