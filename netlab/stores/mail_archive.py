"""Mail in files as other programs keep it: mbox (RFC 4155, with mboxrd's quoting), Maildir, and one eml a message."""

from __future__ import annotations

import os
import platform
import re
import time
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_tz
from pathlib import Path
from typing import Literal

from netlab.errors import UsageError

Format = Literal["mbox", "maildir", "eml"]
LARGEST = 64 << 20
"""Bytes of one message; what is larger is told, and passed over."""
_QUOTED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
_TO_QUOTE = re.compile(rb"^(?=>*From )", re.MULTILINE)
_LINE_END = re.compile(rb"\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """One message of an archive, with CR LF at the ends of its lines."""

    content: bytes
    sender: str = ""  # of its envelope, where the archive knows it
    received: float | None = None  # seconds since 1970
    read: bool = False
    name: str = ""  # where it stood, for a person


def read_archive(path: Path) -> Iterator[Filed]:
    """The messages of an mbox file, a Maildir, an eml file or a folder of them; UsageError for what is none."""
    try:
        if path.is_dir():
            yield from _maildir(path) if (path / "cur").is_dir() else _emls(path)
        elif _is_mbox(path):
            yield from _mbox(path)
        else:
            yield _eml(path)
    except OSError as error:
        raise UsageError(f"{error.filename or path} cannot be read: {error.strerror}") from None


def _is_mbox(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(5) == b"From "


def _mbox(path: Path) -> Iterator[Filed]:
    """A line that begins with `From ` begins a message where it is the first, or stands behind an empty line."""
    with path.open("rb") as file:
        lines: list[bytes] = []
        head, size, empty, number = b"", 0, True, 0
        for line in file:
            if empty and line.startswith(b"From "):
                if head:
                    yield _from_mbox(head, lines, f"{path}, message {number}")
                head, lines, size, number = line, [], 0, number + 1
            elif size <= LARGEST:
                lines.append(line)
                size += len(line)
            empty = line in (b"\n", b"\r\n")
        if head:
            yield _from_mbox(head, lines, f"{path}, message {number}")


def _from_mbox(head: bytes, lines: list[bytes], name: str) -> Filed:
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]  # the empty line is the archive's
    sender, _, date = head[5:].decode("utf-8", "replace").strip().partition(" ")
    read = any(line.lower().startswith(b"status:") and b"R" in line[7:] for line in lines[:200])
    content = _wire(_QUOTED.sub(b"", b"".join(lines)))
    return Filed(
        content=content,
        sender="" if sender == "MAILER-DAEMON" else sender,
        received=_asctime(date),
        read=read,
        name=name,
    )


def _asctime(date: str) -> float | None:
    """The date of a `From ` line, which is in UTC (RFC 4155)."""
    found = parsedate_tz(date[:100])
    try:
        return None if found is None else float(timegm((*found[:6], 0, 1, 0)))
    except (OverflowError, ValueError):
        return None


def _maildir(path: Path) -> Iterator[Filed]:
    files = [file for folder in ("new", "cur") for file in (path / folder).iterdir() if file.is_file()]
    for file in sorted(files, key=lambda file: file.name):
        read = "S" in file.name.rpartition(":2,")[2] and ":2," in file.name
        yield Filed(content=_content(file), received=file.stat().st_mtime, read=read, name=str(file))


def _emls(path: Path) -> Iterator[Filed]:
    files = sorted(path.glob("*.eml"))
    if not files:
        raise UsageError(f"{path} is no Maildir, and no folder with eml files")
    yield from map(_eml, files)


def _eml(path: Path) -> Filed:
    return Filed(content=_content(path), received=path.stat().st_mtime, name=str(path))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return _wire(file.read(LARGEST + 1))


def _wire(content: bytes) -> bytes:
    return _LINE_END.sub(b"\r\n", content)


class ArchiveWriter:
    """Writes messages into a new archive, one after the other."""

    def __init__(self, path: Path, kind: Format) -> None:
        """UsageError where something is in the way."""
        self.path, self.kind, self.count = path, kind, 0
        try:
            if kind == "mbox":
                path.touch(exist_ok=False)
            else:
                path.mkdir(parents=True, exist_ok=kind == "eml")
                for folder in ("cur", "new", "tmp") if kind == "maildir" else ():
                    (path / folder).mkdir()
        except FileExistsError:
            raise UsageError(f"{path} exists already: name a place for a new {kind}") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be made: {error.strerror}") from None

    def add(self, message: Filed, name: str) -> None:
        """`name` is the message's id; files are called by it."""
        self.count += 1
        try:
            if self.kind == "mbox":
                self._append(message)
            elif self.kind == "eml":
                (self.path / f"{name}.eml").write_bytes(message.content)
            else:
                self._deliver(message, name)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be written: {error.strerror}") from None

    def _append(self, message: Filed) -> None:
        date = time.asctime(time.gmtime(message.received))
        content = _TO_QUOTE.sub(b">", message.content.replace(b"\r\n", b"\n"))
        end = b"\n" if content.endswith(b"\n") else b"\n\n"
        with self.path.open("ab") as file:
            file.write(f"From {message.sender or 'MAILER-DAEMON'} {date}\n".encode() + content + end)

    def _deliver(self, message: Filed, name: str) -> None:
        """Whole in `tmp`, then by its name where others look."""
        seconds = message.received or time.time()
        unique = f"{int(seconds)}.{name}.{platform.node().replace('/', '_').replace(':', '_')}"
        draft = self.path / "tmp" / unique
        draft.write_bytes(message.content.replace(b"\r\n", b"\n"))
        os.utime(draft, (seconds, seconds))
        draft.rename(self.path / "cur" / f"{unique}:2,S" if message.read else self.path / "new" / unique)
