"""Capture filters, compiled for the kernel: only what they want is ever copied out of it.

    expression  =  conjunction *( ( "or" / "||" ) conjunction )
    conjunction =  negation *( ( "and" / "&&" ) negation )
    negation    =  ( "not" / "!" ) negation  /  "(" expression ")"  /  primitive
    primitive   =  [ protocol ] [ direction ] ( "host" address / "net" network / "port" number / "portrange" a-b )
                /  protocol  /  "proto" ( number / name )
    protocol    =  "ip" / "ip6" / "arp" / "tcp" / "udp" / "icmp" / "icmp6" / "sctp"
    direction   =  "src" / "dst"

The words are those of tcpdump, and mean the same. Without a direction either end may match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from captures import bpf
from captures.bpf import Instruction
from netlab.errors import UsageError

IPV4, ARP, IPV6 = 0x0800, 0x0806, 0x86DD
NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmp6": 58, "igmp": 2, "esp": 50, "gre": 47}
ETHER_TYPES = {"ip": IPV4, "ip6": IPV6, "arp": ARP}
PROTOCOLS = ("ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "sctp")
WITH_PORTS = ("tcp", "udp", "sctp")
MAX_LENGTH = 1000
_TOKEN = re.compile(r"\s*(&&|\|\||[()!]|[^\s()!&|]+)")


class _Test:
    """Load something, and compare it; the leaves of an expression."""

    def __init__(self, loads: Sequence[Instruction], code: int, constant: int) -> None:
        self.loads, self.code, self.constant = loads, code, constant


class _All:
    def __init__(self, *parts: _Node) -> None:
        self.parts = parts


class _Any:
    def __init__(self, *parts: _Node) -> None:
        self.parts = parts


class _Not:
    def __init__(self, part: _Node) -> None:
        self.part = part


_Node = _Test | _All | _Any | _Not


def compile_capture_filter(expression: str, header: int = 0) -> list[Instruction]:
    """The program of an expression, for a link with a header of so many bytes; UsageError says what is wrong.

    An empty expression wants everything.
    """
    if len(expression) > MAX_LENGTH:
        raise UsageError(f"a capture filter has at most {MAX_LENGTH} characters, this one {len(expression)}")
    if not expression.strip():
        return [Instruction(bpf.RETURN, constant=bpf.ALL)]
    parser = _Parser(expression, header)
    node = parser.expression()
    if parser.word:
        raise parser.error(f"expected 'and', 'or' or the end, not {parser.word!r}")
    program = _generate(node)
    if len(program) > bpf.LONGEST:
        raise UsageError(f"the capture filter makes {len(program)} instructions; the kernel takes {bpf.LONGEST}")
    return program


class _Parser:
    """Recursive descent, a method a rule."""

    def __init__(self, expression: str, header: int) -> None:
        self._expression, self._header = expression, header
        self._words = _TOKEN.findall(expression)
        self._at = self._depth = 0

    @property
    def word(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def error(self, what: str) -> UsageError:
        return UsageError(f"capture filter {self._expression!r}: {what}")

    def _next(self) -> str:
        word = self.word
        self._at += 1
        return word

    def _take(self, *words: str) -> bool:
        if self.word in words:
            self._at += 1
            return True
        return False

    def expression(self) -> _Node:
        parts = [self._conjunction()]
        while self._take("or", "||"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else _Any(*parts)

    def _conjunction(self) -> _Node:
        parts = [self._negation()]
        while self._take("and", "&&"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else _All(*parts)

    def _negation(self) -> _Node:
        self._depth += 1
        if self._depth > 50:
            raise self.error("more than 50 levels deep")
        try:
            if self._take("not", "!"):
                return _Not(self._negation())
            if self._take("("):
                inner = self.expression()
                if not self._take(")"):
                    raise self.error("expected ')'")
                return inner
            return self._primitive()
        finally:
            self._depth -= 1

    def _primitive(self) -> _Node:
        protocol = self._next() if self.word in PROTOCOLS else ""
        direction = self._next() if self.word in ("src", "dst") else ""
        if self._take("host", "net"):
            return self._network(self._next(), protocol, direction)
        if self._take("port"):
            return self._ports(self._next(), protocol, direction)
        if self._take("portrange"):
            return self._ports(self._next(), protocol, direction)
        if direction:
            raise self.error(f"expected host, net or port behind {direction}")
        if protocol:
            return self._protocol(protocol)
        if self._take("proto"):
            return self._protocol(self._next())
        raise self.error(f"{self.word or 'its end'!r} is no primitive; host, net, port, tcp, udp … are")

    def _protocol(self, name: str) -> _Node:
        if name in ETHER_TYPES:
            return _ether_type(ETHER_TYPES[name])
        number = NUMBERS.get(name, int(name) if name.isascii() and name.isdigit() and int(name) < 256 else -1)
        if number < 0:
            raise self.error(f"{name!r} is no protocol; {', '.join((*ETHER_TYPES, *NUMBERS))} and 0 to 255 are")
        version_4 = _All(_ether_type(IPV4), self._equal(bpf.LOAD_BYTE, 9, number))
        version_6 = _All(_ether_type(IPV6), self._equal(bpf.LOAD_BYTE, 6, number))
        if name == "icmp":
            return version_4
        return version_6 if name == "icmp6" else _Any(version_4, version_6)

    def _equal(self, code: int, offset: int, value: int) -> _Test:
        return _Test([Instruction(code, constant=self._header + offset)], bpf.JUMP_EQUAL, value)

    def _network(self, text: str, protocol: str, direction: str) -> _Node:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise self.error(f"{text!r} is no address or network; 10.0.0.1 and 10.0.0.0/8 are") from None
        tests: list[_Node] = []
        if network.version == 6:
            tests.append(_All(_ether_type(IPV6), self._ends(network, 8, 24, direction)))
        else:
            if protocol != "arp":
                tests.append(_All(_ether_type(IPV4), self._ends(network, 12, 16, direction)))
            if protocol in ("", "arp"):
                tests.append(_All(_ether_type(ARP), self._ends(network, 14, 24, direction)))
        found: _Node = tests[0] if len(tests) == 1 else _Any(*tests)
        return _All(self._protocol(protocol), found) if protocol not in ("", "arp") else found

    def _ends(self, network: IPv4Network | IPv6Network, source: int, destination: int, direction: str) -> _Node:
        ends = {"src": (source,), "dst": (destination,)}.get(direction, (source, destination))
        return _Any(*(self._address(network, offset) for offset in ends))

    def _address(self, network: IPv4Network | IPv6Network, offset: int) -> _Node:
        """An address word by word, under the network's mask."""
        address, mask = network.network_address.packed, network.netmask.packed
        tests: list[_Node] = []
        for at in range(0, len(address), 4):
            bits = int.from_bytes(mask[at : at + 4], "big")
            loads = [
                Instruction(bpf.LOAD_WORD, constant=self._header + offset + at),
                Instruction(bpf.AND, constant=bits),
            ]
            if bits:
                tests.append(_Test(loads, bpf.JUMP_EQUAL, int.from_bytes(address[at : at + 4], "big")))
        return _All(*tests) if tests else _Test([], bpf.JUMP_AT_LEAST, 0)  # a mask of nothing takes every address

    def _ports(self, text: str, protocol: str, direction: str) -> _Node:
        low, _, high = text.partition("-")
        if not (low.isdigit() and (high or low).isdigit() and int(low) <= int(high or low) < 65536):
            raise self.error(f"{text!r} is no port; 0 to 65535 are")
        if protocol and protocol not in WITH_PORTS:
            raise self.error(f"{protocol} has no ports; {', '.join(WITH_PORTS)} have")
        numbers = [NUMBERS[name] for name in ((protocol,) if protocol else WITH_PORTS)]
        first, last = int(low), int(high or low)
        ends = {"src": (0,), "dst": (2,)}.get(direction, (0, 2))
        version_4 = _All(
            _ether_type(IPV4),
            _Any(*(self._equal(bpf.LOAD_BYTE, 9, number) for number in numbers)),
            _Not(_Test([Instruction(bpf.LOAD_HALF, constant=self._header + 6)], bpf.JUMP_ANY_BIT, 0x1FFF)),
            _Any(*(_between(self._behind_header(end), first, last) for end in ends)),
        )
        version_6 = _All(
            _ether_type(IPV6),
            _Any(*(self._equal(bpf.LOAD_BYTE, 6, number) for number in numbers)),
            _Any(
                *(_between([Instruction(bpf.LOAD_HALF, constant=self._header + 40 + end)], first, last) for end in ends)
            ),
        )
        return _Any(version_4, version_6)

    def _behind_header(self, offset: int) -> list[Instruction]:
        """A port behind the IPv4 header, however long that is."""
        header = self._header
        return [
            Instruction(bpf.LOAD_HEADER_LENGTH, constant=header),
            Instruction(bpf.LOAD_HALF_INDEXED, constant=header + offset),
        ]


