"""`/inspect`: what the visitor sent, as he sent it, for programs and for people, and safe to show."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from netlab.flow import FlowLog, Level
from netlab.http.inspection.facts import SECRET
from netlab.http.inspection.style import policy, style
from netlab.net.certs import Authority
from netlab.net.listen import Endpoint
from netlab.net.tcp_facts import saved_syn
from netlab.service import Context, running
from servers.http import Config, Server
from tests.http.serving import SECONDS, Client, connected

linux = pytest.mark.skipif(sys.platform != "linux", reason="saved SYNs and TCP_INFO are Linux's")

REQUEST = (
    b"GET /inspect?format=json HTTP/1.1\r\nHost: x\r\nhOST-like: y\r\n"
    b"Cookie: session=hidden\r\nAccept:  text/html\t\r\nX-One: 1\r\nX-One: 2\r\n\r\n"
)


@asynccontextmanager
async def inspecting(
    state: Path, *, level: Level = Level.SUMMARY, **settings: Any
) -> AsyncIterator[tuple[list[Endpoint], Server]]:
    from netlab.config import Address

    flows = FlowLog(level)
    server = Server(Config(listen=Address("127.0.0.1", 0), **settings), Context(flows=flows, state=state))
    async with running(server, grace=0.5) as endpoints:
        yield endpoints, server


async def asked(client: Client, request: bytes) -> tuple[bytes, bytes]:
    await client.send(request)
    return await client.response()


async def record(client: Client, request: bytes = REQUEST) -> dict[str, Any]:
    _, body = await asked(client, request)
    found: dict[str, Any] = json.loads(body)
    return found


def flat(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Every field of a tree in JSON, by name."""
    found: dict[str, Any] = {}
    for field in fields:
        found[field["name"]] = field["value"]
        found |= flat(field.get("parts", []))
    return found


# -- for programs -------------------------------------------------------------------------------------------------


@linux
async def test_the_syn_is_this_connections_and_stays(tmp_path: Path) -> None:
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        first, second = await record(client), await record(client)
        tcp = flat(first["syn"]["layers"][1]["fields"])
        assert tcp["tcp.srcport"] == client.writer.get_extra_info("sockname")[1]
        assert tcp["tcp.dstport"] == endpoints[0].port
        assert (tcp["tcp.flags.syn"], tcp["tcp.flags.ack"]) == (1, 0)
        assert flat(first["syn"]["layers"][0]["fields"])["ip.src"] == "127.0.0.1"
        assert second["syn"] == first["syn"]  # the kernel hands it out once
        assert first["tcp"]["state"] == "ESTABLISHED"
        assert first["tcp"]["bytes_received"] == len(REQUEST)


@linux
async def test_without_save_syn_there_is_none(tmp_path: Path) -> None:
    async with inspecting(tmp_path, save_syn=False) as (endpoints, _), connected(endpoints[0].port) as client:
        assert (await record(client))["syn"] is None


async def test_the_request_as_it_was_sent(tmp_path: Path) -> None:
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        request = (await record(client))["request"]
    assert request["target"] == "/inspect?format=json"
    names = [field["name"] for field in request["fields"]]
    assert names == ["Host", "hOST-like", "Cookie", "Accept", "X-One", "X-One"]
    assert request["bytes"] == len(REQUEST)
    assert request["raw_is"].startswith("rebuilt")
    assert request["raw"].encode("latin-1") == REQUEST.replace(b"  text/html\t", b" text/html")
    secret = [field["name"] for field in request["fields"] if field.get("secret")]
    assert secret == ["Cookie"]
    host = request["fields"][0]
    assert (host["section"], host["status"]) == ("RFC 9110 7.2", "permanent")
    assert host["meaning"].endswith(".")


async def test_recorded_in_full_the_bytes_are_the_bytes(tmp_path: Path) -> None:
    async with inspecting(tmp_path, level=Level.FULL) as (endpoints, _), connected(endpoints[0].port) as client:
        await record(client)
        request = (await record(client))["request"]  # the second on its connection: offsets count
    assert request["raw_is"] == "as received"
    assert request["raw"].encode("latin-1") == REQUEST


