"""What ports are for, and which protocol is spoken behind the well-known ones and netlab's own."""

from __future__ import annotations

WELL_KNOWN = {
    7: "echo",
    9: "discard",
    13: "daytime",
    19: "chargen",
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "SMTP",
    53: "DNS",
    67: "DHCP server",
    68: "DHCP client",
    80: "HTTP",
    110: "POP3",
    123: "NTP",
    143: "IMAP",
    443: "HTTPS",
    465: "SMTP over TLS",
    587: "mail submission",
    853: "DNS over TLS",
    993: "IMAP over TLS",
    995: "POP3 over TLS",
    1080: "SOCKS",
    1883: "MQTT",
    3128: "Squid's proxy port",
    5353: "multicast DNS",
    8080: "HTTP's other port",
    8443: "HTTPS' other port",
    8883: "MQTT over TLS",
}

TCP = {
    25: "smtp", 53: "dns", 80: "http", 110: "pop", 443: "tls", 465: "tls", 587: "smtp", 853: "tls", 995: "tls",
    1025: "smtp", 1080: "socks", 1110: "pop", 1465: "tls", 1883: "mqtt", 2525: "smtp", 3128: "http", 5300: "dns",
    8025: "http", 8080: "http", 8081: "http", 8443: "tls", 8530: "tls", 8800: "http", 8883: "tls", 9001: "http",
}  # fmt: skip
"""Port → dissector, asked where the first bytes do not tell."""
UDP = {53: "dns", 5300: "dns", 5353: "dns"}


def port(number: int) -> str:
    """What a port is for (RFC 6335 6)."""
    if number in WELL_KNOWN:
        return WELL_KNOWN[number]
    if number < 1024:
        return "a system port"
    # RFC 6335 lets systems choose above 49151; Linux has always begun at 32768
    return "a user port" if number < 32768 else "a high port, as clients are given by their system"
