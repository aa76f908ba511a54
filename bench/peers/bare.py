"""The loop alone: the same constant answer to every read, nothing looked at; what a server in Python cannot pass."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from bench.stage import Stage, Target, free_port

SOURCE = """\
import asyncio, sys, uvloop

ANSWER = (
    b"HTTP/1.1 200 OK\\r\\nServer: netlab\\r\\nDate: Thu, 01 Jan 1970 00:00:00 GMT\\r\\n"
    b"Content-Type: text/plain\\r\\nContent-Length: 13\\r\\n\\r\\nHello, World!"
)

class Constant(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

uvloop.run(main())
"""


@dataclass(frozen=True, kw_only=True)
class Bare:
    """uvloop and three lines of Python."""

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return f"uvloop {version('uvloop')}"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        stage.write("constant.py", SOURCE)
        return Target(port=port, processes=(stage.python([str(stage.folder / "constant.py"), str(port)]),))
