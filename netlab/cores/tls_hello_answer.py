"""What a server answers to a ClientHello, as far as that is in the clear: its choice, its certificates, or an alert."""

from __future__ import annotations

from dataclasses import dataclass

from netlab.cores.tls_hello import HANDSHAKE, Cursor, MalformedHello
from netlab.cores.tls_hello_offer import KEY_SHARE, SUPPORTED_VERSIONS, TLS_1_3
from netlab.errors import RemoteProtocolError

ALERT = 21
SERVER_HELLO, CERTIFICATE, KEY_EXCHANGE, HELLO_DONE, STATUS = 2, 11, 12, 14, 22
ALPN, NAMED_CURVE, OCSP = 16, 3, 1
LONGEST = 1 << 18
"""Bytes of an answer that are read."""


@dataclass(slots=True)
class Answer:
    """A server's choice; `alert` is the alert's number where there is one, and -1 where there is none.

    group   of a HelloRetryRequest, a key share or a ServerKeyExchange; 0: not said
    share   the server's half of a key, of TLS 1.3
    staple  the OCSP response in DER, of TLS 1.2
    """

    version: int = 0
    suite: int = 0
    group: int = 0
    share: bytes = b""
    alpn: str = ""
    certificates: tuple[bytes, ...] = ()
    staple: bytes = b""
    alert: int = -1

    @property
    def accepted(self) -> bool:
        return bool(self.version)


class AnswerReader:
    """Reads the answer's records until nothing more of it is in the clear; `answer` is what is known so far."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._records, self._messages = bytearray(), bytearray()

    def receive(self, data: bytes) -> bool | RemoteProtocolError:
        """Whether it is complete; b"" is the end of the server's bytes, and completes it."""
        if not data:
            return True
        self._records += data
        try:
            while len(self._records) >= 5:
                kind, length = self._records[0], int.from_bytes(self._records[3:5], "big")
                if kind not in (ALERT, HANDSHAKE) or self._records[1] != 3 or len(self._messages) > LONGEST:
                    if self.answer.accepted:
                        return True  # encrypted from here on
                    raise MalformedHello("these bytes are not TLS")
                if len(self._records) < 5 + length:
                    return False
                content = bytes(self._records[5 : 5 + length])
                del self._records[: 5 + length]
                if kind == ALERT:
                    self.answer.alert = content[1] if len(content) == 2 else 0
                    return True
                self._messages += content
                if self._read_messages():
                    return True
        except MalformedHello as error:
            return _violation(error)
        return False

    def _read_messages(self) -> bool:
        """Take the messages that are whole; True behind the last one that can be read."""
        messages = self._messages
        while len(messages) >= 4 and len(messages) >= 4 + (length := int.from_bytes(messages[1:4], "big")):
            kind, body = messages[0], bytes(messages[4 : 4 + length])
            del messages[: 4 + length]
            if self._read(kind, body):
                return True
        return False

    def _read(self, kind: int, body: bytes) -> bool:
        answer, cursor = self.answer, Cursor(body)
        if kind == SERVER_HELLO:
            _server_hello(cursor, answer)
            return answer.version >= TLS_1_3
        if kind == CERTIFICATE:
            chain, found = Cursor(cursor.vector(3)), []
            while chain.left:
                found.append(chain.vector(3))
            answer.certificates = tuple(found)
        elif kind == STATUS and cursor.take(1) == bytes((OCSP,)):
            answer.staple = cursor.vector(3)
        elif kind == KEY_EXCHANGE and body[:1] == bytes((NAMED_CURVE,)) and len(body) > 2:
            answer.group = int.from_bytes(body[1:3], "big")
        return kind == HELLO_DONE


def read_server_hello(body: bytes) -> Answer | RemoteProtocolError:
    """The body of a ServerHello, or HelloRetryRequest, by itself."""
    answer = Answer()
    try:
        _server_hello(Cursor(body), answer)
    except MalformedHello as error:
        return _violation(error)
    return answer


def _violation(error: MalformedHello) -> RemoteProtocolError:
    words = str(error).replace("ClientHello", "answer of the server")
    return RemoteProtocolError(words, offset=0, rule="tls.answer", section="RFC 8446 4.1.3")


def _server_hello(cursor: Cursor, answer: Answer) -> None:
    version = cursor.number(2)
    cursor.take(32)  # random
    cursor.vector(1)  # the session
    answer.suite = cursor.number(2)
    cursor.take(1)
    if cursor.left:
        extensions = Cursor(cursor.vector(2))
        while extensions.left:
            kind, data = extensions.number(2), extensions.vector(2)
            if kind == SUPPORTED_VERSIONS and len(data) == 2:
                version = int.from_bytes(data, "big")
            elif kind == KEY_SHARE and len(data) >= 2:  # of a HelloRetryRequest the group alone
                answer.group, answer.share = int.from_bytes(data[:2], "big"), data[4:]
            elif kind == ALPN and len(data) > 3:
                answer.alpn = data[3:].decode("latin-1")
    answer.version = version
