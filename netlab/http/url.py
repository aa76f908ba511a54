"""URLs as a client needs them: where to connect, what to ask for, what to call it (RFC 3986, RFC 9110 4.2)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin

from netlab.errors import UsageError
from netlab.text import bracketed, host_port

PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:(.*)@)?(\[[0-9A-Fa-f:.]+(?:%25[^\]]+)?\]|[^:@\[\]]*)(?::(\d*))?", re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https URL, its host in ASCII, its target ready for the request line."""

    scheme: str
    host: str  # lower case, without brackets
    port: int
    target: str  # path and query, percent-encoded; never empty
    user: str | None = None
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read a URL; without a scheme it is http, `:8080/path` is this machine's. UsageError names what is wrong."""
        if text[:1] == ":" and text[1:2].isdigit():
            text = f"127.0.0.1{text}"
        match = _URL.fullmatch(text if "://" in text else f"http://{text}")
        if match is None or match[1].lower() not in PORTS:
            raise UsageError(f"{text!r} is not a URL that begins with http:// or https://")
        scheme = match[1].lower()
        authority = _AUTHORITY.fullmatch(match[2])
        if authority is None:
            raise UsageError(f"{match[2]!r} in {text!r} is not HOST or HOST:PORT")
        user, _, password = (authority[1] or "").partition(":")
        port = int(authority[3]) if authority[3] else PORTS[scheme]
        if not 0 < port < 65536:
            raise UsageError(f"port {port} in {text!r} is out of range: ports are 1 to 65535")
        return cls(
            scheme=scheme,
            host=_host(authority[2], text),
            port=port,
            target=_target(match[3]),
            user=None if authority[1] is None else unquote(user),
            password=unquote(password),
        )

    def join(self, reference: str) -> Url:
        """The URL a Location field leads to from here (RFC 3986 5.2)."""
        return Url.parse(urljoin(str(self), reference.strip()))

    @property
    def authority(self) -> str:
        """Host and port as they stand in a Host field: without the scheme's own port, and without an IPv6 address'
        zone, which means nothing elsewhere (RFC 6874 4).
        """
        return self._with_port(bracketed(self.host.partition("%")[0]))

    @property
    def endpoint(self) -> str:
        """Host and port as CONNECT names them: always with the port (RFC 9110 9.3.6)."""
        return host_port(self.host, self.port)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What requests must have in common to share credentials (RFC 6454 4)."""
        return self.scheme, self.host, self.port

    @property
    def basic(self) -> str | None:
        """The credentials of user and password for Basic authentication, or None (RFC 7617)."""
        if self.user is None:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")

    def __str__(self) -> str:
        """Without user and password, which must not be shown or sent along."""
        return f"{self.scheme}://{self._with_port(bracketed(self.host.replace('%', '%25')))}{self.target}"

    def _with_port(self, host: str) -> str:
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def _host(text: str, url: str) -> str:
    if text.startswith("["):
        return text[1:-1].replace("%25", "%").lower()  # RFC 6874: the zone's % is encoded
    host = unquote(text)
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            raise UsageError(f"{text!r} in {url!r} is not the name of a host") from None
    if not _HOST.fullmatch(host):
        raise UsageError(f"{text!r} in {url!r} is not the name of a host" if text else f"{url!r} names no host")
    return host.lower()


def _target(text: str) -> str:
    """Path and query; what a request line cannot carry is percent-encoded, as browsers do, the rest left alone.

    Bytes of a command line that are no UTF-8 arrive as escaped surrogates, and leave as the bytes they were.
    """
    if not text.startswith("/"):
        text = "/" + text
    return quote(text, safe="!$&'()*+,;=:@/?-._~%[]|\\^`{}", errors="surrogateescape")
