"""A mail sink that keeps nothing: one message a session, and sessions that bring many."""

from __future__ import annotations

from bench.loads.smtp_source import SmtpSource
from bench.model import Case, Ratio, Row, Server
from bench.peers.mail import Aiosmtpd, SmtpSink
from bench.peers.netlab import Netlab

COLUMNS = ("rate", "cpu", "core", "cost", "load_cpu", "load_core")
SERVERS: dict[str, Server] = {
    "netlab": Netlab(service="smtp", flags=("--store", "none")),
    "smtp-sink": SmtpSink(),
    "aiosmtpd": Aiosmtpd(),
}


def cases(load: SmtpSource) -> tuple[Case, ...]:
    return tuple(Case(name=name, server=server, load=load) for name, server in SERVERS.items())


one = Row(
    name="smtp.one",
    about="one message of 1 KiB a session, 20 sessions at once; nothing is kept",
    unit="messages",
    columns=COLUMNS,
    cases=cases(SmtpSource()),
    claims=(
        Ratio(of="netlab", to=("smtp-sink",), at_least=1.0),
        Ratio(of="netlab", to=("aiosmtpd",), at_least=5.0),
    ),
)

reused = Row(
    name="smtp.reused",
    about="many messages of 1 KiB a session, 20 sessions at once; nothing is kept",
    unit="messages",
    columns=COLUMNS,
    cases=cases(SmtpSource(reused=True)),
    claims=(Ratio(of="netlab", to=("smtp-sink",), at_least=1.0), Ratio(of="netlab", to=("aiosmtpd",))),
)

ROWS = (one, reused)
