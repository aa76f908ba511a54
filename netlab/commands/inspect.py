"""Packets of a capture file or a live interface, read and explained: list, tree, bytes, streams, statistics."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from captures import applications
from captures.blocks import Block, Names, Packet, SimplePacket
from captures.conversations import Conversation, Given
from captures.display_filter import compile_display_filter
from captures.files import blocks
from captures.inspector import Buffer, Inspector, oddities
from captures.packet_fields import Facts
from captures.summary import NOTES
from netlab.config import Count, Flag, Size, positional
from netlab.errors import DamagedCapture, NetlabError, UsageError
from netlab.inspect.packet_names import KnownNames
from netlab.inspect.packet_secrets import NOTHING, Covers, Secrets, hide
from netlab.inspect.packet_statistics import Statistics
from netlab.inspect.packet_streams import Follow, Handshake, handshake_line, piece_record, piece_text
from netlab.inspect.packet_views import heading, hexadecimal, line, record, tree
from netlab.inspect.packet_writing import PacketWriting
from netlab.text import counted, escape

EXAMPLES = (
    ("netlab inspect lab.pcapng", "a line for each packet"),
    ("netlab inspect lab.pcapng -Y 'tcp.port == 443 and tls.sni contains \"shop\"'", "only some"),
    ("netlab inspect lab.pcapng --packet 4 --hex", "one packet's tree, and its bytes"),
    ("netlab inspect lab.pcapng --follow 'tcp 0'", "what both sides of a connection said"),
    ("netlab inspect lab.pcapng --handshake 0", "a TCP connection state by state"),
    ("netlab inspect lab.pcapng --notes", "what is odd: retransmissions, resets, zero windows"),
    ("netlab inspect lab.pcapng --statistics", "how much, of what, between whom"),
    ("netlab export --pcapng - | netlab inspect -", "what a running lab carries"),
    ("sudo netlab inspect lo --capture 'tcp port 8080'", "an interface, as it happens"),
    ("sudo netlab inspect eth0 --write day.pcapng --file-size 10MB --files 5 -q", "its newest 50 MB"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    source: Annotated[str, positional]
    """A capture file (pcapng or pcap, also in gzip), - for standard input, or an interface, any for all of them."""
    filter: Annotated[str, Flag("-Y", "-f")] = ""
    """Only packets that match (docs/packets.md has the grammar): `http.response.code >= 400`."""
    capture: str = ""
    """Of an interface only these packets, filtered in the kernel: `tcp port 8080 and host 10.0.0.1`."""
    write: Path | None = None
    """Write the packets that match to this file, as pcapng; secrets are starred out there, too, without --reveal."""
    file_size: Size = 0
    """With --write: go on in another file (FILE-2, FILE-3 …) when one has so many bytes; 0 never does."""
    files: Count = 10
    """With --file-size: keep only so many of the newest files."""
    quiet: Annotated[bool, Flag("-q")] = False
    """With --write: print nothing."""
    packet: int = 0
    """Only the packet of this number, as a tree."""
    tree: bool = False
    """Every packet as a tree: each field with its value, its meaning and its section."""
    hex: bool = False
    """Every packet's bytes."""
    mark: str = ""
    """With --hex: the field whose bytes stand out, such as tcp.window_size_value."""
    follow: str = ""
    """What both sides of a conversation said, such as `tcp 0` or `udp 3`."""
    handshake: int | None = None
    """A TCP connection state by state, by the number of its stream."""
    notes: bool = False
    """Only packets about which something is odd, and a count of all of it."""
    statistics: bool = False
    """How much, of which protocols, in which conversations."""
    addresses: bool = False
    """Show addresses, also where the capture has names for them."""
    decode_as: tuple[str, ...] = ()
    """What is spoken on a port: `9000=http`; may be given several times."""
    last: int = 0
    """Stop behind so many packets; 0 reads on."""
    json: bool = False
    """One JSON object a line; with --tree the trees are in it."""
    reveal: bool = False
    """Show passwords, cookies and credentials as they are."""

    def __post_init__(self) -> None:
        for words in self.decode_as:
            port, _, protocol = words.partition("=")
            if not port.isdigit() or int(port) > 65535 or protocol not in applications.MODULES:
                known = ", ".join(sorted(applications.MODULES))
                raise UsageError(f"--decode-as takes PORT=PROTOCOL, not {words!r}; protocols are {known}")
        kind, _, number = self.follow.partition(" ")
        if self.follow and not (kind in ("tcp", "udp") and number.isdigit()):
            raise UsageError(f"--follow takes a stream such as 'tcp 0' or 'udp 3', not {self.follow!r}")

    @property
    def ports(self) -> dict[int, str]:
        """Port → protocol."""
        return {int(words.partition("=")[0]): words.partition("=")[2] for words in self.decode_as}


