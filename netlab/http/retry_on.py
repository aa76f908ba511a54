"""After which failures a request is tried elsewhere, as it is written: `connect,reset,timeout,invalid,503`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from netlab.config.values import Kind

UNREACHED = frozenset(
    (
        "connection_refused",
        "connection_timeout",
        "destination_unavailable",
        "dns_error",
        "dns_timeout",
        "tls_certificate_error",
        "tls_protocol_error",
    )
)
"""Failures of an upstream to be there at all."""
CAUSES: dict[str, frozenset[str]] = {
    "connect": UNREACHED,
    "reset": frozenset(("connection_terminated", "http_response_incomplete")),
    "timeout": frozenset(("http_response_timeout",)),
    "invalid": frozenset(
        ("http_protocol_error", "http_response_header_section_size", "http_response_content_coding"),
    ),
}
"""What may be written, and the errors of RFC 9209 that are meant: there was no answer, and this is why."""
STATUS = re.compile(r"[45][0-9][0-9]")


@dataclass(frozen=True, slots=True)
class RetryOn:
    """Causes by which there was no answer, and statuses of answers that are not passed on while another upstream can be
    asked. `none` is neither.
    """

    causes: frozenset[str]
    statuses: frozenset[int]
    text: str

    kind: ClassVar[Kind]

    @classmethod
    def parse(cls, text: str) -> RetryOn:
        words = text.split(",") if text != "none" else []
        if not all(word in CAUSES or STATUS.fullmatch(word) for word in words):
            raise ValueError
        statuses = frozenset(int(word) for word in words if word not in CAUSES)
        return cls(frozenset(words) & CAUSES.keys(), statuses, text)

    def covers(self, error: str) -> bool:
        """Whether a failure of this name is tried elsewhere; what is no fault of the upstream's is."""
        return not any(error in errors and cause not in self.causes for cause, errors in CAUSES.items())

    def __str__(self) -> str:
        return self.text


RetryOn.kind = Kind(
    parse=RetryOn.parse,
    allowed=f"{', '.join(CAUSES)} and statuses of 400 to 599 with commas between, such as connect,timeout,503; or none",
    metavar="CAUSE|STATUS,…",
)
UNANSWERED = RetryOn.parse(",".join(CAUSES))
"""Whenever there was no answer."""
