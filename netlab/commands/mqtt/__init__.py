"""MQTT: publish and subscribe, see topics, clients and their packets, and why someone did or did not get a message."""

from __future__ import annotations

ACTIONS = {
    "pub": "clients.mqtt.pub",
    "sub": "clients.mqtt.sub",
    "tree": "clients.mqtt.tree",
    "clients": "netlab.commands.mqtt.listing",
    "why": "netlab.commands.mqtt.why",
    "ladder": "netlab.commands.mqtt.ladder",
    "faults": "netlab.commands.mqtt.harming",
}
"""What `netlab mqtt` can do, and the module that does it."""
