"""Enhanced authentication: a client shows that it knows its password and tells it to nobody (MQTT 5.0 4.12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_packets import Auth, Connect
from netlab.cores.mqtt_wire import Properties
from netlab.policy.auth.sasl import Claim, Failed, Proven, Script

if TYPE_CHECKING:
    from servers.mqtt.link import Link


class Exchange(NamedTuple):
    """What is under way, and who hears how a CONNECT's ends (None: the same is proven once more, 4.12.1)."""

    script: Script
    told: Callable[[Claim, Properties], None] | None


def begin(link: Link, packet: Connect, told: Callable[[Claim, Properties], None]) -> None:
    """CONNECT names a method; its first message may have come with it. `told` gets what CONNACK is to say besides."""
    link.method = packet.properties["authentication_method"]
    link.exchange = Exchange(link.admission.script(), told)
    first = next(link.exchange.script)
    data = packet.properties.get("authentication_data")
    if data is None:
        challenge(link, first)
    else:
        step(link, link.exchange, data)
    link.handle(link.core.resume())


def auth(link: Link, packet: Auth) -> None:
    """The client's next message, or the first of another round."""
    data = packet.properties.get("authentication_data", b"")
    if packet.properties.get("authentication_method") != link.method or not link.method:  # [MQTT-4.12.0-5, 4.12.1-1]
        link.disconnect(Reason.PROTOCOL_ERROR, "AUTH of a method that CONNECT has not named")
    elif packet.reason == Reason.REAUTHENTICATE and link.exchange is None:
        link.exchange = Exchange(link.admission.script(), None)
        next(link.exchange.script)
        step(link, link.exchange, data)
    elif packet.reason == Reason.CONTINUE_AUTHENTICATION and link.exchange is not None:
        step(link, link.exchange, data)
    else:
        link.disconnect(Reason.PROTOCOL_ERROR, f"AUTH with reason 0x{packet.reason:02x}, where that is not due")


def step(link: Link, exchange: Exchange, data: bytes) -> None:
    """What a message of the client leads to."""
    try:
        said = exchange.script.send(data)
    except StopIteration as ended:
        conclude(link, exchange, ended.value, b"")
        return
    if said.startswith(b"v="):  # the server's own proof goes with the last word (RFC 5802 5.1)
        try:
            exchange.script.send(b"")
        except StopIteration as ended:
            conclude(link, exchange, ended.value, said)
    else:
        challenge(link, said)


def challenge(link: Link, data: bytes) -> None:
    link.send(Auth(Reason.CONTINUE_AUTHENTICATION, properties(link, data)))


def properties(link: Link, data: bytes) -> Properties:
    """In every answer the method is the one that CONNECT has named [MQTT-4.12.0-5]."""
    return {"authentication_method": link.method} | ({"authentication_data": data} if data else {})


def conclude(link: Link, exchange: Exchange, claim: Claim, proof: bytes) -> None:
    link.exchange = None
    if exchange.told is not None:
        exchange.told(claim, properties(link, proof))
    elif isinstance(claim, Proven) and claim.user == link.user:
        link.send(Auth(Reason.SUCCESS, properties(link, proof)))
    else:  # [MQTT-4.12.1-2]
        link.disconnect(Reason.NOT_AUTHORIZED, claim.reason if isinstance(claim, Failed) else "it is another user")
