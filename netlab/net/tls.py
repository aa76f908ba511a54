"""TLS as a transport over a transport: the handshake, and the reading half; the writing half is `TlsTransport`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Literal

from netlab.cores.tls_hello import PLAIN_HTTP, ClientHello, HelloReader
from netlab.errors import NetlabError, PeerUnreachable
from netlab.flow import Flow
from netlab.net import tls_errors
from netlab.net.tls_recording import Recording
from netlab.net.tls_transport import TlsTransport
from netlab.tape import Side

ContextFor = Callable[[str | None], ssl.SSLContext]
"""The context for a server name, or for none: how a server chooses its certificate."""

RECORD = 1 << 14  # the most plaintext one record holds, RFC 8446 5.1: a read of this size leaves none in OpenSSL
FAREWELL_SECONDS = 2.0  # how long a peer whose handshake failed may take to read why


class State(Enum):
    """Where a connection stands; each leads only to one further down."""

    HELLO = auto()  # server: the ClientHello is not complete
    HANDSHAKE = auto()
    OPEN = auto()
    FAILED = auto()  # what still comes is discarded
    LOST = auto()


class Reading(Enum):
    """What the protocol above gets to read."""

    FLOWING = auto()
    PAUSED = auto()  # by the protocol above; at most one raw read is held back, encrypted
    ENDED = auto()  # the peer's bytes are over


class TlsLayer(asyncio.Protocol):
    """The protocol of a raw transport that gives the protocol above it, `app`, a `TlsTransport`.

    On TCP's connection `app.attach(raw)` is called where there is one (False: turned away), after the handshake
    `app.connection_made(transport)`. A failed handshake comes as `app.connection_lost(error)` with a
    `RemoteProtocolError`, `ConnectionLost` or `DeadlineExceeded` (server) or `PeerUnreachable` (client); the app may
    abort the raw transport at any time, for reasons and deadlines of its own.

    context            a context, or on a server a function from the client's SNI to one
    session            client: to be resumed (`ssl_object.session` of an earlier connection with the same context)
    flow               where to note; by default the app's own `flow`, after `attach`
    handshake_timeout  seconds that the handshake may take as a whole
    keep_hello         server: keep the client's ClientHello message for `get_extra_info("client_hello")`
    """

    def __init__(
        self,
        app: Any,
        context: ssl.SSLContext | ContextFor,
        *,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        flow: Flow | None = None,
        handshake_timeout: float = 10.0,
        keep_hello: bool = False,
    ) -> None:
        self.app, self._context, self._flow = app, context, flow
        self._server_side, self._server_hostname, self._session = server_side, server_hostname, session
        self.own_side: Side = "server" if server_side else "client"
        self.peer_side: Side = "client" if server_side else "server"
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._state = State.HELLO
        self._reading = Reading.FLOWING
        self._hello = HelloReader()
        self._keep_hello = keep_hello
        self.client_hello = b""
        self._count = 0  # bytes from the peer before the handshake was over
        self._plain: list[bytes] = []  # decrypted and not yet handed over
        self._end: ssl.SSLError | Literal["notified", "cut"] | None = None  # how the peer's bytes ended
        self._failure: NetlabError | None = None
        self._timeout = handshake_timeout
        self._timer: asyncio.TimerHandle | None = None  # of the handshake, and of the farewell when it failed
        self._raw: Any = None
        self._ssl: Any = None
        self._transport: Any = None
        self._app_receives: Any = None  # app.data_received, bound once
        self._decrypt_one: Callable[[int], bytes]
        self.server_name = server_hostname  # what was asked for in SNI
        self.truncated = False  # the peer's bytes ended without close_notify
        self._recording = Recording(None)

    # -- beginning ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._raw = transport
        attach = getattr(self.app, "attach", None)
        if attach is not None and not attach(transport):
            self._state = State.FAILED
            transport.abort()
            return
        self._begin()

    def take_over(self, raw: Any, early: bytes = b"") -> None:
        """Begin TLS on a connection that already stands, after CONNECT or STARTTLS; no `attach` is called.

        `early` is what the peer sent behind the last plaintext message and whoever read it has kept. On a tape those
        bytes are already.
        """
        self._raw = raw
        raw.set_protocol(self)
        self._begin()
        if early:
            self._receive(early)

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._timeout, self._overdue)
        self._recording = Recording(self._flow or getattr(self.app, "flow", None))
        if not self._server_side:
            assert isinstance(self._context, ssl.SSLContext)
            self._start(self._context)

    def data_received(self, data: bytes) -> None:
        if self._recording.wire is not None:
            self._recording.ciphertext(self.peer_side, data)
        if self._state is State.OPEN:
            if self._reading is not Reading.ENDED:  # RFC 8446 6.1: what comes behind a closure alert is ignored
                self._incoming.write(data)
            if self._reading is Reading.FLOWING:
                self._deliver()
        else:
            self._receive(data)

    # -- the handshake -----------------------------------------------------------------------------------------

    def _receive(self, data: bytes) -> None:
        self._count += len(data)
        if self._state is State.HELLO:
            self._read_hello(data)
        elif self._state is State.HANDSHAKE:
            self._incoming.write(data)
            self._handshake()

    def _read_hello(self, data: bytes) -> None:
        self._incoming.write(data)
        hello = self._hello.receive(data)
        if hello is None:
            return
        if isinstance(hello, ClientHello):
            self.server_name, self._recording.random = hello.server_name, hello.random
            if self._keep_hello:
                self.client_hello = self._hello.message
        elif hello.rule == PLAIN_HTTP:
            self._fail(hello, tls_errors.PLAIN_HTTP_ANSWER)
            return
        context = self._context
        if not isinstance(context, ssl.SSLContext):
            try:
                context = context(self.server_name)
            except NetlabError as error:  # the authority's files are gone or damaged
                self._fail(error)
                return
        self._start(context)  # where the hello is none, OpenSSL finds the right alert

    def _start(self, context: ssl.SSLContext) -> None:
        self._state = State.HANDSHAKE
        self._recording.handshake_begins(context)
        try:
            self._ssl = context.wrap_bio(
                self._incoming,
                self._outgoing,
                server_side=self._server_side,
                server_hostname=self._server_hostname,
                session=self._session,
            )
        except ValueError as error:
            words = f"{self._server_hostname!r} cannot be asked for as a server name: {error}"
            self._fail(PeerUnreachable(words, stage="tls"))
            return
        self._decrypt_one = self._ssl.read
        self._handshake()

    def _handshake(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._send_handshake()
        except ssl.SSLError as error:
            self._fail(tls_errors.handshake_error(error, server_side=self._server_side, offset=self._count))
        else:
            self._established()

    def _send_handshake(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            self._recording.own_flight(data)
            self.write_raw([data])

    def _overdue(self) -> None:
        self._give_up(tls_errors.handshake_overdue(self._timeout, server_side=self._server_side))
        self._raw.abort()

    def _established(self) -> None:
        self._state = State.OPEN
        self._cancel_timer()
        self._recording.established(self._ssl, self.server_name)
        transport = self._transport = TlsTransport(self, self._raw, self._ssl, self._outgoing)
        self._app_receives = self.app.data_received
        transport.gathering = True
        try:
            self.app.connection_made(transport)
        finally:
            transport.gathering = False
        if self._reading is Reading.FLOWING:
            self._deliver()  # what came behind the handshake; and the session tickets leave with the first answer
        else:
            transport.flush()

    # -- reading -----------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        """Decrypt what has come, hand it over in one piece, and send what was answered in one write."""
        transport = self._transport
        transport.gathering = True
        try:
            if self._incoming.pending:
                self._decrypt()
            if self._plain and not transport.is_closing():
                pieces, self._plain = self._plain, []
                self._app_receives(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            if self._end is not None and self._reading is Reading.FLOWING:
                self._end_reading(self._end)
        finally:
            transport.gathering = False
            transport.flush()

    def _decrypt(self) -> None:
        """Take all plaintext there is, and notice how it ended."""
        incoming, decrypt_one, plain = self._incoming, self._decrypt_one, self._plain
        try:
            while incoming.pending:  # asking once more than there is costs as much as a small record: an exception
                piece = decrypt_one(RECORD)
                if not piece:
                    self._end = "notified"
                    return
                plain.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # what close_notify is called once our own is out
            self._end = "notified"
        except ssl.SSLError as error:
            self._end = error

    def _end_reading(self, end: ssl.SSLError | str) -> None:
        self._reading = Reading.ENDED
        if isinstance(end, ssl.SSLError):
            self._fail(tls_errors.record_error(end, server_side=self._server_side, offset=self._count))
            return
        self.truncated = end == "cut"
        transport = self._transport
        if not transport.is_closing() and not self.app.eof_received():
            transport.close()

    def eof_received(self) -> bool:
        if self._state is State.OPEN:
            if self._reading is not Reading.ENDED:
                if self._incoming.pending:
                    self._decrypt()
                if self._end is None:
                    self._end = "cut"
                if self._reading is Reading.FLOWING:
                    self._deliver()
            return True  # whether to go on writing is the app's decision
        if self._state in (State.HELLO, State.HANDSHAKE):
            self._give_up(tls_errors.handshake_cut(None, server_side=self._server_side))
        return False

    def decrypt_ahead(self) -> None:
        """Take what is held back out of OpenSSL's way: it will not have application data wait behind a close_notify."""
        if self._incoming.pending and self._reading is not Reading.ENDED:
            self._decrypt()

    def pause_reading(self) -> None:
        if self._reading is Reading.FLOWING and not self._raw.is_closing():
            self._reading = Reading.PAUSED
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if self._reading is Reading.PAUSED and not self._raw.is_closing():
            self._reading = Reading.FLOWING
            self._raw.resume_reading()
            if self._incoming.pending or self._plain or self._end is not None:
                self._loop.call_soon(self._deliver_held)

    def _deliver_held(self) -> None:
        if self._state is State.OPEN and self._reading is Reading.FLOWING:
            self._deliver()

    def pause_writing(self) -> None:
        if self._state is State.OPEN:
            self.app.pause_writing()

    def resume_writing(self) -> None:
        if self._state is State.OPEN:
            self.app.resume_writing()

    # -- ending ------------------------------------------------------------------------------------------------

    def _give_up(self, error: NetlabError) -> None:
        """Nothing more is read or written here; `connection_lost` tells the app why."""
        if self._state is State.OPEN:
            self._transport.stop()
        self._state, self._failure = State.FAILED, error
        self._cancel_timer()
        self._recording.failed(error, self.peer_side)

    def _fail(self, error: NetlabError, farewell: bytes = b"") -> None:
        """Say why, in an alert or in `farewell`, and end; a peer that is still sending gets to read it."""
        self._give_up(error)
        raw = self._raw
        last = farewell or self._outgoing.read()
        if last:
            self.write_raw([last])
        self._timer = self._loop.call_later(FAREWELL_SECONDS, raw.abort)
        if self._server_side and raw.can_write_eof():
            raw.write_eof()  # closing with bytes unread would reset the connection, and the answer with it
        else:
            raw.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._state is State.LOST:
            return
        if exc is not None and self._state in (State.HELLO, State.HANDSHAKE):
            self._give_up(tls_errors.handshake_cut(exc, server_side=self._server_side))
        self._state = State.LOST
        self._cancel_timer()
        self._recording.handshake_ends()
        if self._transport is not None:
            self._transport.stop()
        app = self.app
        self._transport = self.app = self._app_receives = None
        app.connection_lost(self._failure or exc)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what the writing half uses ----------------------------------------------------------------------------

    def write_raw(self, pieces: list[bytes]) -> None:
        """Hand ciphertext to the raw transport, in one go."""
        if self._recording.wire is not None:
            for piece in pieces:
                self._recording.ciphertext(self.own_side, piece)
        if len(pieces) == 1:
            self._raw.write(pieces[0])
        else:
            self._raw.writelines(pieces)

    def set_app(self, app: Any) -> None:
        """From now on another protocol reads here: after an upgrade, say."""
        self.app, self._app_receives = app, app.data_received
