"""Servers nobody here wrote, for the tests of clients."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.net.certs import Authority


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("www")
    (path / "small.txt").write_text("hello\n")
    (path / "large.bin").write_bytes(os.urandom(3 << 20))
    (path / "text.txt").write_text("all work and no play\n" * 5000)
    return path


@pytest.fixture(scope="module")
def python_server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def nginx(folder: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Its http and https addresses; the certificate is for origin.test and of the authority."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is missing: apt-get install nginx-light")
    base = tmp_path_factory.mktemp("nginx")
    leaf = authority.leaf(("origin.test",))
    (base / "leaf.pem").write_text(leaf.key + leaf.chain)
    # ports cannot be left to nginx: it takes one that is free a moment before, and tries another if it was lost
    for _ in range(5):
        plain, secure = free_ports(2)
        (base / "nginx.conf").write_text(NGINX.format(base=base, folder=folder, plain=plain, secure=secure))
        process = subprocess.Popen(
            ["nginx", "-p", str(base), "-c", "nginx.conf", "-e", "stderr"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        started = any(b"start worker process " in line for line in process.stderr)
        if started:
            break
        process.wait()
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    yield f"http://127.0.0.1:{plain}", f"https://origin.test:{secure}"
    process.terminate()
    process.wait(10)
    drain.join()
    process.stderr.close()


NGINX = """
daemon off; worker_processes 1; pid {base}/pid; error_log stderr notice; user root;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {base}/body; proxy_temp_path {base}/proxy; fastcgi_temp_path {base}/f;
  uwsgi_temp_path {base}/u; scgi_temp_path {base}/s; default_type text/plain; client_max_body_size 64m;
  gzip on; gzip_types text/plain; gzip_min_length 100;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
    ssl_certificate {base}/leaf.pem; ssl_certificate_key {base}/leaf.pem;
    root {folder};
    location /old {{ return 301 /small.txt; }}
    location /loop {{ return 302 /loop; }}
    location /missing {{ return 404 "nothing here"; }}
    location /empty {{ return 204; }}
  }}
}}
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
