"""The opening handshake, both roles: what is accepted, what is refused with which status, what is agreed on."""

from __future__ import annotations

import pytest

from netlab.cores.fields import Fields
from netlab.cores.websocket_deflate import Deflate
from netlab.cores.websocket_handshake import (
    Accepted,
    Compression,
    Refused,
    Terms,
    accept,
    agreed_in,
    check_answer,
    request_fields,
)
from netlab.errors import RemoteProtocolError

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
ASKED = dict(request_fields(KEY))


def asked(
    *, method: str = "GET", version: str = "1.1", terms: Terms | None = None, **more: str | None
) -> Accepted | Refused:
    fields = ASKED | {name.replace("_", "-"): value for name, value in more.items() if value is not None}
    left = [(name, value) for name, value in fields.items() if more.get(name.replace("-", "_"), "") is not None]
    return accept(method, version, Fields(left), terms or Terms())


def answer(**more: str | None) -> dict[str, str]:
    verdict = asked(**more)  # type: ignore[arg-type]
    assert isinstance(verdict, Accepted), verdict
    return dict(verdict.fields)


def test_the_example_of_the_rfc() -> None:
    verdict = asked()
    assert verdict == Accepted(
        (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", ACCEPT)), None, None
    )


def test_names_and_tokens_in_any_case() -> None:
    assert answer(Upgrade="WebSocket", Connection="keep-alive, upgrade")["Sec-WebSocket-Accept"] == ACCEPT


@pytest.mark.parametrize(
    ("more", "status", "why"),
    [
        ({"method": "POST"}, 405, "with GET"),
        ({"version": "1.0"}, 426, "HTTP/1.1"),
        ({"Upgrade": None}, 426, "Upgrade: websocket"),
        ({"Upgrade": "h2c"}, 426, "Upgrade: websocket"),
        ({"Connection": None}, 426, "Connection: Upgrade"),
        ({"Connection": "keep-alive"}, 426, "Connection: Upgrade"),
        ({"Sec_WebSocket_Version": None}, 400, "is missing"),
        ({"Sec_WebSocket_Version": "8"}, 426, "version 8"),
        ({"Sec_WebSocket_Version": "13, 8"}, 426, "version 13, 8"),
        ({"Sec_WebSocket_Key": None}, 400, "0 fields Sec-WebSocket-Key"),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400, "not 16 bytes"),
        ({"Sec_WebSocket_Key": "!" * 24}, 400, "not 16 bytes"),
        ({"Sec_WebSocket_Key": KEY + "=="}, 400, "not 16 bytes"),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; ;"}, 400, "Sec-WebSocket-Extensions"),
        ({"Sec_WebSocket_Protocol": "a b"}, 400, "Sec-WebSocket-Protocol"),
    ],
)
def test_refused(more: dict[str, str | None], status: int, why: str) -> None:
    verdict = asked(**more)  # type: ignore[arg-type]
    assert isinstance(verdict, Refused), verdict
    assert verdict.status == status
    assert why in verdict.reason
    told = dict(verdict.fields)
    if status == 426:
        assert told["Upgrade"] == "websocket"
    assert ("Sec-WebSocket-Version" in told) is ("version " in verdict.reason)


def test_a_key_that_is_there_twice() -> None:
    verdict = accept("GET", "1.1", Fields([*request_fields(KEY), ("Sec-WebSocket-Key", KEY)]), Terms())
    assert isinstance(verdict, Refused)
    assert verdict.status == 400


def test_origins() -> None:
    terms = Terms(origins=("https://app.test",))
    assert isinstance(asked(terms=terms, Origin="https://app.test"), Accepted)
    assert isinstance(asked(terms=terms, Origin="HTTPS://APP.test"), Accepted)
    assert isinstance(asked(terms=terms), Accepted)  # no page
    refused = asked(terms=terms, Origin="https://evil.test")
    assert isinstance(refused, Refused)
    assert refused.status == 403
    assert isinstance(asked(Origin="https://evil.test"), Accepted)


@pytest.mark.parametrize(
    ("offered", "ours", "chosen"),
    [
        ("a, b", ("*",), "a"),
        ("a, b", ("b", "a"), "b"),
        ("a", ("b",), None),
        ("a", (), None),
        (None, ("b",), None),
        (None, ("*",), None),
    ],
)
def test_subprotocols(offered: str | None, ours: tuple[str, ...], chosen: str | None) -> None:
    verdict = asked(terms=Terms(subprotocols=ours), Sec_WebSocket_Protocol=offered)
    assert isinstance(verdict, Accepted)
    assert verdict.subprotocol == chosen
    assert dict(verdict.fields).get("Sec-WebSocket-Protocol") == chosen


NONE = Compression(server_bits=None, client_bits=None)
SMALL = Compression()
P = "permessage-deflate"


