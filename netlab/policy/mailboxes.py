"""Which mailboxes a message goes to, and which one a person opens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

By = Literal["one", "recipient", "domain", "user"]
"""One mailbox for all, or one for each recipient, each recipient's domain, or each authenticated user."""


def mailboxes(by: By, recipients: Iterable[str], user: str) -> tuple[str, ...]:
    """The names of the mailboxes of a message; the one mailbox, and that of clients nobody knows, is ""."""
    match by:
        case "one":
            return ("",)
        case "user":
            return (user,)
        case "recipient":
            return tuple(dict.fromkeys(address.lower() for address in recipients))
        case "domain":
            return tuple(dict.fromkeys(address.rpartition("@")[2].lower() for address in recipients))


def mailbox_of(by: By, login: str) -> str:
    """The mailbox that a login opens: a recipient's address, a domain (of an address, too), or a user's name."""
    match by:
        case "one":
            return ""
        case "user":
            return login
        case "recipient":
            return login.lower()
        case "domain":
            return login.rpartition("@")[2].lower()
