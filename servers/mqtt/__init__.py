"""The MQTT broker: 3.1, 3.1.1 and 5.0, with sessions, retained messages and shared subscriptions."""

from __future__ import annotations

from servers.mqtt.config import Config
from servers.mqtt.server import Server

__all__ = ["EXAMPLES", "IN_THE_LAB", "TRY", "WORKERS", "Config", "Server"]

TRY = "mosquitto_sub -h {host} -p {port} -t '#' -v"
"""What `netlab up` proposes."""
EXAMPLES = (
    ("netlab serve mqtt", "a broker on 127.0.0.1:1883"),
    ("mosquitto_sub -t 'home/#' -v", "listen to it"),
    ("mosquitto_pub -t home/lamp -m on -r", "and say something, to be kept for whoever comes later"),
    ("netlab serve mqtt --store broker.db", "sessions and retained messages survive it"),
    ("netlab serve mqtt --tls --websocket", "the same over TLS on 8883 and over WebSocket on 9001"),
    ("netlab serve mqtt --users users.txt --acl topics.acl", "who may come in, and who may say what"),
)
WORKERS = False  # one broker knows all sessions

IN_THE_LAB = {"tls": True, "websocket": True, "store": "state"}
"""What `netlab up` sets unless a file says otherwise."""
