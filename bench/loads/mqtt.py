"""Messages through an MQTT broker: deliveries a second, one in flight or pipelined."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.stage import Target


@dataclass(frozen=True, kw_only=True)
class Messages:
    """`window` 0: one message in flight for each publisher."""

    qos: int = 0
    publishers: int = 1
    subscribers: int = 1
    window: int = 0
    filters: int = 0  # subscriptions with wildcards besides, none of which matches
    kept: bool = False  # the subscribers' sessions are

    def missing(self) -> str:
        return ""

    def check(self, target: Target) -> None:
        if not self.run(target, 0).units:
            raise NotAnswering("nothing was delivered")

    def run(self, target: Target, seconds: int) -> Sample:
        command = [sys.executable, "-m", "bench.loads.mqtt_flood", target.host, str(target.port)]
        command += [str(seconds or 0.5), "--qos", str(self.qos), "--publishers", str(self.publishers)]
        command += ["--subscribers", str(self.subscribers), "--window", str(self.window)]
        command += ["--filters", str(self.filters)]
        command += ["--kept"] if self.kept else []
        done = run(command, timeout=seconds + 30)
        deliveries, took = done.output.split()
        return Sample(units=float(deliveries), seconds=float(took), load_cpu=done.cpu)
