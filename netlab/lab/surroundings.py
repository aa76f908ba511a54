"""What a program needs to find itself inside a lab: its proxy, its certificate authority; set for it alone."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netlab.control.client import OneLab, reach
from netlab.errors import NetlabError

PROXY = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Who reads which: curl, wget, requests, httpx, Go, Git. CGI programs would take HTTP_PROXY for a client's field."""
BUNDLE = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "AWS_CA_BUNDLE")
"""Files of all authorities to trust: curl, OpenSSL's own, requests, Git, pip, the AWS tools."""


async def proxy_of(which: OneLab) -> str:
    """The URL of a lab's forward proxy; NetlabError where it runs none."""
    async with reach(which) as control:
        status = await control.call("status")
    return proxy_among(status["endpoints"])


def proxy_among(endpoints: Sequence[Mapping[str, Any]]) -> str:
    for endpoint in endpoints:
        if endpoint["name"] == "forward-proxy" and endpoint["scheme"] == "http":
            return str(endpoint["url"])
    raise NetlabError("this lab has no forward proxy to go through; start one with `netlab up`")


def variables(proxy: str, bundle: Path, authority: Path) -> dict[str, str]:
    """The environment, with everything in it that leads through the proxy and has the lab's certificates trusted."""
    surroundings = dict(os.environ)
    surroundings.update(dict.fromkeys(PROXY, proxy))
    surroundings.update(dict.fromkeys(BUNDLE, str(bundle)))
    # Node adds to its own authorities, and heeds proxy variables when told to (22.21, 24)
    surroundings.update(NODE_EXTRA_CA_CERTS=str(authority), NODE_USE_ENV_PROXY="1", NETLAB_PROXY=proxy)
    surroundings["WGETRC"] = str(bundle.with_name(WGETRC))
    for name in ("no_proxy", "NO_PROXY"):
        surroundings.pop(name, None)
    return surroundings


WGETRC = "wgetrc"
"""wget reads no variable for authorities, but it does for its settings."""


def _own_wgetrc() -> str:
    """The user's own settings, to which one is added."""
    path = Path(os.environ.get("WGETRC") or Path.home() / ".wgetrc")
    return path.read_text(errors="replace") if path.is_file() else ""


@contextmanager
def trusted_bundle(authority_pem: str) -> Iterator[Path]:
    """A file of the system's authorities and the lab's, until the end."""
    usual = ssl.get_default_verify_paths()
    system = next(
        (Path(path) for path in (usual.cafile, usual.openssl_cafile, *ELSEWHERE) if path and os.path.isfile(path)), None
    )
    with tempfile.TemporaryDirectory(prefix="netlab-") as folder:
        bundle = Path(folder) / "authorities.pem"
        bundle.write_text((system.read_text(errors="replace") if system else "") + "\n" + authority_pem)
        bundle.with_name(WGETRC).write_text(_own_wgetrc() + f"\nca_certificate = {bundle}\n")
        yield bundle


ELSEWHERE = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep their authorities in one file, when the Python was built to look in another place."""
