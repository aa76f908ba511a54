"""CONNECT: who it is, whether it may, which session it takes up, and what it is told (MQTT 5.0 3.1.4)."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from netlab.cores.mqtt import Core, Limits
from netlab.cores.mqtt_codes import LARGEST_PACKET, V5, V31, VERSIONS, Reason, reason_name
from netlab.cores.mqtt_packets import Connack, Connect
from netlab.cores.mqtt_wire import NOTHING, Properties
from netlab.flow import Outcome
from netlab.policy.auth.sasl import Claim, Proven
from servers.mqtt.authenticating import begin
from servers.mqtt.notes import note

if TYPE_CHECKING:
    from servers.mqtt.client import Client
    from servers.mqtt.link import Link

SCRAM = "SCRAM-SHA-256"
"""The one authentication method; it needs users (RFC 7677)."""


def connect(link: Link, packet: Connect) -> None:
    """The order in which a CONNECT is thought of."""
    begin_flow(link, packet)
    link.broker.statistics.connections += 1
    reason = objection(link, packet)
    if reason is None and "authentication_method" in packet.properties:
        begin(link, packet, lambda claim, said: proven(link, packet, claim, said))
        return
    verdict = reason or link.admission.check(link, packet)
    if verdict is None or isinstance(verdict, Reason):
        decide(link, packet, verdict)
        return
    link.transport.pause_reading()
    link.server.tasks.start(wait_for(link, packet, verdict), "password")


async def wait_for(link: Link, packet: Connect, verdict: Awaitable[Reason | None]) -> None:
    """A password takes a while to check; its client may go meanwhile."""
    reason = await verdict
    if not link.finished:
        link.transport.resume_reading()
        decide(link, packet, reason)


def decide(link: Link, packet: Connect, reason: Reason | None) -> None:
    if reason is None:
        admit(link, packet)
    else:
        refuse(link, reason)


def proven(link: Link, packet: Connect, claim: Claim, said: Properties) -> None:
    """An authentication method has come to its end."""
    if isinstance(claim, Proven):
        link.user = claim.user
        admit(link, packet, said)
    else:
        refuse(link, Reason.BAD_CREDENTIALS)


def begin_flow(link: Link, packet: Connect) -> None:
    flow = link.mqtt = link.flows.open("mqtt", "mqtt", link.flow)
    if link.flow is not None:
        flow.client, flow.server = link.flow.client, link.flow.server
    flow.label = f"{packet.client_id or '(no client id)'} {VERSIONS[packet.version]}"
    if flow.events is not None:
        link.shadow = Core(server=False, version=packet.version, limits=Limits(topic_alias_maximum=65_535))
        note(flow, "client", packet)


def objection(link: Link, packet: Connect) -> Reason | None:
    """Why nobody could be let in with such a CONNECT."""
    config = link.broker.config
    if packet.will is not None and packet.will.qos > config.max_qos:
        return Reason.QOS_NOT_SUPPORTED  # [MQTT-3.2.2-12]
    if packet.will is not None and packet.will.retain and not config.retain_available:
        return Reason.RETAIN_NOT_SUPPORTED  # [MQTT-3.2.2-13]
    method = packet.properties.get("authentication_method")
    if method is not None and (method != SCRAM or not link.admission.proves):
        return Reason.BAD_AUTHENTICATION_METHOD  # [MQTT-4.12.0-1]
    if packet.client_id or packet.version == V5:
        return None
    # 3.1 wants an identifier, 3.1.1 for a session that is to last [3.1.1 MQTT-3.1.3-8]
    return Reason.CLIENT_ID_NOT_VALID if packet.version == V31 or not packet.clean_start else None


def refuse(link: Link, reason: Reason) -> None:
    link.core.refuse(reason)
    for flow in (link.mqtt, link.flow):
        if flow is not None:
            flow.outcome, flow.result = Outcome.REFUSED, reason_name(reason)
    link.finish()


def admit(link: Link, packet: Connect, proof: Properties = NOTHING) -> None:
    """The client may come in: it takes over from a connection it still has, and goes on with its session or anew.

    A session is its user's: to another one it is as if there were none.
    """
    broker = link.broker
    assigned = "" if packet.client_id else f"auto-{broker.context.random.getrandbits(64):016x}"
    client_id = packet.client_id or assigned
    before = broker.clients.get(client_id)
    anew = packet.clean_start or (before is not None and not its_own(link, before))
    if before is not None:
        if anew:
            before.expiry = 0.0  # the session ends here, and a will that waits is said [MQTT-3.1.4-4]
        if before.link is not None:
            before.link.disconnect(Reason.SESSION_TAKEN_OVER)  # [MQTT-3.1.4-3]
        if anew and broker.clients.get(client_id) is before:
            broker.end_session(before)
        before = broker.clients.get(client_id)
    client = before or broker.client(client_id)
    take_up(link, client, packet)
    answer(link, client, packet, assigned, proof, present=before is not None)
    resume(link, client, packet)


def its_own(link: Link, client: Client) -> bool:
    """Whether the session is of who has come; a name is another one's where other users are known."""
    return client.user == link.user and link.admission.same_users(link.server.doors.at(client.listener))


