"""Who is asking: the credentials of HTTP authentication (RFC 9110 11), read and judged; Basic, Digest and Bearer."""

from __future__ import annotations

from netlab.policy.auth.basic import basic_challenge, basic_credentials
from netlab.policy.auth.bearer import bearer_challenge, bearer_token
from netlab.policy.auth.credentials import Credentials, Refusal, parse_credentials
from netlab.policy.auth.digest import ALGORITHMS, Accepted, Asked, Digest
from netlab.policy.auth.users import User, UserName, make_digest, make_scrypt, parse_realm, parse_roles, parse_user

__all__ = [
    "ALGORITHMS",
    "Accepted",
    "Asked",
    "Credentials",
    "Digest",
    "Refusal",
    "User",
    "UserName",
    "basic_challenge",
    "basic_credentials",
    "bearer_challenge",
    "bearer_token",
    "make_digest",
    "make_scrypt",
    "parse_credentials",
    "parse_realm",
    "parse_roles",
    "parse_user",
]
