"""Names of a running lab in other processes: its address map, over the control socket, into a client's dialer."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from netlab.control.calls import LabCalls
from netlab.control.client import lab_addresses, own_folder
from netlab.control.server import ControlServer
from netlab.http.exchange import Exchange
from netlab.lab.options import Options
from netlab.lab.process import Lab
from tests.http.serving import serving
from tests.netlab_process import PATIENCE, place


async def test_a_client_reaches_a_name_of_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.text(200, f"{exchange.request.authority} it is")

    with place() as here:
        for name in ("XDG_RUNTIME_DIR", "NETLAB_STATE"):
            monkeypatch.setenv(name, here.environment[name])
        assert await lab_addresses() == {}
        async with serving(handle) as (_, port):
            lab = Lab("names", Options())
            lab.context.addresses.add("www.shop.test", "127.0.0.77", {80: ("127.0.0.1", port)})
            async with ControlServer(own_folder() / f"{os.getpid()}.sock", LabCalls(lab).table()):
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "netlab", "get", "http://www.shop.test/"),
                    env=dict(here.environment),
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, out) == (0, b"www.shop.test it is"), err