async def test_another_engine_tells_the_same(tmp_path: Path) -> None:
    async with inspecting(tmp_path, engine="h11") as (endpoints, _), connected(endpoints[0].port) as client:
        request = (await record(client))["request"]
    assert [field["name"] for field in request["fields"]][:3] == ["Host", "hOST-like", "Cookie"]
    assert request["bytes"] in (None, len(REQUEST))


async def test_remarks(tmp_path: Path) -> None:
    odd = REQUEST.replace(b"X-One: 1\r\n", b"Pragma: no-cache\r\nIf-None-Match: unquoted\r\n")
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        found = {(finding["kind"], finding["field"]) for finding in (await record(client, odd))["lint"]}
    assert {("obsolete", "Pragma"), ("malformed", "If-None-Match"), ("tracking", "Cookie")} <= found


async def test_level_off_has_nothing_less(tmp_path: Path) -> None:
    async with inspecting(tmp_path, level=Level.OFF) as (endpoints, _), connected(endpoints[0].port) as client:
        first, second = await record(client), await record(client)
    assert first["syn"] == second["syn"]
    assert first["connection"]["level"] == "off"


# -- TLS ----------------------------------------------------------------------------------------------------------


def trusting(state: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=Authority.load(state).certificate_pem)
    context.set_alpn_protocols(["http/1.1"])
    return context


async def test_the_client_hello(tmp_path: Path) -> None:
    async with inspecting(tmp_path, tls=True) as (endpoints, _):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", endpoints[1].port, ssl=trusting(tmp_path), server_hostname="localhost"
        )
        found = await record(Client(reader, writer))
        writer.transport.abort()
    hello = found["client_hello"]
    assert hello["server_name"] == "localhost"
    assert hello["alpn"] == ["http/1.1"]
    assert "TLS 1.3" in [version["name"] for version in hello["versions"]]
    assert "TLS_AES_128_GCM_SHA256" in [suite["name"] for suite in hello["cipher_suites"]]
    assert re.fullmatch(r"[0-9a-f]{32}", hello["ja3"]["hash"])
    assert re.fullmatch(r"t13d\d{4}h1_[0-9a-f]{12}_[0-9a-f]{12}", hello["ja4"]["fingerprint"])
    assert bytes.fromhex(hello["raw"])[0] == 1
    assert found["tls"]["version"] == "TLSv1.3"
    assert found["syn"] is None or found["syn"]["layers"][1]["name"] == "tcp"


async def test_without_endpoints_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    async with inspecting(tmp_path / "state", tls=True, endpoints=False, root=tmp_path) as (endpoints, server):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", endpoints[1].port, ssl=trusting(tmp_path / "state"), server_hostname="localhost"
        )
        head, _ = await asked(Client(reader, writer), REQUEST)
        assert head.startswith(b"HTTP/1.1 404")
        [connection] = server.gate.connections
        assert connection.transport.get_extra_info("client_hello") == b""
        assert saved_syn(connection.transport) == b""
        writer.transport.abort()


# -- for people ---------------------------------------------------------------------------------------------------

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\xe2\x80\xae"


