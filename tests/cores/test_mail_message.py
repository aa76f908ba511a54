"""Messages taken apart: as RFC 5322, 2045 to 2047 and 2231 say, as the standard library does, at a bounded cost."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.mail_addresses import addresses
from netlab.cores.mail_digest import digest, html_text
from netlab.cores.mail_fields import decode_charset, decode_words, parameters, seconds
from netlab.cores.mail_message import Limits, Part, parse


def outline(part: Part) -> list[str]:
    return [f"{each.id} {each.type}" for each in part.walk()]


def test_nested_multiparts_are_found_where_they_are() -> None:
    inner = b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nna\xefve\r\n"
    outer = b'Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary="out er"\r\n\r\npreamble --out er\r\n'
    alternative = b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n" + inner
    alternative += b"--in\r\nContent-Type: TEXT/Html\r\n\r\n<p>\r\n--in-- \r\n"
    forwarded = b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nbody\r\n"
    content = b"--out er\r\n".join([outer, alternative, forwarded]) + b"--out er--\r\nepilogue"
    part = parse(content)
    assert outline(part) == [
        *("0 multipart/mixed", "1 multipart/alternative", "1.1 text/plain", "1.2 text/html", "2 message/rfc822"),
        "2.1 text/plain",
    ]
    text = part.parts[0].parts[0]
    assert text.text(content) == ("naïve", "")
    assert content[text.start : text.end] + b"\r\n" == inner
    assert part.parts[1].parts[0].get("subject") == "inside"
    assert not part.defects


def test_transfer_codings_and_names() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Ünal <u@x.test>",
        "a@b.test",
        "Grüße aus Köln",
    )
    message.set_content("Zeile = eins\n" * 3, cte="quoted-printable")
    message.add_alternative("<b>Zeile</b><script>no()</script>", subtype="html", cte="base64")
    message.add_attachment(bytes(range(256)), maintype="image", subtype="png", filename="Bild ä.png", cid="<a@b>")
    content = message.as_bytes()
    part = parse(content)
    leaves = [each for each in part.walk() if each.is_leaf]
    assert [leaf.is_body for leaf in leaves] == [True, True, False]
    assert leaves[0].text(content)[0].splitlines() == ["Zeile = eins"] * 3
    assert leaves[2].data(content) == bytes(range(256))
    assert leaves[2].filename == "Bild ä.png"
    found = digest(content, ["a@b.test", "blind@c.test"])
    assert found.subject == "Grüße aus Köln"
    assert found.sender == ("Ünal", "u@x.test")
    assert found.bcc == (("", "blind@c.test"),)
    assert (found.attachments, found.inline) == (1, 0)


ADDRESSES = {
    '"Doe, Jane" <jane@x.test>, bob@y.test (Bob (the) B)': [("Doe, Jane", "jane@x.test"), ("Bob the B", "bob@y.test")],
    "friends: a@b.test, =?utf-8?q?J=C3=BC?= <j@x.test>;": [("", "a@b.test"), ("Jü", "j@x.test")],
    "<@r1.test,@r2.test:u@v.test>": [("", "u@v.test")],
    '"o k"@x.test': [("", '"o k"@x.test')],
    "undisclosed-recipients:;": [],
    "": [],
}


@pytest.mark.parametrize(("text", "found"), ADDRESSES.items())
def test_addresses(text: str, found: list[tuple[str, str]]) -> None:
    assert addresses(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),  # RFC 2047 8
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?UTF-8?B?w7w=?= x", "ü x"),
        ("=?nosuch?Q?a?=", "a"),
        ("=?UTF-8?X?a?=", "=?UTF-8?X?a?="),
        ("plain", "plain"),
    ],
)
def test_encoded_words(text: str, found: str) -> None:
    assert decode_words(text) == found


def test_parameters() -> None:
    assert parameters("text/plain; charset=us-ascii (comment)")[0] == "text/plain"
    assert parameters(
        "a/b; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2=\"isn't it!\""
    )[1] == {"title": "This is even more ***fun*** isn't it!"}  # RFC 2231 4.1
    assert parameters('x/y; name="a \\"b\\"; c"; n=2')[1] == {"name": 'a "b"; c', "n": "2"}


def test_dates_and_charsets() -> None:
    assert seconds("Fri, 21 Nov 1997 09:55:06 -0600") == 880127706.0  # RFC 5322 A.1.1
    assert seconds("sometime") is None
    assert decode_charset(b"abc", "punycode") == ("abc", "charset 'punycode' is not known")
    assert decode_charset(b"x\x9c", "zlib")[1] == "charset 'zlib' is not known"
    assert decode_charset("ü".encode(), "us-ascii") == ("ü", "")
    assert decode_charset(b"\xff\xfe", "utf-8") == ("��", "not all bytes are utf-8")


def test_bounds_leave_the_rest_undivided() -> None:
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    part = parse(many, Limits(parts=100))
    assert len(part.parts) == 100
    assert "more than 100 parts" in part.defects[-1]
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(500))
    assert len(list(parse(deep).walk())) == 21
    assert "deeper than 20" in " ".join(list(parse(deep).walk())[-1].defects)


BOMBS = {
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300_000,
    "depth": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(5000)),
    "messages": b"Content-Type: message/rfc822\r\n\r\n" * 50_000,
    "words": b"Subject: " + b"=?a?q?" * 100_000 + b"\r\n\r\n",
    "fields": b"A:b\r\n" * 500_000,
    "addresses": b"To: " + b"a@b," * 100_000 + b"\r\n\r\n",
    "comments": b"To: " + b"(" * 500_000 + b"\r\n\r\n",
    "quotes": b'To: "' + b'\\"' * 100_000 + b"\r\n\r\n",
    "parameters": b"Content-Type: text/html; " + b'a="x;' * 100_000 + b"\r\n\r\n",
    "charset": b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * 2_000_000,
    "tags": b"Content-Type: text/html\r\n\r\n" + b"<script <" * 300_000,
    "entities": b"Content-Type: text/html\r\n\r\n" + b"&amp" * 300_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_what_their_bytes_cost(name: str) -> None:
    begun = time.process_time()
    digest(BOMBS[name])
    assert time.process_time() - begun < 1.0


def test_words_of_a_page() -> None:
    page = (
        "<head><title>t</title></head><p>Hi&nbsp;&amp; bye<br>now<style>p{}</style><script>if (a<b) x()</script> 1 < 2"
    )
    assert html_text(page).split() == ["Hi", "&", "bye", "now", "1", "<", "2"]


PIECES = (b"\r\n", b"--b", b"\r\n\r\n", b"--b--", b"a: b", b"=?utf-8?q?x?=")
PIECES += (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",)


@settings(max_examples=40)
@given(st.binary(max_size=400), st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_bytes_are_a_message(some: bytes, pieces: list[bytes]) -> None:
    content = b"".join(pieces) + some
    for part in parse(content).walk():
        assert 0 <= part.start <= part.body <= part.end <= len(content)
        part.text(content)
    digest(content).text.encode()


@settings(max_examples=8)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40), min_size=1, max_size=4))
def test_the_standard_library_reads_the_same_parts(texts: list[str]) -> None:
    message = EmailMessage()
    message.set_content("first")
    for text in texts:
        message.add_attachment(text, filename="t.txt")
    content = message.as_bytes()
    theirs = [each.get_payload(decode=True) for each in message_from_bytes(content).walk() if not each.is_multipart()]
    ours = [each.data(content) for each in parse(content).walk() if each.is_leaf]
    assert ours == theirs
