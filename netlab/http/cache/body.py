"""Content that is being received: kept whole while it may be stored, else only until every reader has it."""

from __future__ import annotations


class Body:
    """Pieces in their order. `keep` until it is known that it will not be stored."""

    __slots__ = ("_first", "_pieces", "complete", "keep", "size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._first = 0  # the number of the first piece that is still here
        self.size = 0
        self.keep = True
        self.complete = False

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self.size += len(data)

    def piece(self, number: int) -> bytes | None:
        """A piece by its number, counted from the first that came; None where it has not come yet."""
        at = number - self._first
        return self._pieces[at] if at < len(self._pieces) else None

    def forget(self, before: int) -> None:
        """Nobody needs the pieces before this one any more."""
        if not self.keep and before > self._first:
            del self._pieces[: before - self._first]
            self._first = before

    def whole(self) -> bytes:
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
