"""What a failed TLS handshake means, in plain words."""

from __future__ import annotations

import re
import ssl

from netlab.errors import ConnectionLost, DeadlineExceeded, NetlabError, PeerUnreachable, RemoteProtocolError
from netlab.flow import Outcome

SENTENCE = b"Plain HTTP was sent to a TLS port: use https:// for this address.\n"
PLAIN_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(SENTENCE), SENTENCE)
)

# alert name (RFC 8446 6.2) → what it says about whom; {peer} sent it
ALERTS = {
    "unknown_ca": "the {peer} refused our certificate: it does not know the authority that issued it",
    "bad_certificate": "the {peer} refused our certificate",
    "certificate_unknown": "the {peer} refused our certificate",
    "unsupported_certificate": "the {peer} refused our certificate: it does not take its kind",
    "certificate_expired": "the {peer} refused our certificate: it holds it for expired",
    "certificate_revoked": "the {peer} refused our certificate: it holds it for revoked",
    "access_denied": "the {peer} took our certificate and denied access",
    "certificate_required": "the {peer} wants a certificate of ours, and we sent none",
    "protocol_version": "no shared TLS version: the {peer} refused ours",
    "insufficient_security": "the {peer} wants stronger cipher suites than we offered",
    "handshake_failure": "the {peer} found nothing we both support",
    "no_application_protocol": "no shared application protocol (ALPN)",
    "unrecognized_name": "the {peer} does not serve the name that was asked for",
    "user_canceled": "the {peer} cancelled the handshake",
    "decrypt_error": "the {peer} found a signature or a finished message wrong",
}

# OpenSSL's reason → (rule, section, sentence)
REASONS = {
    "UNSUPPORTED_PROTOCOL": ("tls.version", "RFC 8446 4.2.1", "no shared TLS version"),
    "VERSION_TOO_LOW": ("tls.version", "RFC 8446 4.2.1", "no shared TLS version"),
    "NO_SHARED_CIPHER": ("tls.cipher", "RFC 8446 4.1.1", "no shared cipher suite"),
    "NO_SUITABLE_SIGNATURE_ALGORITHM": ("tls.signature", "RFC 8446 4.2.3", "no shared signature algorithm"),
    "NO_SUITABLE_KEY_SHARE": ("tls.group", "RFC 8446 4.2.8", "no shared key exchange group"),
    "WRONG_VERSION_NUMBER": ("tls.record", "RFC 8446 5.1", "the {peer} does not speak TLS here"),
    "PACKET_LENGTH_TOO_LONG": ("tls.record", "RFC 8446 5.1", "the {peer} does not speak TLS here"),
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "tls.client_certificate",
        "RFC 8446 4.4.2.4",
        "the {peer} sent no certificate, and one is required",
    ),
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": (
        "tls.mac",
        "RFC 8446 5.2",
        "a record from the {peer} cannot be decrypted: it was damaged or changed on the way",
    ),
}

# OpenSSL's X509_V_ERR_… numbers
VERIFY_CODES = {
    9: "the {peer}'s certificate is not valid yet",
    10: "the {peer}'s certificate has expired",
    18: "the {peer}'s certificate is signed by itself, not by an authority we trust",
    19: "the {peer}'s certificate comes from an authority we do not trust",
    20: "the {peer}'s certificate comes from an authority we do not know",
    21: "the {peer}'s certificate comes from an authority we do not know",
    23: "the {peer}'s certificate was revoked",
}


def handshake_error(error: ssl.SSLError, *, server_side: bool, offset: int) -> NetlabError:
    """A handshake's failure: on a server a violation by the client, on a client a dial that came to nothing."""
    violation = record_error(error, server_side=server_side, offset=offset)
    return violation if server_side else PeerUnreachable(violation.reason, stage="tls")


def record_error(error: ssl.SSLError, *, server_side: bool, offset: int) -> RemoteProtocolError:
    """What OpenSSL reports, as a violation; `offset` counts the bytes that had come from the peer."""
    rule, section, sentence = _explained(error)
    reason = sentence.format(peer="client" if server_side else "server")
    return RemoteProtocolError(reason, offset=offset, rule=rule, section=section)


def handshake_cut(error: Exception | None, *, server_side: bool) -> NetlabError:
    """The peer went away before the handshake was complete."""
    how = "reset" if error is not None else "closed"
    if server_side:
        return ConnectionLost(f"the client {how} the connection during the TLS handshake")
    return PeerUnreachable(f"the server {how} the connection during the TLS handshake", stage="tls")


def handshake_overdue(seconds: float, *, server_side: bool) -> NetlabError:
    """The handshake came to its deadline."""
    if server_side:
        return DeadlineExceeded("complete TLS handshake", seconds)
    reason = f"the server did not complete the TLS handshake within {seconds:g} s"
    return PeerUnreachable(reason, stage="tls", timed_out=True)


def outcome(error: NetlabError) -> str:
    """How a flow ends on which this happened."""
    match error:
        case DeadlineExceeded() | PeerUnreachable(timed_out=True):
            return Outcome.TIMEOUT
        case PeerUnreachable():
            return Outcome.UNREACHABLE
        case ConnectionLost():
            return Outcome.CUT
        case RemoteProtocolError():
            return Outcome.VIOLATION
    return Outcome.ERROR  # our own files: the authority's key is gone


def _explained(error: ssl.SSLError) -> tuple[str, str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls.certificate", "RFC 5280 6", _certificate_fault(error)
    code = error.reason or ""
    if code in REASONS:
        return REASONS[code]
    alert = re.fullmatch(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?(\w+)", code)
    if alert:
        name = alert[1].lower()
        sentence = ALERTS.get(name, "the {peer} ended the TLS connection")
        return f"tls.alert_{name}", "RFC 8446 6.2", f"{sentence} (alert {name})"
    words = code.replace("_", " ").lower() or str(error)
    return "tls.handshake", "RFC 8446 4", "the {peer}'s bytes break TLS: " + words.replace("{", "{{").replace("}", "}}")


def _certificate_fault(error: ssl.SSLCertVerificationError) -> str:
    known = VERIFY_CODES.get(error.verify_code)
    if known:
        return known
    said = error.verify_message.rstrip(".").replace("{", "{{").replace("}", "}}")
    return "the {peer}'s certificate does not hold: " + said[:1].lower() + said[1:]
