"""The thread through everything: served, fetched by curl, exported to tools nobody here wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.netlab_process import Place, Process
from tests.tshark import complaints, fields


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "10", *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def secure_url(process: Process) -> str:
    name, url = process.line().split()
    assert name == "http"
    assert url.startswith("https://127.0.0.1:")
    return url


def exported(here: Place, form: str, name: str) -> Path:
    path = here.folder / name
    done = here.call("export", form, str(path))
    assert done.returncode == 0, done.stderr
    return path


def test_an_https_flow_from_curl_to_a_capture_that_opens_decrypted(here: Place) -> None:
    """curl trusts the CA that `netlab ca` names; tshark, with no settings at all, shows the request and its answer."""
    with here.serve("--tls", "--record", "full", "-q") as process:
        url = secure_url(process)
        authority = here.call("ca", "--path").stdout.strip()
        answer = curl("-i", "--cacert", authority, f"{url}/hello")
        assert answer.startswith("HTTP/1.1 200 OK")
        assert answer.endswith("Hello, World!")
        capture = exported(here, "--pcapng", "flow.pcapng")
        assert process.end()[0] == 0
    assert fields(capture, "http.request", "http.request.method", "http.request.uri") == [("GET", "/hello")]
    assert fields(capture, "http.response", "http.response.code") == [("200",)]
    assert len(fields(capture, "tls.handshake.type == 1", "frame.number")) == 1
    assert any("synthesized" in comment for (comment,) in fields(capture, "frame.comment", "frame.comment"))
    assert complaints(capture) == []


def test_both_versions_of_tls_are_decrypted(here: Place) -> None:
    with here.serve("--tls", "--record", "full", "-q") as process:
        url = secure_url(process)
        authority = here.call("ca", "--path").stdout.strip()
        curl("--cacert", authority, "--tls-max", "1.2", f"{url}/hello")
        curl("--cacert", authority, "--tlsv1.3", f"{url}/hello")
        capture = exported(here, "--pcapng", "both.pcapng")
    shown = fields(capture, "http.response", "tls.record.version", "http.response.code")
    assert [code for _, code in shown] == ["200", "200"]


def test_an_exchange_as_har(here: Place) -> None:
    with here.serve("--record", "full", "-q") as process:
        curl("-d", "a=1", f"{process.url}/anything?x=y")
        archive = json.loads(exported(here, "--har", "flow.har").read_text())
    (entry,) = archive["log"]["entries"]
    assert entry["request"]["method"] == "POST"
    assert entry["request"]["url"] == f"{process.url}/anything?x=y"
    assert entry["request"]["postData"]["text"] == "a=1"
    assert entry["response"]["status"] == 200
    assert json.loads(entry["response"]["content"]["text"])["form"] == {"a": "1"}
