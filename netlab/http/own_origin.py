"""Whether a request that changes something on this machine may come from where it comes from."""

from __future__ import annotations

from netlab.http.roles import Asker


def stranger(exchange: Asker) -> str:
    """The page of somebody else, open in the user's browser, that sent this; empty for any other sender.

    It is one of another origin, or one whose own name has been led here (DNS rebinding).
    """
    origin = exchange.request.fields.get("origin")
    if origin is None:
        return ""
    host = origin.partition("://")[2].lower()
    return "" if host == exchange.request.authority.lower() and is_local_name(host) else origin[:100]


def is_local_name(authority: str) -> bool:
    """Whether a host, port or not, cannot be a stranger's: an address, localhost, or a name that no resolver outside
    the lab knows (RFC 6761: .localhost, .test).
    """
    name = authority if authority.endswith("]") else authority.rpartition(":")[0] or authority
    if name.startswith("[") or name.replace(".", "").isdecimal():
        return True
    return name == "localhost" or name.endswith((".localhost", ".test"))
