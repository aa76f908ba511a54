"""POP3, the server's side of one connection: commands in, replies out, one at a time (RFC 1939, RFC 2449, RFC 5034)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from netlab.errors import LocalProtocolError, RemoteProtocolError

MAX_LINE = 255  # RFC 2449 4, with CR LF
MAX_RESPONSE = 12_288  # an answer to a challenge, as SMTP has it
MOST_UNSENT = 64 << 10  # octets to be sent, behind which no more commands are read
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
COUNT = re.compile(r"[0-9]{1,9}")
NO_BASE64 = "that is not base64 (RFC 5034 4)"


class Drop(NamedTuple):
    """A message of the maildrop: what UIDL calls it (1 to 70 characters, RFC 1939 7), and its octets."""

    uid: str
    size: int


@dataclass(slots=True)
class Asked:
    """A command; those below wait for an answer. line: as it is shown, without secrets."""

    verb: str
    line: str
    start: int
    end: int


@dataclass(slots=True)
class Login(Asked):
    """USER and PASS: answer with `let_in` or `refuse`."""

    user: str
    password: str


@dataclass(slots=True)
class Auth(Asked):
    """AUTH: answer with `challenge`, `let_in` or `refuse`."""

    mechanism: str
    initial: bytes | None


@dataclass(slots=True)
class AuthResponse(Asked):
    data: bytes


@dataclass(slots=True)
class StartTls(Asked):
    """STLS: `accept` it, begin TLS, then `secured`."""


@dataclass(slots=True)
class Retrieve(Asked):
    """RETR and TOP: answer with `content` or `refuse`. lines: of the body, None for all."""

    uid: str
    lines: int | None


@dataclass(slots=True)
class Quit(Asked):
    """QUIT: `accept` it once these are deleted."""

    deleted: Sequence[str]


@dataclass(slots=True)
class Closed:
    """The peer has ended; what was marked is not deleted (RFC 1939 6)."""


Event = Asked | Closed | RemoteProtocolError


class State(Enum):
    """Of the session (RFC 1939 3), and of what is in between."""

    AUTHORIZATION = auto()
    RESPONSE = auto()  # a line that answers a challenge
    TRANSACTION = auto()
    TLS = auto()
    CLOSED = auto()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server offers."""

    hostname: str = "netlab.test"
    stls: bool = False
    mechanisms: tuple[str, ...] = ()
    passwords: bool = True  # USER and PASS, PLAIN and LOGIN without TLS


