"""Where an answer's content goes: the terminal, a pipe, a file, or into the report, piece by piece."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from netlab.errors import NetlabError, UsageError
from netlab.text import in_json

REPORTED = 1 << 20
"""The most content a JSON report holds."""


class Output:
    """Standard output (`""`; `"-"`: whatever it is), or a file; binary data does not go to a terminal unasked."""

    def __init__(self, where: str) -> None:
        self._path = Path(where) if where not in ("", "-") else None
        self._file: BinaryIO = sys.stdout.buffer
        self.terminal = self._path is None and sys.stdout.isatty()
        self._careful = self.terminal and where != "-"
        self._last = b"\n"

    def __enter__(self) -> Output:
        if self._path is not None:
            try:
                self._file = self._path.open("wb")
            except OSError as error:
                raise UsageError(f"-o {self._path}: {error.strerror}") from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if self._path is not None:
            self._file.close()

    def write(self, data: bytes) -> None:
        if self._careful and b"\0" in data:
            raise NetlabError(
                "the content is binary and could upset this terminal: use -o FILE, or -o - to see it here"
            )
        try:
            self._file.write(data)
            self._file.flush()
            self._last = data[-1:] or self._last
        except BrokenPipeError:
            raise  # the reader has what it wanted
        except OSError as error:
            raise NetlabError(f"cannot write to {self._path or 'standard output'}: {error.strerror}") from None

    @property
    def line_open(self) -> bool:
        """Whether what is said next on standard error would stand behind the content, on its last line."""
        return self._path is None and self._last != b"\n" and os.path.sameopenfile(1, 2)


class Kept:
    """Content for a report, up to a bound."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        self._data += data[: max(REPORTED - len(self._data), 0)]

    def as_json(self) -> dict[str, Any]:
        """The content as text where it is UTF-8, else in base64."""
        data = bytes(self._data)
        truncated = {"truncated": True} if self.size > len(data) else {}
        return {**in_json(data), **truncated}
