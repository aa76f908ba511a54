"""Programs that people use, through the proxy: Python's own client, Chromium, Git, and netlab as a process."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import sys
import urllib.request
from pathlib import Path

import pytest

from netlab.cli import main
from netlab.net.addresses import AddressMap
from netlab.net.certs import Authority
from netlab.net.certs_x509 import public_key_info
from tests.http.serving import connected
from tests.http.upstreams import Called, always_ok, scripted
from tests.netlab_process import place
from tests.servers.forward_proxy.proxying import proxying
from tests.servers.forward_proxy.test_interception import lab_context, secure_origin
from tests.servers.proxies import curl, run


async def test_urllib(tmp_path: Path) -> None:
    """http in absolute form, https in a tunnel that is opened and made anew."""
    async with (
        scripted(always_ok) as upstream,
        secure_origin(lab_context(tmp_path)) as (port, heads),
        proxying(state=tmp_path, intercept=("*",)) as proxy,
    ):
        address = f"http://{proxy.address}"
        context = ssl.create_default_context(cadata=Authority.load(tmp_path).certificate_pem)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({"http": address, "https": address}),
            urllib.request.HTTPSHandler(context=context),
        )

        def fetch(url: str) -> bytes:
            with opener.open(url, timeout=20) as answer:
                return bytes(answer.read())

        assert await asyncio.to_thread(fetch, f"http://127.0.0.1:{upstream.port}/") == b"ok"
        assert b"GET /x HTTP/1.1" in await asyncio.to_thread(fetch, f"https://localhost:{port}/x")
        assert b"Via: 1.1 netlab-" in heads[0]


PAGE = b"<!doctype html><title>shop</title><p id=out>nothing<script src=https://static.shop.test/x.js></script>"
SCRIPT = b"document.getElementById('out').textContent = 'made by ' + location.host"


def shop(head: bytes) -> bytes:
    body, kind = (SCRIPT, b"text/javascript") if head.startswith(b"GET /x.js") else (PAGE, b"text/html")
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(body), body)


async def test_chromium(tmp_path: Path) -> None:
    """Names of the lab, that only the proxy knows, on ports that need no root; TLS opened with the local authority."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is missing: install the package chromium")
    key = public_key_info(Authority.load(tmp_path).certificate_pem.encode())
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
    async with secure_origin(lab_context(tmp_path, "*.shop.test"), shop) as (port, _):
        lab = AddressMap()
        for name in ("www.shop.test", "static.shop.test"):
            lab.add(name, "127.0.60.1", {443: ("127.0.0.1", port)})
        async with proxying(state=tmp_path, lab=lab, intercept=("*.shop.test",)) as proxy:
            code, out, err = await run(
                program,
                *("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"),
                *(f"--proxy-server=http://{proxy.address}", f"--ignore-certificate-errors-spki-list={pin}"),
                *("--disable-background-networking", "--disable-component-update", "--dump-dom"),
                "https://www.shop.test/",
            )
            assert code == 0, err
            assert "made by www.shop.test" in out
            labels = {flow.label for flow in proxy.of_kind("http")}
            assert {"GET https://www.shop.test/", "GET https://static.shop.test/x.js"} <= labels


async def test_git(tmp_path: Path) -> None:
    """The dumb protocol needs no server of its own, only files."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is missing: install the package git")
    work, bare = tmp_path / "work", tmp_path / "repository.git"
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@shop.test", "-c", "init.defaultBranch=main")
    for command in (
        (git, *identity, "init", "-q", str(work)),
        (git, "-C", str(work), *identity, "commit", "-q", "--allow-empty", "-m", "first"),
        (git, "clone", "-q", "--bare", str(work), str(bare)),
        (git, "-C", str(bare), "update-server-info"),
    ):
        code, _, err = await run(*command)
        assert code == 0, err

    async def serve(called: Called) -> None:
        while True:
            path = (await called.head()).split(b" ")[1].decode().partition("?")[0]
            file = tmp_path / path.lstrip("/")
            body = file.read_bytes() if file.is_file() else b""
            status = b"200 OK" if file.is_file() else b"404 Not Found"
            await called.say(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    async with scripted(serve) as upstream, proxying() as proxy:
        url = f"http://127.0.0.1:{upstream.port}/repository.git"
        clone = tmp_path / "clone"
        code, _, err = await run(git, "-c", f"http.proxy=http://{proxy.address}", "clone", "-q", url, str(clone))
        assert code == 0, err
        _, out, _ = await run(git, "-C", str(clone), "log", "--format=%s")
        assert out == "first\n"


async def test_an_upgrade_in_absolute_form() -> None:
    """ws:// through a proxy by those who send it so: the gateway's tunnel."""

    async def script(called: Called) -> None:
        head = await called.head()
        assert head.startswith(b"GET /socket HTTP/1.1\r\n")
        assert b"\r\nUpgrade: websocket\r\n" in head
        await called.say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        while data := await called.reader.read(100):
            await called.say(data)

    async with scripted(script) as upstream, proxying() as proxy, connected(proxy.port) as client:
        await client.send(
            b"GET http://127.0.0.1:%d/socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            % upstream.port
        )
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        await client.send(b"frames")
        assert await client.exactly(6) == b"frames"


