"""HAProxy as an outside engine: started on sockets that listen already, so that nobody has to wait for it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

HEAD = """
global
    maxconn 256
    nbthread 1
defaults
    timeout connect 5s
    timeout client 10s
    timeout server 10s
"""


@contextmanager
def haproxy(folder: Path, *listens: str) -> Iterator[list[int]]:
    """One `listen` section each, `{bind}` in it standing for the socket; gives their ports in order."""
    program = shutil.which("haproxy") or shutil.which("/usr/sbin/haproxy")
    if program is None:
        pytest.skip("haproxy is missing: install the package haproxy")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in listens]
        sections = [
            f"listen section{number}\n" + text.replace("{bind}", f"bind fd@{sock.fileno()}")
            for number, (text, sock) in enumerate(zip(listens, sockets, strict=True))
        ]
        (folder / "haproxy.cfg").write_text(HEAD + "\n".join(sections) + "\n")
        process = subprocess.Popen(
            [program, "-db", "-f", str(folder / "haproxy.cfg")],
            pass_fds=[sock.fileno() for sock in sockets],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            yield [sock.getsockname()[1] for sock in sockets]
        finally:
            code = process.poll()
            process.terminate()
            _, said = process.communicate(timeout=10)
        assert code is None, said.decode()
