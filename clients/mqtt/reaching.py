"""Which broker, and who we say we are there: what all of `netlab mqtt` that speaks MQTT has in common."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from clients.get.trust import Trust
from clients.mqtt.connection import MqttConnection
from netlab.config import Address, Duration, Flag
from netlab.cores.mqtt import Event
from netlab.cores.mqtt_codes import V5, V31, V311
from netlab.cores.mqtt_packets import Connack, Connect, Will
from netlab.errors import RemoteProtocolError, UsageError
from netlab.flow import FlowLog
from netlab.net.addresses import AddressMap
from netlab.net.dial import Dialer
from netlab.net.secure import TlsOptions
from netlab.net.tasks import Tasks
from netlab.policy.auth.sasl_client import Answers, answers
from netlab.text import escape

Addresses = Callable[[], Awaitable[Mapping[str, Mapping[str, Mapping[str, str]]]]]
"""Gives the address map of the labs that run on this machine."""
SCRAM = "SCRAM-SHA-256"
VERSIONS = {"3.1": V31, "3.1.1": V311, "5": V5}


@dataclass(frozen=True, kw_only=True)
class Reaching:
    """The settings of it."""

    server: Annotated[Address, Flag("-s", "--server")] = Address("127.0.0.1", 1883)
    """The broker."""
    protocol: Literal["3.1", "3.1.1", "5"] = "5"
    """The version of MQTT to speak."""
    id: Annotated[str, Flag("-i", "--id")] = ""
    """Our client identifier; without one the broker assigns one, or we make one up."""
    user: Annotated[str | None, Flag("-u", "--user")] = None
    """Our user name."""
    password: Annotated[str | None, Flag("-P", "--password")] = None
    """And its password."""
    scram: bool = False
    """Prove that we know the password without telling it (MQTT 5, SCRAM-SHA-256)."""
    keep_session: Duration = 0.0
    """Ask the broker to keep our session so long behind the connection, and take up one that it has kept."""
    keep_alive: Duration = 60.0
    """The longest silence before the broker takes us for gone."""
    tls: bool = False
    """Speak TLS (port 8883 as a rule)."""
    cacert: Path | None = None
    """The only authorities to trust, in PEM; by default the system's and the lab's own."""
    cert: Path | None = None
    """Our certificate, in PEM."""
    key: Path | None = None
    """Its key, where that is in a file of its own."""
    insecure: Annotated[bool, Flag("-k", "--insecure")] = False
    """Take any certificate."""
    timeout: Duration = 10.0
    """The longest wait for an answer."""
    verbose: Annotated[bool, Flag("-v", "--verbose")] = False
    """Show each packet, both ways."""

    def __post_init__(self) -> None:
        if self.scram and (self.user is None or self.password is None or self.protocol != "5"):
            raise UsageError("--scram needs --user, --password and --protocol 5")

    def proof(self) -> Answers | None:
        """Our side of the authentication that --scram asks for."""
        if not self.scram or self.user is None or self.password is None:
            return None
        return answers(SCRAM, self.user, self.password, secrets.token_urlsafe(18))

    def hello(self, will: Will | None = None, proof: Answers | None = None) -> Connect:
        """Our CONNECT."""
        version = VERSIONS[self.protocol]
        properties: dict[str, Any] = {}
        if version == V5 and self.keep_session:
            properties["session_expiry_interval"] = int(self.keep_session)
        user, password = self.user, None if self.password is None else self.password.encode()
        if proof is not None:
            user = password = None
            properties |= {"authentication_method": SCRAM, "authentication_data": next(proof)}
        name = self.id
        if version == V31 and not name:
            name = "netlab"
        return Connect(version, name, not self.keep_session, int(self.keep_alive), will, user, password, properties)


@asynccontextmanager
async def connected(
    config: Reaching, addresses: Addresses | None, *, will: Will | None = None
) -> AsyncIterator[tuple[MqttConnection, Connack]]:
    """A connection that the broker has accepted, kept alive; left with a DISCONNECT."""
    known = AddressMap() if addresses is None else AddressMap.from_json(await addresses())
    dialer = Dialer(FlowLog(), addresses=known, service="mqtt")
    trust = Trust(cacert=config.cacert, insecure=config.insecure, certificate=config.cert, key=config.key)
    tls = TlsOptions(context=trust.context(), server_name=config.server.host) if config.tls else None
    seen = show_packet if config.verbose else None
    _, connection, _ = await dialer.dial(
        config.server.host,
        config.server.port,
        lambda flow: MqttConnection(flow, seconds=config.timeout, seen=seen),
        tls=tls,
    )
    tasks = Tasks("mqtt")
    try:
        proof = config.proof()
        hello = config.hello(will, proof)
        answer = await connection.connect(hello, proof)
        pause = answer.properties.get("server_keep_alive", hello.keep_alive)
        if pause:
            tasks.start(_stay(connection, pause), "keep alive")
        yield connection, answer
    finally:
        await tasks.cancel()
        connection.disconnect()
        await asyncio.sleep(0)  # one turn, for what is to be said


async def _stay(connection: MqttConnection, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds * 0.75)
        await connection.ping()


def show_packet(way: str, event: Event) -> None:
    """A packet in one line, on standard error: `→ PUBLISH 5 …`."""
    arrow = {"sent": "→", "received": "←"}[way]
    if isinstance(event, RemoteProtocolError):
        sys.stderr.write(f"{arrow} {event} ({event.section})\n")
        return
    hidden = ("start", "end", "packet", "password")
    fields = {name: value for name, value in event._asdict().items() if name not in hidden and value}
    told = "  ".join(f"{name}={escape(str(value))[:200]}" for name, value in fields.items())
    sys.stderr.write(f"{arrow} {type(event).__name__.upper():<11} {told}\n")


def pairs(texts: tuple[str, ...]) -> list[tuple[str, str]]:
    """User properties, written NAME=VALUE."""
    found = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--user-property {text!r} has no '=': NAME=VALUE")
        found.append((name, value))
    return found
