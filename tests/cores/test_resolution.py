"""Iterative resolution among authorities at addresses, good and bad ones, with no network and no waiting."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.cores.dns_codes import DNAME, NOERROR, NXDOMAIN, SERVFAIL, TYPES, YXDOMAIN
from netlab.cores.dns_message import AA, RD, Message, Record
from netlab.cores.dns_names import ROOT, from_text
from netlab.cores.dns_rdata import from_text as rdata
from netlab.cores.resolution_asking import Ask, Settings
from netlab.policy.dns_cache import Rank
from tests.cores.dns_world import HINTS, SERVERS, SHOP_ZONE, Behaviour, World, answer, authority, zone


def world(**more: Behaviour) -> World:
    """The usual servers, and others by the last number of their address: s12=… stands at 192.0.2.12."""
    return World({**SERVERS, **{f"192.0.2.{name[1:]}": behaviour for name, behaviour in more.items()}})


def plain(**options: object) -> World:
    return World(SERVERS, Settings(hints=HINTS, ipv6=False, **options))  # type: ignore[arg-type]  # of each option's own type


def test_down_from_the_root_with_no_more_told_than_needed() -> None:
    here = world()
    resolved = here.resolve("www.shop.test.")
    assert (resolved.rcode, answer(resolved)) == (NOERROR, ["www.shop.test. A 198.51.100.1"])
    assert here.questions() == [
        "192.0.2.1 . NS",
        "192.0.2.1 test. A",
        "192.0.2.2 shop.test. A",
        "192.0.2.10 www.shop.test. A",
    ]
    assert answer(here.resolve("WWW.shop.test.")) == ["WWW.shop.test. A 198.51.100.1"]
    assert here.questions() == []
    here.resolve("mail.shop.test.")
    assert here.questions() == ["192.0.2.10 mail.shop.test. A"]


def test_without_minimisation_everyone_is_told_the_whole() -> None:
    here = plain(minimise=False)
    assert answer(here.resolve("www.shop.test.", "TXT")) == ['www.shop.test. TXT "hello"']
    assert [each.split(" ", 1)[1] for each in here.questions()[1:]] == ["www.shop.test. TXT"] * 3


def test_every_query_has_capitals_that_the_reply_must_repeat() -> None:
    here = world()
    here.resolve("www.shop.test.")
    assert any(ask.question.name != ask.question.name.lower() for ask in here.asked)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("far.shop.test.", "A", ["far.shop.test. CNAME www.host.net.", "www.host.net. A 203.0.113.1"]),
        ("alias.test.", "A", ["alias.test. CNAME www.shop.test.", "www.shop.test. A 198.51.100.1"]),
        ("alias.test.", "CNAME", ["alias.test. CNAME www.shop.test."]),
        (
            "www.moved.shop.test.",
            "A",
            [
                "moved.shop.test. DNAME host.net.",
                "www.moved.shop.test. CNAME www.host.net.",
                "www.host.net. A 203.0.113.1",
            ],
        ),
        ("www.sib.test.", "A", ["www.sib.test. A 198.51.100.2"]),  # sibling glue
        ("www.out.test.", "A", ["www.out.test. A 198.51.100.3"]),  # servers of another top-level domain
        ("a.b.c.d.e.f.g.h.i.j.k.l.shop.test.", "A", ["a.b.c.d.e.f.g.h.i.j.k.l.shop.test. A 198.51.100.9"]),
        ("x.wild.shop.test.", "A", ["x.wild.shop.test. A 198.51.100.7"]),
    ],
)
@pytest.mark.parametrize("minimise", [True, False])
def test_answers(name: str, kind: str, expected: list[str], minimise: bool) -> None:
    here = plain(minimise=minimise)
    for _ in range(2):  # asked, and from the cache
        resolved = here.resolve(name, kind)
        assert (resolved.rcode, answer(resolved)) == (NOERROR, expected)


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("nope.shop.test.", "A", NXDOMAIN),
        ("www.shop.test.", "MX", NOERROR),
        ("c.d.e.f.g.h.i.j.k.l.shop.test.", "A", NOERROR),
    ],
)
def test_denials_are_kept_with_their_soa(name: str, kind: str, rcode: int) -> None:
    here = world()
    for asked in (True, False):
        resolved = here.resolve(name, kind)
        assert (resolved.rcode, resolved.answer) == (rcode, [])
        assert [record.type for record in resolved.authority] == [6]
        assert bool(here.questions()) == asked
    if rcode == NXDOMAIN:  # RFC 8020
        assert here.resolve(f"below.{name}").rcode == NXDOMAIN
        assert here.questions() == []
    here.now += 301
    here.resolve(name, kind)
    assert here.questions() != []


def test_a_circle_of_glue_is_seen() -> None:
    resolved = world().resolve("www.circle1.test.")
    assert resolved.rcode == SERVFAIL
    assert resolved.error is not None
    assert resolved.error[0] == 22
    assert resolved.trace is not None
    assert any("circle of glue" in line for line in resolved.trace.lines())


def test_a_circle_of_aliases_is_seen() -> None:
    resolved = world().resolve("loop1.shop.test.")
    assert resolved.rcode == SERVFAIL
    assert resolved.error is not None
    assert "circle" in resolved.error[1]


def test_a_lame_server_is_left_for_another() -> None:
    half = zone("half.test.", "@ NS ns\n@ NS ns.shop.test.\nns A 192.0.2.12\nwww A 198.51.100.4\n")
    here = world(s12=authority(half))
    assert answer(here.resolve("www.half.test.")) == ["www.half.test. A 198.51.100.4"]
    resolved = here.resolve("www.lame.test.")
    assert resolved.rcode == SERVFAIL
    assert resolved.error is not None
    assert resolved.error[0] == 22
    assert "REFUSED" in resolved.error[1]


def test_where_a_zone_names_servers_that_are_not_there_its_parent_is_asked_again() -> None:
    text = "@ NS ns.gone\nns.gone A 192.0.2.98\nns A 192.0.2.14\nwww A 198.51.100.5\n"  # the parent names ns.old
    here = world(s14=authority(zone("old.test.", text)))
    assert answer(here.resolve("old.test.", "NS")) == ["old.test. NS ns.gone.old.test."]
    here.questions()
    assert answer(here.resolve("www.old.test.")) == ["www.old.test. A 198.51.100.5"]
    asked = here.questions()
    assert asked[-3:] == ["192.0.2.98 www.old.test. A", "192.0.2.2 old.test. A", "192.0.2.14 www.old.test. A"]


def test_what_is_said_without_authority_is_the_last_resort() -> None:
    def timid(ask: Ask, query: Message) -> Message | None:
        reply = authority(SHOP_ZONE)(ask, query)
        assert reply is not None
        reply.flags &= ~AA
        return reply

    here = world(s10=timid)
    assert answer(here.resolve("www.shop.test.")) == ["www.shop.test. A 198.51.100.1"]
    kept = here.cache.lookup(from_text("www.shop.test."), TYPES["A"], here.now)
    assert kept is not None
    assert kept.rank is Rank.ANSWER  # RFC 2181 5.4.1
    assert here.resolve("nope.shop.test.").rcode == NXDOMAIN


def test_a_dname_that_makes_too_long_a_name_is_told() -> None:
    here = world()
    name = ".".join(["x" * 60] * 3 + ["longer.shop.test."])
    for _ in range(2):  # asked, and from the cache
        resolved = here.resolve(name)
        assert (resolved.rcode, [record.type for record in resolved.answer]) == (YXDOMAIN, [DNAME])  # RFC 6672 2.2


def test_that_a_type_is_not_there_says_nothing_of_others_and_of_names_below() -> None:
    here = world()
    for kind in ("TYPE0", "TYPE65280", "ANY"):
        here.resolve("shop.test.", kind)
    assert answer(here.resolve("www.shop.test.")) == ["www.shop.test. A 198.51.100.1"]
    assert here.resolve("nope.shop.test.").rcode == NXDOMAIN


def test_failures_are_remembered_for_longer_each_time() -> None:
    here = world()
    first = here.resolve("www.dead.test.")
    assert first.error is not None
    assert first.error[0] == 22
    assert here.questions() != []
    again = here.resolve("www.dead.test.")
    assert again.error is not None
    assert again.error[0] == 13
    assert here.questions() == []
    here.now += 6
    here.resolve("www.dead.test.")
    assert here.questions() != []
    here.now += 6
    here.resolve("www.dead.test.")  # 10 seconds now (RFC 9520 3.2)
    assert here.questions() == []


def test_an_answer_behind_its_time_is_better_than_none() -> None:
    here = world()
    assert here.resolve("www.shop.test.").rcode == NOERROR
    here.now += 4000
    here.servers = {}
    resolved = here.resolve("www.shop.test.")
    assert [record.ttl for record in resolved.answer] == [30]
    assert resolved.error is not None
    assert resolved.error[0] == 3  # RFC 8914 4.4


def liar(ask: Ask, query: Message) -> Message:
    """Answers, and adds what is not its to say."""
    reply = query.reply(flags=AA)
    name = query.question[0].name
    reply.answer = [
        Record(name, 1, 60, rdata("A", "198.51.100.66")),
        Record(from_text("www.shop.test."), 1, 60, bytes(4)),
    ]
    reply.authority = [
        Record(from_text("test."), 2, 60, rdata("NS", "ns.liar.test.")),
        Record(ROOT, 2, 60, rdata("NS", "x.")),
    ]
    reply.additional = [Record(from_text("ns.shop.test."), 1, 60, bytes(4))]
    reply.edns = query.edns
    return reply


def test_what_is_out_of_bailiwick_is_ignored() -> None:
    here = world(s66=liar)
    resolved = here.resolve("www.liar.test.")
    assert answer(resolved) == ["www.liar.test. A 198.51.100.66"]
    assert resolved.trace is not None
    assert any("out of bailiwick" in line for line in resolved.trace.lines())
    assert answer(here.resolve("www.shop.test.")) == ["www.shop.test. A 198.51.100.1"]


@pytest.mark.parametrize("where", [".", "test.", "shop.test."])
def test_referrals_that_do_not_lead_down_are_refused(where: str) -> None:
    def refers(ask: Ask, query: Message) -> Message:
        reply = query.reply()
        reply.authority = [Record(from_text(where), 2, 60, rdata("NS", "ns.shop.test."))]
        return reply

    resolved = world(s66=refers).resolve("www.liar.test.")
    assert resolved.rcode == SERVFAIL
    assert resolved.error is not None
    assert "referral" in resolved.error[1]


def test_what_is_cut_is_asked_over_tcp() -> None:
    text = "".join(f'www TXT "{"x" * 200} {number}"\n' for number in range(20))
    here = world(s13=authority(zone("big.test.", f"@ NS ns\nns A 192.0.2.13\n{text}")))
    assert len(here.resolve("www.big.test.", "TXT").answer) == 20
    assert here.questions()[-1] == "192.0.2.13 www.big.test. TXT tcp"


def test_a_server_without_edns_is_asked_without() -> None:
    serving = authority(zone("old.test.", "@ NS ns\nns A 192.0.2.14\nwww A 198.51.100.5\n"))

    def old(ask: Ask, query: Message) -> Message | None:
        return query.reply(1) if query.edns is not None else serving(ask, query)

    here = world(s14=old)
    assert answer(here.resolve("www.old.test.")) == ["www.old.test. A 198.51.100.5"]
    here.asked.clear()
    here.resolve("other.old.test.")
    assert [ask.edns for ask in here.asked] == [None]


def test_an_attack_by_referrals_is_bounded() -> None:
    """NXNSAttack: each server names many more without glue."""

    def attacker(ask: Ask, query: Message) -> Message:
        reply = query.reply()
        cut = query.question[0].name
        reply.authority = [Record(cut, 2, 60, rdata("NS", f"ns{number}.x{number}.liar.test.")) for number in range(50)]
        return reply

    here = world(s66=attacker)
    assert here.resolve("a.b.c.liar.test.").rcode == SERVFAIL
    assert len(here.asked) <= here.settings.most_queries


def test_a_chain_of_aliases_without_end_is_bounded() -> None:
    def chains(ask: Ask, query: Message) -> Message:
        reply = query.reply(flags=AA)
        name = query.question[0].name
        number = int(name[1 : 1 + name[0]] or b"0") if name[1 : 1 + name[0]].isdigit() else 0
        reply.answer = [Record(name, 5, 60, from_text(f"{number + 1}.liar.test."))]
        return reply

    here = world(s66=chains)
    resolved = here.resolve("0.liar.test.")
    assert resolved.rcode == SERVFAIL
    assert len(here.asked) <= here.settings.most_queries


def test_a_forwarder_is_asked_with_rd_and_believed() -> None:
    def forwarder(ask: Ask, query: Message) -> Message:
        assert query.flags & RD
        reply = query.reply()
        reply.answer = [
            Record(query.question[0].name, 5, 60, rdata("CNAME", "else.where.")),
            Record(from_text("else.where."), 1, 60, rdata("A", "203.0.113.9")),
        ]
        return reply

    options = Settings(hints=HINTS, ipv6=False, forwards={from_text("corp.test."): ("192.0.2.50",)})
    here = World({**SERVERS, "192.0.2.50": forwarder}, options)
    assert answer(here.resolve("www.corp.test.")) == ["www.corp.test. CNAME else.where.", "else.where. A 203.0.113.9"]
    assert here.questions() == ["192.0.2.50 www.corp.test. A"]
    assert answer(here.resolve("www.shop.test.")) == ["www.shop.test. A 198.51.100.1"]


def test_names_that_some_servers_deny_halfway_are_found_all_the_same() -> None:
    """RFC 9156 3: NXDOMAIN for an empty non-terminal is a mistake that is met in the wild."""
    serving = authority(zone("liar.test.", "@ NS ns\nns A 192.0.2.66\na.b.c A 198.51.100.8\n"))

    def denies(ask: Ask, query: Message) -> Message | None:
        reply = serving(ask, query)
        assert reply is not None
        reply.rcode = 0 if reply.answer else 3
        return reply

    here = world(s66=denies)
    assert answer(here.resolve("a.b.c.liar.test.")) == ["a.b.c.liar.test. A 198.51.100.8"]


@settings(max_examples=60)
@given(st.data())
def test_whatever_a_server_says_it_comes_to_an_end(data: st.DataObject) -> None:
    """Any records in any section: an answer or a reason, within the bound of queries."""
    names = st.sampled_from(
        [from_text(each) for each in (".", "test.", "liar.test.", "a.liar.test.", "www.shop.test.", "x.")]
    )
    record = st.one_of(
        st.tuples(names, st.just(1), st.binary(min_size=4, max_size=4)),
        st.tuples(names, st.sampled_from((2, 5, 39)), names),
        st.tuples(names, st.just(6), st.just(from_text("m.") + from_text("r.") + bytes(20))),
        st.tuples(names, st.sampled_from((1, 2, 5, 6, 39, 46)), st.binary(max_size=6)),
    ).map(lambda each: Record(each[0], each[1], 60, each[2]))
    sections = st.lists(record, max_size=4)

    def says(ask: Ask, query: Message) -> Message | None:
        reply = query.reply(data.draw(st.sampled_from((0, 0, 0, 3, 2, 5))), flags=data.draw(st.sampled_from((0, AA))))
        reply.answer, reply.authority, reply.additional = (data.draw(sections) for _ in range(3))
        return reply

    here = world(s66=says)
    resolved = here.resolve("a.b.liar.test.", data.draw(st.sampled_from(("A", "NS", "CNAME", "ANY", "DS"))))
    assert resolved.rcode in (NOERROR, NXDOMAIN, SERVFAIL)
    assert len(here.asked) <= here.settings.most_queries
    assert answer(here.resolve("www.shop.test.")) == ["www.shop.test. A 198.51.100.1"]
