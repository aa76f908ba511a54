"""Mail as fast as it is taken: postfix's smtp-source, on the load's core."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass

from bench.loads.commands import run
from bench.model import NotAnswering, Sample
from bench.peers.mail import absent, tool
from bench.stage import Target

FIRST = 300
"""Messages of the run that finds out how many fill the time."""


@dataclass(frozen=True, kw_only=True)
class SmtpSource:
    """Messages of `octets`, in `sessions` at once; each session brings one, or, with `reused`, as many as it can."""

    sessions: int = 20
    octets: int = 1024
    reused: bool = False

    def missing(self) -> str:
        return absent("smtp-source")

    def check(self, target: Target) -> None:
        try:
            with smtplib.SMTP(target.host, target.port, timeout=10) as client:
                refused = client.sendmail("a@bench.test", ["b@bench.test"], b"Subject: one\r\n\r\nhello\r\n")
        except (OSError, smtplib.SMTPException) as error:
            raise NotAnswering(f"a message was not taken: {error}") from None
        if refused:
            raise NotAnswering(f"a recipient was refused: {refused}")

    def run(self, target: Target, seconds: int) -> Sample:
        first = self._send(target, FIRST)
        wanted = max(int(first.units / first.seconds * seconds), FIRST)
        return self._send(target, wanted)

    def _send(self, target: Target, messages: int) -> Sample:
        command = [tool("smtp-source"), "-s", str(self.sessions), "-m", str(messages), "-l", str(self.octets)]
        command += ["-d"] * self.reused  # "don't disconnect after sending a message"
        command += ["-f", "a@bench.test", "-t", "b@bench.test", f"{target.host}:{target.port}"]
        done = run(command, timeout=120)
        return Sample(units=messages, seconds=done.seconds, load_cpu=done.cpu)
