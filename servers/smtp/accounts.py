"""Who may send mail and open mailboxes: SASL exchanges, and the users whose passwords they are about."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Hashable
from functools import partial

from netlab.policy.auth import sasl
from netlab.policy.auth.sasl import Claim, Failed, Password, Proven, Script
from netlab.policy.auth.users import scram_verifier, unknown_scram
from netlab.stores.passwords import Passwords, TooManyChecks
from netlab.stores.users import Users
from servers.smtp.config import Config

WRONG = "user or password are wrong"


class Accounts:
    """Known by a file, by the settings, or, where neither names anybody, whoever comes."""

    def __init__(self, config: Config) -> None:
        self.users = Users(config.users) if config.users is not None else None
        self.logins = {login.name: login.password for login in config.user}
        self.passwords = Passwords()
        self.open = self.users is None and not self.logins
        self._hostname, self._decoy = config.hostname, secrets.token_bytes(16)
        self.mechanisms = self._mechanisms() if config.auth else ()

    def _mechanisms(self) -> tuple[str, ...]:
        """The strongest first; CRAM-MD5 needs passwords that can be read, which no file has."""
        scram = () if self.open else ("SCRAM-SHA-256",)
        cram = ("CRAM-MD5",) if self.users is None else ()
        return (*scram, *cram, "PLAIN", "LOGIN")

    def script(self, mechanism: str) -> Script:
        """The server's side of one exchange."""
        match mechanism:
            case "PLAIN":
                return sasl.plain()
            case "LOGIN":
                return sasl.login()
            case "CRAM-MD5":
                challenge = f"<{secrets.token_hex(12)}@{self._hostname}>".encode()
                return sasl.cram_md5(challenge, None if self.open else self.logins.get)
            case _:
                return sasl.scram_sha_256(secrets.token_urlsafe(18), self._scram)

    def _scram(self, name: str) -> sasl.ScramVerifier:
        """Of somebody unknown too, always the same, so that nobody can tell."""
        if name in self.logins:
            return scram_verifier(self.logins[name], hmac.digest(self._decoy, name.encode(), "sha256")[:16])
        user = self.users.get(name) if self.users is not None else None
        return (user.scram if user is not None else None) or unknown_scram(self._decoy, name)

    def step(
        self, script: Script, data: bytes, client: Hashable
    ) -> bytes | Proven | Failed | Awaitable[Proven | Failed]:
        """What the client's response leads to: a challenge, or the end, which may have to be waited for."""
        try:
            return script.send(data)
        except StopIteration as ended:
            claim: Claim = ended.value
        return self.check(claim, client) if isinstance(claim, Password) else claim

    def check(self, claim: Password, client: Hashable) -> Proven | Failed | Awaitable[Proven | Failed]:
        """Whether a password is right: at once where that is possible."""
        if self.open:
            return Proven(claim.user) if claim.user else Failed("nobody is named")
        if claim.user in self.logins:
            right = hmac.compare_digest(self.logins[claim.user].encode(), claim.password.encode())
            return Proven(claim.user) if right else Failed(WRONG, claim.user)
        if self.users is None:
            return Failed(WRONG, claim.user)
        user = self.users.get(claim.user)
        verifier = user.scrypt if user is not None else None
        if self.passwords.known(verifier, claim.password):
            return Proven(claim.user)
        return self._look_up(partial(self.passwords.check, verifier, claim.password, client), claim.user)

    async def _look_up(self, check: Callable[[], Awaitable[bool]], user: str) -> Proven | Failed:
        try:
            return Proven(user) if await check() else Failed(WRONG, user)
        except TooManyChecks as error:
            return Failed(str(error), user)

    def close(self) -> None:
        self.passwords.close()
