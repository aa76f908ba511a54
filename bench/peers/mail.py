"""Mail servers that keep nothing: postfix's smtp-sink, and aiosmtpd on uvloop."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import version

from bench.stage import Stage, Target, free_port

SBIN = "/usr/sbin:/usr/local/sbin"
AIOSMTPD = """\
import asyncio, sys
import uvloop
from aiosmtpd.smtp import SMTP


class Sink:
    async def handle_DATA(self, server, session, envelope):
        return "250 Ok"


async def main():
    loop, sink = asyncio.get_running_loop(), Sink()
    server = await loop.create_server(lambda: SMTP(sink, loop=loop), "127.0.0.1", int(sys.argv[1]), backlog=1000)
    await server.serve_forever()


uvloop.run(main())
"""


def tool(name: str) -> str:
    """Where a program of postfix is: its folder is not on everybody's path."""
    return shutil.which(name) or shutil.which(name, path=SBIN) or ""


def absent(name: str) -> str:
    return "" if tool(name) else f"{name} (package postfix)"


@dataclass(frozen=True, kw_only=True)
class SmtpSink:
    """Takes mail and drops it; one process, C."""

    def missing(self) -> str:
        return absent("smtp-sink")

    def version(self) -> str:
        said = subprocess.run(
            [tool("postconf") or "true", "-d", "mail_version"], capture_output=True, text=True, check=False
        ).stdout
        return f"smtp-sink of postfix {said.split()[-1] if said.split() else '(unknown version)'}"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = stage.start([tool("smtp-sink"), *user, f"127.0.0.1:{port}", "1000"])
        return Target(port=port, scheme="smtp", processes=(process,))


@dataclass(frozen=True, kw_only=True)
class Aiosmtpd:
    """With a handler that keeps nothing."""

    def missing(self) -> str:
        return "" if importlib.util.find_spec("aiosmtpd") else "aiosmtpd (pip install 'netlab[engines]')"

    def version(self) -> str:
        return f"aiosmtpd {version('aiosmtpd')}"

    def start(self, stage: Stage) -> Target:
        port, path = free_port(), stage.write("sink.py", AIOSMTPD)
        return Target(port=port, scheme="smtp", processes=(stage.python([str(path), str(port)]),))
