"""What `netlab mqtt` asks of a lab: the broker's clients and retained messages, why somebody got what, and acts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from netlab.control.parts import meant
from netlab.cores.mqtt_codes import Reason
from netlab.cores.mqtt_message import Message
from netlab.cores.mqtt_topics import filter_error, name_error
from netlab.errors import NetlabError, UsageError
from netlab.service import Service

Record = dict[str, Any]


def mqtt(services: Mapping[str, Service], action: str, of: str, arguments: Record) -> Record:
    """`clients`; `why` a client got a topic; `retained` by a filter; `publish` to a topic; `disconnect` a client."""
    found = meant(services, "", "broker", "MQTT broker", "netlab serve mqtt is one")
    broker = next(iter(found.values()))
    if action == "clients":
        return {"clients": [client_record(broker, client) for client in broker.clients.values()]}
    if action == "why":
        if error := name_error(str(arguments.get("topic", ""))):
            raise UsageError(error)
        told: Record = broker.why(of, arguments["topic"])
        return told
    if action == "retained":
        if error := filter_error(of or "#"):
            raise UsageError(error)
        return {"retained": [message_record(message) for message in broker.retained_for(of or "#")]}
    if action == "publish":
        return _publish(broker, of, **arguments)
    if action == "faults":
        try:
            return {"faults": broker.harm(of, **arguments)}
        except TypeError as error:
            raise UsageError(f"a fault has packet, what, way, seconds and count: {error}") from None
    if action == "disconnect":
        return _disconnect(broker, of)
    raise UsageError(f"the broker cannot {action!r}: clients, why, retained, publish, faults or disconnect")


def client_record(broker: Any, client: Any) -> Record:
    session, link = client.session, client.link
    peer = link.flow.client if link is not None and link.flow is not None else None
    return {
        "client": client.client_id,
        "user": client.user,
        "connected": link is not None,
        "peer": f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else peer,
        "version": None if link is None else {3: "3.1", 4: "3.1.1", 5: "5.0"}.get(link.core.version),
        "expiry": None if client.expiry == math.inf else client.expiry,
        "left": None if client.ends == math.inf else max(client.ends - broker.now(), 0.0),
        "subscriptions": {
            pattern: {key: value for key, value in wishes._asdict().items() if value or key == "qos"}
            for pattern, wishes in session.subscriptions.items()
        },
        "in_flight": len(session.unacknowledged) + len(session.released),
        "window": session.window,
        "waiting": len(session.queue),
        "waiting_bytes": session.queued_bytes,
        "will": None if client.will is None else client.will.topic,
    }


def message_record(message: Any) -> Record:
    return {
        "topic": message.topic,
        "payload": message.payload.decode("utf-8", "backslashreplace"),
        "qos": message.qos,
        "publisher": message.publisher,
        "size": len(message.payload),
    }


def _publish(broker: Any, topic: str, payload: str = "", qos: int = 0, retain: bool = False) -> Record:
    if error := name_error(topic):
        raise UsageError(error)
    if qos not in (0, 1, 2):
        raise UsageError(f"QoS {qos} is none of 0, 1, 2")
    return {"matched": broker.publish(Message(topic, payload.encode(), qos, retain))}


def _disconnect(broker: Any, client_id: str) -> Record:
    client = broker.clients.get(client_id)
    if client is None or client.link is None:
        raise NetlabError(f"no client {client_id!r} is connected")
    client.link.disconnect(Reason.ADMINISTRATIVE_ACTION, "somebody asked for it")
    return {"disconnected": client_id}
