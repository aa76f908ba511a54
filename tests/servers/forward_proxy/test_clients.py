"""What programs are written with, nginx behind the proxy: requests, httpx, websockets, Node, openssl, wget, curl."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import requests
import websockets

from netlab.net.certs import Authority
from netlab.net.tls_context import client_context, leaf_context
from tests.http.served import user, users_file
from tests.servers.forward_proxy.proxying import Forward, proxying
from tests.servers.proxies import curl, program, run
from tests.servers.reverse_proxy.programs import nginx

FILE = bytes(range(256)) * 4096


@asynccontextmanager
async def before_nginx(folder: Path, **options: object) -> AsyncIterator[tuple[Forward, str, str, Path]]:
    """A proxy with an authority of its own, nginx's two URLs, and the folder of its files."""
    authority = Authority.load(folder)
    with nginx(folder, authority, "localhost") as (plain, secure):
        (folder / "files" / "file").write_bytes(FILE)
        async with proxying(state=folder, **options) as proxy:
            yield proxy, f"http://localhost:{plain}", f"https://localhost:{secure}", folder / "files"


@pytest.mark.parametrize("intercept", [(), ("*",)])
async def test_requests(tmp_path: Path, intercept: tuple[str, ...]) -> None:
    users = users_file(tmp_path, user("ada", "love:lace"))
    async with before_nginx(tmp_path, intercept=intercept, users=users) as (proxy, plain, secure, files):

        def use(credentials: str) -> list[int]:
            session = requests.Session()
            session.trust_env = False
            session.proxies = dict.fromkeys(("http", "https"), f"http://{credentials}{proxy.address}")
            session.verify = str(tmp_path / "ca" / "ca.pem")
            statuses = []
            for url in (plain, secure):
                with session.get(f"{url}/file", timeout=20) as answer:
                    statuses.append(answer.status_code)
                    assert answer.status_code != 200 or answer.content == FILE
                statuses.append(session.put(f"{url}/put/{len(statuses)}", data=FILE, timeout=20).status_code)
            return statuses

        (files / "put").mkdir()
        assert await asyncio.to_thread(use, "ada:love%3Alace@") == [200, 201, 200, 201]
        assert [(files / "put" / name).read_bytes() == FILE for name in ("1", "3")] == [True, True]
        with pytest.raises(requests.exceptions.ProxyError, match="407"):
            await asyncio.to_thread(use, "ada:byron@")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_httpx(tmp_path: Path, scheme: str) -> None:
    """Over TLS to the proxy too, and TLS to the origin inside of it."""
    async with before_nginx(tmp_path, tls=True) as (proxy, plain, secure, _):
        trust = ssl.create_default_context(cafile=str(tmp_path / "ca" / "ca.pem"))
        through = httpx.Proxy(f"{scheme}://localhost:{proxy.port}", ssl_context=trust if scheme == "https" else None)
        async with httpx.AsyncClient(proxy=through, verify=trust, trust_env=False) as client:
            for url in (plain, secure):
                answer = await client.get(f"{url}/file", headers={"Range": "bytes=0-9"})
                assert (answer.status_code, answer.content) == (206, FILE[:10])

                async def pieces() -> AsyncIterator[bytes]:
                    yield FILE
                    yield FILE

                posted = await client.post(f"{url}/told", content=pieces())
                assert posted.status_code == 200
        assert {flow.label.split()[0] for flow in proxy.requests()} == {"GET", "POST", "CONNECT"}


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("intercept", [(), ("*",)])
async def test_websockets(tmp_path: Path, secure: bool, intercept: tuple[str, ...]) -> None:
    """Tunnelled, or upgraded inside of TLS that is opened here: frames, pings and the closing handshake go through."""

    async def echo(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            await socket.send(message)
        assert socket.close_code == 1001

    context = leaf_context(Authority.load(tmp_path).leaf(("localhost",))) if secure else None
    async with (
        websockets.serve(echo, "127.0.0.1", 0, ssl=context) as server,
        proxying(state=tmp_path, intercept=intercept) as proxy,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        trust = client_context(authority=Authority.load(tmp_path)) if secure else None
        uri = f"{'wss' if secure else 'ws'}://localhost:{port}/"
        async with websockets.connect(uri, proxy=f"http://{proxy.address}", ssl=trust, max_size=None) as socket:
            for message in ("hello", b"\x00" * 300_000):
                await socket.send(message)
                assert await socket.recv() == message
            await (await socket.ping())
            await socket.close(1001, "gone")
        await proxy.all_ended()
        assert any(flow.label.startswith("GET https://") for flow in proxy.flows) is bool(secure and intercept)


NODE = """
const http = require('http'), tls = require('tls');
const [port, plain, secure, ca] = process.argv.slice(1);
const agent = {host: '127.0.0.1', port};
http.get({...agent, path: plain + '/told', headers: {Host: new URL(plain).host}}, answer => {
  answer.resume().on('end', () => {
    const {host, hostname} = new URL(secure);
    http.request({...agent, method: 'CONNECT', path: host}).on('connect', (granted, socket) => {
      const inside = tls.connect({socket, servername: hostname, ca: require('fs').readFileSync(ca)});
      http.get({createConnection: () => inside, path: '/told', headers: {Host: host}}, last => {
        const statuses = [answer, granted, last].map(each => each.statusCode);
        last.resume().on('end', () => console.log(JSON.stringify(statuses)));
      });
    }).end();
  });
});
"""


async def test_node(tmp_path: Path) -> None:
    node = program("node", "nodejs")
    async with before_nginx(tmp_path) as (proxy, plain, secure, _):
        code, out, err = await run(node, "-e", NODE, str(proxy.port), plain, secure, str(tmp_path / "ca" / "ca.pem"))
        assert (code, err) == (0, "")
        assert json.loads(out) == [200, 200, 200]


async def test_openssl(tmp_path: Path) -> None:
    openssl = program("openssl")
    async with before_nginx(tmp_path, intercept=("*",)) as (proxy, _, secure, _):
        hello = (openssl, "s_client", "-proxy", proxy.address, "-connect", secure.partition("://")[2])
        trust = ("-servername", "localhost", "-CAfile", str(tmp_path / "ca" / "ca.pem"), "-verify_return_error")
        code, out, err = await run("sh", "-c", '"$@" </dev/null', "sh", *hello, *trust, "-alpn", "h2,http/1.1")
        assert code == 0, err
        assert "Verify return code: 0 (ok)" in out
        assert "ALPN protocol: http/1.1" in out


async def test_wget(tmp_path: Path) -> None:
    wget = program("wget")
    async with before_nginx(tmp_path) as (proxy, plain, secure, _):
        through = dict.fromkeys(("http_proxy", "https_proxy"), f"http://{proxy.address}")
        for url in (plain, secure):
            got = tmp_path / "got"
            command = (wget, "-q", "--ca-certificate", str(tmp_path / "ca" / "ca.pem"), "-O", str(got), f"{url}/file")
            code, _, err = await run(*command, **through, no_proxy="")
            assert (code, err) == (0, "")
            assert got.read_bytes() == FILE


@pytest.mark.parametrize("how", ["", "--socks5-hostname"])
async def test_nginx_behind_curl(tmp_path: Path, how: str) -> None:
    """Whole files, parts of them, conditions and uploads of known and of unknown length."""
    async with before_nginx(tmp_path, intercept=("*",)) as (proxy, plain, secure, files):
        (files / "put").mkdir()
        through = (how, proxy.address) if "socks" in how else ("-x", f"http://{proxy.address}", *filter(None, [how]))
        common = (*through, "--cacert", str(tmp_path / "ca" / "ca.pem"))
        for url in (plain, secure):
            assert await curl(*common, f"{url}/file") == FILE
            assert await curl(*common, "-r", "-3", f"{url}/file") == FILE[-3:]
            etag = (await curl(*common, "-I", f"{url}/file")).partition(b"ETag: ")[2].split(b"\r\n")[0].decode()
            assert b" 304 " in await curl(*common, "-i", "-H", f"If-None-Match: {etag}", f"{url}/file")
            for name, more in (("known", ()), ("unknown", ("-H", "Transfer-Encoding: chunked"))):
                await curl(*common, *more, "-T", str(files / "file"), f"{url}/put/{name}")
                assert (files / "put" / name).read_bytes() == FILE
