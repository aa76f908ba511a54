"""The http server as people use it: by its flags, with curl and Python's own client."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.netlab_process import Place


def curl(*arguments: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "10", *arguments], capture_output=True, text=True, check=True, timeout=20
    )
    return done.stdout


def raw(port: int, data: bytes) -> bytes:
    """Everything that is answered to these bytes and the end behind them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def test_hello_is_thirteen_bytes_of_text(here: Place) -> None:
    with here.serve("-q") as process:
        answer = curl("-i", f"{process.url}/hello").replace("\r\n", "\n")
        head, _, body = answer.partition("\n\n")
        assert body == "Hello, World!"
        assert head.startswith("HTTP/1.1 200 OK\n")
        assert "\nContent-Type: text/plain" in head
        assert "\nContent-Length: 13" in head
        assert re.search(r"\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\n", head)
        assert curl("-I", f"{process.url}/hello").replace("\r\n", "\n").strip() == head
        assert curl("-0", f"{process.url}/hello") == "Hello, World!"


def test_built_in_paths_mirror_a_request(here: Place) -> None:
    with here.serve("-q") as process:
        headers = json.loads(curl("-H", "X-Mine: 1", f"{process.url}/headers"))
        assert headers["headers"]["X-Mine"] == "1"
        seen = json.loads(curl("-X", "PATCH", "--json", '{"a": [1]}', f"{process.url}/anything/below?b=2&b=3"))
        assert seen["method"] == "PATCH"
        assert seen["json"] == {"a": [1]}
        assert seen["args"] == {"b": ["2", "3"]}
        assert seen["url"] == f"{process.url}/anything/below?b=2&b=3"
        assert curl("-o", "/dev/null", "-w", "%{http_code}", f"{process.url}/nothing-here") == "404"
        refused = curl("-i", "-X", "DELETE", f"{process.url}/headers")
        assert refused.startswith("HTTP/1.1 405 ")
        assert re.search(r"^Allow: .*GET", refused, re.MULTILINE)
        for path in ("/headers", "/nothing-here"):
            answer = curl("-i", "-X", "BREW", process.url + path)  # RFC 9110 9.1
            assert answer.startswith("HTTP/1.1 501 ")
            assert "\nAllow:" not in answer


def test_no_endpoints(here: Place) -> None:
    with here.serve("-q", "--no-endpoints") as process:
        assert curl("-o", "/dev/null", "-w", "%{http_code}", f"{process.url}/hello") == "404"


def test_echo_answers_any_method_and_path_with_the_content(here: Place) -> None:
    with here.serve("-q", "--echo") as process:
        answer = curl(
            "-i", "-X", "MAKE", "-H", "Content-Type: a/b", "--data-binary", "\x01ä", f"{process.url}/any/where"
        )
        assert answer.startswith("HTTP/1.1 200 OK")
        assert "Content-Type: a/b" in answer
        assert answer.endswith("\x01ä")
        client = http.client.HTTPConnection("127.0.0.1", process.port, timeout=10)
        for size in (0, 1, 1 << 20):  # the same connection goes on
            client.request(
                "POST", "/", body=iter([b"x" * size]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
            )
            assert client.getresponse().read() == b"x" * size
        client.close()


def test_a_file_wins_over_a_built_in_path_and_nothing_outside_is_reached(here: Place, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "hello").write_text("a file")
    (tmp_path / "secret").write_text("outside")
    (root / "out").symlink_to(tmp_path / "secret")
    with here.serve("-q", "--root", str(root)) as process:
        assert curl(f"{process.url}/hello") == "a file"
        assert json.loads(curl(f"{process.url}/headers"))["headers"]
        for path in (
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/out",
            "/hello/../../secret",
            "/%00",
            "/a%00/../hello",
        ):
            answer = raw(process.port, b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode())
            assert answer[9:10] == b"4", path
            assert b"outside" not in answer


def test_files_have_flags(here: Place, tmp_path: Path) -> None:
    (tmp_path / "app.html").write_text("<p>the app")
    (tmp_path / "data.json").write_text('{"a": 1}' * 1000)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".hidden").write_text("h")
    flags = (
        "--writable",
        "--spa",
        "app.html",
        "--cache-control",
        "*.json=no-store",
        "--no-listing",
        "--upload-limit",
        "1KiB",
    )
    with here.serve("-q", "--root", str(tmp_path), *flags) as process:
        url = process.url
        assert "Cache-Control: no-store" in curl("-I", f"{url}/data.json")
        assert "Content-Encoding: gzip" in curl("-I", "-H", "Accept-Encoding: gzip", f"{url}/data.json")
        assert curl("-H", "Accept: text/html", f"{url}/some/route") == "<p>the app"
        status = ("-o", "/dev/null", "-w", "%{http_code}")
        assert curl(*status, f"{url}/sub/") == "403"
        assert curl(*status, f"{url}/sub/.hidden") == "404"
        assert curl(*status, "-T", str(tmp_path / "app.html"), f"{url}/new.html") == "201"
        assert curl(*status, "-T", str(tmp_path / "data.json"), f"{url}/big.json") == "413"
        assert (tmp_path / "new.html").read_text() == "<p>the app"
        assert not (tmp_path / "big.json").exists()
        assert curl(*status, "-X", "DELETE", f"{url}/new.html") == "204"
        assert curl(*status, "-X", "DELETE", f"{url}/new.html") == "404"


