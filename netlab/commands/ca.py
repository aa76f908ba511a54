"""The local certificate authority: where it is, and how to have it trusted."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from netlab.config import Flag
from netlab.errors import UsageError
from netlab.net.certs import Authority, Leaf

EXAMPLES = (
    ("netlab ca", "where it is, its fingerprint, and the line for each tool to trust it"),
    ('curl --cacert "$(netlab ca --path)" https://localhost:8443/hello', "trust it for one call"),
    ("netlab ca --print > netlab.pem", "the certificate itself"),
    ("netlab ca --leaf www.shop.test --leaf 127.0.0.1 --out certs", "a certificate and key for a server of your own"),
    ("netlab ca --client alice", "a certificate for a client to show"),
)


@dataclass(frozen=True, kw_only=True)
class Config:
    json: bool = False
    """Print JSON."""
    pem: Annotated[bool, Flag("--print")] = False
    """Print only the certificate, in PEM."""
    path: bool = False
    """Print only the path of the certificate."""
    leaf: tuple[str, ...] = ()
    """Issue a server's certificate for this name or address, `*.` wildcards too; several names share one."""
    client: str | None = None
    """Issue a client's certificate for this name."""
    out: Path = Path()
    """The folder that an issued certificate and its key are written to."""
    force: bool = False
    """Write over files that are there already."""


def run(config: Config) -> int:
    asked = [config.pem, config.path, bool(config.leaf), config.client is not None]
    if sum(asked) > 1:
        raise UsageError("--print, --path, --leaf and --client each ask for something else: give one of them")
    authority = Authority.load()
    if config.path:
        print(authority.certificate_path)
    elif config.pem:
        print(authority.certificate_pem, end="")
    elif config.leaf:
        _show_issued(write(authority.leaf(config.leaf), config), config)
    elif config.client is not None:
        _show_issued(write(authority.issue_client(config.client), config), config)
    else:
        _show(facts(authority), config)
    return 0


# -- what there is to say --------------------------------------------------------------------------------------


def facts(authority: Authority) -> dict[str, Any]:
    """The authority's certificate in figures, and how each tool is told to trust it."""
    from netlab.net.certs_x509 import validity

    begins, ends = validity(authority.certificate_pem.encode())
    pin = key_pin(authority.certificate_pem)
    return {
        "certificate": str(authority.certificate_path),
        "sha256": authority.fingerprint,
        "not_before": begins.isoformat(),
        "not_after": ends.isoformat(),
        "spki_pin": pin,
        "trust": dict(trust(authority.certificate_path, pin)),
    }


def key_pin(certificate_pem: str) -> str:
    """A certificate's key as Chromium wants it named: SHA-256 of the SubjectPublicKeyInfo, in base64 (RFC 7469 2.4)."""
    from netlab.net.certs_x509 import public_key_info

    return base64.b64encode(hashlib.sha256(public_key_info(certificate_pem.encode())).digest()).decode()


def trust(certificate: Path, pin: str) -> list[tuple[str, str]]:
    """(tool, the line to type); nothing here is ever run by netlab."""
    path = shlex.quote(str(certificate))
    return [
        ("curl", f"curl --cacert {path} https://localhost:8443/"),
        ("Python ssl", f"context = ssl.create_default_context(cafile={str(certificate)!r})"),
        ("httpx", f"export SSL_CERT_FILE={path}"),
        ("requests", f"export REQUESTS_CA_BUNDLE={path}"),
        ("Node", f"export NODE_EXTRA_CA_CERTS={path}"),
        ("Git", f"export GIT_SSL_CAINFO={path}"),
        ("Firefox", f"Settings, Certificates, View Certificates, Authorities, Import: {certificate}"),
        ("Chromium, one run", f"chromium --user-data-dir=/tmp/lab --ignore-certificate-errors-spki-list={pin}"),
        ("Chromium, Linux", f'certutil -d sql:"$HOME/.pki/nssdb" -A -t C,, -n netlab -i {path}'),
        (
            "Debian, Ubuntu",
            f"sudo cp {path} /usr/local/share/ca-certificates/netlab.crt && sudo update-ca-certificates",
        ),
        ("macOS", f"security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {path}"),
    ]


def write(leaf: Leaf, config: Config) -> dict[str, Any]:
    """Put a certificate (with its chain) and its key into files named for its first name."""
    name = leaf.names[0].replace("*", "_")
    if "/" in name or "\0" in name or name.startswith("."):
        raise UsageError(f"{leaf.names[0]!r} cannot name a file: give a name without a slash")
    files = {config.out / f"{name}.pem": (leaf.chain, 0o644), config.out / f"{name}.key": (leaf.key, 0o600)}
    taken = [path for path in files if path.exists()]
    if taken and not config.force:
        raise UsageError(f"{taken[0]} exists already: remove it, give another --out, or --force to write over it")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        for path, (text, mode) in files.items():
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{config.out}: cannot write the certificate there: {error.strerror}") from error
    certificate, key = map(str, files)
    expires = datetime.fromtimestamp(leaf.expires, UTC).isoformat()
    return {"certificate": certificate, "key": key, "names": list(leaf.names), "not_after": expires}


# -- and how ---------------------------------------------------------------------------------------------------


def _show_issued(issued: dict[str, Any], config: Config) -> None:
    if config.json:
        print(json.dumps(issued))
        return
    print(f"certificate  {issued['certificate']}  (with the authority's behind it)")
    print(f"key          {issued['key']}")
    print(f"names        {', '.join(issued['names'])}")
    print(f"valid until  {issued['not_after'][:10]}")


def _show(found: dict[str, Any], config: Config) -> None:
    if config.json:
        print(json.dumps(found))
        return
    digest = found["sha256"].upper()
    rows = [
        ("certificate", found["certificate"]),
        ("SHA-256", ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))),
        ("valid", f"{found['not_before'][:10]} to {found['not_after'][:10]}"),
        ("key pin", f"{found['spki_pin']}  (SPKI, SHA-256)"),
    ]
    _print_rows(rows)
    print("\nNothing on this system was changed. To have it trusted:\n")
    _print_rows(list(found["trust"].items()))


def _print_rows(rows: list[tuple[str, str]]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(name, Text(value))
        Console().print(table)
        return
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