class Page(HTMLParser):
    """The elements of a page, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def browser_request(extra: str = "") -> bytes:
    return f"GET /inspect HTTP/1.1\r\nHost: x\r\nAccept: text/html,*/*;q=0.8\r\n{extra}\r\n".encode("latin-1")


async def test_browsers_get_a_page(tmp_path: Path) -> None:
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        head, body = await asked(client, browser_request("Cookie: session=hidden\r\n"))
    page = Page(body.decode())
    assert b"Content-Type: text/html; charset=utf-8" in head
    assert f"Content-Security-Policy: {policy()}".encode() in head
    assert b"Cache-Control: no-store" in head
    assert b"Access-Control-Allow-Origin" not in head
    assert "Names the host and port that are meant" in page.text
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "iframe", "form", "object", "embed"})
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "?", "data:,"))
    assert "url(" not in style()
    assert "@import" not in style()
    secrets = [attributes for tag, attributes in page.elements if attributes.get("class") == "secret"]
    assert len(secrets) == 2  # in the bytes and in the table


@linux
async def test_the_drawing_has_every_bit(tmp_path: Path) -> None:
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        syn = (await record(client))["syn"]["raw"]
        _, body = await asked(client, browser_request())
    digits = "".join(re.findall(r"<i>([01])</i>", "".join(re.findall(r"<b>((?:<i>[01]</i>)+)</b>", body.decode()))))
    assert digits == f"{int(syn, 16):0{len(syn) * 4}b}"
    widths = [int(width) for width in re.findall(r'<div class="w(\d+)', body.decode())]
    assert sum(widths) == len(syn) * 4
    assert max(widths) == 32


@pytest.mark.parametrize("place", ["value", "name", "target"])
async def test_what_a_visitor_sends_is_only_shown(place: str, tmp_path: Path) -> None:
    extra = {"value": f"X-Evil: {HOSTILE}\r\nCookie: a={HOSTILE}\r\n", "name": "X-<b>: 1\r\n"}.get(place, "")
    request = browser_request(extra)
    if place == "target":
        quoted = HOSTILE.replace(" ", "%20").encode("latin-1")
        request = request.replace(b"/inspect", b"/inspect?" + quoted[:40].replace(b"<", b"%3C"))
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        head, body = await asked(client, request)
    if place == "name":
        assert head.startswith(b"HTTP/1.1 400")
        return
    assert head.startswith(b"HTTP/1.1 200")
    page = Page(body.decode())
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img", "b1"})
    assert "\u202e" not in body.decode()


@pytest.mark.parametrize(
    ("query", "accept", "status", "kind"),
    [
        ("", b"*/*", b"200", b"application/json"),
        ("", b"text/html", b"200", b"text/html"),
        ("?format=html", b"*/*", b"200", b"text/html"),
        ("?format=json", b"text/html", b"200", b"application/json"),
        ("?format=pdf", b"*/*", b"400", b"text/"),
    ],
)
async def test_forms(query: str, accept: bytes, status: bytes, kind: bytes, tmp_path: Path) -> None:
    async with inspecting(tmp_path) as (endpoints, _), connected(endpoints[0].port) as client:
        head, _ = await asked(
            client, f"GET /inspect{query} HTTP/1.1\r\nHost: x\r\nAccept: ".encode() + accept + b"\r\n\r\n"
        )
    assert head.split()[1] == status
    assert b"Content-Type: " + kind in head


def test_secrets_are_known_fields() -> None:
    assert {"authorization", "cookie", "proxy-authorization"} <= SECRET


async def test_curl_sees_itself(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: install the package curl")
    async with inspecting(tmp_path, tls=True) as (endpoints, _):
        arguments = ["curl", "-s", "--cacert", str(Authority.load(tmp_path).certificate_path), "-4"]
        arguments.append(f"https://localhost:{endpoints[1].port}/inspect")
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(SECONDS):
            out, _ = await process.communicate()
    found = json.loads(out)
    assert [finding for finding in found["lint"] if finding["kind"] != "tracking"] == []
    assert found["client_hello"]["server_name"] == "localhost"
    assert found["request"]["raw"].startswith("GET /inspect HTTP/1.1\r\nHost: localhost:")


@pytest.mark.one_loop
async def test_chromium_shows_the_page(tmp_path: Path) -> None:
    """A browser's own handshake, GREASE and all; and nothing on the page is refused by its own policy."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed: install the package chromium")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += ["--ignore-certificate-errors", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"]
    async with inspecting(tmp_path / "state", tls=True) as (endpoints, _):
        process = await asyncio.create_subprocess_exec(
            *(chromium, *flags, "--dump-dom", f"https://localhost:{endpoints[1].port}/inspect"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    text = Page(out.decode()).text
    assert "Your connection, inspected" in text
    assert "The pale entries are GREASE" in text
    assert "Malformed" not in text
    assert "CONSOLE" not in err.decode("utf-8", "replace")  # where refusals by the policy would be