def test_a_root_that_is_none_is_said_at_once(here: Place) -> None:
    done = here.run("serve", "http", "--root", "/no/such/folder", "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert done.stderr.startswith("netlab: ")
    assert "/no/such/folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["common", "combined", "json"])
def test_access_log(here: Place, tmp_path: Path, form: str) -> None:
    log = tmp_path / "access.log"
    with here.serve("-q", "--access-log", str(log), "--access-log-form", form) as process:
        curl("-A", 'me "quoted"', "-e", "http://from.test/", f"{process.url}/hello?a=1")
        raw(process.port, b"BAD\r\n\r\n")
        assert process.end()[0] == 0
    first, second = log.read_text().splitlines()
    if form == "json":
        told = json.loads(first)
        assert (told["method"], told["target"], told["status"], told["sent"]) == ("GET", "/hello?a=1", 200, 13)
        assert told["user_agent"] == 'me "quoted"'
        assert json.loads(second)["status"] == 400
        return
    pattern = r'127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /hello\?a=1 HTTP/1\.1" 200 13'
    tail = r' "http://from\.test/" "me \\x22quoted\\x22"' if form == "combined" else ""
    assert re.fullmatch(pattern + tail, first), first
    assert '"-" 400 ' in second


def test_a_log_that_cannot_be_written_costs_lines_and_no_answers(here: Place) -> None:
    with here.serve("-q", "--access-log", "/dev/full") as process:
        for _ in range(3):
            assert curl(f"{process.url}/hello") == "Hello, World!"
        code, _, said = process.end()
        assert code == 0
        assert said.count("lines are lost") == 1
        assert "Traceback" not in said
    done = here.run("serve", "http", "--listen", ":0", "--access-log", "/nonexistent/log")
    assert (done.returncode, done.stderr) == (
        2,
        "netlab: --access-log /nonexistent/log cannot be written: No such file or directory\n",
    )


def test_only_loopback_unless_exposed(here: Place) -> None:
    done = here.run("serve", "http", "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert "say --expose if that is meant" in done.stderr


def test_what_an_origin_server_does_not_do(here: Place) -> None:
    with here.serve("-q", "--echo", "--trace") as process:
        answer = raw(
            process.port, b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert answer.count(b"\r\nDate: ") == 1  # what came behind it is no request
        secured = raw(process.port, b"GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert secured.startswith(b"HTTP/1.1 421 ")  # RFC 9110 7.4
        assert raw(process.port, b"GET ftp://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert raw(process.port, b"GET http://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_page_of_a_stranger_changes_no_files(here: Place, tmp_path: Path) -> None:
    with here.serve("-q", "--root", str(tmp_path), "--writable") as process:
        ask = b"PUT /f HTTP/1.1\r\nHost: %b\r\nOrigin: http://%b\r\nContent-Length: 0\r\n\r\n"
        for host, origin, status in (
            (b"evil.example", b"evil.example", b"403"),
            (b"localhost", b"evil.example", b"403"),
            (b"localhost:1", b"localhost:1", b"201"),
            (b"www.shop.test", b"www.shop.test", b"204"),
            (b"127.0.0.1:80", b"127.0.0.1:80", b"204"),
        ):
            assert raw(process.port, ask % (host, origin))[9:12] == status, (host, origin)


def test_limits_have_flags(here: Place) -> None:
    with here.serve("-q", "--max-body", "10", "--max-head", "2000", "--max-request-line", "100") as process:
        ask = b"POST /anything HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%b\r\n%b"
        assert raw(process.port, ask % (10, b"", b"x" * 10)).startswith(b"HTTP/1.1 200 ")
        assert raw(process.port, ask % (11, b"", b"x" * 11)).startswith(b"HTTP/1.1 413 ")
        assert raw(process.port, ask % (0, b"X: %b\r\n" % (b"y" * 2000), b"")).startswith(b"HTTP/1.1 431 ")
        assert raw(process.port, b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"z" * 100)).startswith(b"HTTP/1.1 414 ")


def test_another_engine_serves_the_same(here: Place) -> None:
    with here.serve("-q", "--engine", "h11", "--record", "full") as process:
        assert curl(f"{process.url}/hello") == "Hello, World!"
        assert json.loads(curl("-d", "x=1", f"{process.url}/anything"))["form"] == {"x": "1"}
        bad = raw(process.port, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert bad.startswith(b"HTTP/1.1 400 ")
        labels = [json.loads(line)["label"] for line in here.call("export", "--jsonl").stdout.splitlines()]
        assert "GET /hello" in labels


def test_tls_with_the_local_authority(here: Place) -> None:
    with here.serve("-q", "--tls") as process:
        _, url = process.line().split()
        authority = here.call("ca", "--path").stdout.strip()
        port = url.rpartition(":")[2]
        for host in ("localhost", "127.0.0.1"):
            assert curl("--cacert", authority, f"https://{host}:{port}/hello") == "Hello, World!"
        plain = raw(int(port), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"400" in plain.split(b"\r\n")[0]
