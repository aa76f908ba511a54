"""Which services of a lab have what a call is about: a balancer's steering, a cache, a broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netlab.config.sources import nearest
from netlab.errors import UsageError
from netlab.service import Service

PARTS = ("answering", "broker", "cache", "steering")
"""All that calls are about: a resolver's, an MQTT broker's, a cache's, a balancer's."""


def having(services: Mapping[str, Service], part: str) -> dict[str, Any]:
    """Each service's part of this name, of those that have it."""
    return {name: found for name, one in services.items() if (found := getattr(one, part, None)) is not None}


def meant(services: Mapping[str, Service], service: str, part: str, what: str, such_as: str) -> dict[str, Any]:
    """The part of the service that is named, or of each where none is; UsageError where there is none."""
    found = having(services, part)
    if not found:
        raise UsageError(f"no {what} runs in this lab ({such_as})")
    if service and service not in found:
        raise UsageError(f"no {what} {service!r} runs in this lab{nearest(service, found)}")
    return {service: found[service]} if service else found
