"""Faults in the head: status lines, fields, line ends, and redirects that lead nowhere."""

from __future__ import annotations

from netlab.http.broken.fault import HELLO, Fault, Wish, message, said, say
from netlab.http.endpoints.answers import HTML, respond
from netlab.http.exchange import Exchange

LENGTH = "Content-Length: 13"
NOT_A_RESPONSE = "report that this is no HTTP response, and close the connection"


def raw(name: str, data: bytes, *, wrong: str, client: str, section: str) -> Fault:
    """A fault whose bytes have no ordinary head."""

    async def script(exchange: Exchange, wish: Wish) -> None:
        await say(exchange, data)

    return Fault(name=name, wrong=wrong, client=client, section=section, script=script)


async def many_fields(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, message(LENGTH, *(f"X-Field-{number}: {number}" for number in range(2000))) + HELLO)


async def long_field(exchange: Exchange, wish: Wish) -> None:
    await say(exchange, message(LENGTH, f"X-Field: {'x' * (1 << 20)}") + HELLO)


async def loop(exchange: Exchange, wish: Wish) -> None:
    respond(exchange, 302, [HTML, ("Location", "/broken/redirect-loop")])


STATUS_LINES = (
    said(
        "bad-status",
        LENGTH,
        line="HTTP/1.1 OK",
        body=HELLO,
        wrong="a status line without a status",
        client=NOT_A_RESPONSE,
        section="RFC 9112 4",
    ),
    said(
        "short-status",
        LENGTH,
        line="HTTP/1.1 20 OK",
        body=HELLO,
        wrong="a status of two digits",
        client=NOT_A_RESPONSE,
        section="RFC 9112 4",
    ),
    said(
        "status-out-of-range",
        LENGTH,
        line="HTTP/1.1 799 Beyond",
        body=HELLO,
        wrong="a status above 599",
        client="treat it as a 5xx",
        section="RFC 9110 15",
    ),
    said(
        "bad-version",
        LENGTH,
        line="HTTP/9.9 200 OK",
        body=HELLO,
        wrong="a major version that does not exist",
        client=NOT_A_RESPONSE,
        section="RFC 9112 2.3",
    ),
    raw(
        "not-http",
        b"220 mail.test ESMTP\r\n",
        wrong="another protocol's greeting",
        client=NOT_A_RESPONSE,
        section="RFC 9112 4",
    ),
    raw(
        "http-0.9",
        HELLO,
        wrong="content without any head, as in 1991",
        client="report that this is no HTTP response: whoever speaks 1.1 is answered with a status line",
        section="RFC 9112 4",
    ),
    said(
        "unasked-101",
        "Upgrade: websocket",
        "Connection: upgrade",
        line="HTTP/1.1 101 Switching Protocols",
        body=b"\x81\x0dHello, World!",
        wrong="a switch to another protocol that was not asked for",
        client="report an error, and close the connection",
        section="RFC 9110 7.8",
    ),
    said(
        "unasked-206",
        "Content-Range: bytes 7-11/13",
        "Content-Length: 5",
        line="HTTP/1.1 206 Partial Content",
        body=b"World",
        wrong="a part of the content, though no range was asked for",
        client="not take a part for the whole",
        section="RFC 9110 15.3.7",
    ),
)
FIELDS = (
    said(
        "bad-field-name",
        LENGTH,
        "Bad Name: value",
        body=HELLO,
        wrong="a field name with a blank in it",
        client="reject the response, or ignore the field",
        section="RFC 9110 5.1",
    ),
    said(
        "field-without-colon",
        LENGTH,
        "This is no field",
        body=HELLO,
        wrong="a line in the head that is no field",
        client="reject the response",
        section="RFC 9112 5",
    ),
    said(
        "space-before-colon",
        "Content-Length : 13",
        body=HELLO,
        wrong="a blank between a field's name and its colon",
        client="reject it or take the blank away; proxies must, before they pass it on",
        section="RFC 9112 5.1",
    ),
    said(
        "nul-in-field",
        LENGTH,
        "X-Field: be\0fore",
        body=HELLO,
        wrong="a NUL in a field's value",
        client="reject the response, or put a blank in its place; never end the value there",
        section="RFC 9110 5.5",
    ),
    said(
        "bare-cr",
        LENGTH,
        "X-Field: one\rSet-Cookie: two=2",
        body=HELLO,
        wrong="a CR without LF in a field's value",
        client="reject the response, or put a blank in its place; never begin a new line there",
        section="RFC 9112 2.2",
    ),
    said(
        "obs-fold",
        LENGTH,
        "X-Field: one\r\n two",
        body=HELLO,
        wrong="a field's value that goes on in the next line",
        client="put a blank in place of the line end: the value is “one two”",
        section="RFC 9112 5.2",
    ),
    said(
        "leading-space",
        LENGTH,
        body=HELLO,
        line="HTTP/1.1 200 OK\r\n X-First: folded into the status line",
        wrong="a blank in front of the first field",
        client="reject the response, or ignore the line",
        section="RFC 9112 2.2",
    ),
    raw(
        "bare-lf",
        message(LENGTH, "X-Broken: bare-lf").replace(b"\r\n", b"\n") + HELLO,
        wrong="lines that end in LF alone",
        client="reject the response, or take LF for the end of a line",
        section="RFC 9112 2.2",
    ),
    said(
        "non-ascii-field",
        LENGTH,
        "X-Field: " + "naïve".encode().decode("latin-1"),
        body=HELLO,
        wrong="UTF-8 in a field's value (allowed as opaque bytes, but surprising)",
        client="not fail over a field it does not need",
        section="RFC 9110 5.5",
    ),
    Fault(
        name="many-fields",
        script=many_fields,
        wrong="two thousand fields",
        client="stop at a bound of its own",
        section="RFC 9110 5.4",
    ),
    Fault(
        name="long-field",
        script=long_field,
        wrong="a field of a mebibyte",
        client="stop at a bound of its own",
        section="RFC 9110 5.4",
    ),
)
REDIRECTS = (
    Fault(
        name="redirect-loop",
        script=loop,
        wrong="a redirect to itself",
        client="notice the circle and stop",
        section="RFC 9110 15.4",
    ),
    said(
        "redirect-without-location",
        "Content-Length: 0",
        line="HTTP/1.1 302 Found",
        wrong="a redirect that does not say where to",
        client="show the response as it is, or report an error",
        section="RFC 9110 15.4.3",
    ),
    said(
        "redirect-nowhere",
        "Location: http://[::1:65536/",
        "Content-Length: 0",
        line="HTTP/1.1 302 Found",
        wrong="a redirect to what is no URL",
        client="report an error that names it, not fail",
        section="RFC 9110 10.2.2",
    ),
)
FAULTS = (*STATUS_LINES, *FIELDS, *REDIRECTS)
