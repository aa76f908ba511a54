"""HTTP-dates: the three forms of RFC 9110 5.6.7, read as seconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = f"(?P<month>{'|'.join(MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_YEAR = r"(?P<year>[0-9]{4})"
IMF_FIXDATE = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{{2}}) {_MONTH} {_YEAR} {_TIME} GMT")
RFC850_DATE = re.compile(
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"
)
ASCTIME_DATE = re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} {_YEAR}")
FIFTY_YEARS = 50 * 365.2425 * 86400


def parse_date(text: str, now: float) -> int | None:
    """An HTTP-date in any of its three forms (RFC 9110 5.6.7) as seconds since the epoch; None if it is none.

    A two-digit year that would lie more than 50 years after `now` is the most recent past one with those digits.
    """
    match = RFC850_DATE.fullmatch(text)
    if match is None:
        return _parse_full_date(text)
    year = datetime.fromtimestamp(now, UTC).year // 100 * 100 + int(match["year"])
    date = _seconds(match, year)
    return date if date is None or date <= now + FIFTY_YEARS else _seconds(match, year - 100)


def parse_date_in_any_case(text: str, now: float) -> int | None:
    """The same for a cache, which should match dates whatever their case (RFC 9111 4.2)."""
    return parse_date(text.title().replace(" Gmt", " GMT"), now)


@lru_cache(maxsize=128)
def _parse_full_date(text: str) -> int | None:
    match = IMF_FIXDATE.fullmatch(text) or ASCTIME_DATE.fullmatch(text)
    return _seconds(match, int(match["year"])) if match is not None else None


def _seconds(match: re.Match[str], year: int) -> int | None:
    second = int(match["second"])
    leap = second == 60  # a leap second is the first of the next minute, as for every clock that knows none
    month = MONTHS.index(match["month"]) + 1
    rest = int(match["day"]), int(match["hour"]), int(match["minute"]), 59 if leap else second
    try:
        return int(datetime(year, month, *rest, tzinfo=UTC).timestamp()) + leap
    except ValueError:  # the 30th of February
        return None
