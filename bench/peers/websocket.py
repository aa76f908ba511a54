"""WebSocket servers of Python: websockets, aiohttp, picows, each with an echo and a room, on uvloop."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version

from bench.stage import Stage, Target, free_port

WEBSOCKETS = """\
import asyncio
import uvloop
from websockets.asyncio.server import broadcast, serve

ROOM = set()

async def handler(connection):
    if not connection.request.path.startswith("/chat/"):
        async for message in connection:
            await connection.send(message)
        return
    ROOM.add(connection)
    try:
        async for message in connection:
            broadcast(ROOM, message)
    finally:
        ROOM.discard(connection)

async def main():
    more = {"ping_interval": None, "max_size": None} | ({} if COMPRESSION else {"compression": None})
    async with serve(handler, "127.0.0.1", PORT, **more) as server:
        await server.serve_forever()

uvloop.run(main())
"""
AIOHTTP = """\
import asyncio
import uvloop
from aiohttp import WSMsgType, web

async def echo(request):
    socket = web.WebSocketResponse(max_msg_size=0, compress=COMPRESSION)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        else:
            await socket.send_str(message.data)
    return socket

uvloop.install()
app = web.Application()
app.router.add_get("/", echo)
web.run_app(app, host="127.0.0.1", port=PORT, print=None, access_log=None)
"""
PICOWS = """\
import asyncio
import uvloop
from picows import WSListener, WSMsgType, ws_create_server

class Echo(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())

async def main():
    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", PORT, max_frame_size=1 << 30)
    await server.serve_forever()

uvloop.run(main())
"""
SOURCES = {"websockets": WEBSOCKETS, "aiohttp": AIOHTTP, "picows": PICOWS}


@dataclass(frozen=True, kw_only=True)
class Library:
    """A server of one of the libraries; its C parts are used where it has any."""

    name: str
    compression: bool = False

    def missing(self) -> str:
        return "" if importlib.util.find_spec(self.name) else f"{self.name} (pip install 'netlab[bench]')"

    def version(self) -> str:
        return f"{self.name} {version(self.name)}"

    def start(self, stage: Stage) -> Target:
        port = free_port()
        source = f"PORT, COMPRESSION = {port}, {self.compression}\n{SOURCES[self.name]}"
        process = stage.python([str(stage.write("app.py", source))])
        return Target(port=port, scheme="ws", processes=(process,))
