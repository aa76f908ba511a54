"""HTTP/1.1 (RFC 9112): requests and responses with their content, whole, or in pieces where they are long."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from captures.dissectors.http1_content import codings_of, decoded
from captures.dissectors.lines import line, text
from captures.messages import HELD, Decoded, NotThis, Script, Source, Talk
from captures.tree import Field, Layer, Reader, Short

NAME = "http"
MESSAGE, START, FIELDS, CHUNKED = "RFC 9112 2.1", "RFC 9112 3", "RFC 9112 5", "RFC 9112 7.1"
HEAD = 1 << 16
BEGINS = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PROPFIND|PURGE|HTTP/1\.[01]) ")
REQUEST_LINE = re.compile(rb"([^ \r\n]*+)( ++)([^ \r\n]*+)( ++)([^\r\n]*+)(\r?\n)")
STATUS_LINE = re.compile(rb"(HTTP/[0-9.]++)( ++)([0-9]{3})( *+)([^\r\n]*+)(\r?\n)")
FIELD_LINE = re.compile(rb"([^:\r\n]*+)(:[ \t]*+)([^\r\n]*+)(\r?\n)")
LENGTH = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,18})[ \t]*\r?$")
CHUNKED_CODING = re.compile(rb"(?im)^transfer-encoding:.*\bchunked[ \t]*\r?$")
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[^\r\n]*\r?\n")
BODILESS = {b"1", b"204", b"304"}


def recognize(data: bytes) -> bool:
    """Whether a stream that begins so is HTTP."""
    return BEGINS.match(data) is not None


def messages(source: Source, talk: Talk) -> Script:
    """Messages of one side; ends behind CONNECT's and Upgrade's answer."""
    while talk.protocol == NAME:
        yield from source.need(1)
        if talk.protocol != NAME:  # what was waited for is another protocol's
            return
        if source.peek(2) == b"\r\n":  # RFC 9112 2.2: an empty line before a request is passed over
            source.emit("http.blank", 2)
            continue
        if not source.peek(1).isalpha():
            raise NotThis("no start line")
        yield from _message(source, talk)


def _message(source: Source, talk: Talk) -> Script:
    size = yield from source.find(b"\n\r\n", longest=HEAD)
    head = source.peek(size)
    status = STATUS_LINE.match(head)
    waiting: list[bytes] = talk.facts.setdefault("methods", [])
    if status is None:
        request = REQUEST_LINE.match(head)
        if request is None or not request[5].startswith(b"HTTP/"):
            raise NotThis("no request line")
        waiting.append(request[1])
        if request[1] == b"CONNECT":
            port = request[3].rpartition(b":")[2]
            talk.facts["port"] = int(port) if port.isdigit() and len(port) < 6 else 0
        del waiting[:-1000]
        method, code = request[1], b""
    else:
        method, code = (waiting[0] if waiting else b""), status[3]
        if not code.startswith(b"1") or code == b"101":
            del waiting[:1]
    yield from _content(source, head, method, code)
    if code == b"101":
        upgrade = re.search(rb"(?im)^upgrade:[ \t]*websocket", head)
        extensions = re.search(rb"(?im)^sec-websocket-extensions:.*$", head)
        talk.switch("websocket" if upgrade else "data")
        talk.facts["extensions"] = extensions[0].decode("latin-1").lower() if extensions else ""
    elif method == b"CONNECT" and code.startswith(b"2"):
        talk.switch(port=talk.facts.get("port", 0))


def _content(source: Source, head: bytes, method: bytes, code: bytes) -> Script:
    """Emit the message, its content's end found by RFC 9112 6.3."""
    size = len(head)
    context: Mapping[str, Any] = {"request": method.decode("latin-1")} if code else {}
    length = LENGTH.search(head)
    none = code and (method == b"HEAD" or code in BODILESS or code[:1] in BODILESS)
    if none or (method == b"CONNECT" and code.startswith(b"2")):
        source.emit(NAME, size, context)
        return
    chunked, codings = CHUNKED_CODING.search(head) is not None, codings_of(head)
    if chunked or length is not None or code:
        source.begin(NAME, size, codings, length=int(length[1]) if length and not chunked else None, chunked=chunked)
    if chunked:
        yield from _chunked(source, head, context)
    elif length is not None:
        count = int(length[1])
        if count <= HELD:
            yield from source.need(size + count)
            source.emit(NAME, size + count, context)
        else:
            source.emit(NAME, size, context)
            yield from source.emit_pieces("http.content", count, context)
    elif code:
        source.emit(NAME, size, context)  # up to the connection's end
        yield from source.emit_pieces("http.content", None, context)
    else:
        source.emit(NAME, size, context)


