"""A client's connection to an MQTT broker: packets out, answers awaited, messages in a queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from netlab.cores.mqtt import Core, Event, Limits
from netlab.cores.mqtt_codes import RETURN_NAMES, V5, Reason, Type, reason_name
from netlab.cores.mqtt_packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Request,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from netlab.cores.mqtt_session import Session
from netlab.cores.mqtt_wire import NOTHING, Properties
from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, RemoteProtocolError
from netlab.flow import Flow
from netlab.net.outgoing import Outgoing
from netlab.policy.auth.sasl_client import Answers

Seen = Callable[[str, Event], None]
"""Told of each packet: "sent" or "received", and which."""


class MqttConnection(Outgoing):
    """One connection with a session of its own. What the broker refuses is a NetlabError that says why."""

    __slots__ = ("_answers", "_came", "_error", "_last", "_script", "_seconds", "_seen", "core", "messages", "session")

    def __init__(self, flow: Flow, *, seconds: float = 10.0, seen: Seen | None = None) -> None:
        super().__init__(flow)
        self.core = Core(server=False, limits=Limits(topic_alias_maximum=65_535))
        self.session = Session("")
        self.messages: deque[Publish] = deque()
        self._came = asyncio.Event()
        self._answers: dict[tuple[int, int], asyncio.Future[Any]] = {}  # by the answer's type and identifier
        self._last = 0
        self._seconds, self._seen = seconds, seen or (lambda _, __: None)
        self._error: NetlabError | None = None
        self._script: Answers | None = None

    # -- acts --------------------------------------------------------------------------------------------------------

    async def connect(self, packet: Connect, script: Answers | None = None) -> Connack:
        """Say who we are; NetlabError where the broker does not want us, or does not know the password that `script`,
        which has said its first word in the packet, proves to it (MQTT 5.0 4.12).
        """
        self._script = script
        answer: Connack = await self._ask(packet, Type.CONNACK, 0)
        if answer.reason:
            old = RETURN_NAMES.get(answer.reason, f"return code {answer.reason}")
            words = reason_name(answer.reason) if packet.version == V5 else old
            said = answer.properties.get("reason_string", "")
            raise NetlabError(f"the broker refuses the connection: {words}{f' ({said})' if said else ''}")
        if script is not None:
            self._prove(answer.properties)
        if self._error is not None:
            raise self._error
        return answer

    async def subscribe(self, *requests: Request, properties: Properties = NOTHING) -> Suback:
        packet_id = self._next()
        answer: Suback = await self._ask(Subscribe(packet_id, requests, properties), Type.SUBACK, packet_id)
        return answer

    async def unsubscribe(self, *filters: str) -> Unsuback:
        packet_id = self._next()
        answer: Unsuback = await self._ask(Unsubscribe(packet_id, filters), Type.UNSUBACK, packet_id)
        return answer

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False, properties: Properties = NOTHING
    ) -> int:
        """The reason code the broker answers with, once it has the message; 0 at QoS 0."""
        packet_id = self._next() if qos else 0
        packet = Publish(topic, payload, qos, retain, packet_id=packet_id, properties=properties)
        if not qos:
            self._send(packet)
            return 0
        reason: int = await self._ask(packet, Type.PUBLISH, packet_id)
        return reason

    async def message(self) -> Publish:
        """The next message; ConnectionLost when there will be none any more."""
        while not self.messages:
            if self._error is not None:
                raise self._error
            self._came.clear()
            await self._came.wait()
        return self.messages.popleft()

    async def ping(self) -> None:
        await self._ask(Pingreq(), Type.PINGRESP, 0)

    def disconnect(self, reason: int = 0) -> None:
        if not self.core.closed:
            self._send(Disconnect(reason if self.core.version == V5 else 0))
        self.close()

    def _next(self) -> int:
        self._last = self._last % 65_535 + 1
        return self._last

    def _send(self, packet: Packet) -> None:
        self.core.send(packet)
        self._seen("sent", packet)
        self.write(self.core.outgoing())

    async def _ask(self, packet: Packet, kind: int, packet_id: int) -> Any:
        if self._error is not None:
            raise self._error
        answer = self._answers[kind, packet_id] = self.loop.create_future()
        self._send(packet)
        try:
            async with asyncio.timeout(self._seconds or None):
                return await answer
        except TimeoutError:
            raise DeadlineExceeded("answer of the broker", self._seconds) from None
        finally:
            self._answers.pop((kind, packet_id), None)

    # -- what comes --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        for event in self.core.receive(data):
            self._seen("received", event)
            self._take(event)
        if self.core.out:
            self.write(self.core.outgoing())
        if not data or self.core.closed:
            self.close()

    def _take(self, event: Event) -> None:
        match event:
            case Publish():
                self._message(event)
            case Pubrel(packet_id=packet_id):
                self.session.release(packet_id)
                self._answer_with(Pubcomp(packet_id))
            case Pubrec(packet_id=packet_id, reason=reason) if reason < 0x80:
                self._answer_with(Pubrel(packet_id))
            case Puback() | Pubcomp() | Pubrec():
                self._settle(Type.PUBLISH, event.packet_id, event.reason)
            case Auth(properties=properties):
                proof = self._prove(properties)
                if proof is not None:
                    method = {"authentication_method": properties.get("authentication_method", "")}
                    self._answer_with(Auth(Reason.CONTINUE_AUTHENTICATION, {**method, "authentication_data": proof}))
            case Connack():
                self._settle(Type.CONNACK, 0, event)
            case Suback():
                self._settle(Type.SUBACK, event.packet_id, event)
            case Unsuback():
                self._settle(Type.UNSUBACK, event.packet_id, event)
            case Pingresp():
                self._settle(Type.PINGRESP, 0, event)
            case Disconnect(reason=reason, properties=properties):
                said = properties.get("reason_string", "")
                self._error = ConnectionLost(
                    f"the broker ended the connection: {reason_name(reason)}{f' ({said})' if said else ''}"
                )
            case RemoteProtocolError():
                self._error = event
            case _:
                pass

    def _prove(self, properties: Properties) -> bytes | None:
        """What to say to a challenge, or to the broker's own proof; a broker that has none is not believed."""
        try:
            if self._script is None:
                raise ValueError("it wants a proof that nobody has offered")
            return self._script.send(properties.get("authentication_data", b""))
        except (ValueError, KeyError, StopIteration) as error:
            self._error = NetlabError(f"the broker's part of the authentication is wrong: {error}")
            self.abort()
            return None

    def _message(self, packet: Publish) -> None:
        if packet.qos == 2:
            known = self.session.arrived(packet.packet_id) is not None
            self.session.accept(packet.packet_id)
            self._answer_with(Pubrec(packet.packet_id))
            if known:
                return
        elif packet.qos:
            self._answer_with(Puback(packet.packet_id))
        self.messages.append(packet)
        self._came.set()

    def _answer_with(self, packet: Packet) -> None:
        self.core.send(packet)
        self._seen("sent", packet)

    def _settle(self, kind: int, packet_id: int, answer: Any) -> None:
        waiting = self._answers.get((kind, packet_id))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def lost(self, error: Exception | None) -> None:
        self._error = self._error or ConnectionLost(f"the broker closed the connection{f': {error}' if error else ''}")
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(self._error)
        self._came.set()
