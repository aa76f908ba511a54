"""Fields that tell who asks, from where, or by which way, each with what it tells."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from functools import lru_cache

ROUTE = "says through whom the request came"
ADDRESS = "says the client's address"
PERSON = "names a person"
TRACE = "follows one request, or one program, through networks"
DEVICE = "tells devices apart"
RARE = "is sent by so few that it tells them apart"

IDENTIFYING: dict[str, str] = {
    "via": ROUTE,
    "forwarded": ADDRESS,
    "x-forwarded-for": ADDRESS,
    "x-forwarded-proto": ROUTE,
    "x-forwarded-host": ROUTE,
    "x-forwarded-port": ROUTE,
    "x-forwarded-server": ROUTE,
    "x-forwarded": ADDRESS,
    "forwarded-for": ADDRESS,
    "x-real-ip": ADDRESS,
    "client-ip": ADDRESS,
    "x-client-ip": ADDRESS,
    "x-cluster-client-ip": ADDRESS,
    "x-originating-ip": ADDRESS,
    "x-remote-ip": ADDRESS,
    "x-remote-addr": ADDRESS,
    "x-proxyuser-ip": ADDRESS,
    "true-client-ip": ADDRESS,
    "cf-connecting-ip": ADDRESS,
    "fastly-client-ip": ADDRESS,
    "wl-proxy-client-ip": ADDRESS,
    "proxy-client-ip": ADDRESS,
    "x-envoy-external-address": ADDRESS,
    "x-azure-clientip": ADDRESS,
    "x-proxy-id": ROUTE,
    "mt-proxy-id": ROUTE,
    "x-tinyproxy": ADDRESS,
    "x-bluecoat-via": ROUTE,
    "cdn-loop": ROUTE,
    "from": PERSON,
    "x-user": PERSON,
    "x-username": PERSON,
    "x-msisdn": PERSON,
    "x-up-calling-line-id": PERSON,
    "x-nokia-msisdn": PERSON,
    "x-up-subno": PERSON,
    "x-uidh": PERSON,
    "x-acr": PERSON,
    "tm-user-id": PERSON,
    "traceparent": TRACE,
    "tracestate": TRACE,
    "baggage": TRACE,
    "b3": TRACE,
    "uber-trace-id": TRACE,
    "sentry-trace": TRACE,
    "x-amzn-trace-id": TRACE,
    "x-cloud-trace-context": TRACE,
    "x-request-id": TRACE,
    "x-correlation-id": TRACE,
    "request-id": TRACE,
    "correlation-context": TRACE,
    "x-client-data": "names the experiments that one installed Chrome takes part in",
    "x-wap-profile": DEVICE,
    "profile": DEVICE,
    "save-data": DEVICE,
    "device-memory": DEVICE,
    "dpr": DEVICE,
    "viewport-width": DEVICE,
    "width": DEVICE,
    "downlink": DEVICE,
    "ect": DEVICE,
    "rtt": DEVICE,
    "date": "says how far the client's clock is off",
    "dnt": RARE,
    "sec-gpc": RARE,
}
"""Lower-case name → why it is taken out."""

SHAPES = re.compile(
    r"x-b3-.+|x-datadog-.+|x-newrelic-.+|newrelic|elastic-apm-.+"
    r"|(?:x-)?(?:.+-)?(?:device|client|visitor|tracking|advertising|installation|install|machine|hardware)-?(?:uu)?id"
    r"|x-(?:.+-)?(?:uid|uuid|guid|udid|imei|imsi|idfa|gaid)|(?:.+-)?fingerprint"
)
"""Names made up by programs for what tells one of their installations from another."""

REMEMBERED = 64
"""Characters of a name whose reason is remembered; longer ones are nobody's."""
HINTS = ("sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform")
"""Client hints that every browser of the kind sends unasked; all others are asked for by the origin."""


def reason(name: str) -> str:
    """Why a field (its name in lower case) is taken out; empty: it is none of these."""
    return _remembered(name) if len(name) <= REMEMBERED else _reason(name)


def _reason(name: str) -> str:
    if (why := IDENTIFYING.get(name)) is not None:
        return why
    if name.startswith("sec-ch-") and name not in HINTS:
        return DEVICE
    return "has the name of an identifier" if SHAPES.fullmatch(name) else ""


_remembered = lru_cache(4096)(_reason)


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name in lower case fits one of the patterns, in which `*` stands for any characters."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
