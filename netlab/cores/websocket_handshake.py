"""The opening handshake of WebSocket (RFC 6455 4) and what it agrees on; fields are read by websockets' parsers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from websockets.exceptions import InvalidHandshake
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, build_subprotocol, parse_extension, parse_subprotocol
from websockets.typing import ExtensionHeader, Subprotocol
from websockets.utils import accept_key

from netlab.cores.fields import Fields
from netlab.cores.websocket_deflate import Deflate
from netlab.errors import RemoteProtocolError

VERSION = "13"
ANY = "*"
KEY, ACCEPT, PROTOCOL, EXTENSIONS = (
    "sec-websocket-key",
    "sec-websocket-accept",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
)
WINDOWS = frozenset(map(str, range(8, 16)))
"""How sizes of windows are spelled (RFC 7692 7.1.2)."""
Pair = tuple[str, str]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Compression:
    """What one side wants of permessage-deflate; bits are those of window sizes, `forget` is no context takeover.

    As a server with the defaults one connection costs 32 KiB once it compresses, and 4 KiB once it is sent something
    compressed, where zlib's own would be 256 and 32.
    """

    server_bits: int | None = 12
    client_bits: int | None = 12
    server_forgets: bool = False
    client_forgets: bool = False
    level: int = 6
    memory: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a server accepts. Origins: `*` is any; subprotocols in order of preference: `*` takes the client's first."""

    origins: tuple[str, ...] = (ANY,)
    subprotocols: tuple[str, ...] = (ANY,)
    compression: Compression | None = field(default_factory=Compression)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The handshake holds: the fields of the 101 (a server's), and what was agreed on."""

    fields: tuple[Pair, ...]
    subprotocol: str | None = None
    deflate: Deflate | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """What to answer instead, why, and with which fields."""

    status: int
    reason: str
    section: str
    fields: tuple[Pair, ...] = ()


UPGRADE = (("Upgrade", "websocket"), ("Connection", "Upgrade"))


def accept(method: str, version: str, fields: Fields, terms: Terms) -> Accepted | Refused:
    """What a server makes of a request (RFC 6455 4.2): `version` is HTTP's, "1.1"."""
    if refused := _look_at_request(method, version, fields):
        return refused
    origin = fields.get("origin")
    if ANY not in terms.origins and origin is not None and origin.lower() not in terms.origins:
        return Refused(403, f"pages of {origin[:100]} may not connect here", "RFC 6455 4.2.2")
    try:
        subprotocol = choose_subprotocol(_listed(fields, PROTOCOL, parse_subprotocol), terms.subprotocols)
        named, deflate = choose_extension(fields, terms.compression)
    except InvalidHandshake as error:
        return Refused(400, f"{error}", "RFC 6455 4.2.1")
    answer = [*UPGRADE, ("Sec-WebSocket-Accept", accept_key(fields.get(KEY) or ""))]
    if named:
        answer.append(("Sec-WebSocket-Extensions", named))
    if subprotocol is not None:
        answer.append(("Sec-WebSocket-Protocol", subprotocol))
    return Accepted(tuple(answer), subprotocol, deflate)


def _look_at_request(method: str, version: str, fields: Fields) -> Refused | None:
    """What makes a request no handshake at all, or a wrong one (RFC 6455 4.2.1)."""
    if method != "GET":
        return Refused(
            405, f"a WebSocket is asked for with GET, not {method[:40]}", "RFC 6455 4.1", (("Allow", "GET"),)
        )
    if version == "1.0" or not is_handshake(fields):
        why = "this is a WebSocket: it wants HTTP/1.1 with Upgrade: websocket and Connection: Upgrade"
        return Refused(426, why, "RFC 6455 4.2.1", UPGRADE)
    versions = fields.all("sec-websocket-version")
    if not versions:
        return Refused(400, "Sec-WebSocket-Version is missing", "RFC 6455 4.2.1")
    if versions != [VERSION]:
        why = f"version {', '.join(versions)[:40]} of the WebSocket protocol is not spoken here; {VERSION} is"
        return Refused(426, why, "RFC 6455 4.4", (*UPGRADE, ("Sec-WebSocket-Version", VERSION)))
    keys = fields.all(KEY)
    if len(keys) != 1:
        return Refused(400, f"there are {len(keys)} fields Sec-WebSocket-Key, not one", "RFC 6455 4.2.1")
    if not is_key(keys[0]):
        return Refused(400, f"Sec-WebSocket-Key {keys[0][:60]!r} is not 16 bytes in base64", "RFC 6455 4.2.1")
    return None


def is_handshake(fields: Fields) -> bool:
    """Whether a request asks for a WebSocket."""
    return "websocket" in fields.tokens("upgrade") and "upgrade" in fields.tokens("connection")


def is_key(key: str) -> bool:
    """16 bytes in base64 (RFC 6455 4.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def choose_subprotocol(offered: Sequence[str], ours: Sequence[str]) -> str | None:
    """Ours in our order; None, and the connection goes on without, where there is none in common (RFC 6455 4.2.2)."""
    if ANY in ours and offered:
        return offered[0]
    return next((name for name in ours if name in offered), None)


def choose_extension(fields: Fields, wanted: Compression | None) -> tuple[str, Deflate | None]:
    """The answer's Sec-WebSocket-Extensions, and what it means: the first offer that can be met (RFC 7692 5)."""
    offers = _listed(fields, EXTENSIONS, parse_extension)
    if wanted is None:
        return "", None
    factory = ServerPerMessageDeflateFactory(
        wanted.server_forgets, wanted.client_forgets, wanted.server_bits, wanted.client_bits
    )
    for name, parameters in offers:
        if name != factory.name:
            continue
        try:
            answered, agreed = factory.process_request_params(parameters, ())
        except (InvalidHandshake, ValueError):  # an offer that cannot be met is declined, and the next one looked at
            continue
        return build_extension([(name, answered)]), _agreed(agreed, wanted)
    return "", None


def _agreed(agreed: PerMessageDeflate, wanted: Compression) -> Deflate:
    """The parameters alone: the contexts that the library has made already are let go."""
    return Deflate(
        our_bits=agreed.local_max_window_bits,
        their_bits=agreed.remote_max_window_bits,
        we_forget=agreed.local_no_context_takeover,
        they_forget=agreed.remote_no_context_takeover,
        level=wanted.level,
        memory=wanted.memory,
    )


def request_fields(key: str, *, subprotocols: Sequence[str] = (), compression: Compression | None = None) -> list[Pair]:
    """A client's fields of the handshake (RFC 6455 4.1)."""
    fields = [*UPGRADE, ("Sec-WebSocket-Key", key), ("Sec-WebSocket-Version", VERSION)]
    if compression is not None:
        parameters = _offer(compression).get_request_params()
        fields.append(("Sec-WebSocket-Extensions", build_extension([(_offer(compression).name, parameters)])))
    if subprotocols:
        fields.append(("Sec-WebSocket-Protocol", build_subprotocol([Subprotocol(name) for name in subprotocols])))
    return fields


def _offer(wanted: Compression) -> ClientPerMessageDeflateFactory:
    bits = True if wanted.client_bits is None else wanted.client_bits
    return ClientPerMessageDeflateFactory(wanted.server_forgets, wanted.client_forgets, wanted.server_bits, bits)


def check_answer(
    status: int, fields: Fields, key: str, *, subprotocols: Sequence[str] = (), compression: Compression | None = None
) -> Accepted:
    """What a client makes of the answer (RFC 6455 4.1); RemoteProtocolError where it does not hold."""
    if status != 101:
        raise _broken(f"the server answered {status}, not 101", "handshake.status")
    if fields.tokens("upgrade") != ["websocket"] or "upgrade" not in fields.tokens("connection"):
        raise _broken("the answer does not switch to websocket", "handshake.upgrade")
    if fields.all(ACCEPT) != [accept_key(key)]:
        raise _broken(f"Sec-WebSocket-Accept is {fields.get(ACCEPT)!r}, not {accept_key(key)}", "handshake.accept")
    chosen = fields.all(PROTOCOL)
    if len(chosen) > 1 or any(name not in subprotocols for name in chosen):
        raise _broken(f"the server chose the subprotocol {', '.join(chosen)[:80]!r}", "handshake.subprotocol")
    try:
        deflate = _taken(_listed(fields, EXTENSIONS, parse_extension), compression)
    except (InvalidHandshake, ValueError) as error:
        raise _broken(f"the server's extensions were not offered so: {error}", "handshake.extensions") from None
    return Accepted((), chosen[0] if chosen else None, deflate)


def _taken(answered: list[ExtensionHeader], wanted: Compression | None) -> Deflate | None:
    if not answered:
        return None
    if wanted is None or [name for name, _ in answered] != [PerMessageDeflate.name]:
        raise InvalidHandshake(", ".join(name for name, _ in answered)[:80])
    return _agreed(_offer(wanted).process_response_params(answered[0][1], ()), wanted)


def agreed_in(extensions: str | None) -> Deflate | None:
    """What a server's answer says of compression, seen from the server, for who looks on; None: there is none."""
    try:
        found = dict(parse_extension(extensions or "")).get(PerMessageDeflate.name)
    except InvalidHandshake:
        return None
    if found is None:
        return None
    told = dict(found)
    bits = [told.get(name) or "15" for name in ("server_max_window_bits", "client_max_window_bits")]
    if not set(bits) <= WINDOWS:
        return None
    return Deflate(
        our_bits=int(bits[0]),
        their_bits=int(bits[1]),
        we_forget="server_no_context_takeover" in told,
        they_forget="client_no_context_takeover" in told,
    )


def _listed(fields: Fields, name: str, parse: Callable[[str], Sequence[T]]) -> list[T]:
    """The members of all lines of a field."""
    return [member for value in fields.all(name) for member in parse(value)]


def _broken(reason: str, rule: str) -> RemoteProtocolError:
    return RemoteProtocolError(reason, offset=0, rule=rule, section="RFC 6455 4.1", status=1002)
