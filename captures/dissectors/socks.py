"""SOCKS 4, 4a and 5 (RFC 1928, RFC 1929): what is said before a tunnel."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from captures.dissectors.lines import text
from captures.messages import Asking, NotThis, Script, Source, Talk
from captures.tree import Layer, Reader, Row, Short
from netlab.cores.socks_wire import IPV4, IPV6, NAME, NO_ACCEPTABLE, USER_PASSWORD, Reply

GREETING, LOGIN, REQUEST, REPLY, OLD = "RFC 1928 3", "RFC 1929 2", "RFC 1928 4", "RFC 1928 6", "SOCKS 4 protocol"
METHODS = {0: "none", 1: "GSSAPI", 2: "user and password", 255: "none of them will do"}
COMMANDS = {1: "CONNECT", 2: "BIND", 3: "UDP ASSOCIATE"}
OLD_REPLIES = {90: "granted", 91: "rejected or failed", 92: "no identd reached", 93: "identd says another user"}
LONGEST = 1024
STEP_NAMES = {"method": "method chosen", "login": "user and password"}


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is SOCKS."""
    if data[:1] == b"\5":
        return len(data) >= 3 and 0 < data[1] <= 10 and len(data) == 2 + data[1]
    return data[:1] == b"\4" and len(data) >= 9 and data[1] in (1, 2) and data.find(b"\0", 8) >= 0


def messages(source: Source, talk: Talk) -> Script:
    """Each side's few messages in turn; behind the last the tunnel begins."""
    yield from source.need(1)
    if source.side == "client":
        yield from _client(source, talk)
    else:
        yield from _server(source, talk)


def _client(source: Source, talk: Talk) -> Script:
    step = talk.facts.get("client", "greeting")
    if step == "greeting" and source.peek(1) == b"\4":
        talk.facts["port"] = yield from _old_request(source)
        talk.facts["client"] = talk.facts["server"] = "old"
    elif step == "greeting":
        yield from source.need(2)
        count = source.peek(2)[1]
        if source.peek(1) != b"\5":
            raise NotThis("no greeting")
        yield from source.need(2 + count)
        source.emit("socks", 2 + count, {"step": "greeting"})
        talk.facts["client"] = "request"
    elif step == "request" and source.peek(1) == b"\1" and talk.facts.get("login"):
        yield from source.need(2)
        user = source.peek(2)[1]
        yield from source.need(3 + user)
        password = source.peek(1, 2 + user)[0]
        yield from source.need(3 + user + password)
        source.emit("socks", 3 + user + password, {"step": "login"})
    elif step == "request":
        size = yield from _addressed(source)
        talk.facts["port"] = int.from_bytes(source.peek(2, size - 2), "big")
        source.emit("socks", size, {"step": "request"})
        talk.facts["client"] = "tunnel"
    else:
        raise NotThis("bytes before the tunnel stands")


def _server(source: Source, talk: Talk) -> Script:
    step = talk.facts.get("server", "method")
    if step == "old":
        yield from source.need(8)
        granted = source.peek(2)[1] == 90
        source.emit("socks", 8, {"step": "old reply"})
        talk.switch("" if granted else "data", port=talk.facts.get("port", 0))
    elif step == "method":
        yield from source.need(2)
        method = source.peek(2)[1]
        source.emit("socks", 2, {"step": "method"})
        talk.facts["login"] = method == USER_PASSWORD
        talk.facts["server"] = "login reply" if method == USER_PASSWORD else "reply"
        if method == NO_ACCEPTABLE:
            talk.switch("data")
    elif step == "login reply":
        yield from source.need(2)
        source.emit("socks", 2, {"step": "login reply"})
        talk.facts["server"], talk.facts["login"] = "reply", False
    else:
        size = yield from _addressed(source)
        granted = source.peek(2)[1] == 0
        source.emit("socks", size, {"step": "reply"})
        talk.switch("" if granted else "data", port=talk.facts.get("port", 0))


def _addressed(source: Source) -> Any:
    """Wait for a request or a reply; its size."""
    yield from source.need(5)
    head = source.peek(5)
    sizes = {IPV4: 4, NAME: 1 + head[4], IPV6: 16}
    if head[0] != 5 or head[3] not in sizes:
        raise NotThis("no SOCKS request or reply")
    size = 4 + sizes[head[3]] + 2
    yield from source.need(size)
    return size


