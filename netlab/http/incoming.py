"""A file on its way in: written beside its place under a name of its own, and renamed when it is whole."""

from __future__ import annotations

import os
import secrets

from netlab.http.representation import Version
from netlab.http.tree import TEMPORARY


class Incoming:
    """One temporary file in a directory that is open; gone with `discard` unless it was put in its place before.

    Writing goes to the page cache, which is quicker than handing it to a thread.
    Every method raises OSError as the system does.
    """

    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._name = f"{TEMPORARY}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._descriptor = os.open(self._name, flags, 0o666, dir_fd=directory)
        self._there = True
        self.size = 0

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.size += len(data)

    def duplicate(self) -> int:
        """Another descriptor of the file, for a thread that waits for the disk; whoever takes it closes it."""
        return os.dup(self._descriptor)

    def put_in_place(self, name: str) -> Version:
        """Give it its name, in place of what has it now; whoever reads sees the whole old file or the whole new one."""
        os.rename(self._name, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._there = False
        return Version.of(os.fstat(self._descriptor))

    def discard(self) -> None:
        """Close, and remove what is not in its place."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._there:
            self._there = False
            try:
                os.unlink(self._name, dir_fd=self._directory)
            except FileNotFoundError:  # somebody has tidied up
                pass
