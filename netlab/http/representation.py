"""Representations of a file: the bytes that are sent and the fields that go with them, made once per version."""

from __future__ import annotations

import os
from email.utils import formatdate
from typing import NamedTuple

from netlab.cores.http1 import encode_fields
from netlab.policy.conditional import Current

Pairs = list[tuple[str, str]]

SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Codings that are offered, the favourite first, and what a precompressed file's name ends with."""


class Version(NamedTuple):
    """What tells one version of a file from another. The change time cannot be set back by anyone."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Version:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def tag(self) -> str:
        """The opaque part of a strong entity tag."""
        return f"{self.modified_ns:x}-{self.size:x}-{self.inode:x}"


class Representation:
    """One coding of one version of a file (or of a generated page): content in memory, or where it lies.

    `fields` are those of a 200 as an encoded block, `untyped` the same without Content-Type; `retold` is the part that
    a 304 repeats (RFC 9110 15.4.5) and that suffices in a 206 to If-Range (RFC 9110 15.3.7).
    """

    __slots__ = (
        "body",
        "coding",
        "current",
        "fields",
        "location",
        "media_type",
        "retold",
        "size",
        "untyped",
        "version",
    )

    def __init__(
        self,
        media_type: str,
        tag: str,
        *,
        modified: int | None = None,
        coding: str = "identity",
        more: Pairs | None = None,
        body: bytes | None = None,
        location: str = "",
        version: Version | None = None,
    ) -> None:
        """`tag` is the opaque part of the entity tag; `more` are Cache-Control, Vary and their like."""
        assert body is not None or version is not None
        self.media_type, self.coding = media_type, coding
        self.body, self.location, self.version = body, location, version
        self.size = len(body) if body is not None else version.size if version is not None else 0
        etag = f'"{tag}"' if coding == "identity" else f'"{tag}-{coding}"'  # RFC 9110 8.8.3.3: a tag per coding
        self.current = Current(etags=(etag,), modified=modified)
        retold: Pairs = [("ETag", etag), *(more or ())]
        content: Pairs = []
        if coding != "identity":
            content.append(("Content-Encoding", coding))
        if modified is not None:
            content.append(("Last-Modified", formatdate(modified, usegmt=True)))
        content.append(("Accept-Ranges", "bytes"))
        self.retold = encode_fields(retold)
        self.untyped = encode_fields(content) + self.retold
        self.fields = encode_fields([("Content-Type", media_type)]) + self.untyped

    def __repr__(self) -> str:
        where = "in memory" if self.body is not None else self.location
        return f"<Representation {self.coding} {self.media_type}, {self.size} bytes {where}>"
