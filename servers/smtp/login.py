"""One AUTH of a mail session: the steps of a mechanism, and what comes of them (RFC 4954)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from netlab.cores.smtp import Auth, Command, Reply, replies
from netlab.policy.auth.sasl import Failed, Proven

if TYPE_CHECKING:
    from servers.smtp.session import SmtpSession

SERVER_FIRST = ("CRAM-MD5",)
"""Mechanisms in which a client has nothing to say at first."""


class Login:
    """From AUTH to a 235, or to the reason why not."""

    def __init__(self, session: SmtpSession, event: Auth) -> None:
        self._session = session
        self._script = session.server.accounts.script(event.mechanism)
        challenge = next(self._script)
        if event.initial is None:
            session.challenge(challenge)
        elif event.mechanism in SERVER_FIRST:
            session.answer(event, replies.NO_INITIAL)
        else:
            self.step(event, event.initial)

    def step(self, event: Command, data: bytes) -> None:
        """The client has answered a challenge: there is another one, or it is over, or a password is looked up."""
        session = self._session
        found = session.server.accounts.step(self._script, data, session.flow and session.flow.client)
        if isinstance(found, bytes):
            session.challenge(found)
        elif isinstance(found, Awaitable):
            session.hold()
            session.server.tasks.start(self._wait_for(event, found), "a password")
        else:
            self._settle(event, found)

    async def _wait_for(self, event: Command, check: Awaitable[Proven | Failed]) -> None:
        claim = await check
        session = self._session
        if session.inside and not session.transport.is_closing():
            self._settle(event, claim)
            session.go_on()

    def _settle(self, event: Command, claim: Proven | Failed) -> None:
        session = self._session
        assert session.flow is not None
        if isinstance(claim, Proven):
            session.flow.note("authentication.accepted", user=claim.user)
            session.answer(event, replies.AUTHENTICATED, user=claim.user)
            return
        session.flow.note("authentication.refused", user=claim.user, reason=claim.reason)
        code, status = (501, "5.5.2") if claim.malformed else (535, "5.7.8")
        words = claim.reason[0].upper() + claim.reason[1:]
        session.answer(event, Reply(code, f"{words} (RFC 4954 6)", enhanced=status))
