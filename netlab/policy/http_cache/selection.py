"""Which stored response a request selects: the fields that Vary names, compared as they are meant (RFC 9111 4.1)."""

from __future__ import annotations

import re

from netlab.policy.http_cache.directives import Lookup

NEGOTIATED = frozenset(("accept", "accept-charset", "accept-encoding", "accept-language"))
"""Lists of preferences: their order means nothing, their weights do (RFC 9110 12.5)."""
WRITTEN_HERE = frozenset(("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"))
"""Fields that a gateway writes anew: what the origin saw is not what the client sent, so that nobody can compare."""
MATCHING_CASE = frozenset(("accept-charset", "accept-encoding", "accept-language"))
COMMA = re.compile(r"[ \t]*,[ \t]*")
WEIGHT = re.compile(r"[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*\Z", re.IGNORECASE)

Nominated = tuple[tuple[str, str | None], ...]
"""The fields that Vary names, each with the normalized value that the request had which was answered; None: none."""


def names_of(vary: str | None) -> tuple[str, ...] | None:
    """The lower-case names in Vary, in their order, each once; None where no request can match (`*`)."""
    if vary is None:
        return ()
    names = dict.fromkeys(name for part in vary.split(",") if (name := part.strip(" \t").lower()))
    return None if "*" in names or WRITTEN_HERE & names.keys() else tuple(names)


def nominated(vary: str | None, request: Lookup) -> Nominated | None:
    """What a later request has to have in common with this one; None: nothing would be enough."""
    names = names_of(vary)
    if names is None:
        return None
    return tuple((name, normalized(name, request.get(name))) for name in names)


def matches(wanted: Nominated, request: Lookup, language: str | None = None) -> bool:
    """Whether a request selects the response; `language` is the response's Content-Language."""
    for name, value in wanted:
        given = request.get(name)
        if normalized(name, given) == value:
            continue
        if name != "accept-language" or language is None or given is None or favourite(given) != language.lower():
            return False
    return True


def normalized(name: str, value: str | None) -> str | None:
    """A value in the form that all of the same meaning have: blanks around commas gone, and of preferences the order
    and the case too.
    """
    if value is None or '"' in value:
        return value
    value = value.strip(" \t")
    if name not in NEGOTIATED:
        return COMMA.sub(",", value) if "," in value else value
    if name in MATCHING_CASE:
        value = value.lower()
    preferences = [_weighted(part) for part in value.split(",") if part.strip(" \t")]
    return ",".join(sorted(f"{what};q={weight:g}" for what, weight in preferences))


def _weighted(preference: str) -> tuple[str, float]:
    """What is preferred, and how much; 1 where nothing is said."""
    match = WEIGHT.search(preference)
    if match is None:
        return re.sub(r"[ \t]*;[ \t]*", ";", preference.strip(" \t")), 1.0
    return preference[: match.start()].strip(" \t"), float(match[1])


def favourite(accept_language: str) -> str | None:
    """The one language, lower case, that a client prefers to all others; None where there are several, or any."""
    preferences = [_weighted(part) for part in accept_language.lower().split(",") if part.strip(" \t")]
    most = max((weight for _, weight in preferences), default=0.0)
    best = [what for what, weight in preferences if weight == most]
    return best[0] if most > 0 and len(best) == 1 and best[0] != "*" else None
