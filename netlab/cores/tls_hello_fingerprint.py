"""Fingerprints of a ClientHello, by which a client's software is told whatever it says of itself: JA3 and JA4."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5, sha256

from netlab.cores.tls_hello import ALPN, SERVER_NAME
from netlab.cores.tls_hello_details import HelloDetails
from netlab.cores.tls_hello_names import is_grease

JA4_VERSIONS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}
NOTHING = "000000000000"  # JA4's word for the hash of an empty list


def ja3_text(hello: HelloDetails) -> str:
    """What JA3 hashes: version, suites, extensions, groups and point formats, in decimal, in the client's order.

    Browsers shuffle their extensions today, so that each of their connections has a JA3 of its own.
    """
    lists = (hello.cipher_suites, hello.kinds, hello.groups, hello.point_formats)
    return ",".join([str(hello.legacy_version), *("-".join(map(str, _real(numbers))) for numbers in lists)])


def ja3(hello: HelloDetails) -> str:
    """The MD5 of `ja3_text`, in hexadecimal."""
    return md5(ja3_text(hello).encode("ascii"), usedforsecurity=False).hexdigest()


def ja4(hello: HelloDetails) -> str:
    """JA4 for TLS over TCP: lists sorted, so that shuffling changes nothing."""
    beginning, suites, rest = _ja4_parts(hello)
    return f"{beginning}_{_hashed(suites)}_{_hashed(rest)}"


def ja4_raw(hello: HelloDetails) -> str:
    """JA4_r: what JA4 hashes."""
    return "_".join(_ja4_parts(hello))


def _ja4_parts(hello: HelloDetails) -> tuple[str, str, str]:
    suites, kinds = _real(hello.cipher_suites), _real(hello.kinds)
    version = max(_real(hello.versions), default=hello.legacy_version)
    beginning = (
        f"t{JA4_VERSIONS.get(version, '00')}{'d' if SERVER_NAME in kinds else 'i'}"
        f"{min(len(suites), 99):02}{min(len(kinds), 99):02}{_alpn_ends(hello.alpn)}"
    )
    extensions = _hexadecimal(sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN)))
    signatures = _hexadecimal(_real(hello.signature_algorithms))
    return beginning, _hexadecimal(sorted(suites)), f"{extensions}_{signatures}" if signatures else extensions


def _alpn_ends(alpn: tuple[bytes, ...]) -> str:
    """First and last character of the first protocol; of its hexadecimal form where either is no letter or digit."""
    if not alpn or not alpn[0]:
        return "00"
    ends = alpn[0][:1] + alpn[0][-1:]
    if ends.isalnum():  # of bytes, this is about ASCII alone
        return ends.decode("ascii")
    return f"{ends[0]:02x}"[0] + f"{ends[1]:02x}"[1]


def _hashed(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:12] if text else NOTHING


def _hexadecimal(numbers: Iterable[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _real(numbers: Iterable[int]) -> list[int]:
    return [number for number in numbers if not is_grease(number)]
