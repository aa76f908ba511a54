"""Forms with files: tables, any split, and Python's own reader of MIME beside ours."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import RemoteProtocolError
from netlab.http.form import safe_name
from netlab.http.multipart import (
    LARGEST_HEAD,
    MOST_PARTS,
    Content,
    MultipartParser,
    Part,
    PartEnd,
    boundary_of,
    parse_parameters,
)

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nvalue\r\n'
    b'--b  \r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/html\r\n\r\n'
    b"one\r\n--not\r\ntwo\r\n\r\n"
    b'--b\r\ncontent-disposition: Form-Data; name=empty; filename=""\r\n\r\n\r\n'
    b"--b--\r\nepilogue"
)
PARTS = [
    (Part("text", None, "text/plain"), b"value"),
    (Part("file", "a.txt", "text/html"), b"one\r\n--not\r\ntwo\r\n"),
    (Part("empty", "", "text/plain"), b""),
]


def read(pieces: list[bytes], boundary: str = "b") -> list[tuple[Part, bytes]]:
    parser = MultipartParser(boundary)
    found: list[tuple[Part, bytes]] = []
    open_part: Part | None = None
    content = b""
    for piece in pieces:
        for event in parser.receive(piece):
            if isinstance(event, Part):
                assert open_part is None
                open_part, content = event, b""
            elif isinstance(event, Content):
                content += event.data
            else:
                assert event == PartEnd()
                assert open_part is not None
                found.append((open_part, content))
                open_part = None
    parser.finish()
    return found


def test_parts_and_their_content() -> None:
    assert read([FORM]) == PARTS
    assert read([b"preamble\r\n" + FORM]) == PARTS
    assert read([bytes([byte]) for byte in FORM]) == PARTS


@given(st.lists(st.integers(0, len(FORM)), max_size=8).map(sorted))
def test_any_split(cuts: list[int]) -> None:
    edges = [0, *cuts, len(FORM)]
    assert read([FORM[start:end] for start, end in pairwise(edges)]) == PARTS


@given(
    st.lists(st.tuples(st.text('abc"\\é %;=', min_size=1, max_size=8), st.binary(max_size=80)), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
)
def test_against_python_s_reader_of_mime(parts: list[tuple[str, bytes]], sizes: list[int]) -> None:
    body = b""
    for name, content in parts:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
        body += (
            b'--BB\r\nContent-Disposition: form-data; name="f"; filename="' + quoted + b'"\r\n\r\n' + content + b"\r\n"
        )
    body += b"--BB--\r\n"
    pieces, rest = [], body
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    found = read([*pieces, rest], "BB")
    assert [(part.filename, content) for part, content in found] == parts
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: multipart/form-data; boundary=BB\r\n\r\n" + body)
    assert len(list(message.iter_parts())) == len(found)


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (b"", "multipart.truncated"),
        (b"--b", "multipart.truncated"),
        (FORM[:-12], "multipart.truncated"),
        (b"--bx\r\n", "multipart.delimiter"),
        (b"--b-x", "multipart.delimiter"),
        (b"--b" + b" " * (LARGEST_HEAD + 10), "multipart.delimiter"),
        (b"--b\r\nno field\r\n\r\n", "multipart.head"),
        (b"--b\r\n\r\n\r\n--b--", "multipart.disposition"),
        (b"--b\r\nContent-Disposition: attachment; name=x\r\n\r\n", "multipart.disposition"),
        (b"--b\r\nContent-Disposition: form-data\r\n\r\n", "multipart.disposition"),
        (b"--b\r\nX: " + b"y" * LARGEST_HEAD, "multipart.head_too_long"),
        (b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n" * (MOST_PARTS + 1), "multipart.too_many_parts"),
    ],
)
def test_what_is_no_form(body: bytes, rule: str) -> None:
    for pieces in ([body], [bytes([byte]) for byte in body[:20_000]]):
        if len(body) > 20_000 and len(pieces) > 1:
            continue
        with pytest.raises(RemoteProtocolError) as caught:
            read(pieces)
        assert caught.value.rule == rule
        assert caught.value.status == 400


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_answered(data: bytes, begun: bool) -> None:
    try:
        read([b"--b\r\n" * begun + data])
    except RemoteProtocolError:
        pass


def test_content_is_not_held_back() -> None:
    parser = MultipartParser("b")
    parser.receive(b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n")
    total = 0
    for _ in range(50):
        total += sum(len(event.data) for event in parser.receive(b"x" * 10_000) if isinstance(event, Content))
    assert total >= 500_000 - len("\r\n--b")


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"', "a b:c"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=" + "x" * 71, None),
        ('multipart/form-data; boundary="x "', None),
        ("multipart/mixed; boundary=abc", None),
        ("", None),
    ],
)
def test_boundaries(content_type: str, boundary: str | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("value", "filename"),
    [
        ('form-data; filename="a.txt"', "a.txt"),
        ('form-data; filename="a\\"b.txt"', 'a"b.txt'),
        ('form-data; filename="C:\\dir\\a.txt"', "C:\\dir\\a.txt"),
        ('form-data; filename="a;b=c.txt"', "a;b=c.txt"),
        ("form-data; filename=a.txt ; x=y", "a.txt"),
        ('form-data; filename="first"; filename="second"', "first"),
        ('form-data; filename="open', None),
        ("form-data; filename*=UTF-8''a.txt", None),  # RFC 7578 4.2 forbids it
    ],
)
def test_parameters(value: str, filename: str | None) -> None:
    assert parse_parameters(value)[1].get("filename") == filename


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\dir\\a.txt", "a.txt"),
        ("/etc/passwd", "passwd"),
        ("dir/", ""),
        ("..", ""),
        (".", ""),
        ("  ", ""),
        ("a\x00b\r\nc\x7f", "a_b__c_"),
        ("é" * 200 + ".txt", "é" * 125 + ".txt"),
        ("x" * 300, "x" * 255),
        ("a." + "y" * 300, "a." + "y" * 253),
    ],
)
def test_names_stay_in_their_directory(given_name: str, name: str) -> None:
    assert safe_name(given_name) == name


@given(st.binary(max_size=300))
def test_any_name_is_one_name(data: bytes) -> None:
    name = safe_name(data.decode("utf-8", "surrogateescape"))
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode("utf-8", "surrogateescape")) <= 255
