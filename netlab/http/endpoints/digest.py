"""Digest access authentication (RFC 7616): challenges, responses, and httpbin's way to let a nonce go stale."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from netlab.cores.http1 import Request
from netlab.http.endpoints.answers import HTML, LIMIT, respond, respond_json
from netlab.http.endpoints.arguments import Arguments
from netlab.http.endpoints.authentication import credentials
from netlab.http.endpoints.cookies import cookies_of, set_cookie
from netlab.http.exchange import Exchange
from netlab.http.routes import Routes
from netlab.policy.auth.credentials import challenge, quoted
from netlab.service import Context

ALGORITHMS = {"MD5": "md5", "SHA-256": "sha256", "SHA-512": "sha512"}
FAKE = set_cookie("fake", "fake_value")


def register(routes: Routes, context: Context) -> None:
    handler = partial(digest_auth, context)
    about = "wants this user and password (Digest); qop auth or auth-int, else both are offered"
    path = "/digest-auth/{qop}/{user}/{password}"
    routes.add("GET", path, handler, about)
    routes.add("GET", path + "/{algorithm}", handler, "the same with MD5, SHA-256 or SHA-512")
    routes.add("GET", path + "/{algorithm}/{stale_after}", handler, "the same; the nonce is stale after so many uses")


def digest_auth(context: Context, exchange: Exchange, **asked: str) -> None:
    exchange.collect(LIMIT, lambda body: Attempt(context, exchange, body, **asked).answer())


class Attempt:
    """One request for a path that wants Digest; what went before is in the client's cookies, as httpbin keeps it."""

    def __init__(
        self,
        context: Context,
        exchange: Exchange,
        body: bytes,
        *,
        qop: str,
        user: str,
        password: str,
        algorithm: str = "MD5",
        stale_after: str = "never",
    ) -> None:
        self.context, self.exchange, self.body = context, exchange, body
        self.qop = qop if qop in ("auth", "auth-int") else "auth, auth-int"
        self.user, self.password = user, password
        self.algorithm = algorithm if algorithm in ALGORITHMS else "MD5"
        self.stale_after = stale_after
        self.cookies = cookies_of(exchange.request)
        given = credentials(exchange.request, "digest")
        self.given = given.parameters if given is not None else None

    def answer(self) -> None:
        fields = self.exchange.request.fields
        wants_cookies = Arguments(self.exchange.request).true("require-cookie")
        if self.given is None or (wants_cookies and "cookie" not in fields):
            self._challenge()
        elif wants_cookies and self.cookies.get("fake") != "fake_value":
            respond_json(self.exchange, {"errors": ["missing cookie set on challenge"]}, 403, [FAKE])
        elif self._is_stale():
            self._challenge(stale=True)
        elif not self._is_right():
            self._challenge(stale=False)
        else:
            self._accept()

    def _is_stale(self) -> bool:
        """A nonce that was refused before, or has been used as often as the path allows."""
        assert self.given is not None
        refused = self.cookies.get("last_nonce")
        return self.cookies.get("stale_after") == "0" or (refused is not None and refused == self.given.get("nonce"))

    def _is_right(self) -> bool:
        assert self.given is not None
        if (self.given.get("algorithm") or "MD5") != self.algorithm:
            return False  # not what was asked for, and perhaps weaker (RFC 7616 5.8)
        if "qop" in self.given and self.given["qop"] not in self.qop.split(", "):
            return False
        expected = response(self.given, self.user, self.password, self.exchange.request, self.body)
        return expected is not None and hmac.compare_digest(expected.encode(), self.given.get("response", "").encode())

    def _accept(self) -> None:
        fields = [FAKE]
        if left := self.cookies.get("stale_after"):
            fields.append(set_cookie("stale_after", str(int(left) - 1) if re.fullmatch(r"\d{1,9}", left) else "never"))
        respond_json(self.exchange, {"authenticated": True, "user": self.user}, fields=fields)

    def _challenge(self, *, stale: bool | None = None) -> None:
        """401; `stale` tells the client to try again with the new nonce and the same password (RFC 7616 3.3)."""
        fields = [HTML, ("WWW-Authenticate", self._challenge_value(bool(stale)))]
        fields.append(set_cookie("stale_after", self.stale_after))
        if stale is not None and self.given is not None:
            fields.append(set_cookie("last_nonce", self.given.get("nonce", "")))
        respond(self.exchange, 401, [*fields, FAKE])

    def _challenge_value(self, stale: bool) -> str:
        chance, client = self.context.random, self.exchange.flow.client
        seed = f"{client}:{self.context.clock.now()}:".encode() + chance.randbytes(10)
        nonce, opaque = hashed(self.algorithm, seed), hashed(self.algorithm, chance.randbytes(10))
        return challenge(
            "Digest",
            [
                ("realm", quoted("netlab")),
                ("nonce", quoted(nonce)),
                ("opaque", quoted(opaque)),
                ("qop", quoted(self.qop)),
                ("algorithm", self.algorithm),
                ("stale", "true" if stale else "false"),
            ],
        )


def response(given: Mapping[str, str], user: str, password: str, request: Request, body: bytes) -> str | None:
    """What a client that knows the password answers to its own parameters (RFC 7616 3.4.1); None if there is none."""
    algorithm, qop = given.get("algorithm") or "MD5", given.get("qop")
    if algorithm not in ALGORITHMS or qop not in (None, "auth", "auth-int"):
        return None
    realm = given.get("realm", "").encode("latin-1")  # as it came, not as it is read
    a1 = hashed(algorithm, b":".join([user.encode(), realm, password.encode()]))
    a2 = f"{request.method}:{request.path}".encode("latin-1")
    if qop == "auth-int":
        a2 += b":" + hashed(algorithm, body).encode()
    middle = [given.get("nonce", "")]
    if qop is not None:  # without one: RFC 2069, for old clients
        middle += [given.get("nc", ""), given.get("cnonce", ""), qop]
    return hashed(algorithm, ":".join([a1, *middle, hashed(algorithm, a2)]).encode("latin-1"))


def hashed(algorithm: str, data: bytes) -> str:
    hasher: Any = getattr(hashlib, ALGORITHMS[algorithm])
    return str(hasher(data, usedforsecurity=False).hexdigest())
