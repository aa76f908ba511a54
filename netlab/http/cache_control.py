"""Cache-Control by a file's path: rules PATTERN=VALUE, the first that matches wins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate

from netlab.errors import UsageError

PRESETS = {
    "immutable": "public, max-age=31536000, immutable",  # RFC 8246: names that change with their content
    "revalidate": "no-cache",  # RFC 9111 5.2.2.4: kept, and asked about every time
    "no-store": "no-store",  # RFC 9111 5.2.2.5
}
DIRECTIVE = r"[\w-]+(?:=(?:[\w-]+|\"[^\"\\\x00-\x1f]*\"))?"  # RFC 9111 5.2
DIRECTIVES = re.compile(rf"{DIRECTIVE}(?:[ \t]*,[ \t]*{DIRECTIVE})*", re.ASCII)


class CacheRules:
    """A pattern with a slash is matched against the whole path from the root, another against the name alone."""

    def __init__(self, rules: Iterable[str] = ()) -> None:
        self._rules = [_parse(rule) for rule in rules]

    def value(self, path: str) -> str | None:
        """Cache-Control for a file, `path` being its names from the root joined by slashes; None: say nothing."""
        name = path.rpartition("/")[2]
        for whole, pattern, value in self._rules:
            if pattern.fullmatch("/" + path if whole else name):
                return value
        return None


def _parse(rule: str) -> tuple[bool, re.Pattern[str], str]:
    pattern, equals, value = rule.partition("=")
    value = PRESETS.get(value, value).strip()
    if not equals or not pattern:
        raise UsageError(f"--cache-control {rule!r} is not PATTERN=VALUE, as in '*.js=immutable'")
    if not DIRECTIVES.fullmatch(value):
        presets = ", ".join(PRESETS)
        raise UsageError(f"--cache-control {rule!r}: {value!r} is neither one of {presets} nor a list of directives")
    whole = "/" in pattern
    if whole and not pattern.startswith(("/", "*")):
        pattern = "/" + pattern
    return whole, re.compile(translate(pattern)), value
