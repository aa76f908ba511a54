"""TLS on both sides, by the authority of one file's tests."""

from __future__ import annotations

import ssl

import pytest

from netlab.net.certs import Authority
from netlab.net.tls_context import ServerContexts, client_context


@pytest.fixture(scope="module")
def contexts(authority: Authority) -> ServerContexts:
    return ServerContexts(authority)


@pytest.fixture(scope="module")
def trusting(authority: Authority) -> ssl.SSLContext:
    return client_context(cafile=authority.certificate_path)
