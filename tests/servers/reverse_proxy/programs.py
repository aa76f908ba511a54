"""Programs around a reverse proxy: nginx behind it, curl before it, the proxy itself as a process."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netlab.net.certs import Authority
from tests.netlab_process import Place, Process
from tests.servers.proxies import program

NGINX = """
daemon off; worker_processes 1; pid {base}/pid; error_log stderr notice; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {base}/b; proxy_temp_path {base}/p; fastcgi_temp_path {base}/f;
  uwsgi_temp_path {base}/u; scgi_temp_path {base}/s; default_type text/plain; client_max_body_size 64m;
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{secure} ssl;
    ssl_certificate {base}/leaf.pem; ssl_certificate_key {base}/leaf.pem;
    ssl_client_certificate {base}/ca.pem; ssl_verify_client optional;
    root {base}/files;
    location /moved {{ return 301 /files/; }}
    location /told {{ return 200 "$http_host|$http_x_forwarded_for|$http_x_forwarded_proto|$ssl_client_s_dn\\n"; }}
    location /put/ {{ dav_methods PUT; }}
  }}
}}
"""


@contextmanager
def nginx(base: Path, authority: Authority, name: str = "origin.test") -> Iterator[tuple[int, int]]:
    """Its ports for http and https; the certificate is for `name`, of the authority."""
    path = program("nginx", "nginx-light")
    (base / "files").mkdir(exist_ok=True)
    leaf = authority.leaf((name,))
    (base / "leaf.pem").write_text(leaf.key + leaf.chain)
    (base / "ca.pem").write_text(authority.certificate_pem)
    user = "user root;" if os.geteuid() == 0 else ""
    for _ in range(5):  # ports cannot be left to nginx: it takes one that was free a moment before, or another
        plain, secure = free_ports(2)
        (base / "nginx.conf").write_text(NGINX.format(base=base, plain=plain, secure=secure, user=user))
        process = subprocess.Popen(
            [path, "-p", str(base), "-c", "nginx.conf", "-e", "stderr"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        if any(b"start worker process " in line for line in process.stderr):
            break
        process.wait()
    drain = threading.Thread(target=process.stderr.read, daemon=True)
    drain.start()
    try:
        yield plain, secure
    finally:
        process.terminate()
        process.wait(10)
        drain.join()
        process.stderr.close()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@contextmanager
def reverse(here: Place, *arguments: str, tls: bool = False, **variables: str) -> Iterator[Process]:
    """`netlab serve reverse-proxy` on a free port, ready; with `tls` its https URL is `endpoints["https"]`."""
    flags = [*arguments, *(["--tls"] if tls else [])]
    with here.start("serve", "reverse-proxy", "-q", "--listen", "127.0.0.1:0", *flags, **variables) as process:
        process.wait_until_ready()
        if tls:
            process.endpoints["https"] = process.line().split()[1]
        yield process


def curl(*arguments: str, check: bool = True) -> str:
    command = [program("curl"), "-sS", "--noproxy", "*", "--max-time", "15", *arguments]
    done = subprocess.run(command, capture_output=True, check=check, timeout=30)
    return done.stdout.decode("latin-1").replace("\r\n", "\n")


def statuses(port: int, count: int, path: str = "/hello") -> list[int]:
    """What one client, on one connection where it is kept, gets for its requests; 0 for a connection that broke."""
    found = []
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for _ in range(count):
        try:
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            found.append(answer.status)
        except (http.client.HTTPException, OSError):
            client.close()
            found.append(0)
    client.close()
    return found