def _ether_type(number: int) -> _Test:
    return _Test([Instruction(bpf.LOAD_HALF, constant=bpf.PROTOCOL)], bpf.JUMP_EQUAL, number)


def _between(loads: Sequence[Instruction], first: int, last: int) -> _Node:
    if first == last:
        return _Test(loads, bpf.JUMP_EQUAL, first)
    return _All(_Test(loads, bpf.JUMP_AT_LEAST, first), _Not(_Test(loads, bpf.JUMP_GREATER, last)))


def _generate(node: _Node) -> list[Instruction]:
    """Code that ends with everything where the node holds, and with nothing where not.

    Tests jump over at most two instructions, and those are jumps of any length: conditional ones reach 255 only.
    """
    code: list[Instruction] = []
    jumps: list[tuple[int, int]] = []  # an instruction, and the label that it jumps to
    places: dict[int, int] = {}
    labels = iter(range(1 << 30))

    def emit(part: _Node, yes: int, no: int) -> None:
        if isinstance(part, _Test):
            code.extend(part.loads)
            code.append(Instruction(part.code, 0, 1, part.constant))
            for label in (yes, no):
                jumps.append((len(code), label))
                code.append(Instruction(bpf.JUMP))
        elif isinstance(part, _Not):
            emit(part.part, no, yes)
        else:
            for inner in part.parts[:-1]:
                following = next(labels)
                emit(inner, following if isinstance(part, _All) else yes, no if isinstance(part, _All) else following)
                places[following] = len(code)
            emit(part.parts[-1], yes, no)

    yes, no = next(labels), next(labels)
    emit(node, yes, no)
    places[yes], places[no] = len(code), len(code) + 1
    code += [Instruction(bpf.RETURN, constant=bpf.ALL), Instruction(bpf.RETURN, constant=0)]
    for at, label in jumps:
        code[at] = Instruction(bpf.JUMP, constant=places[label] - at - 1)
    return code