def _chunked(source: Source, head: bytes, context: Mapping[str, Any]) -> Script:
    """Chunks up to the last and its trailers; what is long goes in pieces."""
    end, first = len(head), True
    while True:
        behind = yield from source.find(b"\n", end, longest=end + HEAD)
        size = CHUNK_SIZE.fullmatch(source.peek(behind - end, end))
        if size is None:
            raise NotThis("no chunk size")
        count, end = int(size[1], 16), behind
        if not count:
            break
        if end + count > HELD:  # too long to be held: what was held is a piece, and so is each chunk
            source.emit(NAME if first else "http.content", end, context)
            yield from source.emit_pieces("http.content", count + 2, context)
            end, first = 0, False
            continue
        yield from source.need(end + count + 2)
        end += count + 2
    while (behind := (yield from source.find(b"\n", end, longest=end + HEAD))) > end + 2:
        end = behind
    source.emit(NAME if first else "http.content", behind, context)


def decode(data: bytes) -> tuple[Decoded, ...]:
    """The buffers that follow from a message: its chunks joined, its codings undone."""
    end = data.find(b"\r\n\r\n") + 4
    head = data[:end]
    if end < 4 or end == len(data):
        return ()
    if not CHUNKED_CODING.search(head):
        return decoded(head, data[end:])
    joined = []
    while (size := CHUNK_SIZE.match(data, end)) and int(size[1], 16):
        joined.append(data[size.end() : size.end() + int(size[1], 16)])
        end = size.end() + int(size[1], 16) + 2
    return decoded(head, b"".join(joined), chunked=True)


def summarize(data: bytes, context: Mapping[str, Any]) -> str:
    """The start line."""
    return data[: max(data.find(b"\n"), 0)].rstrip(b"\r")[:200].decode("utf-8", "backslashreplace")


def dissect(
    data: bytes, start: int = 0, end: int | None = None, below: Layer | None = None, context: Mapping[str, Any] = {}
) -> Layer:
    """The message between `start` and `end`."""
    reader = Reader(data, start, len(data) if end is None else end)
    kind = "response" if data[start : start + 5] == b"HTTP/" else "request"
    try:
        if kind == "response":
            match = line(reader, STATUS_LINE, STATUS_PARTS, "http.response.status_line", "Status Line", "RFC 9112 4")
            if match is not None:
                _status(reader, int(match[3]))
        else:
            line(reader, REQUEST_LINE, REQUEST_PARTS, "http.request.request_line", "Request Line", START)
        chunked = _fields(reader, kind)
        if reader.left and chunked:
            _chunks(reader)
        elif reader.left:
            reader.take(reader.left, "http.file_data", "Content", f"{reader.left} bytes", "RFC 9112 6")
    except Short:
        pass
    behind = reader.at // 8
    derived = (Field(f"http.{kind}", kind.title(), 1, 0, 0, "what this message is"),)
    fields = tuple(reader.fields)
    return Layer(NAME, "Hypertext Transfer Protocol", start * 8, reader.at, fields, "", (behind, behind), derived)


