"""What is not done, as an answer: our own reasons, and those of the file system."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from netlab.http.representation import Pairs


class Refused(Exception):
    """This is not done, and the client is told why."""

    def __init__(self, status: int, why: str, fields: Pairs | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.fields = status, why, fields or []


STATUS = {
    errno.ENOSPC: (507, "the disk is full"),  # RFC 4918 11.5
    errno.EDQUOT: (507, "the disk quota is used up"),
    errno.EFBIG: (413, "the file would be larger than the file system allows"),
    errno.EROFS: (403, "the file system is read-only"),
    errno.EACCES: (403, "the server may not write here"),
    errno.EPERM: (403, "the server may not write here"),
    errno.ENAMETOOLONG: (414, "the name is too long for the file system"),
    errno.ENOENT: (409, "the directory is gone"),
    errno.ENOTDIR: (409, "a directory is in the way"),
    errno.EISDIR: (409, "a directory is in the way"),
    errno.ENOTEMPTY: (409, "a directory is in the way"),
    errno.EEXIST: (409, "something is in the way"),
}


@contextmanager
def explained() -> Iterator[None]:
    """What the system refuses, as an answer; any other of its errors is ours."""
    try:
        yield
    except OSError as error:
        if error.errno not in STATUS:
            raise
        raise Refused(*STATUS[error.errno]) from error
