"""Multicast listener discovery, versions 1 (RFC 2710) and 2 (RFC 3810): which groups a host listens to."""

from __future__ import annotations

from captures.dissectors.icmpv6_neighbours import address, flag
from captures.tree import Reader, Row

QUERY, RECORD = "RFC 3810 5.1", "RFC 3810 5.2"
RECORDS = {
    1: "listens to these sources alone", 2: "listens to all but these sources",
    3: "from now on to these sources alone", 4: "from now on to all but these sources",
    5: "also to these sources", 6: "no more to these sources",
}  # fmt: skip
BEHIND_GROUP = (
    Row("icmpv6.mld.flag.reserved", "Reserved", 4, "must be zero", QUERY),
    Row("icmpv6.mld.flag.s", "Suppress", 1, flag("routers need not restart their timers"), QUERY),
    Row("icmpv6.mld.flag.qrv", "Robustness", 3, "how many lost messages are allowed for", QUERY),
    Row("icmpv6.mld.qqi", "Query Interval", 8, "seconds between queries, coded", QUERY),
    Row("icmpv6.mld.nb_sources", "Sources", 16, "how many follow", QUERY),
)


def message(reader: Reader) -> None:
    """Pass a query, report or farewell; a query of version 2 is longer."""
    long = reader.left > 20
    name, label = ("code", "Maximum Response Code") if long else ("delay", "Maximum Response Delay")
    what = "milliseconds in which to answer" + (", coded from 32,768 on" if long else "")
    reader.number(Row(f"icmpv6.mld.maximum_response_{name}", label, 16, what, "RFC 2710 3.4"))
    reader.take(2, "icmpv6.reserved", "Reserved", "must be zero", "RFC 2710 3")
    address(reader, "icmpv6.mld.multicast_address", "Group", ":: in a query for all groups", "RFC 2710 3.6")
    if long:
        *_, count = reader.numbers(BEHIND_GROUP)
        for _ in range(min(count, reader.left // 16)):
            address(reader, "icmpv6.mld.source_address", "Source", "is this one listened to?", QUERY)


def report(reader: Reader) -> None:
    """Pass a report of version 2: a record for each group."""
    reader.take(2, "icmpv6.reserved", "Reserved", "must be zero", RECORD)
    count = reader.number(Row("icmpv6.mldr.nb_mcast_records", "Records", 16, "how many follow", RECORD))
    for _ in range(min(count, reader.left // 20)):
        mark = len(reader.fields)
        row = Row("icmpv6.mldr.mar.record_type", "Type", 8, lambda n: RECORDS.get(n, f"type {n}"), RECORD)
        reader.number(row)
        words = reader.number(Row("icmpv6.mldr.mar.aux_data_len", "Auxiliary Data", 8, "in words of 4 bytes", RECORD))
        sources = reader.number(Row("icmpv6.mldr.mar.nb_sources", "Sources", 16, "how many follow", RECORD))
        at = len(reader.fields)
        address(reader, "icmpv6.mldr.mar.multicast_address", "Group", "the address that is listened to", RECORD)
        group = reader.fields[at].value
        for _ in range(min(sources, reader.left // 16)):
            address(reader, "icmpv6.mldr.mar.source_address", "Source", "a sender to that group", RECORD)
        reader.take(words * 4, "icmpv6.mldr.mar.auxiliary_data", "Auxiliary Data", "nothing is defined here", RECORD)
        reader.fold(mark, "icmpv6.mldr.mar", "Record", group, "what is listened to of one group", RECORD)
