"""What goes wrong on purpose in a mail session, done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.cores.smtp import Command, Mail, Message, Rcpt, Reply
from netlab.policy.mail_chaos import Action, Chaos, ChaosRule

if TYPE_CHECKING:
    from servers.smtp.session import SmtpSession

NO_TLS = b"\x16\x03\x03\xff\xff this is what broken TLS looks like"
"""A record that is longer than any may be, and does not hold what it says."""


def goes_wrong(session: SmtpSession, chaos: Chaos, event: Command | None) -> bool:
    """Whether a command, or the greeting, is dealt with here, at once or later."""
    if event is None or event.reply.positive:
        rule = _drawn(session, chaos, event)
        if rule is not None and _done(session, rule, event):
            return True
    if session.tarpit and event is not None:
        session.later(session.tarpit, lambda: session.handle(event))
    return bool(session.tarpit)


def _drawn(session: SmtpSession, chaos: Chaos, event: Command | None) -> ChaosRule | None:
    core = session.core
    sender = event.sender if isinstance(event, Mail) else core.mail.sender if core.mail is not None else ""
    recipient = event.recipient if isinstance(event, Rcpt) else ""
    if isinstance(event, Message) and core.recipients:
        recipient = core.recipients[0].recipient
    client = session.flow.client if session.flow is not None else None
    host = str(client[0]) if isinstance(client, tuple) else ""
    stage = "connect" if event is None else event.stage
    return chaos.strike(stage, host, sender, recipient, session.server.context.clock.now())


def _done(session: SmtpSession, rule: ChaosRule, event: Command | None) -> bool:
    """Do what the rule says; whether that was all, or the core is still to answer."""
    assert session.flow is not None
    session.flow.note("chaos.struck", rule=rule.text)
    session.flow.detail(faults=[*(session.flow.details or {}).get("faults", ()), rule.text])
    match rule.action:
        case Action.REFUSE | Action.GREYLIST:
            return _refuse(session, rule, event)
        case Action.DELAY:
            session.later(rule.seconds, _go_on(session, event))
            return True
        case Action.TARPIT:
            session.tarpit = rule.seconds
            session.later(rule.seconds, _go_on(session, event))
            return True
        case Action.DROP:
            session.reset()
            return True
        case Action.CLOSE:
            session.end(Reply(421, f"Closing, as was wished: {rule.text}", enhanced="4.3.2"))
            return True
        case Action.BROKEN_TLS:
            session.broken_tls = True
            return False


def _refuse(session: SmtpSession, rule: ChaosRule, event: Command | None) -> bool:
    code = rule.code or 451
    words = "Greylisted: come again later" if rule.action is Action.GREYLIST else "Refused, as was wished"
    if event is None:  # RFC 5321 3.1: a greeting that refuses is 554
        session.greet(Reply(554 if code >= 500 else 421, f"{words}: {rule.text}"))
        return True
    event.reply = Reply(code, f"{words}: {rule.text}", enhanced=f"{code // 100}.7.1")
    return False


def _go_on(session: SmtpSession, event: Command | None) -> Callable[[], None]:
    if event is None:
        return lambda: session.greet(session.server.greeting)
    return lambda: session.handle(event)