class Pop3Core:
    """Each event waits for its answer, then `resume` gives the next; what is pipelined waits in the buffer."""

    def __init__(self, settings: Settings, *, secure: bool = False) -> None:
        self.settings, self.secure, self.state = settings, secure, State.AUTHORIZATION
        self.user = ""
        self._drops: Sequence[Drop] = ()
        self._deleted: set[int] = set()  # by number
        self._buffer, self._consumed, self._ended = b"", 0, False
        self._pending: Asked | None = None
        self._out: list[bytes] = []

    def greet(self) -> None:
        self._ok(f"{self.settings.hostname} POP3 netlab")

    # -- in ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Event]:
        """Bytes from the client, b"" at their end."""
        if data:
            self._buffer += data
        else:
            self._ended = True
        return self.resume()

    def resume(self) -> list[Event]:
        """The next events, as far as they need no answer of an earlier one, and what is to be sent is not much."""
        events: list[Event] = []
        while (
            self._pending is None
            and self.state not in (State.TLS, State.CLOSED)
            and sum(map(len, self._out)) < MOST_UNSENT
        ):
            end = self._buffer.find(b"\n") + 1
            longest = MAX_RESPONSE if self.state is State.RESPONSE else MAX_LINE
            if end > longest or (not end and len(self._buffer) > longest):
                events.append(self._too_long(longest))
            elif end:
                line, self._buffer = self._buffer[:end], self._buffer[end:]
                self._consumed += end
                events.append(self._command(line))
            else:
                if self._ended:
                    self.state = State.CLOSED
                    events.append(Closed())
                break
        return events

    def _too_long(self, longest: int) -> RemoteProtocolError:
        self._err("the line is too long; closing (RFC 2449 4)")
        self.state, self._buffer = State.CLOSED, b""
        words = f"a line of more than {longest} octets"
        return RemoteProtocolError(words, offset=self._consumed, rule="line.length", section="RFC 2449 4")

    def _command(self, line: bytes) -> Asked:
        text = line.rstrip(b"\r\n").decode("utf-8", "replace")
        if self.state is State.RESPONSE:
            return self._response(text, len(line))
        word, _, argument = text.partition(" ")
        verb = word.upper()
        shown = f"{verb} ..." if verb in ("PASS", "AUTH") else text
        asked = Asked(verb, shown, self._consumed - len(line), self._consumed)
        states, read = COMMANDS.get(verb, (None, None))
        if read is None or states is None:
            self._err("there is no such command (RFC 1939 3)")
        elif self.state not in states:
            self._err(f"{verb} is not for now: log in {'first' if self.state is State.AUTHORIZATION else 'once'}")
        else:
            self._pending = read(self, asked, argument)
        return self._pending or asked

    # -- before the login ----------------------------------------------------------------------------------------

    def _user(self, asked: Asked, name: str) -> None:
        if not name:
            self._err("USER needs a name (RFC 1939 7)")
        elif not self.passwords:
            self._err("[AUTH] say STLS first: this would show the password (RFC 2595 2.2)")
        else:
            self.user = name
            self._ok("and the password?")

    @property
    def passwords(self) -> bool:
        return self.secure or self.settings.passwords

    def _pass(self, asked: Asked, password: str) -> Asked | None:
        if not self.user:
            self._err("USER comes first (RFC 1939 7)")
            return None
        return Login(asked.verb, asked.line, asked.start, asked.end, self.user, password)

    def _auth(self, asked: Asked, argument: str) -> Asked | None:
        words = argument.split(" ")
        offered = self.mechanisms
        if not argument:  # RFC 5034 6 has none; clients of old ask so
            self._lines("mechanisms follow", list(offered))
        elif words[0].upper() not in offered or len(words) > 2:
            self._err("this mechanism is not one that CAPA lists (RFC 5034 4)")
        else:
            initial = None if len(words) == 1 else b"" if words[1] == "=" else _unbase64(words[1])
            if len(words) == 1 or initial is not None:
                return Auth(asked.verb, asked.line, asked.start, asked.end, words[0].upper(), initial)
            self._err(NO_BASE64)
        return None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What AUTH may name now."""
        return tuple(name for name in self.settings.mechanisms if self.passwords or name not in ("PLAIN", "LOGIN"))

    def _response(self, text: str, size: int) -> Asked:
        self.state = State.AUTHORIZATION
        start, data = self._consumed - size, _unbase64(text)
        if text == "*" or data is None:
            self._err("authentication was ended" if text == "*" else NO_BASE64)
            return Asked("AUTH", "...", start, self._consumed)
        self._pending = AuthResponse("AUTH", "...", start, self._consumed, data)
        return self._pending

    def _stls(self, asked: Asked, argument: str) -> Asked | None:
        if not self.settings.stls or self.secure:
            self._err("TLS is established already (RFC 2595 4)" if self.secure else "STLS is not offered here")
        elif self._buffer:
            self._err("something came behind STLS, where TLS has to begin; closing (RFC 2595 4)")
            self.state, self._buffer = State.CLOSED, b""
        else:
            return StartTls(asked.verb, asked.line, asked.start, asked.end)
        return None

    def _capa(self, asked: Asked, argument: str) -> None:
        """RFC 2449 5; it may differ from state to state."""
        lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
        lines += ["USER"] * self.passwords
        lines += [f"SASL {' '.join(self.mechanisms)}"] * bool(self.mechanisms)
        lines += ["STLS"] * (self.settings.stls and not self.secure)
        self._lines("capabilities follow", [*lines, "IMPLEMENTATION netlab"])

    # -- the maildrop --------------------------------------------------------------------------------------------

    def _left(self) -> list[tuple[int, Drop]]:
        return [(number, drop) for number, drop in enumerate(self._drops, 1) if number not in self._deleted]

    def _stat(self, asked: Asked, argument: str) -> None:
        left = self._left()
        self._ok(f"{len(left)} {sum(drop.size for _, drop in left)}")

    def _one(self, argument: str) -> int | None:
        """The number of a message that is there; an error was said where it is not."""
        if NUMBER.fullmatch(argument) and int(argument) <= len(self._drops) and int(argument) not in self._deleted:
            return int(argument)
        self._err(f"there is no message {argument[:20]!r}, or not any more" if argument else "which message?")
        return None

    def _list(self, asked: Asked, argument: str) -> None:
        show: Callable[[Drop], object] = (lambda drop: drop.size) if asked.verb == "LIST" else (lambda drop: drop.uid)
        if argument:
            number = self._one(argument)
            if number is not None:
                self._ok(f"{number} {show(self._drops[number - 1])}")
            return
        left = self._left()
        self._lines(f"{len(left)} messages", [f"{number} {show(drop)}" for number, drop in left])

    def _retr(self, asked: Asked, argument: str) -> Asked | None:
        text, _, lines = argument.partition(" ") if asked.verb == "TOP" else (argument, "", "0")
        if not COUNT.fullmatch(lines):
            self._err("TOP needs a message and a number of lines (RFC 1939 7)")
            return None
        number = self._one(text)
        if number is None:
            return None
        wanted = int(lines) if asked.verb == "TOP" else None
        return Retrieve(asked.verb, asked.line, asked.start, asked.end, self._drops[number - 1].uid, wanted)

    def _dele(self, asked: Asked, argument: str) -> None:
        number = self._one(argument)
        if number is not None:
            self._deleted.add(number)
            self._ok(f"message {number} will be deleted at QUIT")

    def _rset(self, asked: Asked, argument: str) -> None:
        self._deleted.clear()
        self._ok("nothing is deleted")

    def _quit(self, asked: Asked, argument: str) -> Asked:
        deleted = [self._drops[number - 1].uid for number in sorted(self._deleted)]
        return Quit(asked.verb, asked.line, asked.start, asked.end, deleted)

    # -- answers -------------------------------------------------------------------------------------------------

    def _take(self) -> Asked:
        asked, self._pending = self._pending, None
        if asked is None:
            raise LocalProtocolError("nothing waits for an answer")
        return asked

    def let_in(self, user: str, drops: Sequence[Drop]) -> None:
        """The client is who it says; this is its maildrop."""
        self._take()
        self.user, self._drops, self.state = user, drops, State.TRANSACTION
        self._ok(f"{len(drops)} messages, {sum(drop.size for drop in drops)} octets")

    def refuse(self, reason: str) -> None:
        """The answer is no. A reason may begin with a code in brackets (RFC 2449 8)."""
        if isinstance(self._take(), Login):
            self.user = ""
        self._err(reason)

    def challenge(self, data: bytes) -> None:
        self._take()
        self._out.append(b"+ " + b64encode(data) + b"\r\n")
        self.state = State.RESPONSE

    def content(self, content: bytes) -> None:
        """The message that was asked for, or its header and the beginning of its body."""
        asked = self._take()
        assert isinstance(asked, Retrieve)
        content = content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")  # BDAT brings any line ends (RFC 1939 3)
        if asked.lines is not None:
            header, blank, body = content.partition(b"\r\n" if content[:2] == b"\r\n" else b"\r\n\r\n")
            content = header + blank + b"".join(body.splitlines(keepends=True)[: asked.lines])
        stuffed = (b"." + content if content[:1] == b"." else content).replace(b"\r\n.", b"\r\n..")
        end = b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n"
        self._out += [f"+OK {len(content)} octets\r\n".encode(), stuffed, end]

    def accept(self) -> None:
        """QUIT is done, STLS may begin."""
        if isinstance(self._take(), Quit):
            self._ok("bye")
            self.state, self._buffer = State.CLOSED, b""
        else:
            self._ok("begin TLS")
            self.state = State.TLS

    def secured(self) -> None:
        """TLS is established; what was said before is forgotten (RFC 2595 4)."""
        self.secure, self.state, self.user, self._consumed = True, State.AUTHORIZATION, "", 0

    def close(self, reason: str) -> None:
        """End the session unasked."""
        if self.state is not State.CLOSED:
            self._err(reason)
            self.state, self._pending, self._buffer = State.CLOSED, None, b""

    def outgoing(self) -> bytes:
        data = b"".join(self._out)
        self._out.clear()
        return data

    @property
    def waiting_bytes(self) -> int:
        """What has come and was not read yet."""
        return len(self._buffer)

    @property
    def closed(self) -> bool:
        return self.state is State.CLOSED

    def _ok(self, text: str) -> None:
        self._out.append(f"+OK {text}".rstrip().encode() + b"\r\n")

    def _err(self, text: str) -> None:
        self._out.append(f"-ERR {text}\r\n".encode())

    def _lines(self, text: str, lines: Sequence[str]) -> None:
        self._out.append("\r\n".join([f"+OK {text}", *lines, ".", ""]).encode())


def _unbase64(text: str) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


BEFORE, IN, BOTH = {State.AUTHORIZATION}, {State.TRANSACTION}, {State.AUTHORIZATION, State.TRANSACTION}
COMMANDS: dict[str, tuple[set[State], Callable[[Pop3Core, Asked, str], Asked | None]]] = {
    "USER": (BEFORE, Pop3Core._user),
    "PASS": (BEFORE, Pop3Core._pass),
    "AUTH": (BEFORE, Pop3Core._auth),
    "STLS": (BEFORE, Pop3Core._stls),
    "CAPA": (BOTH, Pop3Core._capa),
    "STAT": (IN, Pop3Core._stat),
    "LIST": (IN, Pop3Core._list),
    "UIDL": (IN, Pop3Core._list),
    "RETR": (IN, Pop3Core._retr),
    "TOP": (IN, Pop3Core._retr),
    "DELE": (IN, Pop3Core._dele),
    "RSET": (IN, Pop3Core._rset),
    "NOOP": (IN, lambda core, asked, argument: core._ok("")),
    "QUIT": (BOTH, Pop3Core._quit),
}
