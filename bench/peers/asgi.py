"""Python's application servers, each with the least application there is and one process: granian, uvicorn."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version

from bench.stage import Stage, Target, free_port

RSGI = """\
async def app(scope, protocol):
    protocol.response_bytes(200, [("content-type", "text/plain")], b"Hello, World!")
"""
ASGI = """\
async def app(scope, receive, send):
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"Hello, World!"})
"""


@dataclass(frozen=True, kw_only=True)
class Granian:
    """Over its own interface, RSGI, the fastest it has."""

    def missing(self) -> str:
        return _absent("granian")

    def version(self) -> str:
        return f"granian {version('granian')}"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        stage.write("app.py", RSGI)
        command = ["-m", "granian", "--interface", "rsgi", "--http", "1", "--no-ws", "--workers", "1"]
        command += ["--runtime-threads", "1", "--runtime-mode", "st", "--loop", "uvloop", "--log-level", "error"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(stage.folder), "app:app"]
        return Target(port=port, processes=(stage.python(command),))


@dataclass(frozen=True, kw_only=True)
class Uvicorn:
    """With httptools and uvloop."""

    def missing(self) -> str:
        return _absent("uvicorn") or _absent("httptools")

    def version(self) -> str:
        return f"uvicorn {version('uvicorn')} (httptools {version('httptools')})"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        stage.write("app.py", ASGI)
        command = ["-m", "uvicorn", "--http", "httptools", "--loop", "uvloop", "--ws", "none", "--lifespan", "off"]
        command += ["--workers", "1", "--no-access-log", "--log-level", "warning"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--app-dir", str(stage.folder), "app:app"]
        return Target(port=port, processes=(stage.python(command),))


def _absent(package: str) -> str:
    return "" if importlib.util.find_spec(package) else f"{package} (pip install 'netlab[bench]')"
