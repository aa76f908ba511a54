"""What each control packet of a client makes the broker do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_packets import (
    Auth,
    Connect,
    Disconnect,
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
from netlab.cores.mqtt_session import Subscription
from netlab.cores.mqtt_topics import shared
from netlab.errors import RemoteProtocolError, Truncated
from servers.mqtt.authenticating import auth
from servers.mqtt.connecting import connect
from servers.mqtt.trace import EVERYBODY, UNSAID

if TYPE_CHECKING:
    from servers.mqtt.client import Client
    from servers.mqtt.link import Link


def here(link: Link) -> Client:
    """The client, which every packet behind CONNECT has."""
    assert link.client is not None
    return link.client


def publish(link: Link, packet: Publish) -> None:
    topic, payload, qos, retain, _, packet_id, properties, as_it_came, _, _ = packet
    broker, client = link.broker, here(link)
    statistics = broker.statistics
    statistics.messages_received += 1
    statistics.payload_received += len(payload)
    if qos == 2 and (known := client.session.arrived(packet_id)) is not None:  # again: it is the same [MQTT-4.3.3-10]
        link.core.acknowledge(0x50, packet_id, known)
        return
    reason = 0
    if topic.startswith("$SYS") or (broker.rights is not None and not broker.rights.may("w", client, topic)):
        reason = Reason.NOT_AUTHORIZED
        if broker.trace is not None:
            unsaid = Message(topic, payload, qos, retain, publisher=client.session.client_id)
            broker.trace.note(unsaid, broker.now(), [(EVERYBODY, UNSAID)])
    elif as_it_came and not (qos and properties) and broker.trace is None:
        if not qos:
            broker.pass_on(packet, client.session.client_id, link.version5)
            return
        if not broker.pass_on_numbered(packet, client.session.client_id, link.version5):
            reason = Reason.NO_MATCHING_SUBSCRIBERS
    else:
        now = broker.now() if properties else 0.0
        message = Message(topic, payload, qos, retain, properties, now=now, publisher=client.session.client_id)
        if not broker.publish(message):
            reason = Reason.NO_MATCHING_SUBSCRIBERS
    if qos == 1:
        link.core.acknowledge(0x40, packet_id, reason)
    elif qos:
        if reason < 0x80:
            client.session.accept(packet_id, reason)
            if client.kept is not None:
                client.kept.received(client.client_id, packet_id, reason)
        link.core.acknowledge(0x50, packet_id, reason)


def puback(link: Link, packet: Puback) -> None:
    pubacks(link, (packet.packet_id,))


def pubacks(link: Link, packet_ids: Sequence[int]) -> None:
    """Messages of QoS 1 are done with; others may go in their place."""
    client = here(link)
    session = client.session
    over, unknown = session.pubacks(packet_ids)
    if client.kept is not None:
        for delivery in over:
            client.kept.settled(session.client_id, delivery)
    if unknown:
        unsolicited(link, "PUBACK", unknown)
    elif session.queue or session.resending:
        client.go_on()


def pubrec(link: Link, packet: Pubrec) -> None:
    client, packet_id = here(link), packet.packet_id
    refused = packet.reason >= 0x80
    delivery = client.session.pubrec(packet_id, refused=refused)
    if delivery is not None:
        if client.kept is not None:
            client.kept.settled(client.client_id, delivery)
            if not refused:
                client.kept.released(client.client_id, packet_id)
        if refused:
            client.go_on()
        else:
            link.core.acknowledge(0x62, packet_id)
    elif packet_id in client.session.released:  # said twice, answered twice
        link.core.acknowledge(0x62, packet_id)
    elif packet_id in client.session.unacknowledged:
        unsolicited(link, "PUBREC", packet_id)
    elif not refused:
        link.core.acknowledge(0x62, packet_id, Reason.PACKET_ID_NOT_FOUND)


def pubrel(link: Link, packet: Pubrel) -> None:
    client = here(link)
    known = client.session.release(packet.packet_id)
    if known and client.kept is not None:
        client.kept.forgotten(client.client_id, packet.packet_id)
    link.core.acknowledge(0x70, packet.packet_id, 0 if known else Reason.PACKET_ID_NOT_FOUND)


def pubcomp(link: Link, packet: Pubcomp) -> None:
    client = here(link)
    if not client.session.pubcomp(packet.packet_id):
        unsolicited(link, "PUBCOMP", packet.packet_id)
        return
    if client.kept is not None:
        client.kept.completed(client.client_id, packet.packet_id)
    client.go_on()


def unsolicited(link: Link, name: str, packet_id: int) -> None:
    link.disconnect(Reason.PROTOCOL_ERROR, f"{name} for {packet_id}, of which no such exchange is under way")


def subscribe(link: Link, packet: Subscribe) -> None:
    """All filters are answered first; what is retained for them comes behind the SUBACK (3.8.4)."""
    client, broker = here(link), link.broker
    identifier = packet.properties.get("subscription_identifier", 0)
    reasons: list[int] = []
    retained: list[tuple[Request, int]] = []
    for request in packet.requests:
        share = shared(request.filter)
        if broker.config.topic_levels and request.filter.count("/") >= broker.config.topic_levels + 2 * bool(share):
            reasons.append(Reason.TOPIC_FILTER_INVALID if link.version5 else Reason.UNSPECIFIED)
            continue
        if broker.rights is not None and not broker.rights.may_subscribe(
            client, request.filter if share is None else share.pattern
        ):
            reasons.append(Reason.NOT_AUTHORIZED if link.version5 else Reason.UNSPECIFIED)  # 0x80 is all 3.1.1 knows
            continue
        new = request.filter not in client.session.subscriptions
        qos = min(request.qos, broker.config.max_qos)
        subscription = Subscription(qos, request.no_local, request.retain_as_published, identifier)
        broker.routes.add(client, request.filter, subscription)
        reasons.append(qos)
        if share is None and (request.retain_handling == 0 or (request.retain_handling == 1 and new)):
            retained.append((request, qos))
    link.send(Suback(packet.packet_id, tuple(reasons)))
    identifiers = (identifier,) if identifier else ()
    for request, qos in retained:
        for message in broker.retained_for(request.filter):
            if broker.rights is not None and not broker.rights.may("r", client, message.topic):
                continue
            if request.no_local and message.publisher == client.client_id:  # [MQTT-3.8.3-3]
                continue
            client.deliver(message, min(qos, message.qos), True, identifiers)


def unsubscribe(link: Link, packet: Unsubscribe) -> None:
    client, routes = here(link), link.broker.routes
    gone = [routes.remove(client, pattern) for pattern in packet.filters]
    reasons = tuple(0 if was else int(Reason.NO_SUBSCRIPTION_EXISTED) for was in gone)
    link.send(Unsuback(packet.packet_id, reasons if link.version5 else ()))


def pingreq(link: Link, packet: Pingreq) -> None:
    link.send(Pingresp())


def disconnect(link: Link, packet: Disconnect) -> None:
    """The will goes unsaid, unless the client wants it said [MQTT-3.14.4-3]."""
    client = link.client
    expiry = packet.properties.get("session_expiry_interval")
    if expiry is not None and client is not None:  # there is none while it authenticates itself
        if expiry and not client.expiry:  # [MQTT-3.14.2-2]
            link.disconnect(Reason.PROTOCOL_ERROR, "a session that was to end with its connection cannot be prolonged")
            return
        client.expiry = link.broker.kept_for(expiry)
    if link.mqtt is not None:
        link.mqtt.outcome = "ok"
    link.finish(with_will=packet.reason != 0)


HANDLERS: dict[type, Callable[[Any, Any], None]] = {
    Connect: connect,
    Publish: publish,
    Puback: puback,
    Pubrec: pubrec,
    Pubrel: pubrel,
    Pubcomp: pubcomp,
    Subscribe: subscribe,
    Unsubscribe: unsubscribe,
    Pingreq: pingreq,
    Disconnect: disconnect,
    Auth: auth,
    RemoteProtocolError: lambda link, error: link.violated(error),
    Truncated: lambda link, error: link.violated(error),
}
"""By the event's type; a violation is one, and the last."""
