"""Basic: user and password in base64, which hides nothing (RFC 7617)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from unicodedata import normalize

from netlab.policy.auth.credentials import Credentials, Refusal, challenge, quoted

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

NOT_BASE64 = Refusal("basic.base64", "the credentials are not base64", "RFC 7617 2", 400)
NO_COLON = Refusal("basic.colon", "the credentials have no colon between user and password", "RFC 7617 2", 400)
CONTROL = Refusal("basic.control", "user or password hold a control character", "RFC 7617 2", 400)


def basic_challenge(realm: str) -> str:
    """Asks for UTF-8 (RFC 7617 2.1)."""
    return challenge("Basic", [("realm", quoted(realm)), ("charset", '"UTF-8"')])


def basic_credentials(given: Credentials) -> tuple[str, str] | Refusal:
    """User and password, both in NFC as RFC 7617 2.1 has clients send them."""
    try:
        data = b64decode(given.token, validate=True)
    except binascii.Error:
        return NOT_BASE64
    if not data:
        return NOT_BASE64
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # clients that do not know the parameter charset
    user, colon, password = text.partition(":")
    if not colon:
        return NO_COLON
    if CONTROLS.search(text):
        return CONTROL
    return normalize("NFC", user), normalize("NFC", password)
