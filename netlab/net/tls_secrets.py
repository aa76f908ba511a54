"""TLS secrets of single connections, as NSS key log lines: what a capture needs so that it can be decrypted."""

from __future__ import annotations

import os
import ssl
import tempfile

LINES_LIMIT = 4096  # of handshakes nobody asked about yet: they share the log while ours are under way


class KeyLog:
    """The secrets of one context's handshakes while any of them is recorded; an anonymous file, gone with the last.

    OpenSSL writes key log lines per context and only to a file. So a context gets a file without a name when the first
    recorded handshake begins; each handshake takes its own lines out, told by the client's random; and when the last
    has ended, logging is switched off and the descriptors are closed. For one thread, as event loops are.
    """

    _open: dict[ssl.SSLContext, KeyLog] = {}  # noqa: RUF012  shared on purpose: a context has one log

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._users = 0
        self._lines: dict[str, list[str]] = {}
        self._count = 0
        self._file = _anonymous_file()
        context.keylog_filename = f"/dev/fd/{self._file}"

    @classmethod
    def join(cls, context: ssl.SSLContext) -> KeyLog | None:
        """Log the handshakes of this context until `leave`; None if somebody else has its log already."""
        log = cls._open.get(context)
        if log is None:
            if context.keylog_filename:
                return None
            log = cls._open[context] = cls(context)
        log._users += 1
        return log

    def take(self, client_random: bytes) -> str:
        """The lines of one handshake so far, each ending in a newline; they are forgotten here."""
        self._read()
        lines = self._lines.pop(client_random.hex(), [])
        self._count -= len(lines)
        return "".join(lines)

    def leave(self) -> None:
        """A handshake is over; the last one switches the log off."""
        self._users -= 1
        if not self._users:
            del self._open[self._context]
            # before Python 3.13 the documented None is not in the stubs' type
            self._context.keylog_filename = None  # type: ignore[assignment]
            os.close(self._file)

    def _read(self) -> None:
        size = os.fstat(self._file).st_size
        text = os.pread(self._file, size, 0).decode("ascii")
        os.ftruncate(self._file, 0)  # the writer appends: its next line stands at 0
        for line in text.splitlines(keepends=True):
            words = line.split(" ", 2)  # LABEL CLIENT_RANDOM SECRET
            if len(words) == 3 and words[0] != "#":
                self._lines.setdefault(words[1], []).append(line)
                self._count += 1
        while self._count > LINES_LIMIT:
            self._count -= len(self._lines.pop(next(iter(self._lines))))


def _anonymous_file() -> int:
    """A descriptor of a file for us alone that has no name."""
    if hasattr(os, "memfd_create"):  # Linux
        return os.memfd_create("netlab-tls-secrets")
    with tempfile.TemporaryFile(
        "a+b"
    ) as file:  # 0600 and without a name already; appending, for /dev/fd is a dup there
        return os.dup(file.fileno())
