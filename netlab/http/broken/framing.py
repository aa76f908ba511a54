"""Faults in where the content ends: lengths, chunks, and content where there can be none."""

from __future__ import annotations

from netlab.http.broken.fault import HELLO, Fault, Wish, said, say
from netlab.http.exchange import Exchange

LENGTH = "Content-Length: 13"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"d\r\nHello, World!\r\n"
LAST = b"0\r\n\r\n"
INCOMPLETE = "report an incomplete response; what came is not the whole"
UNRECOVERABLE = "close the connection and discard the response"


async def more_than_said(exchange: Exchange, wish: Wish) -> None:
    exchange.start(200, [("X-Broken", "length-too-small")], length=5)
    exchange.send(HELLO[:5])
    exchange.raw(HELLO[5:])
    exchange.finish()


async def split(exchange: Exchange, wish: Wish) -> None:
    exchange.start(302, [("Location", "/get"), ("X-Broken", "response-split")], length=0)
    exchange.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nX-Broken: second\r\n\r\nnot for this request")
    exchange.finish()


async def content_to_head(exchange: Exchange, wish: Wish) -> None:
    data = b"HTTP/1.1 200 OK\r\nServer: netlab\r\nContent-Length: 13\r\nX-Broken: content-to-head\r\n\r\nHello, World!"
    await say(exchange, data)


LENGTHS = (
    said(
        "cut-body",
        "Content-Length: 1000",
        body=b"x" * 500,
        wrong="1000 bytes are declared, 500 are sent, then the connection ends",
        client=INCOMPLETE,
        section="RFC 9112 8",
    ),
    said(
        "head-only",
        LENGTH,
        wrong="13 bytes are declared, and the connection ends behind the head",
        client=INCOMPLETE,
        section="RFC 9112 8",
    ),
    said(
        "length-too-large",
        "Content-Length: 20",
        body=HELLO,
        end="stay",
        wrong="20 bytes are declared, 13 are sent, and the connection stays open (?seconds=30)",
        client="give up after a time of its own, and not use the connection again",
        section="RFC 9112 6.3",
    ),
    Fault(
        name="length-too-small",
        script=more_than_said,
        wrong="5 bytes are declared and 13 sent; the answer to the next request follows them",
        client="take 5 bytes; not take the rest for the answer to its next request",
        section="RFC 9112 6.3",
    ),
    said(
        "two-lengths",
        "Content-Length: 5",
        LENGTH,
        body=HELLO,
        wrong="two Content-Length fields that differ",
        client=UNRECOVERABLE,
        section="RFC 9112 6.3",
    ),
    said(
        "length-list",
        "Content-Length: 13, 13",
        body=HELLO,
        wrong="one Content-Length field with the same length twice",
        client="reject it, or take it for the one length it is",
        section="RFC 9110 8.6",
    ),
    said(
        "bad-length",
        "Content-Length: thirteen",
        body=HELLO,
        wrong="a Content-Length that is no number",
        client=UNRECOVERABLE,
        section="RFC 9112 6.3",
    ),
    said(
        "negative-length",
        "Content-Length: -13",
        body=HELLO,
        wrong="a negative Content-Length",
        client=UNRECOVERABLE,
        section="RFC 9110 8.6",
    ),
    said(
        "huge-length",
        "Content-Length: 18446744073709551629",
        body=HELLO,
        wrong="a Content-Length that is 13 where 64 bits are all there is",
        client="not overflow: the content is incomplete, or larger than it takes",
        section="RFC 9110 8.6",
    ),
    said(
        "length-and-chunked",
        "Content-Length: 5",
        CHUNKED,
        body=CHUNK + LAST,
        wrong="both Content-Length and Transfer-Encoding",
        client="go by Transfer-Encoding or reject it, and not use the connection again: this is how smuggling looks",
        section="RFC 9112 6.3",
    ),
)
CHUNKS = (
    said(
        "unknown-transfer-coding",
        "Transfer-Encoding: rot13",
        body=b"Uryyb, Jbeyq!",
        wrong="a transfer coding that nobody knows",
        client="report an error: it cannot know what the content is",
        section="RFC 9112 6.1",
    ),
    said(
        "chunked-in-1.0",
        CHUNKED,
        line="HTTP/1.0 200 OK",
        body=CHUNK + LAST,
        wrong="Transfer-Encoding in an HTTP/1.0 response",
        client="take the framing for faulty, and close the connection behind the message",
        section="RFC 9112 6.1",
    ),
    said(
        "bad-chunk-size",
        CHUNKED,
        body=CHUNK + b"ZZ\r\nHello\r\n" + LAST,
        wrong="a chunk size that is no hexadecimal number",
        client=UNRECOVERABLE,
        section="RFC 9112 7.1",
    ),
    said(
        "huge-chunk-size",
        CHUNKED,
        body=b"1000000000000000D\r\nHello, World!\r\n" + LAST,
        wrong="a chunk size that is 13 where 64 bits are all there is",
        client="not overflow; report an error",
        section="RFC 9112 7.1",
    ),
    said(
        "chunk-too-long",
        CHUNKED,
        body=b"5\r\nHello, World!\r\n" + LAST,
        wrong="more data in a chunk than its size says",
        client=UNRECOVERABLE,
        section="RFC 9112 7.1",
    ),
    said(
        "chunk-with-bare-lf",
        CHUNKED,
        body=b"d\nHello, World!\n0\n\n",
        wrong="lines of a chunked body that end in LF alone",
        client="report an error: the leave to take LF for a line's end is for heads only",
        section="RFC 9112 2.2",
    ),
    said(
        "missing-last-chunk",
        CHUNKED,
        body=CHUNK,
        wrong="the connection ends between two chunks, without the last one of size 0",
        client=INCOMPLETE,
        section="RFC 9112 8",
    ),
    said(
        "cut-chunk",
        CHUNKED,
        body=CHUNK + b"3e8\r\n" + b"x" * 500,
        wrong="the connection ends inside a chunk",
        client=INCOMPLETE,
        section="RFC 9112 8",
    ),
    said(
        "cut-trailers",
        CHUNKED,
        "Trailer: Expires",
        body=CHUNK + b"0\r\nExpires: 0\r\n",
        wrong="the connection ends inside the trailers",
        client="report an incomplete response, or at least not use the trailers",
        section="RFC 9112 7.1.2",
    ),
)
WHERE_NONE_CAN_BE = (
    said(
        "content-on-204",
        LENGTH,
        line="HTTP/1.1 204 No Content",
        body=HELLO,
        wrong="content, and its length, on a 204",
        client="end the response with its head, and not take what follows for another",
        section="RFC 9112 6.3",
    ),
    said(
        "content-on-304",
        LENGTH,
        line="HTTP/1.1 304 Not Modified",
        body=HELLO,
        wrong="content on a 304 (its length is allowed)",
        client="end the response with its head, and not take what follows for another",
        section="RFC 9112 6.3",
    ),
    Fault(
        name="content-to-head",
        method="HEAD",
        script=content_to_head,
        wrong="content in answer to HEAD",
        client="end the response with its head, and not take what follows for another",
        section="RFC 9112 6.3",
    ),
    Fault(
        name="response-split",
        script=split,
        wrong="one request, two responses: as if a field's value had smuggled in a line end",
        client="not take the second for the answer to its next request on this connection",
        section="RFC 9112 11.1",
    ),
)
FAULTS = (*LENGTHS, *CHUNKS, *WHERE_NONE_CAN_BE)
