"""The broker: who is there, who gets what, what is retained, what is due; links are only places to send to."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Any

from netlab.cores.mqtt_codes import NEVER
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import Publish, Will
from netlab.cores.mqtt_session import Delivery
from netlab.cores.mqtt_topics import TopicTree
from netlab.service import Context
from netlab.stores.mqtt import Everything, KeptWill, MqttStore
from servers.mqtt.client import Client
from servers.mqtt.config import Config
from servers.mqtt.mischief import Mischief, fault
from servers.mqtt.outbox import Outbox
from servers.mqtt.routes import Group, Rights, Route, Routes, Way
from servers.mqtt.statistics import Statistics
from servers.mqtt.trace import NO_RIGHT, Decision, Trace, lowered, why


class Broker:
    """Clients by their identifiers, the routes between them, and retained messages."""

    def __init__(
        self, config: Config, context: Context, store: MqttStore | None = None, rights: Rights | None = None
    ) -> None:
        self.config, self.context = config, context
        self.now = context.clock.now
        self.clients: dict[str, Client] = {}
        self.rights = rights  # None: everybody may do all
        self.routes = Routes(rights)
        self.retained: TopicTree[Message] = TopicTree()
        self.statistics = Statistics(self.now())
        self.store = store
        self.outbox = Outbox(store)
        self.trace: Trace | None = None  # remembers decisions, where flows are recorded in full
        self.mischief = Mischief()
        self._due: list[tuple[float, int, Client]] = []  # a heap of when to look at a client again
        self._numbers = 0
        self._ours = 0  # retained messages below $SYS, which no bound counts
        if store is not None:
            self._restore(store.load())

    def _restore(self, everything: Everything) -> None:
        """Go on where the process before was; who was connected to it is away since now."""
        now = self.now()
        for kept in everything.sessions:
            client = self.clients[kept.session.client_id] = Client(self, kept.session.client_id)
            client.session, client.expiry, client.kept = kept.session, kept.expiry, self.store
            client.user, client.listener = kept.user, kept.listener
            self.routes.restore(client)
            client.ends = kept.ends if kept.ends < math.inf else now + kept.expiry
        for message in everything.retained:
            self.retained.put(message.topic, "", message)
        for left in everything.wills:
            self._restore_will(left, now)
        for client in list(self.clients.values()):
            self.look(client, now)

    def _restore_will(self, kept: KeptWill, now: float) -> None:
        """The connection of its client ended with the process before [MQTT-3.1.2-8]; the session may have, too."""
        client = self.clients.get(kept.client)
        if client is None:
            client = self.client(kept.client)
            client.user, client.listener, client.ends = kept.user, kept.listener, now
        client.will = kept.will
        client.will_due = kept.due if kept.due < math.inf else now + min(client.will_delay, client.expiry)

    # -- messages --------------------------------------------------------------------------------------------------

    def publish(self, message: Message) -> bool:
        """Retain it if it says so, and deliver it to all it is for; whether there was anybody."""
        if message.retain:
            self.retain(message)
        route = self.routes.find(message.topic)
        if self.trace is not None:
            return self._publish_traced(self.trace, route, message)
        if message.retain or message.expires != math.inf:
            for way in route.ways:
                self._deliver(way, message)
        else:
            self._spread(route.ways, message)
        for group in route.groups:
            self.share(group, message)
        self.count(len(route.ways) + len(route.groups), message.payload)
        return bool(route.ways or route.groups)

    def count(self, copies: int, payload: bytes) -> None:
        self.statistics.messages_sent += copies
        self.statistics.payload_sent += copies * len(payload)

    def _publish_traced(self, trace: Trace, route: Route, message: Message) -> bool:
        """The same, with every decision kept."""
        decisions = [(way.client.client_id, lowered(self._deliver(way, message), way, message)) for way in route.ways]
        decisions += [(name, NO_RIGHT) for name in route.refused]
        for group in route.groups:
            decisions += self.share(group, message)
        if not message.topic.startswith("$SYS/"):  # of which there are many
            trace.note(message, self.now(), decisions)
        self.count(len(route.ways) + len(route.groups), message.payload)
        return bool(route.ways or route.groups)

    def harm(self, of: str, *, clear: bool = False, **wish: Any) -> list[dict[str, object]]:
        """The faults that are still to strike, after one was added, or all were let go."""
        if clear:
            self.mischief.faults.clear()
        elif wish:
            self.mischief.faults.append(fault(of, **wish))
        return [one.as_json() for one in self.mischief.faults]

    def why(self, client_id: str, topic: str) -> dict[str, Any]:
        return why(self, client_id, topic)

    def _spread(self, ways: Sequence[Way], message: Message) -> None:
        """To who takes it as it is written for all, without a detour; each writing is made once."""
        above = message.qos
        written: dict[int, tuple[Delivery, bytes, bytes]] = {}
        for way in ways:
            client, qos, _, identifiers, no_local, _ = way
            link, session = client.link, client.session
            if qos > above:
                qos = above
            if link is None or not link.simple or identifiers or no_local or client.kept is not None or (
                qos and (session.queue or session.resending or session.in_flight >= session.window)
            ):  # fmt: skip
                self._deliver(way, message)
                continue
            key = qos << 1 | link.version5
            known = written.get(key)
            if known is None:
                known = written[key] = (Delivery(message, qos), *message.parts(link.version5, 0x30 | qos << 1))
            delivery, head, tail = known
            if qos:
                link.give_numbered(session.start(delivery), head, tail)
            else:
                link.give(head + tail)

    def pass_on(self, packet: Publish, publisher: str, version5: bool) -> None:
        """A plain message of QoS 0: subscribers of its publisher's version get the very bytes that came."""
        route = self.routes.find(packet.topic)
        self.count(len(route.ways) + len(route.groups), packet.payload)
        frame, other, message = packet.packet, b"", None
        for way in route.ways:
            link = way.client.link
            if link is not None and link.simple and not way.identifiers and not way.no_local:
                if link.version5 is version5:
                    link.give(frame)
                    continue
                if other:
                    link.give(other)
                    continue
            if message is None:
                message = Message(packet.topic, packet.payload, properties=packet.properties, publisher=publisher)
                other = b"".join(message.parts(not version5, 0x30))
            self._deliver(way, message)
        for group in route.groups:
            message = message or Message(
                packet.topic, packet.payload, properties=packet.properties, publisher=publisher
            )
            self.share(group, message)

    def pass_on_numbered(self, packet: Publish, publisher: str, version5: bool) -> bool:
        """The same above QoS 0, where each subscriber's packet identifier takes the place of the publisher's; whether
        there was anybody. There are no properties.
        """
        topic, payload, above, _, _, _, _, frame, _, _ = packet
        ways, groups, _ = self.routes.find(topic)
        message = Message(topic, payload, above, publisher=publisher)
        delivery = Delivery(message, above)
        tail = b"\0" + payload if version5 else payload
        head = frame[: len(frame) - len(tail) - 2]
        others = []
        for way in ways:
            client, qos, _, identifiers, no_local, _ = way
            link, session = client.link, client.session
            if (
                link is None or not link.simple or link.version5 is not version5 or qos < above or identifiers
                or no_local or client.kept is not None
                or session.in_flight >= session.window or session.queue or session.resending
            ):  # fmt: skip
                others.append(way)
            else:
                link.give_numbered(session.start(delivery), head, tail)
        if others:
            self._spread(others, message)
        for group in groups:
            self.share(group, message)
        self.count(len(ways) + len(groups), payload)
        return bool(ways or groups)

    def _deliver(self, way: Way, message: Message) -> str:
        """The retain flag goes with a live message only to who has asked for that [MQTT-3.3.1-12, MQTT-3.3.1-13].

        Returns what came of it, in words.
        """
        if way.no_local and way.client.client_id == message.publisher:
            if way.own is None:  # [MQTT-3.8.3-3]
                return "left out: no-local, and it is its own message"
            way = way.own
        qos = min(way.qos, message.qos)
        return way.client.deliver(message, qos, message.retain and way.retain_as_published, way.identifiers)

    def share(self, group: Group, message: Message) -> list[Decision]:
        """One member of a shared subscription gets it; what came of it, and, where traced, who was not picked."""
        picked = group.pick(message.topic, self.rights)
        if picked is None:
            return []
        client, subscription = picked
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        retain = message.retain and subscription.retain_as_published
        verdict = client.deliver(message, min(subscription.qos, message.qos), retain, identifiers, group.filter)
        if self.trace is None:
            return []
        others = [(name, f"not picked in {group.filter}") for name in group.members if name != client.client_id]
        return [(client.client_id, f"picked in {group.filter}, {verdict}"), *others]

    # -- retained messages -----------------------------------------------------------------------------------------

    def retain(self, message: Message) -> None:
        """The topic's last word from now on; without a payload there is none any more [MQTT-3.3.1-6]."""
        if not message.payload:
            self.unretain(message.topic)
            return
        ours = message.topic.startswith("$SYS/")  # made anew by every broker
        most = self.config.max_retained
        kept = len(self.retained) - self._ours
        if most and not ours and kept >= most and self.retained.get(message.topic, "") is None:
            self.statistics.dropped += 1
            return
        self._ours += self.retained.put(message.topic, "", message) and ours
        if self.store is not None and not ours:
            self.store.retained(message)

    def unretain(self, topic: str) -> None:
        if self.retained.remove(topic, "") is not None and self.store is not None:
            self.store.unretained(topic)

    def retained_for(self, pattern: str) -> Iterator[Message]:
        """The retained messages of a filter; those whose time is over are let go."""
        now = self.now()
        for message in list(self.retained.match(pattern)):
            if message.expires > now:
                yield message
            else:
                self.unretain(message.topic)

    # -- clients ---------------------------------------------------------------------------------------------------

    def client(self, client_id: str) -> Client:
        """A client with a new session."""
        client = self.clients[client_id] = Client(self, client_id)
        return client

    def kept_for(self, interval: int | None) -> float:
        """How long a session stays without a connection that wants this (None: for ever); inf: for ever."""
        most = self.config.max_session_expiry or math.inf
        return min(math.inf if interval is None else self.seconds(interval), most)

    @staticmethod
    def seconds(interval: int) -> float:
        """A session expiry interval; the largest means that it does not end (3.1.2.11.2)."""
        return math.inf if interval == NEVER else float(interval)

    def left(self, client: Client, *, with_will: bool = True) -> None:
        """Its connection is gone: what becomes of the will and the session."""
        now = self.now()
        client.link = None
        if not with_will:
            self.take_will(client)
        if client.will is not None:
            client.will_due = now + min(client.will_delay, client.expiry)  # [MQTT-3.1.3-9]
            if client.will_due > now:
                self.keep_will(client)
        client.ends = now + client.expiry
        if client.kept is not None and client.expiry:
            client.kept.session(client.client_id, client.user, client.listener, client.expiry, client.ends)
        self.look(client, now)

    def give_will(self, client: Client, will: Will | None) -> None:
        """What its connection brought; a will that waited for it to come back in vain no longer does [MQTT-3.1.3-9]."""
        self.take_will(client)
        client.will = will
        if will is not None:
            self.keep_will(client)

    def keep_will(self, client: Client) -> None:
        if self.store is not None and client.will is not None:
            self.store.willed(KeptWill(client.client_id, client.user, client.listener, client.will_due, client.will))

    def take_will(self, client: Client) -> Will | None:
        """It has none any more; the one that it had."""
        will, client.will, client.will_due = client.will, None, math.inf
        if will is not None and self.store is not None:
            self.store.unwilled(client.client_id)
        return will

    def look(self, client: Client, now: float) -> None:
        """Do what is due for a client that is away, and come back for what is not yet."""
        if client.link is not None:
            return
        if client.will is not None and client.will_due <= now:
            self.publish_will(client)
        if client.ends <= now:
            self.statistics.sessions_expired += client.expiry > 0
            self.end_session(client)
            return
        next_time = min(client.will_due, client.ends)
        if next_time < math.inf:
            self._numbers += 1
            heapq.heappush(self._due, (next_time, self._numbers, client))

    def tick(self) -> None:
        """Look at whoever is due by the lab's clock."""
        now = self.now()
        while self._due and self._due[0][0] <= now:
            client = heapq.heappop(self._due)[2]
            if self.clients.get(client.client_id) is client:
                self.look(client, now)

    def publish_will(self, client: Client) -> None:
        """Its expiry interval begins now, not when the client left it with us."""
        will = self.take_will(client)
        if will is not None and (self.rights is None or self.rights.may("w", client, will.topic)):
            topic, payload, qos, retain, properties = will
            now = self.now()
            self.publish(Message(topic, payload, qos, retain, properties, now=now, publisher=client.client_id))

    def end_session(self, client: Client) -> None:
        """Nothing of it is left. A will that waited is published now; what others can do of its work goes to them."""
        self.publish_will(client)
        if self.clients.get(client.client_id) is client:
            del self.clients[client.client_id]
        session = client.session
        if client.kept is not None:
            client.kept.gone(session)
        for pattern in list(session.subscriptions):
            self.routes.remove(client, pattern)
        # another member of a group gets what this one has not acknowledged, but not at QoS 2, where it may have been
        # taken already [MQTT-4.8.2-5, MQTT-4.8.2-6]
        for delivery in [*(one for one in session.unacknowledged.values() if one.qos == 1), *session.queue]:
            group = self.routes.group(delivery.shared) if delivery.shared else None
            if group is not None:
                self.share(group, delivery.message)