@pytest.mark.parametrize(
    ("offer", "ours", "agreed", "deflate"),
    [
        (P, NONE, P, Deflate()),
        (f"{P}; client_max_window_bits", NONE, P, Deflate()),
        (f"{P}; server_no_context_takeover", NONE, f"{P}; server_no_context_takeover", Deflate(we_forget=True)),
        (f"{P}; client_no_context_takeover", NONE, f"{P}; client_no_context_takeover", Deflate(they_forget=True)),
        (f"{P}; server_max_window_bits=10", NONE, f"{P}; server_max_window_bits=10", Deflate(our_bits=10)),
        (f'{P}; server_max_window_bits="10"', NONE, f"{P}; server_max_window_bits=10", Deflate(our_bits=10)),
        (f"{P}; client_max_window_bits=9", NONE, f"{P}; client_max_window_bits=9", Deflate(their_bits=9)),
        (f"{P}; client_max_window_bits=8", NONE, f"{P}; client_max_window_bits=8", Deflate(their_bits=8)),
        (P, SMALL, f"{P}; server_max_window_bits=12", Deflate(our_bits=12)),
        (
            f"{P}; client_max_window_bits",
            SMALL,
            f"{P}; server_max_window_bits=12; client_max_window_bits=12",
            Deflate(our_bits=12, their_bits=12),
        ),
        (
            f"{P}; client_max_window_bits; server_max_window_bits=15",
            SMALL,
            f"{P}; server_max_window_bits=12; client_max_window_bits=12",
            Deflate(our_bits=12, their_bits=12),
        ),
        (
            f"{P}; client_max_window_bits=15; server_max_window_bits=9",
            SMALL,
            f"{P}; server_max_window_bits=9; client_max_window_bits=12",
            Deflate(our_bits=9, their_bits=12),
        ),
        (f"{P}; server_max_window_bits=8", NONE, None, None),  # zlib cannot
        (f"{P}; server_max_window_bits=8, {P}", NONE, P, Deflate()),  # but the next offer can be met
        (f"{P}; server_max_window_bits=16", NONE, None, None),
        (f"{P}; server_max_window_bits=7", NONE, None, None),
        (f"{P}; server_max_window_bits=010", NONE, None, None),
        (f"{P}; server_max_window_bits", NONE, None, None),
        (f"{P}; client_max_window_bits=16", NONE, None, None),
        (f"{P}; server_no_context_takeover=1", NONE, None, None),
        (f"{P}; client_no_context_takeover; client_no_context_takeover", NONE, None, None),
        (f"{P}; unknown", NONE, None, None),
        (f"{P}; unknown, {P}; client_max_window_bits", NONE, P, Deflate()),
        ("x-webkit-deflate-frame", NONE, None, None),
        (f"x-other, {P}", NONE, P, Deflate()),
        (P, None, None, None),
        (
            P,
            Compression(server_forgets=True, client_forgets=True, server_bits=None, client_bits=None),
            f"{P}; server_no_context_takeover; client_no_context_takeover",
            Deflate(we_forget=True, they_forget=True),
        ),
    ],
)
def test_offers(offer: str, ours: Compression | None, agreed: str | None, deflate: Deflate | None) -> None:
    verdict = asked(terms=Terms(compression=ours), Sec_WebSocket_Extensions=offer)
    assert isinstance(verdict, Accepted)
    assert dict(verdict.fields).get("Sec-WebSocket-Extensions") == agreed
    assert verdict.deflate == deflate


# -- the client's side -----------------------------------------------------------------------------------------------


def answered(status: int = 101, offer: Compression | None = None, **more: str | None) -> Accepted:
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": ACCEPT}
    fields |= {name.replace("_", "-"): value for name, value in more.items() if value is not None}
    left = Fields(pair for pair in fields.items() if more.get(pair[0].replace("-", "_"), "") is not None)
    return check_answer(status, left, KEY, subprotocols=("chat",), compression=offer)


def test_what_a_client_asks() -> None:
    fields = dict(request_fields(KEY, subprotocols=("chat", "v2"), compression=Compression(server_bits=None)))
    assert fields["Sec-WebSocket-Protocol"] == "chat, v2"
    assert fields["Sec-WebSocket-Extensions"] == f"{P}; client_max_window_bits=12"


def test_what_a_client_takes() -> None:
    assert answered(Sec_WebSocket_Protocol="chat").subprotocol == "chat"
    assert answered(offer=NONE, Sec_WebSocket_Extensions=P).deflate == Deflate()
    taken = answered(offer=NONE, Sec_WebSocket_Extensions=f"{P}; server_max_window_bits=9; client_max_window_bits=10")
    assert taken.deflate == Deflate(our_bits=10, their_bits=9)


@pytest.mark.parametrize(
    ("status", "more", "rule"),
    [
        (200, {}, "handshake.status"),
        (101, {"Upgrade": None}, "handshake.upgrade"),
        (101, {"Upgrade": "h2c"}, "handshake.upgrade"),
        (101, {"Connection": "close"}, "handshake.upgrade"),
        (101, {"Sec_WebSocket_Accept": None}, "handshake.accept"),
        (101, {"Sec_WebSocket_Accept": "x"}, "handshake.accept"),
        (101, {"Sec_WebSocket_Protocol": "other"}, "handshake.subprotocol"),
        (101, {"Sec_WebSocket_Extensions": P}, "handshake.extensions"),
        (101, {"Sec_WebSocket_Extensions": "other"}, "handshake.extensions"),
    ],
)
def test_what_a_client_does_not_take(status: int, more: dict[str, str | None], rule: str) -> None:
    with pytest.raises(RemoteProtocolError) as broken:
        answered(status, None, **more)
    assert broken.value.rule == rule


@pytest.mark.parametrize("bits", ["abc", "7", "99", "-9"])
def test_windows_that_are_none_are_not_looked_through(bits: str) -> None:
    assert agreed_in(f"{P}; server_max_window_bits=10") == Deflate(our_bits=10)
    assert agreed_in(f"{P}; server_max_window_bits={bits}") is None
    assert agreed_in(f"{P}; client_max_window_bits={bits}") is None


@pytest.mark.parametrize("more", [f"{P}; server_max_window_bits=16", f"{P}; x", f"{P}, {P}", "other"])
def test_extensions_that_were_not_offered_so(more: str) -> None:
    with pytest.raises(RemoteProtocolError, match="were not offered so"):
        answered(offer=NONE, Sec_WebSocket_Extensions=more)
