"""HAR files, held against the rules of HAR 1.2 by a check written from the specification, not from the exporter."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import NetlabError
from netlab.flow import Flow, FlowLog, Level, Outcome
from netlab.inspect.har import write_har
from netlab.inspect.record import to_record

# http://www.softwareishard.com/blog/har-12-spec/: each object's keys, those with "?" optional, and what they hold.

Rule = Any


def iso_date(value: Any) -> None:
    assert datetime.fromisoformat(value).tzinfo is not None


def date_or_nothing(value: Any) -> None:
    if value is not None:
        iso_date(value)


def at_least(least: float) -> Callable[[Any], None]:
    def number(value: Any) -> None:
        assert isinstance(value, int | float)
        assert not isinstance(value, bool)
        assert value >= least

    return number


def whole(value: Any) -> None:
    assert isinstance(value, int)
    assert value >= -1


PAIR = {"name": str, "value": str, "comment?": str}
COOKIE = {
    **PAIR,
    "path?": str,
    "domain?": str,
    "expires?": date_or_nothing,
    "httpOnly?": bool,
    "secure?": bool,
}
PARAM = {"name": str, "value?": str, "fileName?": str, "contentType?": str, "comment?": str}
REQUEST = {
    "method": str,
    "url": str,
    "httpVersion": str,
    "cookies": [COOKIE],
    "headers": [PAIR],
    "queryString": [PAIR],
    "postData?": {"mimeType": str, "params": [PARAM], "text": str, "comment?": str},
    "headersSize": whole,
    "bodySize": whole,
    "comment?": str,
}
CONTENT = {"size": whole, "compression?": int, "mimeType": str, "text?": str, "encoding?": str, "comment?": str}
RESPONSE = {
    "status": whole,
    "statusText": str,
    "httpVersion": str,
    "cookies": [COOKIE],
    "headers": [PAIR],
    "content": CONTENT,
    "redirectURL": str,
    "headersSize": whole,
    "bodySize": whole,
    "comment?": str,
}
OPTIONAL_STAGE = at_least(-1)
TIMINGS = {
    **{f"{stage}?": OPTIONAL_STAGE for stage in ("blocked", "dns", "connect", "ssl")},
    **{stage: at_least(0) for stage in ("send", "wait", "receive")},
    "comment?": str,
}
ENTRY = {
    "pageref?": str,
    "startedDateTime": iso_date,
    "time": at_least(0),
    "request": REQUEST,
    "response": RESPONSE,
    "cache": {},
    "timings": TIMINGS,
    "serverIPAddress?": str,
    "connection?": str,
    "comment?": str,
}
PROGRAM = {"name": str, "version": str, "comment?": str}
LOG = {
    "version": str,
    "creator": PROGRAM,
    "browser?": PROGRAM,
    "pages?": [{}],
    "entries": [ENTRY],
    "comment?": str,
}


def check(value: Any, rule: Rule, where: str) -> None:
    if isinstance(rule, dict):
        assert isinstance(value, dict), where
        known = {key.rstrip("?"): (key.endswith("?"), its_rule) for key, its_rule in rule.items()}
        for key in value:
            assert key in known or key.startswith("_"), f"{where}.{key} is no key of HAR 1.2"
        for key, (optional, its_rule) in known.items():
            assert optional or key in value, f"{where}.{key} is missing"
            if key in value:
                check(value[key], its_rule, f"{where}.{key}")
    elif isinstance(rule, list):
        assert isinstance(value, list), where
        for number, item in enumerate(value):
            check(item, rule[0], f"{where}[{number}]")
    elif isinstance(rule, type):
        assert type(value) is rule, f"{where} is {value!r}"
    else:
        rule(value)


def check_har(har: Any) -> None:
    check(har, {"log": LOG}, "har")
    entries = har["log"]["entries"]
    assert har["log"]["version"] == "1.2"
    for entry in entries:
        timings = entry["timings"]
        spent = [timings[s] for s in ("blocked", "dns", "connect", "send", "wait", "receive") if timings[s] != -1]
        assert entry["time"] == pytest.approx(sum(spent)), "time is the sum of the stages; ssl is part of connect"
        assert "#" not in entry["request"]["url"]
    assert entries == sorted(entries, key=lambda entry: datetime.fromisoformat(entry["startedDateTime"]))


class Lab:
    """A flow log with a clock that is set by hand."""

    def __init__(self, level: Level = Level.FULL) -> None:
        self.time = 1000.0
        self.log = FlowLog(level, now=lambda: self.time)
        self.flows: list[Flow] = []

    def open(self, kind: str, parent: Flow | None = None) -> Flow:
        flow = self.log.open(kind, "http", parent)
        flow.client, flow.server = ("127.0.0.1", 51000), ("127.0.0.1", 8080)
        self.flows.append(flow)
        return flow

    def har(self) -> Any:
        out = BytesIO()
        write_har([to_record(flow, whole=True) for flow in self.flows * 2], out)  # each comes out once
        har = json.loads(out.getvalue())
        check_har(har)
        return har

    def entry(self) -> Any:
        (entry,) = self.har()["log"]["entries"]
        return entry

    def exchange(
        self,
        request: dict[str, Any],
        response: dict[str, Any],
        *,
        parent: Flow | None = None,
        asked: dict[str, Any] | None = None,
        answered: dict[str, Any] | None = None,
    ) -> Flow:
        """An HTTP flow: head after 1 ms, body after 2, answer 10 ms later, its end 5 ms after that."""
        flow = self.open("http", parent or self.open("tcp"))
        flow.label = f"{request.get('method', 'GET')} {request.get('target', '/')}"
        self.time += 0.001
        head = {"method": "GET", "target": "/", "version": "1.1", "fields": [], **request}
        flow.note("request.received", "client", start=0, end=100, **head)
        if asked is not None:
            self.time += 0.001
            flow.note("request.ended", "client", **asked)
        self.time += 0.010
        head = {"status": 200, "reason": "OK", "version": "1.1", "fields": [], **response}
        flow.note("response.sent", "server", start=0, end=200, **head)
        self.time += 0.005
        if answered is not None:
            flow.note("response.ended", "server", **answered)
        flow.end(Outcome.OK, "200")
        return flow


def test_a_plain_request() -> None:
    lab = Lab()
    flow = lab.exchange(
        {"target": "/hello?a=1&b=%20&c", "fields": [("Host", "www.shop.test"), ("Accept", "*/*")]},
        {"fields": [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")]},
        answered={"body": {"text": "Hello, world!"}, "size": 13},
    )
    flow.sent = 13
    entry = lab.entry()
    request, response = entry["request"], entry["response"]
    assert (request["method"], request["httpVersion"]) == ("GET", "HTTP/1.1")
    assert request["url"] == "http://www.shop.test/hello?a=1&b=%20&c"
    assert request["headers"] == [{"name": "Host", "value": "www.shop.test"}, {"name": "Accept", "value": "*/*"}]
    assert [(pair["name"], pair["value"]) for pair in request["queryString"]] == [("a", "1"), ("b", " "), ("c", "")]
    head = b"GET /hello?a=1&b=%20&c HTTP/1.1\r\nHost: www.shop.test\r\nAccept: */*\r\n\r\n"
    assert (request["headersSize"], request["bodySize"]) == (len(head), 0)
    assert "postData" not in request
    assert (response["status"], response["statusText"]) == (200, "OK")
    assert response["content"] == {"size": 13, "mimeType": "text/plain; charset=utf-8", "text": "Hello, world!"}
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
    assert (response["headersSize"], response["bodySize"], response["redirectURL"]) == (len(head), 13, "")
    unknown = dict.fromkeys(("blocked", "dns", "connect", "ssl"), -1)
    near = {**unknown, "send": 1.0, "wait": 10.0, "receive": 5.0}
    assert entry["timings"] == pytest.approx(near, abs=0.002)  # dates are in microseconds
    assert entry["time"] == pytest.approx(16.0, abs=0.002)
    assert (entry["serverIPAddress"], entry["connection"]) == ("127.0.0.1", "8080")
    assert entry["_connectionId"] == "1"
    assert entry["comment"] == "flow 2: ok"
    began = datetime.fromisoformat(entry["startedDateTime"]).timestamp()
    assert began == pytest.approx(lab.log.wall(1000.0), abs=1e-5)


def test_cookies_and_redirects() -> None:
    lab = Lab()
    set_cookie = (
        "sid=a=b; Path=/; Domain=shop.test; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Secure; HttpOnly; SameSite=Lax"
    )
    lab.exchange(
        {"fields": [("Cookie", "sid=x; theme=dark"), ("cookie", "more=1")]},
        {
            "status": 302,
            "fields": [("Set-Cookie", set_cookie), ("set-cookie", "k=v; expires=never"), ("Location", "/in")],
        },
    )
    entry = lab.entry()
    cookies = [(cookie["name"], cookie["value"]) for cookie in entry["request"]["cookies"]]
    assert cookies == [("sid", "x"), ("theme", "dark"), ("more", "1")]
    first, second = entry["response"]["cookies"]
    assert first == {
        "name": "sid",
        "value": "a=b",
        "path": "/",
        "domain": "shop.test",
        "expires": "2026-10-21T07:28:00+00:00",
        "httpOnly": True,
        "secure": True,
    }
    assert (second["value"], second["expires"], second["secure"]) == ("v", None, False)
    assert entry["response"]["redirectURL"] == "/in"


def test_a_form() -> None:
    lab = Lab()
    form = "name=J%C3%BCrgen&empty="
    lab.exchange(
        {"method": "POST", "fields": [("Content-Type", "application/x-www-form-urlencoded")]},
        {},
        asked={"body": {"text": form}, "size": len(form)},
    )
    request = lab.entry()["request"]
    assert request["postData"] == {
        "mimeType": "application/x-www-form-urlencoded",
        "params": [{"name": "name", "value": "Jürgen"}, {"name": "empty", "value": ""}],
        "text": form,
    }
    assert request["bodySize"] == len(form)


def test_a_binary_upload_is_base64_and_says_so() -> None:
    lab = Lab()
    data = b64encode(b"\x89PNG\0").decode()
    lab.exchange({"method": "PUT"}, {}, asked={"body": {"base64": data, "truncated": True}, "size": 900})
    posted = lab.entry()["request"]["postData"]
    assert (posted["text"], posted["_encoding"]) == (data, "base64")
    assert "the beginning" in posted["comment"]


def content(body: bytes, *fields: tuple[str, str]) -> dict[str, Any]:
    lab = Lab()
    answered = {"body": {"base64": b64encode(body).decode()}, "size": len(body)}
    lab.exchange({}, {"fields": list(fields)}, answered=answered)
    found: dict[str, Any] = lab.entry()["response"]["content"]
    return found


def test_bodies_are_text_where_they_are_text() -> None:
    assert content("für".encode(), ("Content-Type", "text/plain"))["text"] == "für"
    assert content("für".encode("latin-1"), ("Content-Type", "text/plain; charset=ISO-8859-1"))["text"] == "für"
    for binary in (b"\xff\xfe\x89", b"a\0b"):
        found = content(binary, ("Content-Type", "image/png"))
        assert (found["text"], found["encoding"]) == (b64encode(binary).decode(), "base64")
    assert content(b"x", ("Content-Type", "text/plain; charset=no-such"))["encoding"] == "base64"


def test_compressed_bodies_are_unpacked_and_what_it_saved_is_told() -> None:
    packed = gzip.compress(b"hello " * 1000)
    found = content(packed, ("Content-Encoding", "gzip"), ("Content-Type", "text/plain"))
    assert found["text"] == "hello " * 1000
    assert (found["size"], found["compression"]) == (6000, 6000 - len(packed))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"hello")[:-9], b"not gzip", gzip.compress(bytes(9 << 20))],
    ids=["cut", "not gzip", "too long"],
)
def test_what_cannot_be_unpacked_stays_as_it_was_sent(packed: bytes) -> None:
    found = content(packed, ("Content-Encoding", "gzip"))
    assert (found["text"], found["comment"]) == (b64encode(packed).decode(), "as it was sent: gzip")
    assert content(packed, ("Content-Encoding", "br"))["comment"] == "as it was sent: br"


@pytest.mark.parametrize(
    ("request_line", "url"),
    [
        ({"target": "http://www.shop.test/x"}, "http://www.shop.test/x"),
        ({"target": "/x", "url": "https://www.shop.test/x"}, "https://www.shop.test/x"),
        ({"target": "/x", "host": "www.shop.test:81"}, "http://www.shop.test:81/x"),
        ({"method": "OPTIONS", "target": "*"}, "http://127.0.0.1:8080"),
        ({"method": "CONNECT", "target": "www.shop.test:443"}, "http://www.shop.test:443"),
        ({"target": "//evil.test/://"}, "http://127.0.0.1:8080//evil.test/://"),
    ],
)
def test_urls_are_absolute(request_line: dict[str, Any], url: str) -> None:
    lab = Lab()
    lab.exchange(request_line, {})
    assert lab.entry()["request"]["url"] == url


def test_https_is_told_by_the_connection() -> None:
    lab = Lab()
    parent = lab.open("tcp")
    parent.detail(tls="TLSv1.3")
    lab.exchange({"target": "/x", "fields": [("Host", "www.shop.test")]}, {}, parent=parent)
    assert lab.entry()["request"]["url"] == "https://www.shop.test/x"


def test_the_first_request_on_a_connection_bears_the_time_of_connecting() -> None:
    lab = Lab()
    parent = lab.open("tcp")
    parent.detail(timings={"resolve": 0.002, "connect": 0.003, "tls": 0.02})
    lab.time += 0.026
    lab.exchange({}, {}, parent=parent)
    lab.exchange({}, {}, parent=parent)
    first, second = lab.har()["log"]["entries"]
    stages = {"blocked": 1.0, "dns": 2.0, "connect": 23.0, "ssl": 20.0, "send": 1.0, "wait": 10.0, "receive": 5.0}
    assert first["timings"] == pytest.approx(stages, abs=0.01)
    assert first["time"] == pytest.approx(42.0, abs=0.01)
    assert [second["timings"][stage] for stage in ("blocked", "dns", "connect", "ssl")] == [-1, -1, -1, -1]


def test_summary_flows_say_what_is_not_known() -> None:
    lab = Lab(Level.SUMMARY)
    flow = lab.exchange({"target": "/hello"}, {}, answered={"size": 13})
    flow.sent = 13
    entry = lab.entry()
    assert entry["request"]["url"] == "http://127.0.0.1:8080/hello"
    assert (entry["response"]["status"], entry["response"]["bodySize"]) == (200, 13)
    assert entry["response"]["content"]["comment"] == "not recorded at level summary"
    assert "recorded at level summary" in entry["comment"]


def test_an_open_flow_and_one_that_was_never_answered() -> None:
    lab = Lab()
    lab.open("http").label = "GET /slow"
    cut = lab.open("http", lab.open("tcp"))
    cut.note("request.received", "client", method="GET", target="/cut", version=[1, 0], fields=[])
    cut.end(Outcome.CUT)
    first, second = lab.har()["log"]["entries"]
    assert (first["response"]["status"], first["comment"]) == (0, "flow 1: still open")
    assert (second["response"]["status"], second["comment"]) == (0, "flow 3: cut")
    assert second["request"]["httpVersion"] == "HTTP/1.0"


def test_no_http_flow_is_refused_in_one_sentence() -> None:
    lab = Lab()
    lab.open("tcp")
    with pytest.raises(NetlabError, match=r"^none of the 1 flows given is an HTTP request"):
        lab.har()


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
anything = st.none() | st.integers() | text | st.lists(st.tuples(text, text), max_size=3)


@given(st.dictionaries(st.sampled_from(["method", "target", "version", "url", "host"]), text), anything, anything)
def test_whatever_was_noted_the_file_keeps_the_rules(request: dict[str, Any], status: Any, size: Any) -> None:
    request = {key: value.replace("#", "") for key, value in request.items()}
    lab = Lab()
    lab.exchange(request, {"status": status}, asked={"body": {"text": "x"}, "size": size}, answered={"body": size})
    lab.entry()


@given(
    st.lists(st.tuples(st.sampled_from(["Cookie", "Set-Cookie", "Content-Type", "Location", "Content-Encoding"]), text))
)
def test_whatever_the_fields_hold_the_file_keeps_the_rules(fields: list[tuple[str, str]]) -> None:
    lab = Lab()
    body = {"body": {"base64": b64encode(b"\xff{}").decode()}}
    lab.exchange({"fields": fields}, {"fields": fields}, asked=body, answered=body)
    lab.entry()
