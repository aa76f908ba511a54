"""What a lab says when it is ready: a row for each service, where it is, and a line to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from netlab.net.listen import Endpoint


def rows(endpoints: Sequence[Endpoint], tries: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """(service, address, what to try); what several addresses of one service have in common stands once.

    `tries` are by service, with `{url}`, `{host}` and `{port}` of its first endpoint.
    """
    several: dict[tuple[str, str], list[Endpoint]] = {}
    for endpoint in endpoints:
        scheme = endpoint.scheme.removesuffix("+udp")  # the same port as over TCP
        several.setdefault((endpoint.name, scheme), []).append(endpoint)
    told = set()
    for (name, _), same in several.items():
        first = same[0]
        places = {(endpoint.host, endpoint.port) for endpoint in same}
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        line = "" if name in told else tries.get(name, "")
        told.add(name)
        yield name, first.url + more, line.format(url=first.url, host=first.host, port=first.port)


def table(endpoints: Sequence[Endpoint], tries: Mapping[str, str]) -> str:
    """The rows in columns."""
    found = list(rows(endpoints, tries))
    widths = [max((len(row[column]) for row in found), default=0) for column in (0, 1)]
    return "\n".join(f"{name:<{widths[0]}}  {url:<{widths[1]}}  {line}".rstrip() for name, url, line in found)
