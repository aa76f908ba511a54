"""`netlab ca`: what it prints, what it issues, and that the lines it gives to each tool do what they say."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netlab.commands import ca
from netlab.net.certs import Authority
from netlab.net.tls_context import ServerContexts
from tests.netlab_process import call
from tests.tls_apps import Recorder, run, serving

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<p>trusted\r\n"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path / "a state"))
    return tmp_path / "a state"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return call("ca", *arguments)


def facts(state: Path) -> dict[str, str]:
    return ca.facts(Authority.load(state))["trust"]


def test_the_plain_page(state: Path) -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, "")
    certificate = state / "ca" / "ca.pem"
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest().upper()
    assert str(certificate) in done.stdout
    assert ":".join(digest[at : at + 2] for at in range(0, 64, 2)) in done.stdout
    assert "Nothing on this system was changed" in done.stdout
    for tool in ("curl", "Python ssl", "httpx", "requests", "Node", "Git", "Firefox", "Chromium", "Debian", "macOS"):
        assert f"\n{tool}" in done.stdout
    assert "\x1b" not in done.stdout


def test_for_programs(state: Path) -> None:
    found = json.loads(command("--json").stdout)
    assert command("--path").stdout == f"{found['certificate']}\n"
    assert command("--print").stdout == Path(found["certificate"]).read_text()
    assert found["not_before"] < found["not_after"]
    assert set(found) == {"certificate", "sha256", "not_before", "not_after", "spki_pin", "trust"}


def test_the_fingerprint_and_pin_are_those_openssl_finds(state: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install openssl")
    found = json.loads(command("--json").stdout)
    path = found["certificate"]
    fingerprint = subprocess.run(
        ["openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True
    ).stdout
    assert fingerprint.strip().rpartition("=")[2].replace(":", "").lower() == found["sha256"]
    pipeline = f"openssl x509 -in '{path}' -pubkey -noout | openssl pkey -pubin -outform der"
    pipeline += " | openssl dgst -sha256 -binary | openssl enc -base64"
    assert subprocess.run(["sh", "-c", pipeline], capture_output=True, text=True).stdout.strip() == found["spki_pin"]


def test_on_a_terminal(state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert ca.run(ca.Config()) == 0
    assert "curl --cacert" in capsys.readouterr().out


def test_issuing_for_a_server(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = command("--leaf", "*.shop.test", "--leaf", "127.0.0.1", "--out", str(out), "--json")
    issued = json.loads(done.stdout)
    assert issued["names"] == ["*.shop.test", "127.0.0.1"]
    assert issued["certificate"] == str(out / "_.shop.test.pem")
    assert stat.S_IMODE(os.stat(issued["key"]).st_mode) == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued["certificate"], issued["key"])
    again = command("--leaf", "*.shop.test", "--out", str(out))
    assert again.returncode == 2
    assert "exists already: remove it, give another --out, or --force" in again.stderr
    forced = command("--leaf", "*.shop.test", "--out", str(out), "--force")
    assert forced.returncode == 0
    assert f"key          {issued['key']}" in forced.stdout


def test_issuing_for_a_client(state: Path, tmp_path: Path) -> None:
    done = command("--client", "alice@shop.test", "--out", str(tmp_path))
    assert done.returncode == 0
    assert (tmp_path / "alice@shop.test.pem").read_text().count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--path", "--print"], "give one of them"),
        (["--leaf", "a b"], "is not a name a certificate can be made for"),
        (["--client", "../alice"], "cannot name a file"),
        (["--leaf", "a.test", "--out", "/dev/null/x"], "cannot write the certificate there"),
    ],
)
def test_what_cannot_be_meant(state: Path, arguments: list[str], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


# -- the lines it gives ----------------------------------------------------------------------------------------


@asynccontextmanager
async def shop(state: Path) -> AsyncIterator[int]:
    contexts = ServerContexts(Authority.load(state))
    async with serving(lambda: Recorder(lambda _: ANSWER), contexts) as served:
        yield served.port


async def test_curl(state: Path) -> None:
    async with shop(state) as port:
        line = facts(state)["curl"].replace(":8443", f":{port}")
        code, out, complaints = await run("sh", "-c", line.replace("curl ", "curl -sS "))
    assert (code, out) == (0, b"<p>trusted\r\n"), complaints


async def test_node(state: Path) -> None:
    script = "require('https').get(process.argv[1], r => r.pipe(process.stdout)).on('error', e => console.error(e))"
    if shutil.which("node") is None:
        pytest.skip("node is missing: install nodejs")
    async with shop(state) as port:
        line = f'{facts(state)["Node"]}; node -e "{script}" https://localhost:{port}/'
        code, out, complaints = await run("sh", "-c", line)
    assert (code, out) == (0, b"<p>trusted\r\n"), complaints


async def test_python(state: Path) -> None:
    script = "import ssl, sys, urllib.request\n"
    script += facts(state)["Python ssl"] + "\n"
    script += "print(urllib.request.urlopen(sys.argv[1], context=context).read())"
    async with shop(state) as port:
        code, out, complaints = await run(sys.executable, "-c", script, f"https://localhost:{port}/")
        assert (code, out) == (0, b"b'<p>trusted\\r\\n'\n"), complaints
        bare = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read())"
        line = f"{facts(state)['httpx']}; exec {sys.executable} -c '{bare}' https://localhost:{port}/"
        code, out, complaints = await run("sh", "-c", line)
        assert (code, out) == (0, b"b'<p>trusted\\r\\n'\n"), complaints


async def test_git(state: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is missing: install git")
    async with shop(state) as port:
        listing = f"git ls-remote https://localhost:{port}/repository.git"
        _, _, complaints = await run("sh", "-c", f"{facts(state)['Git']}; {listing}")
        _, _, without = await run("sh", "-c", listing)
    assert b"certificate" not in complaints  # that it is no repository is another matter
    assert b"certificate" in without


async def test_chromium(state: Path, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is missing: install chromium")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--user-data-dir={tmp_path}/chromium"]
    async with shop(state) as port:
        pin = facts(state)["Chromium, one run"].rpartition(" ")[2]
        code, out, complaints = await run("chromium", *quiet, pin, f"https://localhost:{port}/")
        await asyncio.sleep(0)
    assert code == 0, complaints
    assert b"<p>trusted" in out
