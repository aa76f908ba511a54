"""Searches as people type them, in Mailpit's language, turned into SQL: words, phrases, fields, sizes, dates, NOT."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from netlab.errors import UsageError
from netlab.units import parse_size

LONGEST = 2000
_TERM = re.compile(r'([-!]?)(?:([a-zA-Z-]{2,15}):)?("[^"]*"?|[^\s"]+)\s*')
_WORD = re.compile(r"\w+")

FIELDS = {
    "from": "{sender}",
    "to": "{recipient}",
    "cc": "{cc}",
    "bcc": "{bcc}",
    "reply-to": "{reply_to}",
    "recipient": "{recipient cc bcc}",
    "addressed": "{sender recipient cc bcc reply_to}",
    "subject": "{subject}",
    "text": "{text}",
}
STATES = {
    "is:read": "read = 1",
    "is:unread": "read = 0",
    "is:tagged": "tags <> '[]'",
    "has:attachment": "attachments > 0",
    "has:attachments": "attachments > 0",
    "has:inline": "inline > 0",
    "has:inlines": "inline > 0",
}


@dataclass(frozen=True, slots=True)
class Search:
    """What is to be found: by the index of words, and by conditions on the table `summary`."""

    match: str = ""  # in FTS5's language
    where: str = ""
    values: tuple[object, ...] = ()

    def within(self, mailbox: str | None) -> Search:
        """Only of one mailbox."""
        if mailbox is None:
            return self
        held = "number IN (SELECT number FROM holding WHERE mailbox = ?)"
        return replace(self, where=f"{held} AND {self.where}" if self.where else held, values=(mailbox, *self.values))

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """From where, and what it is given. The index is asked first: it gives what matches in the order of arrival."""
        if not self.match:
            return f"summary WHERE {self.where or 1}", self.values
        joined = "search CROSS JOIN summary ON number = search.rowid WHERE search MATCH ?"
        return f"{joined} AND {self.where}" if self.where else joined, (self.match, *self.values)

    def count_sql(self, unread: str = "") -> tuple[str, tuple[object, ...]]:
        """A query for how many there are, and how many of them are not read, by indices alone where they know.

        `unread` is that second number, in SQL, where it need not be looked up.
        """
        alone = bool(self.match) and not self.where
        source, values = ("search WHERE search MATCH ?", (self.match,)) if alone else self.sql()
        looked_up = f"{'rowid' if alone else 'number'} IN (SELECT number FROM summary WHERE read = 0)"
        return f"SELECT count(*), {unread or f'count(*) FILTER (WHERE {looked_up})'} FROM {source}", values


def parse_search(query: str, timezone: str = "") -> Search:
    """What `query` asks for; UsageError says which term cannot be meant."""
    if len(query) > LONGEST:
        raise UsageError(f"a search has at most {LONGEST} characters")
    wanted: list[str] = []
    unwanted: list[str] = []
    conditions: list[str] = []
    values: list[object] = []
    for negated, field, text in _TERM.findall(query):
        field, text = field.lower(), text.strip('"')
        matching = _match(field, text)
        if matching is None:
            condition, value = _condition(field, text, timezone)
            conditions.append(f"NOT ({condition})" if negated else condition)
            values += value
        elif matching:
            (unwanted if negated else wanted).append(matching)
    if unwanted and not wanted:
        conditions.append("number NOT IN (SELECT rowid FROM search WHERE search MATCH ?)")
        values.append(" OR ".join(unwanted))
    if query.strip() and not (wanted or unwanted or conditions):
        conditions.append("0")  # signs alone: nothing is found by them, and nothing is to be deleted by them
    match = " AND ".join(wanted)
    if wanted and unwanted:
        match = f"({match}) NOT ({' OR '.join(unwanted)})"
    return Search(match, " AND ".join(conditions), tuple(values))


def _match(field: str, text: str) -> str | None:
    """The words in FTS5's own language: in sequence, the last of them the beginning of one. None for other terms."""
    if field and field not in FIELDS and field in OTHERS:
        return None
    words = _WORD.findall(text if not field or field in FIELDS else f"{field} {text}")
    if not words:
        return ""
    return f'{FIELDS[field]}: "{" ".join(words)}"*' if field in FIELDS else f'"{" ".join(words)}"*'


def _condition(field: str, text: str, timezone: str) -> tuple[str, list[object]]:
    if field in ("is", "has"):
        state = STATES.get(f"{field}:{text.lower()}")
        if state is None:
            raise UsageError(f"{field}:{text[:40]} is no state; there are {', '.join(STATES)}")
        return state, []
    if field == "message-id":
        found = "SELECT number FROM summary WHERE instr(lower(message_id), ?) > 0"  # of which the index knows all
        return f"number IN ({found})", [text.strip("<>").lower()]
    if field == "tag":
        return "(tags <> '[]' AND EXISTS (SELECT 1 FROM json_each(tags) WHERE lower(value) = ?))", [text.lower()]
    if field in ("larger", "smaller"):
        try:
            return f"size {'>' if field == 'larger' else '<'} ?", [parse_size(text)]
        except ValueError:
            raise UsageError(f"{field}:{text[:40]} is no size; write 200k or 5M") from None
    return f"received {'<' if field == 'before' else '>='} ?", [_moment(field, text, timezone)]


OTHERS = frozenset({"is", "has", "message-id", "tag", "larger", "smaller", "before", "after"})


def _moment(field: str, text: str, timezone: str) -> float:
    """A date, or date and time; where `after` names a day, what comes after its beginning."""
    try:
        moment = datetime.fromisoformat(text.strip().replace("/", "-"))
        zone = ZoneInfo(timezone) if timezone else UTC
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OSError, OverflowError):
        raise UsageError(f"{field}:{text[:40]} is no date; write 2026-12-31 or 2026-12-31T23:59:00") from None
