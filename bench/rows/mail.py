"""Mail that is kept: how fast it is acknowledged beside a bare loop, and how soon very much of it is listed."""

from __future__ import annotations

from bench.loads.mail_reading import FullMailbox, Read
from bench.loads.mail_store import Keep
from bench.loads.smtp_source import SmtpSource
from bench.model import Case, Limit, Ratio, Row
from bench.peers.mail import SmtpSink
from bench.peers.netlab import Netlab

kept = Row(
    name="mail.kept",
    about="messages of 1 KiB kept in SQLite before they are acknowledged: 100 under way, or 20 sessions",
    unit="messages",
    columns=("rate", "cpu", "core", "load_cpu", "load_core"),
    cases=(
        Case(name="store", load=Keep(by="netlab")),
        Case(name="bare loop", load=Keep(by="a loop")),
        Case(
            name="by SMTP",
            server=Netlab(service="smtp", flags=("--store", "state", "--no-web", "--no-pop3")),
            load=SmtpSource(reused=True),
            fresh=True,
        ),
        Case(name="smtp-sink", server=SmtpSink(), load=SmtpSource(reused=True)),
    ),
    claims=(
        Ratio(of="store", to=("bare loop",), at_least=0.5),
        Ratio(of="by SMTP", to=("bare loop",)),
        Ratio(of="smtp-sink", to=("bare loop",)),  # what bringing alone costs, and nothing is kept
    ),
)

read = Row(
    name="mail.read",
    about="100,000 messages kept: lists and searches over the API, one after the other",
    columns=("rate", "cpu", "core", "p50", "p99"),
    cases=(Case(name="netlab", server=FullMailbox(), load=Read()),),
    claims=(Limit(of="netlab", metric="p99", unit="ms", at_most=100.0),),
)

ROWS = (kept, read)