def run(config: Config) -> int:
    """Read to the end, or to the damage, which is a failure that says where it is."""
    wanted = compile_display_filter(config.filter)
    with ExitStack() as stack:
        source, writing = _source(config, stack), _writing(config, stack)
        secrets = Secrets() if _shows_bytes(config) and not config.reveal else None
        view = _view(config, Inspector(config.ports), secrets)
        try:
            for block in source:
                if not isinstance(block, (Packet, SimplePacket)):
                    if isinstance(block, Names) and not config.addresses:
                        view.names.learn(block)
                    if writing is not None:
                        writing.beside(block)
                    continue
                facts = Facts(view.inspector.add(block), view.inspector.first)
                covers = secrets.add(facts.seen) if secrets is not None else NOTHING
                if (not config.packet or facts.seen.number == config.packet) and wanted(facts):
                    if writing is not None:
                        writing.packet(facts.seen, covers)
                    if not config.quiet:
                        view.show(facts, covers)
                if facts.seen.number in (config.last, config.packet):
                    break
        except DamagedCapture as damage:
            view.end()
            raise NetlabError(f"{config.source}: {damage}; what stands before it is shown") from None
        except KeyboardInterrupt:
            print(file=sys.stderr)
        view.end()
        if writing is not None and writing.notice:
            print(f"{config.write}: {writing.notice}", file=sys.stderr)
    return 0


def _shows_bytes(config: Config) -> bool:
    """Whether more is shown than lines and counts, so that every packet is to be read for secrets."""
    return bool(config.tree or config.hex or config.packet or config.follow or config.write is not None)


def _writing(config: Config, stack: ExitStack) -> PacketWriting | None:
    if config.write is None:
        return None
    writing = PacketWriting(config.write, limit=config.file_size, keep=config.files, reveal=config.reveal)
    return stack.enter_context(closing(writing))


def _source(config: Config, stack: ExitStack) -> Iterator[Block]:
    """The blocks of a file or a pipe, or an interface's packets until somebody interrupts."""
    name = config.source
    if name == "-":
        return blocks(sys.stdin.buffer)
    if not Path(name).exists() and "/" not in name and ("." not in name or _is_interface(name)):
        return _live(config, stack)
    if config.capture:
        raise UsageError("--capture is for interfaces; packets of a file are chosen with --filter")
    try:
        return blocks(stack.enter_context(Path(name).open("rb")))
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None


def _is_interface(name: str) -> bool:
    from captures.sniff import interfaces

    return name in interfaces()


def _live(config: Config, stack: ExitStack) -> Iterator[Block]:
    from captures.sniff import Sniffer

    for number in (signal.SIGINT, signal.SIGTERM):  # an end like any other: what was captured is written out
        signal.signal(number, signal.default_int_handler)
    sniffer = stack.enter_context(Sniffer(config.source, config.capture))
    stack.callback(lambda: _lost(sniffer.lost()))
    return sniffer.packets()


def _lost(count: int) -> None:
    if count:
        print(f"{counted(count, 'packet')} came too fast and found no room", file=sys.stderr)


def _view(config: Config, inspector: Inspector, secrets: Secrets | None) -> View:
    for kind in (FollowView, HandshakeView, StatisticsView, NotesView):
        if kind.asked(config):
            return kind(config, inspector, secrets)
    return View(config, inspector, secrets)


