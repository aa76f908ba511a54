"""What became of the last messages: for each, whom it was for and what was decided about them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_topics import matches, shared

if TYPE_CHECKING:
    from servers.mqtt.broker import Broker
    from servers.mqtt.client import Client
    from servers.mqtt.routes import Way

KEPT = 1000
"""Messages that are remembered."""

NO_RIGHT = "left out: the access list does not let it read the topic"

UNSAID = "not published: the access list does not let its publisher say it"
EVERYBODY = ""
"""Stands for a client's identifier where the same is decided about all."""

Decision = tuple[str, str]
"""A client's identifier, and what was decided about it."""


class Traced(NamedTuple):
    """One message, when it came (lab time), and what was decided."""

    number: int
    time: float
    message: Message
    decisions: list[Decision]

    def verdicts(self, client_id: str) -> list[str]:
        return [verdict for name, verdict in self.decisions if name in (client_id, EVERYBODY)]


class Trace:
    """The last messages."""

    def __init__(self) -> None:
        self.messages: deque[Traced] = deque(maxlen=KEPT)
        self._number = 0

    def note(self, message: Message, now: float, decisions: list[Decision]) -> None:
        self._number += 1
        self.messages.append(Traced(self._number, now, message, decisions))

    def later(self, message: Message, client_id: str, verdict: str) -> None:
        """What became of a message that had to wait."""
        for one in reversed(self.messages):
            if one.message is message:
                one.decisions.append((client_id, f"then {verdict}"))
                return


def lowered(verdict: str, way: Way, message: Message) -> str:
    """The verdict, and why the message goes at another QoS than it came."""
    if message.qos <= way.qos or not verdict.startswith(("sent", "waits")):
        return verdict
    return f"{verdict} (came at QoS {message.qos}; its subscription has {way.qos})"


def why(broker: Broker, client_id: str, topic: str) -> dict[str, Any]:
    """Why a client does, or does not, get the messages of a topic: what holds now, and what was decided lately."""
    client = broker.clients.get(client_id)
    record: dict[str, Any] = {"client": client_id, "topic": topic, "steps": [], "messages": []}
    if client is None:
        record["steps"].append("there is no session of this client: it never connected, or its session has ended")
    else:
        record["steps"] = [*_subscribed(broker, client, topic), *_state(broker, client)]
    if broker.trace is None:
        record["steps"].append("single messages are not remembered: that needs --record full")
    else:
        record["messages"] = [
            {
                "number": one.number,
                "time": one.time,
                "publisher": one.message.publisher,
                "qos": one.message.qos,
                "retain": one.message.retain,
                "size": len(one.message.payload),
                "verdicts": one.verdicts(client_id) or ["not for it: no subscription of its took the topic then"],
            }
            for one in broker.trace.messages
            if one.message.topic == topic
        ]
    return record


def _subscribed(broker: Broker, client: Client, topic: str) -> list[str]:
    steps = []
    for pattern, subscription in client.session.subscriptions.items():
        share = shared(pattern)
        if not matches(pattern if share is None else share.pattern, topic):
            continue
        step = f"its subscription {pattern!r} takes the topic, at QoS {subscription.qos} or the message's, if lower"
        if subscription.no_local:
            step += "; no-local leaves out what it says itself"
        if share is not None and (group := broker.routes.group(pattern)) is not None:
            names = ", ".join(group.members)
            step += f"; shared: each message goes to one of {names}, who was picked longest ago first"
        steps.append(step)
    if not steps:
        count = len(client.session.subscriptions)
        steps.append(f"none of its {count} subscriptions takes the topic" if count else "it has no subscription")
    if broker.rights is not None and not broker.rights.may("r", client, topic):
        steps.append("the access list does not let it read this topic")
    return steps


def _state(broker: Broker, client: Client) -> list[str]:
    session, link = client.session, client.link
    if link is None:
        left = "for ever" if client.ends == float("inf") else f"for {client.ends - broker.now():.0f} s more"
        kept = "all are kept" if broker.config.queue_qos0 else "those of QoS 0 are not kept"
        return [f"it is away, its session is kept {left}: messages wait, {len(session.queue)} do now; {kept}"]
    steps = [f"it is connected: {session.in_flight} of {session.window} messages above QoS 0 are in flight"]
    if session.in_flight >= session.window:
        steps.append(f"its receive maximum is used up: {len(session.queue)} messages wait for acknowledgements of its")
    if link.writing_paused:
        steps.append(f"it does not read: {link.pending} bytes wait for it")
    return steps