def take_up(link: Link, client: Client, packet: Connect) -> None:
    """The link and its client know each other, and what the client has asked for."""
    broker, properties = link.broker, packet.properties
    link.client, client.link = client, link
    link.version5 = packet.version == V5
    client.ends, client.user = math.inf, link.user
    if client.listener != link.admission.listener:
        client.listener = link.admission.listener
        broker.routes.forget()
    if packet.version == V5:
        client.expiry = broker.kept_for(properties.get("session_expiry_interval", 0))
    else:
        client.expiry = 0.0 if packet.clean_start else broker.kept_for(None)
    if client.expiry and broker.store is not None:
        client.kept = broker.store
        client.kept.session(client.client_id, client.user, client.listener, client.expiry, math.inf)
    broker.give_will(client, packet.will)
    link.alias_maximum = properties.get("topic_alias_maximum", 0)
    link.simple = link.SHARES and not link.alias_maximum and link.core.peer_packet_size >= LARGEST_PACKET
    link.keep_alive = keep_alive(packet, broker.config.max_keep_alive) * 1.5  # [MQTT-3.1.2-22]
    link.set_deadline("keep alive", link.keep_alive)
    statistics = broker.statistics
    statistics.most_connected = max(statistics.most_connected, len(broker.clients))


def keep_alive(packet: Connect, most: float) -> float:
    """Seconds; 0: the client may be silent as long as it likes. Only 5.0 can be told another time than it wants."""
    wanted = packet.keep_alive
    return min(wanted, int(most)) if packet.version == V5 and most and wanted else wanted


def answer(link: Link, client: Client, packet: Connect, assigned: str, proof: Properties, *, present: bool) -> None:
    properties = {**announced(link, client, packet, assigned), **proof} if packet.version == V5 else {}
    present = present and packet.version != V31  # 3.1 has no such flag
    link.send(Connack(present, 0, properties))
    if link.mqtt is not None:
        link.mqtt.label = f"{client.client_id} {VERSIONS[packet.version]}"
        link.mqtt.result = "session resumed" if present else ""


def announced(link: Link, client: Client, packet: Connect, assigned: str) -> dict[str, Any]:
    """What CONNACK of 5.0 tells where it is not what holds without a word (3.2.2.3)."""
    config, properties = link.broker.config, {}
    wanted = packet.properties.get("session_expiry_interval", 0)
    if client.expiry != link.broker.seconds(wanted):
        properties["session_expiry_interval"] = int(client.expiry)
    if config.receive_maximum < 65_535:
        properties["receive_maximum"] = config.receive_maximum
    if config.max_qos < 2:
        properties["maximum_qos"] = config.max_qos
    if not config.retain_available:
        properties["retain_available"] = 0
    if config.max_packet_size < LARGEST_PACKET:
        properties["maximum_packet_size"] = config.max_packet_size
    if config.topic_alias_maximum:
        properties["topic_alias_maximum"] = config.topic_alias_maximum
    kept = keep_alive(packet, config.max_keep_alive)
    if kept != packet.keep_alive:
        properties["server_keep_alive"] = int(kept)
    return properties | ({"assigned_client_identifier": assigned} if assigned else {})


def resume(link: Link, client: Client, packet: Connect) -> None:
    """What was under way when the connection before was lost goes on; then what has come behind the CONNECT."""
    most = link.broker.config.max_in_flight
    session = client.session
    for packet_id in session.resume(min(packet.properties.get("receive_maximum", 65_535), most)):
        link.core.acknowledge(0x62, packet_id)
    client.go_on()
    link.handle(link.core.resume())
