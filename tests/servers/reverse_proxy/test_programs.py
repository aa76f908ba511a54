"""The reverse proxy as people use it: by its flags, with nginx and others behind it and curl before it."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import websockets

from netlab.cli import main
from netlab.net.certs import Authority
from tests.http.serving import connected
from tests.http.upstreams import Called, scripted
from tests.netlab_process import Place, Process
from tests.servers.proxies import program
from tests.servers.reverse_proxy.programs import curl, nginx, reverse, statuses
from tests.servers.reverse_proxy.proxied import members, proxied


@pytest.fixture
def authority(here: Place) -> Authority:
    return Authority.load(here.folder / "state")


def test_nginx_behind_it(here: Place, authority: Authority, tmp_path: Path) -> None:
    with nginx(tmp_path, authority) as (port, _):
        (tmp_path / "files" / "text").write_text("text " * 400)
        big = os.urandom(3 << 20).replace(b"\r", b"")  # `curl` takes CRLF for a line's end
        (tmp_path / "files" / "big").write_bytes(big)
        with reverse(here, "--to", f"127.0.0.1:{port}", "--route", "path=/shop strip=/shop", "--compress") as proxy:
            url = proxy.url
            assert curl(f"{url}/text") == "text " * 400
            head = curl("-I", f"{url}/text")
            assert head.startswith("HTTP/1.1 200 OK\n")
            assert "\nContent-Length: 2000\n" in head
            assert curl("-o", "-", f"{url}/big").encode("latin-1") == big
            assert curl("-r", "5-8", f"{url}/text") == "text"
            etag = next(line for line in head.splitlines() if line.startswith("ETag: ")).partition(": ")[2]
            assert curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {etag}", f"{url}/text") == "304"
            assert f"\nLocation: {url}/shop/files/\n" in curl("-i", f"{url}/shop/moved")
            assert curl(f"{url}/shop/told") == f"127.0.0.1:{port}|127.0.0.1|http|\n"
            coded = curl("-i", "-H", "Accept-Encoding: gzip", f"{url}/text")
            assert "\nContent-Encoding: gzip\n" in coded
            assert "\nETag: W/" in coded
            assert curl("--compressed", f"{url}/text") == "text " * 400
            (tmp_path / "files" / "put").mkdir()
            put = curl("-w", "%{http_code}", "-T", str(tmp_path / "files" / "big"), f"{url}/put/copy")
            assert put.endswith("201")
            assert (tmp_path / "files" / "put" / "copy").read_bytes() == big


def test_tls_is_ended_here_and_made_again(here: Place, authority: Authority, tmp_path: Path) -> None:
    own = authority.issue_client("proxy.test")
    (tmp_path / "own.pem").write_text(own.key + own.chain)
    with nginx(tmp_path, authority, "localhost") as (_, secure):
        upstream = f"https://localhost:{secure}"
        flags = ("--to", upstream, "--preserve-host", "--upstream-certificate", str(tmp_path / "own.pem"))
        with reverse(here, *flags, tls=True) as proxy:
            port = proxy.endpoints["https"].rpartition(":")[2]
            for name in ("shop.test", "api.shop.test"):  # a certificate for whatever name is asked for
                asked = ("--cacert", str(authority.certificate_path), "--resolve", f"{name}:{port}:127.0.0.1")
                told = curl(*asked, f"https://{name}:{port}/told")
                assert told == f"{name}:{port}|127.0.0.1|https|CN=proxy.test,O=netlab\n"
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        other = Authority.load(stranger)
        for flags, expected in (
            (("--upstream-cacert", str(other.certificate_path)), "tls_certificate_error"),
            (("--upstream-cacert", str(other.certificate_path), "--upstream-insecure"), "localhost"),
        ):
            with reverse(here, "--to", upstream, *flags) as proxy:
                answer = curl("-i", f"{proxy.url}/told")
                assert expected in answer
                assert answer.startswith("HTTP/1.1 502 " if "error" in expected else "HTTP/1.1 200 ")


@pytest.mark.parametrize("wanted", ["required", "optional"])
def test_clients_show_a_certificate(here: Place, authority: Authority, tmp_path: Path, wanted: str) -> None:
    """The upstream is told of it (RFC 9440), and never of one that a client makes up."""
    leaf = authority.issue_client("ada@shop.test")
    (tmp_path / "ada.pem").write_text(leaf.key + leaf.chain)
    flags = ("--client-certificates", wanted, "--cache", *(["--tls"] if wanted == "required" else []))
    with here.serve("-q") as origin, reverse(here, "--to", origin.url, *flags, tls=wanted == "optional") as proxy:
        url = proxy.endpoints.get("https", proxy.url)  # nothing is served without TLS where it is required
        assert url.startswith("https://")
        asked = ("--cacert", str(authority.certificate_path), "-H", "Client-Cert: :bWFkZSB1cA==:", f"{url}/headers")
        assert ("Client-Cert" in curl(*asked, check=False)) is False
        assert (curl(*asked, check=False) == "") is (wanted == "required")
        told = json.loads(curl("--cert", str(tmp_path / "ada.pem"), *asked))["headers"]["Client-Cert"]
        assert told == f":{''.join(leaf.chain.partition('-----END')[0].splitlines()[1:])}:"


def test_each_name_has_its_own_certificate(here: Place, authority: Authority, tmp_path: Path) -> None:
    """Chosen by SNI, as openssl sees it; the local CA vouches for all other names."""
    bought = Authority.load(tmp_path / "bought")
    for file, names in (("shop", ("shop.test", "*.shop.test")), ("api", ("api.shop.test",))):
        leaf = bought.leaf(names)
        (tmp_path / f"{file}.crt").write_text(leaf.chain)
        (tmp_path / f"{file}.key").write_text(leaf.key)
        (tmp_path / f"{file}.pem").write_text(leaf.key + leaf.chain)
    given = ("--certificate", f"{tmp_path}/shop.crt,{tmp_path}/shop.key", "--certificate", f"{tmp_path}/api.pem")
    with here.serve("-q") as origin, reverse(here, "--to", origin.url, *given, tls=True) as proxy:
        port = int(proxy.endpoints["https"].rpartition(":")[2])
        shown = {
            "shop.test": "shop.test *.shop.test",
            "WWW.shop.test": "shop.test *.shop.test",
            "api.shop.test": "api.shop.test",
            "a.b.shop.test": "a.b.shop.test",  # a wildcard stands for one label
            "other.test": "other.test",
            "": "shop.test *.shop.test",
        }
        assert {name: subject(port, name) for name in shown} == shown
        ca = ("--cacert", str(bought.certificate_path), "--resolve", f"www.shop.test:{port}:127.0.0.1")
        assert curl(*ca, f"https://www.shop.test:{port}/hello") == "Hello, World!"


def subject(port: int, name: str) -> str:
    """The names in the certificate that a server shows for a name, as openssl reads them."""
    openssl = program("openssl")
    sni = ("-servername", name) if name else ("-noservername",)
    hello = [openssl, "s_client", "-connect", f"127.0.0.1:{port}", *sni]
    pem = subprocess.run(hello, input=b"", capture_output=True, timeout=20, check=False).stdout
    read = [openssl, "x509", "-noout", "-ext", "subjectAltName"]
    text = subprocess.run(read, input=pem, capture_output=True, timeout=20, check=True).stdout.decode()
    return " ".join(re.findall(r"DNS:([^,\s]+)", text))


def test_an_http10_upstream(here: Place, tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("old " * 1000)

    class Old(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]  # its own arguments

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with reverse(here, "--to", f"127.0.0.1:{server.server_port}") as proxy:
            for flag in ("--http1.1", "--http1.0"):
                assert curl(flag, f"{proxy.url}/page.txt") == "old " * 1000
            assert curl("-o", "/dev/null", "-w", "%{http_code}", f"{proxy.url}/missing") == "404"
        server.shutdown()
        thread.join()


def test_bounds_pages_and_logs(here: Place, tmp_path: Path) -> None:
    (tmp_path / "sorry.html").write_text("<h1>Sorry</h1>")
    log = tmp_path / "access.log"
    flags = ("--max-body", "10", "--max-head", "2000", "--max-request-line", "100", "--access-log", str(log))
    pages = ("--error-page", f"5xx={tmp_path}/sorry.html", "--error-page", f"413={tmp_path}/sorry.html")
    dead = ("--route", "path=/dead to=127.0.0.1:1")
    with here.serve("-q") as origin, reverse(here, "--to", origin.url, *dead, *flags, *pages) as proxy:
        code = ("-o", "/dev/null", "-w", "%{http_code}")
        assert curl(*code, "-d", "x" * 10, f"{proxy.url}/anything") == "200"
        assert curl("-d", "x" * 11, f"{proxy.url}/anything") == "<h1>Sorry</h1>"
        assert curl(*code, "-d", "x" * 11, f"{proxy.url}/anything") == "413"
        assert curl(*code, "-H", "Transfer-Encoding: chunked", "-d", "x" * 11, f"{proxy.url}/anything") == "413"
        assert curl(*code, "-H", "X: " + "y" * 2000, f"{proxy.url}/hello") == "431"
        assert curl(*code, f"{proxy.url}/" + "z" * 100) == "414"
        refused = curl("-i", f"{proxy.url}/dead")
        assert refused.startswith("HTTP/1.1 502 ")
        assert "\nContent-Type: text/html" in refused
        assert "\nProxy-Status: netlab-" in refused
        assert refused.endswith("<h1>Sorry</h1>")
        assert proxy.end()[0] == 0
    assert '"GET /dead HTTP/1.1" 502' in log.read_text()


def test_tokens_and_limits_from_the_command_line(here: Place) -> None:
    routes = ("--route", "path=/admin auth=jwt roles=admin", "--route", "path=/slow limit=2/m")
    with here.serve("-q") as origin, reverse(here, "--to", origin.url, *routes) as proxy:
        code = ("-o", "/dev/null", "-w", "%{http_code}")
        token = here.call("token", "ada", "--roles", "admin").stdout.strip()
        other = here.call("token", "bob", "--roles", "staff").stdout.strip()
        assert curl(*code, f"{proxy.url}/admin") == "401"
        assert curl(*code, "-H", f"Authorization: Bearer {token}", f"{proxy.url}/admin") == "404"
        refused = curl("-i", "-H", f"Authorization: Bearer {other}", f"{proxy.url}/admin")
        assert refused.startswith("HTTP/1.1 403 ")
        assert "only for admin" in refused
        assert [curl(*code, f"{proxy.url}/slow") for _ in range(3)] == ["404", "404", "429"]


def test_routes_from_a_file(here: Place, tmp_path: Path) -> None:
    with here.serve("-q") as origin:
        file = tmp_path / "lab.toml"
        file.write_text(
            f'[reverse-proxy]\nto = "{origin.url}"\nroute = [\n'
            f'  "path=/a to={origin.url} strip=/a add=/anything",\n  "host=off.test maintenance",\n]\n'
        )
        with reverse(here, "--config", str(file)) as proxy:
            assert json.loads(curl(f"{proxy.url}/a/b"))["url"].endswith("/anything/b")
            assert "503" in curl("-i", "-H", "Host: off.test", f"{proxy.url}/").splitlines()[0]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("path=v1 to=:1", "has path=v1, which is no path that begins with /"),
        ("pth=/v1 to=:1", "has 'pth=/v1', where one of host, path,"),
        ("path=/v1 to=ftp://x", "has to=ftp://x, which is not a URL"),
        ("pattern=/{a}/{a} to=:1", "has a placeholder twice"),
        ("pattern=/{a} as=/{b} to=:1", "has {b}, which the route's pattern does not catch"),
        ("path=/x auth=magic to=:1", "has auth=magic"),
        ("path=/x limit=often to=:1", "has limit=often"),
        ('path=/x field="X', "has a quote that does not end"),
    ],
)
def test_a_route_that_cannot_be_meant(capsys: pytest.CaptureFixture[str], wrong: str, sentence: str) -> None:
    assert main(["serve", "reverse-proxy", "--listen", "127.0.0.1:0", "--to", ":1", "--route", wrong]) == 2
    said = capsys.readouterr().err
    assert said.startswith("netlab: --route ")
    assert sentence in said
    assert said.count("\n") == 1


def test_a_route_that_leads_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "reverse-proxy", "--route", "path=/x"]) == 2
    assert "route path=/x needs --to URL" in capsys.readouterr().err


# -- what lasts --------------------------------------------------------------------------------------------------


async def test_a_websocket_goes_through() -> None:
    async def echo(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with proxied(port, routes=("path=/chat strip=/chat",)) as proxy:
            async with websockets.connect(f"ws://127.0.0.1:{proxy.port}/chat/room") as client:
                for message in ("hello", b"\x00" * 100_000):
                    await client.send(message)
                    assert await client.recv() == message
                assert [member.active for member in members(proxy)] == [1]
            await proxy.until(lambda: all(flow.ended for flow in proxy.flows if flow.kind == "http"))


async def test_events_come_one_by_one() -> None:
    go_on = asyncio.Event()

    async def events(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number in range(3):
            await called.say(b"9\r\ndata: %d\n\n\r\n" % number)
            await go_on.wait()
            go_on.clear()
        await called.say(b"0\r\n\r\n")

    # the time between events may be longer than an answer may take
    options = {"compress": True, "timeout": 0.1}
    async with scripted(events) as up, proxied(up.port, **options) as proxy, connected(proxy.port) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        assert b"Content-Encoding" not in await client.until(b"\r\n\r\n")
        for number in range(3):
            assert await client.until(b"\n\n\r\n") == b"9\r\ndata: %d\n\n\r\n" % number
            await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=0.15)
            go_on.set()
        assert await client.until(b"0\r\n\r\n") == b"0\r\n\r\n"


async def test_streams_of_other_kinds_are_coded_piece_by_piece() -> None:
    body = b"line\n" * 500

    async def stream(called: Called) -> None:
        await called.head()
        await called.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        await called.say(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async with scripted(stream) as upstream, proxied(upstream.port, compress=True) as proxy:
        answer = await proxy.ask(b"GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
        assert gzip.decompress(answer.partition(b"\r\n\r\n")[2]) == body


# -- upstreams that end ------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda end: end.name)
def test_no_request_fails_that_the_other_upstream_can_answer(here: Place, end: signal.Signals) -> None:
    with (
        here.serve("-q") as one,
        here.serve("-q") as other,
        reverse(here, "--to", one.url, "--to", other.url, "--timeout", "300ms") as proxy,
    ):
        assert statuses(proxy.port, 4) == [200] * 4
        before = descriptors(proxy)
        found: list[list[int]] = []
        clients = [
            threading.Thread(target=lambda: found.append(statuses(proxy.port, 150, "/delay/0.01"))) for _ in range(6)
        ]
        for client in clients:
            client.start()
        statuses(proxy.port, 20)  # the others are in the middle of theirs
        os.kill(one.pid, end)
        for client in clients:
            client.join()
        assert [set(each) for each in found] == [{200}] * 6
        assert statuses(proxy.port, 4) == [200] * 4
        if end is signal.SIGSTOP:
            os.kill(one.pid, signal.SIGCONT)
        assert descriptors(proxy) <= before + 8  # kept connections to upstreams, no more
        assert proxy.end()[0] == 0


def descriptors(process: Process) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))