async def test_an_access_log_has_tunnels_too(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    async with scripted(always_ok) as upstream, proxying(access_log=log) as proxy:
        url = f"http://127.0.0.1:{upstream.port}/"
        await curl("-x", f"http://{proxy.address}", url)
        await curl("-x", f"http://{proxy.address}", "--proxytunnel", url)
        await proxy.until(lambda: all(flow.ended for flow in proxy.of_kind("http")))
    lines = log.read_text().splitlines()
    assert [line.partition('"')[2].partition('"')[0].split()[0] for line in lines] == ["GET", "CONNECT"]


def test_as_a_process() -> None:
    """The port is printed, flows are lines, Ctrl-C ends it while a tunnel is open."""
    with place() as here, here.start("serve", "forward-proxy", "--listen", "127.0.0.1:0") as process:
        process.wait_until_ready()
        assert process.url.startswith("http://127.0.0.1:")

        async def use() -> None:
            async with connected(process.port) as client:
                await client.send(b"GET /proxy.pac HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"x-ns-proxy-autoconfig" in (await client.response())[0]

        asyncio.run(use())
        assert process.line().endswith("  GET /proxy.pac")
        code, _, err = process.end()
        assert (code, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--rule", "maybe"], "--rule 'maybe' has a mistake: a rule begins with allow or deny"),
        (["--rule", "deny to 10.0.0.0/99"], "'10.0.0.0/99' is no host"),
        (["--parent", "x"], "--parent 'x' is not HOST=URL"),
        (["--pass", "*.bank.test"], "--pass leaves out some of what --intercept opens"),
        (["--upstream-cacert", "/absent.pem"], "the authorities in /absent.pem cannot be read: No such file"),
        (["--rewrite", "a.test to b"], "--rewrite 'a.test to b' has a mistake: to leads to a URL"),
    ],
)
def test_wrong_usage_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    assert main(["serve", "forward-proxy", "--listen", "127.0.0.1:0", *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


async def test_nothing_heavy_is_loaded_for_what_is_not_asked_for() -> None:
    script = (
        "import sys; from servers.forward_proxy import Config, Server; from netlab.service import Context\n"
        "import asyncio\nasync def main():\n  Server(Config(), Context())\nasyncio.run(main())\n"
        "print(*sorted(n for n in sys.modules if n.startswith(('cryptography', 'netlab.http.interception',"
        " 'netlab.http.throttle', 'netlab.http.authentication', 'netlab.http.files'))))"
    )
    code, out, err = await run(sys.executable, "-c", script)
    assert code == 0, err
    assert out.strip() == ""


async def test_a_page_that_names_the_reason(tmp_path: Path) -> None:
    """Browsers show what comes inside of TLS, and nothing of what a CONNECT is refused with."""
    async with proxying(state=tmp_path, intercept=("*",)) as proxy:
        for way in (("-x", f"http://{proxy.address}"), ("--socks5-hostname", proxy.address)):
            out = await curl(*way, "--cacert", str(tmp_path / "ca" / "ca.pem"), "https://localhost:1/")
            assert b"nothing listens on " in out
            assert b"connection_refused" in out
        assert [note["error"] for note in proxy.notes("tunnel.unreached")] == ["connection_refused"] * 2
        async with connected(proxy.port) as client:  # who speaks no TLS is told nothing, for nobody is there
            await client.send(b"CONNECT localhost:1 HTTP/1.1\r\nHost: x\r\n\r\nSSH-2.0-x\r\n")
            assert (await client.all()).endswith(b"\r\n\r\n")
