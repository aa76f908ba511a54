"""What a message says between its lines: its way, how to leave its list, where its links lead."""

from __future__ import annotations

from netlab.cores.mail_explained import hops, links, unsubscribe
from netlab.cores.mail_message import parse


def test_the_way_is_told_from_its_beginning_with_delays() -> None:
    message = parse(
        b"Received: from b.test (b [192.0.2.2]) by c.test with ESMTPS id 3\r\n"
        b" for <x@c.test>; Fri, 21 Nov 1997 10:00:05 +0000\r\n"
        b"Received: by b.test; Fri, 21 Nov 1997 10:00:07 +0000\r\n"
        b"Received: from a.test by b.test with SMTP; sometime\r\n"
        b"Received: from pc.test by a.test; Fri, 21 Nov 1997 05:00:00 -0500\r\n\r\n"
    )
    way = hops(message)
    assert [hop.delay for hop in way] == [None, None, 7.0, -2.0]
    assert way[0].clauses == {"from": "pc.test", "by": "a.test"}
    assert way[3].clauses == {"from": "b.test", "by": "c.test", "with": "ESMTPS", "id": "3", "for": "<x@c.test>"}
    assert way[3].comment == "b [192.0.2.2]"


def test_leaving_a_list() -> None:
    assert unsubscribe(parse(b"Subject: x\r\n\r\n")) is None
    good = unsubscribe(
        parse(
            b"List-Unsubscribe: <mailto:off@shop.test>,\r\n <https://shop.test/off?u=1>\r\n"
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nDKIM-Signature: v=1\r\n\r\n"
        )
    )
    assert good is not None
    assert (good.one_click, good.problems) == (True, ())
    assert good.links == ("mailto:off@shop.test", "https://shop.test/off?u=1")
    bad = unsubscribe(
        parse(b"List-Unsubscribe: <http://shop.test/off>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n")
    )
    assert bad is not None
    assert not bad.one_click
    assert [problem.rpartition("(")[2] for problem in bad.problems] == ["RFC 8058 3.1)", "RFC 8058 3.1)", "RFC 8058 4)"]


def test_where_links_lead_and_what_would_be_loaded() -> None:
    page = (
        b'Content-Type: text/html\r\n\r\n<a href="https://evil.test/?a=1&amp;b=2">www.bank.test</a>'
        b'<a href="https://www.shop.test/x">shop.test</a><a href=javascript:run()>x</a><a href="#top">up</a>'
        b"<img src='http://t.test/p.gif' width=1><body style=\"background:url(//cdn.test/b.png)\"><img src=cid:own>"
    )
    found = {link.url: (link.kind, link.text, link.note) for link in links(parse(page), page)}
    assert found == {
        "https://evil.test/?a=1&b=2": ("link", "www.bank.test", "shows bank.test and leads to evil.test"),
        "https://www.shop.test/x": ("link", "shop.test", ""),
        "javascript:run()": ("link", "x", "a javascript: link runs what its sender wrote"),
        "http://t.test/p.gif": ("loads", "", "too small to be seen: it tells the sender that the message was read"),
        "cid:own": ("loads", "", ""),
        "//cdn.test/b.png": ("loads", "", "an image of a style"),
    }
    text = b"\r\nSee https://shop.test/a, or (http://x.test/b).\r\n"
    assert [link.url for link in links(parse(text), text)] == ["https://shop.test/a", "http://x.test/b"]
