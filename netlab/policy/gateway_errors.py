"""Why an intermediary could not forward: status and Proxy-Status error type (RFC 9209 2.3), told apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, PeerUnreachable, RemoteProtocolError, Truncated
from netlab.flow import Outcome

OUTCOMES = {502: Outcome.UNREACHABLE, 503: Outcome.UNREACHABLE, 504: Outcome.TIMEOUT, 403: Outcome.REFUSED}


@dataclass(frozen=True, slots=True)
class Failure:
    """What to answer, the error's registered name, the reason in words; with a 503 the seconds until it may be over.

    `stage` is that of a dial that failed, as `PeerUnreachable` has it; else it is empty.
    """

    status: int
    error: str
    reason: str
    retry_after: float = 1.0
    stage: str = ""

    @property
    def outcome(self) -> str:
        """How the flow of the leg ends with it."""
        return OUTCOMES.get(self.status, Outcome.CUT)

    def proxy_status(self, name: str) -> str:
        """The value of Proxy-Status: a structured-field list of one (RFC 9209 2)."""
        details = "".join(c if " " <= c <= "~" else "?" for c in self.reason)
        details = details.replace("\\", "\\\\").replace('"', '\\"')
        return f'{name}; error={self.error}; details="{details}"'


def failure(error: NetlabError) -> Failure:
    """502 for an upstream that is not there or does not speak properly, 504 for one too slow, 503 for no room here."""
    found = _failure(error, str(error))
    return replace(found, stage=error.stage) if isinstance(error, PeerUnreachable) else found


def _failure(error: NetlabError, reason: str) -> Failure:
    match error:
        case PeerUnreachable(stage="resolve"):
            return Failure(504, "dns_timeout", reason) if error.timed_out else Failure(502, "dns_error", reason)
        case PeerUnreachable(stage="policy"):
            return Failure(403, "destination_ip_prohibited", reason)
        case PeerUnreachable(stage="tls"):
            known = "tls_certificate_error" if "certificate" in reason else "tls_protocol_error"
            return Failure(502, known, reason)
        case PeerUnreachable():
            if error.timed_out:
                return Failure(504, "connection_timeout", reason)
            return Failure(502, "connection_refused" if "refused" in reason else "destination_unavailable", reason)
        case DeadlineExceeded(stage="free connection"):
            return Failure(503, "connection_limit_reached", reason)
        case DeadlineExceeded(stage="connect"):
            return Failure(504, "connection_timeout", reason)
        case DeadlineExceeded():
            return Failure(504, "http_response_timeout", reason)
        case Truncated():
            return Failure(502, "http_response_incomplete", reason)
        case RemoteProtocolError(rule="response.informational_flood" | "fields.too_large" | "fields.too_many"):
            return Failure(502, "http_response_header_section_size", reason)
        case RemoteProtocolError(rule="response.content_coding"):
            return Failure(502, "http_response_content_coding", f"{reason} ({error.section})")
        case RemoteProtocolError(rule="transfer_encoding.unsupported"):
            return Failure(502, "http_response_transfer_coding", f"{reason} ({error.section})")
        case RemoteProtocolError():
            return Failure(502, "http_protocol_error", f"{reason} ({error.section})")
        case ConnectionLost():
            return Failure(502, "connection_terminated", reason)
    return Failure(500, "proxy_internal_error", reason)