REQUEST_PARTS = (
    ("http.request.method", "Method", "what is to be done with the target", "RFC 9110 9"),
    ("http.sp", "Space", "", START),
    ("http.request.uri", "Request Target", "what is asked for", "RFC 9112 3.2"),
    ("http.sp", "Space", "", START),
    ("http.request.version", "Version", "what the client understands", "RFC 9112 2.3"),
    ("http.crlf", "Line End", "", MESSAGE),
)
STATUS_PARTS = (
    ("http.response.version", "Version", "what the server understands", "RFC 9112 2.3"),
    ("http.sp", "Space", "", "RFC 9112 4"),
    ("http.response.code", "Status Code", "", "RFC 9110 15"),
    ("http.sp", "Space", "", "RFC 9112 4"),
    ("http.response.phrase", "Reason Phrase", "for people; a client should ignore it", "RFC 9112 4"),
    ("http.crlf", "Line End", "", MESSAGE),
)
FIELD_PARTS = (
    ("http.field.name", "Field Name", "", FIELDS),
    ("http.field.colon", "Colon", "", FIELDS),
    ("http.field.value", "Field Value", "", FIELDS),
    ("http.crlf", "Line End", "", MESSAGE),
)
CLASSES = {
    "1": "informational: the answer is still to come",
    "2": "successful",
    "3": "redirection: more has to be done",
    "4": "client error: the request was wrong",
    "5": "server error: the request may have been right",
}
SECRET = {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"}


def _status(reader: Reader, code: int) -> None:
    """The status code of the line just passed is a number."""
    field = reader.fields[-1]
    meaning = CLASSES.get(str(code)[:1], "no class of this number")
    name = "http.response.code"
    parts = tuple(p._replace(value=code, meaning=meaning) if p.name == name else p for p in field.parts)
    reader.fields[-1] = field._replace(parts=parts)


def _fields(reader: Reader, kind: str) -> bool:
    """Pass the field lines and the empty line; returns whether the content is chunked."""
    chunked = False
    while reader.left:
        at = reader.at // 8
        if reader.data[at : at + 2] == b"\r\n" or reader.data[at : at + 1] == b"\n":
            reader.take(2 if reader.peek() == 13 else 1, "http.head_end", "End of the Fields", "", MESSAGE)
            return chunked
        match = line(reader, FIELD_LINE, FIELD_PARTS, f"http.{kind}.line", "Field Line", FIELDS)
        if match is None:
            continue
        name, value = text(match[1]), text(match[3].rstrip(b" \t"))
        secret = "a secret" if name.lower() in SECRET else ""
        reader.fields[-1] = reader.fields[-1]._replace(
            name=f"http.{_wireshark(name)}", label=name or "Field Line", value=_number(name, value), meaning=secret
        )
        chunked |= name.lower() == "transfer-encoding" and value.lower().endswith("chunked")
    return chunked


def _wireshark(name: str) -> str:
    """A field's name as Wireshark's display filters have it: http.user_agent."""
    known = {"content-length": "content_length_header"}
    return known.get(name.lower()) or re.sub(r"[^a-z0-9]", "_", name.lower()) or "line"


def _number(name: str, value: str) -> int | str:
    is_length = name.lower() == "content-length" and value.isascii() and value.isdigit() and len(value) < 19
    return int(value) if is_length else value


def _chunks(reader: Reader) -> None:
    while reader.left:
        mark, at, end = len(reader.fields), reader.at // 8, reader.end // 8
        match = CHUNK_SIZE.match(reader.data, at, end)
        if match is None:
            reader.spoil("http.chunk", "Chunk", "no chunk size stands here", CHUNKED)
            return
        count = int(match[1], 16)
        reader.take(len(match[0]), "http.chunk_size", "Chunk Size", f"{count} bytes", CHUNKED, value=count)
        if not count:
            reader.fold(mark, "http.last_chunk", "Last Chunk", 0, "the content ends here", CHUNKED)
            _fields(reader, "trailer")
            return
        reader.take(min(count, reader.left), "http.chunk_data", "Chunk Data", "", CHUNKED)
        reader.take(min(2, reader.left), "http.chunk_boundary", "Chunk End", "", CHUNKED)
        reader.fold(mark, "http.chunk", "Chunk", count, f"{count} bytes", CHUNKED)
