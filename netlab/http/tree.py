"""A directory that is served: from request paths to files below it, and never to one outside."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

from netlab.errors import RemoteProtocolError, UsageError

BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
ALWAYS_SHOWN = ".well-known"  # RFC 8615
TEMPORARY = ".netlab-incoming-"
"""How names of files begin that are on their way in; nobody sees them."""


class Tree:
    """The root directory, and whether names that begin with a dot count."""

    def __init__(self, root: Path, *, hidden: bool = False) -> None:
        try:
            self.root = os.path.realpath(root, strict=True)
        except OSError as error:
            raise UsageError(f"{root} cannot be served: {error.strerror}; give a directory that exists") from None
        if not os.path.isdir(self.root):
            raise UsageError(f"{root} cannot be served: it is not a directory")
        self.hidden = hidden
        self._prefix = self.root if self.root.endswith(os.sep) else self.root + os.sep

    def names(self, path: str, *, offset: int = 0) -> list[str] | None:
        """The names from the root down to what a request's path means; None where it leads nowhere in the tree.

        RemoteProtocolError (400) for a path that is not one; `offset` is where it begins on the connection.
        """
        if not path.startswith("/"):
            return None
        if "%" in path:
            check_escapes(path, offset)
        names: list[str] = []
        for segment in path.split("/"):  # split first, decode then: an encoded slash is not a separator
            name = os.fsdecode(unquote_to_bytes(segment)) if "%" in segment else segment
            if name in ("", "."):
                continue
            if name == "..":
                if not names:
                    return None
                names.pop()
            elif "/" in name or (os.altsep and os.altsep in name) or self.hides(name):
                return None
            else:
                names.append(name)
        return names

    def hides(self, name: str) -> bool:
        if not name.startswith("."):
            return False
        return name.startswith(TEMPORARY) or (not self.hidden and name != ALWAYS_SHOWN)

    def location(self, names: list[str]) -> str:
        return self._prefix + "/".join(names)

    def open(self, location: str) -> tuple[int, os.stat_result] | None:
        """A descriptor of what is there, and its status; None where nothing is, or it lies outside the root.

        Where the file really is, is asked of the open descriptor: a symbolic link exchanged meanwhile changes nothing.
        """
        try:
            # O_NONBLOCK: a named pipe without a writer would hold us here for ever
            descriptor = os.open(location, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError):
            return None
        try:
            if self.contains(real_path(descriptor, location)):
                return descriptor, os.fstat(descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    def open_directory(self, location: str) -> int | None:
        """A descriptor of a directory within the root, through which files are made and removed; None if it is none."""
        opened = self.open(location)
        if opened is None:
            return None
        descriptor, status = opened
        if stat.S_ISDIR(status.st_mode):
            return descriptor
        os.close(descriptor)
        return None

    def contains(self, real: str) -> bool:
        return real.startswith(self._prefix) or real == self.root


def check_escapes(path: str, offset: int) -> None:
    """Refuse percent signs that escape nothing (RFC 3986 2.1), and NUL, which no file's name can hold."""
    if bad := BAD_ESCAPE.search(path):
        reason, rule = "a percent sign without two hexadecimal digits in the path", "target.escape"
        raise _refusal(reason, path, bad.start(), offset, rule, "RFC 3986 2.1")
    if (at := path.find("%00")) >= 0:
        raise _refusal("NUL in the path", path, at, offset, "target.nul", "RFC 3986 7.3")


def _refusal(reason: str, path: str, at: int, offset: int, rule: str, section: str) -> RemoteProtocolError:
    begin = max(at - 40, 0)
    excerpt = path[begin : at + 40].encode("latin-1")
    return RemoteProtocolError(
        reason, offset=offset + at, rule=rule, section=section, excerpt=excerpt, caret=at - begin
    )


def real_path(descriptor: int, location: str) -> str:
    """Where an open file really is: the system's word where it gives one."""
    if sys.platform == "linux":
        try:
            return os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # a sandbox without /proc
            pass
    elif sys.platform == "darwin":
        import fcntl

        found = fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024))
        return os.fsdecode(found.rstrip(b"\0"))
    return os.path.realpath(location)