def _old_request(source: Source) -> Asking:
    yield from source.need(9)
    port = int.from_bytes(source.peek(2, 2), "big")
    end = yield from source.find(b"\0", 8, longest=LONGEST)
    address = source.peek(4, 4)
    if address[:3] == b"\0\0\0" and address[3]:  # 4a: a name follows
        end = yield from source.find(b"\0", end, longest=LONGEST)
    source.emit("socks", end, {"step": "old request"})
    return port


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """What is asked or answered."""
    step = context.get("step", "")
    layer = dissect(data, context=context)
    where = layer.value("socks.remote_name") or layer.value("socks.dst") or ""
    port = layer.value("socks.port")
    place = f" {where}:{port}" if port is not None else ""
    if step in ("request", "old request"):
        return f"{COMMANDS.get(layer.value('socks.command'), 'request')}{place}"
    if step in ("reply", "old reply"):
        field = layer.get("socks.results")
        return f"{field.meaning if field is not None else 'reply'}{place}"
    return STEP_NAMES.get(str(step), str(step))


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The message between `start` and `end`; `context` says at which step."""
    reader = Reader(data, start, len(data) if end is None else end)
    try:
        STEPS.get(context.get("step", ""), _unknown)(reader)
    except Short:
        pass
    if reader.left:
        reader.spoil("socks.rest", "Rest", "behind the message", REQUEST)
    behind = reader.at // 8
    return Layer("socks", "SOCKS Protocol", start * 8, reader.at, tuple(reader.fields), "", (behind, behind))


def _version(reader: Reader, section: str) -> None:
    reader.number(Row("socks.version", "Version", 8, lambda n: f"SOCKS {n}", section))


def _method(number: int) -> str:
    return METHODS.get(number, f"method {number}")


def _greeting(reader: Reader) -> None:
    _version(reader, GREETING)
    count = reader.number(Row("socks.auth_method_count", "Methods", 8, "how many are offered", GREETING))
    for _ in range(min(count, reader.left)):
        reader.number(Row("socks.auth_method", "Method", 8, _method, GREETING))


def _chosen(reader: Reader) -> None:
    _version(reader, GREETING)
    reader.number(Row("socks.auth_accepted_method", "Accepted Method", 8, _method, GREETING))


def _login(reader: Reader) -> None:
    reader.number(Row("socks.subnegotiation_version", "Version", 8, "", LOGIN))
    for name, label in (("username", "User"), ("password", "Password")):
        size = reader.number(Row(f"socks.{name}_length", f"{label} Length", 8, "", LOGIN))
        _words(reader, size, f"socks.{name}", label, LOGIN)


def _login_reply(reader: Reader) -> None:
    reader.number(Row("socks.subnegotiation_version", "Version", 8, "", LOGIN))
    reader.number(Row("socks.auth_status", "Status", 8, lambda n: "refused" if n else "welcome", LOGIN))


def _request(reader: Reader) -> None:
    _version(reader, REQUEST)
    reader.number(Row("socks.command", "Command", 8, lambda n: COMMANDS.get(n, f"command {n}"), REQUEST))
    _address(reader, REQUEST)


def _reply(reader: Reader) -> None:
    _version(reader, REPLY)
    reader.number(Row("socks.results", "Result", 8, lambda n: Reply.words(n) if n else "granted", REPLY))
    _address(reader, REPLY)


def _address(reader: Reader, section: str) -> None:
    reader.number(Row("socks.reserved", "Reserved", 8, "must be zero", section))
    kinds = {IPV4: "IPv4", NAME: "a name", IPV6: "IPv6"}
    kind = reader.number(Row("socks.address_type", "Address Type", 8, lambda n: kinds.get(n, "not known"), section))
    if kind == NAME:
        size = reader.number(Row("socks.remote_name_length", "Name Length", 8, "", section))
        _words(reader, size, "socks.remote_name", "Name", section)
    elif kind in kinds:
        _ip(reader, 4 if kind == IPV4 else 16, section)
    reader.number(Row("socks.port", "Port", 16, "", section))


def _ip(reader: Reader, size: int, section: str) -> None:
    at = reader.at // 8
    raw = reader.data[at : min(at + size, reader.end // 8)]
    reader.take(size, "socks.dst", "Address", "", section, value=str(ip_address(raw)) if len(raw) == size else None)


def _words(reader: Reader, size: int, name: str, label: str, section: str) -> None:
    at = reader.at // 8
    reader.take(size, name, label, "", section, value=text(reader.data[at : at + size]))


def _old(reader: Reader) -> None:
    _version(reader, OLD)
    reader.number(Row("socks.command", "Command", 8, lambda n: COMMANDS.get(n, f"command {n}"), OLD))
    reader.number(Row("socks.port", "Port", 16, "", OLD))
    _ip(reader, 4, OLD)
    for name, label in (("username", "User"), ("remote_name", "Name")):
        index = reader.data.find(b"\0", reader.at // 8, reader.end // 8)
        if index >= 0:
            _words(reader, index - reader.at // 8, f"socks.{name}", label, OLD)
            reader.take(1, "socks.end", "End", "", OLD)


def _old_reply(reader: Reader) -> None:
    reader.number(Row("socks.version", "Version", 8, "zero in a reply", OLD))
    reader.number(Row("socks.results", "Result", 8, lambda n: OLD_REPLIES.get(n, f"reply {n}"), OLD))
    reader.number(Row("socks.port", "Port", 16, "", OLD))
    _ip(reader, 4, OLD)


def _unknown(reader: Reader) -> None:
    _version(reader, REQUEST)


STEPS = {
    "greeting": _greeting,
    "method": _chosen,
    "login": _login,
    "login reply": _login_reply,
    "request": _request,
    "reply": _reply,
    "old request": _old,
    "old reply": _old_reply,
}