class View:
    """The list, or with --tree, --hex and --packet more of each packet."""

    listed = True

    def __init__(self, config: Config, inspector: Inspector, secrets: Secrets | None) -> None:
        self.config, self.inspector, self.secrets = config, inspector, secrets  # without secrets, all is shown
        self.names = KnownNames()
        self.colour = sys.stdout.isatty()
        self.live = config.source == "-" or not Path(config.source).exists()
        if self.listed and not config.quiet and not (config.tree or config.hex or config.packet or config.json):
            print(heading())

    @classmethod
    def asked(cls, config: Config) -> bool:
        return True

    def show(self, facts: Facts, covers: Covers) -> None:
        config = self.config
        trees = config.tree or bool(config.packet)
        buffers: list[Buffer] = []
        if trees or config.hex:
            buffers = facts.buffers if config.reveal else hide(facts, covers)
        if config.json:
            print(
                json.dumps(record(facts, buffers if trees else (), reveal=config.reveal, names=self.names)), flush=True
            )
            return
        print(line(facts, colour=self.colour, reveal=config.reveal, names=self.names), flush=self.live)
        if trees:
            print("\n".join(tree(buffers)))
        if config.hex:
            for buffer in buffers:
                print(escape(buffer.label))
                print("\n".join(hexadecimal(buffer, config.mark, colour=self.colour)))

    def end(self) -> None:
        """Nothing more comes."""

    def say(self, told: dict[str, Any], words: str) -> None:
        print(json.dumps(told) if self.config.json else words)


class FollowView(View):
    """What both sides of one conversation said."""

    listed = False

    def __init__(self, config: Config, inspector: Inspector, secrets: Secrets | None) -> None:
        super().__init__(config, inspector, secrets)
        kind, _, number = config.follow.partition(" ")
        self._wanted, self._follow, self._found = (kind, int(number)), Follow(), False

    @classmethod
    def asked(cls, config: Config) -> bool:
        return bool(config.follow)

    def show(self, facts: Facts, covers: Covers) -> None:
        conversation = facts.seen.conversation
        if conversation is None or (conversation.kind, conversation.index) != self._wanted:
            return
        self._found = True
        for piece in self._follow.add(facts.seen):
            self._tell(piece, conversation)

    def _tell(self, piece: Given, conversation: Conversation | None) -> None:
        told = piece if self.secrets is None else self.secrets.given(conversation, piece)
        self.say(piece_record(told), "\n".join(piece_text(told, as_hex=self.config.hex)))

    def end(self) -> None:
        if not self._found:
            raise NetlabError(f"there is no stream {self.config.follow!r} in it; --statistics lists them")
        for piece in self._follow.finish():
            self._tell(piece, self._follow.conversation)


class HandshakeView(View):
    """A TCP connection state by state."""

    listed = False

    def __init__(self, config: Config, inspector: Inspector, secrets: Secrets | None) -> None:
        super().__init__(config, inspector, secrets)
        self._handshake, self._found = Handshake(), False

    @classmethod
    def asked(cls, config: Config) -> bool:
        return config.handshake is not None

    def show(self, facts: Facts, covers: Covers) -> None:
        conversation = facts.seen.conversation
        if conversation is None or (conversation.kind, conversation.index) != ("tcp", self.config.handshake):
            return
        self._found = True
        told = self._handshake.add(facts.seen)
        if told is not None:
            self.say(told, handshake_line(told))

    def end(self) -> None:
        if not self._found:
            raise NetlabError(f"there is no TCP stream {self.config.handshake} in it; --statistics lists them")


class StatisticsView(View):
    """Counts of the whole."""

    listed = False

    def __init__(self, config: Config, inspector: Inspector, secrets: Secrets | None) -> None:
        super().__init__(config, inspector, secrets)
        self._statistics = Statistics(inspector, self.names)

    @classmethod
    def asked(cls, config: Config) -> bool:
        return config.statistics

    def show(self, facts: Facts, covers: Covers) -> None:
        self._statistics.add(facts.seen)

    def end(self) -> None:
        self.say(self._statistics.record(), "\n".join(map(escape, self._statistics.lines())))


class NotesView(View):
    """What is odd."""

    def __init__(self, config: Config, inspector: Inspector, secrets: Secrets | None) -> None:
        super().__init__(config, inspector, secrets)
        self._counts: dict[str, int] = {}

    @classmethod
    def asked(cls, config: Config) -> bool:
        return config.notes

    def show(self, facts: Facts, covers: Covers) -> None:
        facts.seen.odd = oddities(facts.seen, facts.buffers)
        if facts.seen.notes:
            super().show(facts, covers)
        for note in facts.seen.notes:
            self._counts[note] = self._counts.get(note, 0) + 1

    def end(self) -> None:
        lines = [
            f"{count:>6}  {NOTES[note]}" for note, count in sorted(self._counts.items(), key=lambda each: -each[1])
        ]
        self.say({"notes": self._counts}, "\n".join(["", *lines]) if lines else "nothing is odd")
