"""Where secrets stand in what both sides of a conversation say, known byte by byte as it goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from captures.conversations import Given
from captures.dissectors import http1
from captures.messages import Coded, Message, Side, Source, Talk
from netlab.inspect.content_secrets import ContentSecrets
from netlab.inspect.frame_secrets import FrameSecrets
from netlab.inspect.masks import Cover, StreamMask, clipped, differences, moved, whole
from netlab.inspect.message_secrets import message_covers, unfinished

COVERS = 1024
"""Secrets remembered of one side."""
BINARY = {"mqtt", "socks"}
"""Protocols that log in, and in which no line ends a secret."""


class Veil:
    """One side's stream as far as it was read: where its secrets stand, counted from its beginning.

    Text is read on as it comes; or, with `texts`, only put there, piece by piece with where it stands.
    """

    def __init__(self, side: Side, talk: Talk, texts: list[tuple[int, bytes]] | None = None) -> None:
        self.texts = texts
        self.covers: deque[Cover] = deque(maxlen=COVERS)
        self.forgotten = self.known = 0  # before the one nothing is remembered, behind the other nothing is known yet
        self.encrypted = self.blind = False  # blind: nothing is known but that something is lost
        self._side, self._talk = side, talk
        self._mask = StreamMask()
        self._coded: list[ContentSecrets | FrameSecrets] = []

    def begin(self, coded: Iterable[Coded]) -> None:
        """Bytes that are coded begin, not before what is read next."""
        for each in coded:
            last = self._coded[-1] if self._coded else None
            if isinstance(last, FrameSecrets):
                continue  # it began anew behind a gap, of which the frames know more
            if last is not None and last.lost and not last.done:
                self._coded.pop()
            self._coded.append(
                FrameSecrets(each, self._side, self._talk) if each.protocol == "websocket" else ContentSecrets(each)
            )

    def read(self, offset: int, data: bytes, *, missing: int = 0, torn: bool = False) -> bool:
        """The next bytes; whether it is known what they belong to, also behind so many that are missing.

        `torn` where those before them are not known, so that they may be the rest of a secret.
        """
        known = not torn
        if torn or missing:
            self.forgotten = offset
            self.covers.clear()
            reader = self._reader(offset - missing)
            known = reader is not None and reader.skip(missing)
            if not known:
                for frames in self._coded:
                    frames.lost = frames.lost or isinstance(frames, FrameSecrets)  # some of them are in the gap
                self._mask = StreamMask(torn=not http1.recognize(data))
        at = 0
        while at < len(data):
            reader = self._reader(offset + at)
            if reader is not None:
                used, covers = reader.read(data[at:])
                self._mask = StreamMask()
            else:
                begins = self._coded[0].start - offset if self._coded else len(data)
                piece = data[at:begins]
                used, covers = len(piece), self._text(offset + at, piece)
            self.add(moved(covers, offset + at))
            at += used
        self.known = offset + len(data)
        return known

    def _text(self, offset: int, piece: bytes) -> list[Cover]:
        if self.texts is not None:
            self.texts.append((offset, piece))
            return []
        shown = self._mask.piece(piece)
        return differences(piece, shown) if shown is not piece else []

    def _reader(self, offset: int) -> ContentSecrets | FrameSecrets | None:
        """Who reads what is coded here."""
        while self._coded and self._coded[0].done:
            self._coded.pop(0)
        return self._coded[0] if self._coded and self._coded[0].start <= offset else None

    def add(self, covers: Iterable[Cover]) -> None:
        for cover in covers:
            if len(self.covers) == COVERS:
                self.forgotten = max(self.forgotten, self.covers[0].end)
            self.covers.append(cover)

    def over(self, start: int, end: int) -> list[Cover]:
        """What covers the secrets of these bytes of the stream: all of what is not remembered, or not known yet."""
        found = whole(start, min(end, self.forgotten))
        if not self.encrypted:
            found += whole(max(start, self.known), end)
        return found + clipped(self.covers, start, end)

    def message(self, end: int) -> tuple[int, list[Cover]]:
        """The length of a WebSocket message whose last frame ends here, and its secrets in the clear."""
        frames = self._coded[-1] if self._coded else None
        return frames.finished.get(end, (0, [])) if isinstance(frames, FrameSecrets) else (0, [])

    def forget_messages(self) -> None:
        frames = self._coded[-1] if self._coded else None
        if isinstance(frames, FrameSecrets):
            frames.finished.clear()


class TalkSecrets:
    """Both sides' veils; what is secret in the one may be told by the other."""

    def __init__(self, *, apart: bool = False) -> None:
        """With `apart`, text is put into the veils' `texts`."""
        inner, sides = Talk((0, 0)), ("client", "server")
        self.veils: dict[Side, Veil] = {side: Veil(side, inner, [] if apart else None) for side in sides}  # type: ignore[arg-type,misc]  # these two

    def read(
        self,
        talk: Talk,
        sources: Mapping[Side, Source],
        given: Iterable[Given],
        found: Iterable[Message],
        *,
        midway: bool = False,
    ) -> None:
        """What is in order now, and the messages in it; `midway` where nobody saw the beginning."""
        encrypted = talk.protocol == "tls"
        for side, source in sources.items():
            self.veils[side].forget_messages()
            self.veils[side].begin(source.coded)
        for piece in given:
            veil = self.veils[piece.side]
            if encrypted and (veil.encrypted or not veil.known):
                veil.known = piece.offset + len(piece.data)
                continue
            torn = midway and not piece.offset
            known = veil.read(piece.offset, piece.data, missing=piece.missing, torn=torn)
            self._blind(talk, veil, piece, found, gap=(torn or piece.missing > 0) and not known)
        for message in found:
            self.veils[message.side].add(message_covers(message))
        for side, source in sources.items():
            self.veils[side].add(unfinished(source, talk))
            self.veils[side].encrypted = encrypted

    def _blind(self, talk: Talk, veil: Veil, piece: Given, found: Iterable[Message], *, gap: bool) -> None:
        """Hide what is behind a gap, until a message is found again; of a login that has begun, the whole rest."""
        end = piece.offset + len(piece.data)
        if talk.protocol in BINARY:
            veil.blind = veil.blind or (piece.missing > 0 and "version" not in talk.facts)
            veil.add(whole(piece.offset, end) if veil.blind or gap else [])
        elif veil.blind or (gap and talk.protocol == http1.NAME and not http1.recognize(piece.data)):
            again = [each.offset for each in found if each.side == piece.side and each.offset >= piece.offset]
            veil.blind = not again
            veil.add(whole(piece.offset, min([*again, end])))
