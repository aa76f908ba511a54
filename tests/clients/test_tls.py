"""`netlab tls` before openssl s_server and nginx: messages, what is accepted, and which chains hold."""

from __future__ import annotations

import datetime
import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from clients import tls
from clients.tls import chain
from netlab.config import Address
from netlab.errors import PeerUnreachable
from netlab.net.certs import Authority
from tests.netlab_process import place
from tests.servers.proxies import listening, program

pytestmark = pytest.mark.one_loop  # what is looked at is TLS; the loop carries a few hundred bytes
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)


@contextmanager
def s_server(leaf: Path, *flags: str) -> Iterator[int]:
    """openssl s_server on a free port, with this certificate and key, and the chain beside it."""
    command = [program("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", str(leaf), "-key", str(leaf)]
    command += ["-cert_chain", str(chained)] if (chained := leaf.with_suffix(".chain")).exists() else []
    command += ["-www", *flags]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        port = next(int(line.rpartition(b":")[2]) for line in process.stdout if line.startswith(b"ACCEPT"))
        yield port
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def leaf(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For shop.test and 127.0.0.1."""
    found = authority.leaf(("shop.test", "127.0.0.1"))
    path = tmp_path_factory.mktemp("leaf") / "leaf.pem"
    path.write_text(found.key + found.chain)
    _, *behind = x509.load_pem_x509_certificates(found.chain.encode())
    if behind:
        encoded = [one.public_bytes(serialization.Encoding.PEM) for one in behind]
        path.with_suffix(".chain").write_bytes(b"".join(encoded))
    return path


async def looked(
    capsys: pytest.CaptureFixture[str], port: int, authority: Authority | None, **options: Any
) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is printed as JSON."""
    trusted = None if authority is None else authority.certificate_path
    options = {"server_name": "shop.test", "cacert": trusted, **options}
    code = await tls.run(tls.Config(target=Address("127.0.0.1", port), json=True, **options))
    return code, json.loads(capsys.readouterr().out)


CHOSEN = (
    *("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305", "-serverpref"),
    *("-ciphersuites", "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", "-groups", "X25519:P-256", "-alpn", "h2"),
)


async def test_what_openssl_was_told_to_accept_is_found(
    leaf: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    with s_server(leaf, *CHOSEN) as port:
        code, seen = await looked(capsys, port, authority)
    assert (code, seen["ok"], seen["verdict"], seen["version"], seen["alpn"]) == (0, True, "", "TLSv1.3", "h2")
    assert seen["resumption"] == {"ticket": True, "resumed": True}
    assert seen["versions"] == {
        "TLS 1.3": {
            "cipher_suites": ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"],
            "groups": ["x25519", "secp256r1"],
            "server_order": True,
        },
        "TLS 1.2": {
            "cipher_suites": [
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            ],
            "groups": ["x25519", "secp256r1"],
            "server_order": True,
        },
    }
    assert seen["refused"] == ["TLS 1.1", "TLS 1.0", "SSL 3.0"]
    assert (seen["protocols"], seen["staple"]) == (["h2"], "")
    assert [(one["side"], one["name"]) for one in seen["messages"]] == [
        ("client", "Client Hello (SNI=shop.test)"),
        ("server", "Server Hello"),
        ("server", "Encrypted Extensions"),
        ("server", "Certificate"),
        ("server", "Certificate Verify"),
        ("server", "Finished"),
        ("client", "Finished"),
        ("server", "New Session Ticket"),
        ("server", "New Session Ticket"),
    ]


async def test_a_common_name_is_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaf = tmp_path / "leaf.pem"
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=shop.test")
    command = [program("openssl"), "req", "-x509", *made, "-keyout", str(leaf), "-out", str(tmp_path / "certificate")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    leaf.write_text(leaf.read_text() + (tmp_path / "certificate").read_text())
    with s_server(leaf) as port:
        code, seen = await looked(capsys, port, None, cacert=leaf, scan=False)
    assert (code, seen["ok"], seen["chain"][0]["faults"]) == (1, False, ["not for shop.test: it has no names"])
    assert seen["verdict"]


@pytest.mark.parametrize(("flag", "version"), [("-tls1_3", "TLS 1.3"), ("-tls1_2", "TLS 1.2")])
async def test_one_version_alone(
    flag: str, version: str, leaf: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    with s_server(leaf, flag, "-no_ticket") as port:
        code, seen = await looked(capsys, port, authority)
    assert (code, list(seen["versions"]), len(seen["refused"])) == (0, [version], 4)
    assert seen["version"] == f"TLSv{version[4:]}"
    assert not seen["versions"][version]["server_order"]
    names = [one["name"] for one in seen["messages"]]
    assert ("Server Key Exchange" in names, "Encrypted Extensions" in names) == (flag == "-tls1_2", flag == "-tls1_3")
    assert [one["faults"] for one in seen["chain"]] == [[]] * len(seen["chain"])
    if flag == "-tls1_2":
        assert seen["resumption"] == {"ticket": False, "resumed": True}  # by the session's ID


async def test_a_server_that_wants_a_certificate(
    leaf: Path, authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    with s_server(leaf, "-Verify", "1") as port:
        _, seen = await looked(capsys, port, authority, scan=False)
    assert seen["wants_certificate"]


async def test_a_server_of_long_ago(leaf: Path, authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
    with s_server(leaf, "-tls1", "-cipher", "ALL:@SECLEVEL=0") as port:
        code, seen = await looked(capsys, port, authority, scan=False)
    assert (code, seen["version"], seen["chain"][0]["faults"]) == (1, "TLSv1", [])
    assert "RFC 8996" in seen["verdict"]


async def test_a_silent_server_is_asked_once(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code, seen = await looked(capsys, server.getsockname()[1], None, timeout=0.2)
    assert (code, "versions" in seen, seen["error"]) == (1, False, "the handshake was not done within 0.2 s")


async def test_nginx_and_every_field(
    nginx: tuple[str, str], authority: Authority, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(nginx[1].rpartition(":")[2])
    options = {"server_name": "origin.test", "alpn": ("http/1.1", "imap")}
    code, seen = await looked(capsys, port, authority, **options)
    assert (code, seen["protocols"], seen["resumption"]["resumed"]) == (0, ["http/1.1"], True)
    assert "TLS 1.2" in seen["versions"]  # and what else its version takes unless it is told
    config = tls.Config(
        target=Address("127.0.0.1", port),
        server_name="other.test",
        cacert=authority.certificate_path,
        scan=False,
        full=True,
    )
    assert await tls.run(config) == 1
    shown = capsys.readouterr().out
    assert "    - not for other.test: its names are origin.test" in shown
    assert "Server Name: other.test" in shown or "other.test" in shown.partition("Server Hello")[0]
    assert "(RFC 8446 4.1.2)" in shown


@pytest.mark.parametrize("flags", [(), ("-tls1_3",), ("-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")])
async def test_a_stapled_answer_and_whom_nobody_knows(
    flags: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = shop(ROOT)
    (tmp_path / "leaf").write_bytes(served.pem + served.key_pem)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=served.certificate,
        issuer=ROOT.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=NOW,
        next_update=NOW + DAY,
        revocation_time=None,
        revocation_reason=None,
    )
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ROOT.certificate).sign(ROOT.key, hashes.SHA256())
    (tmp_path / "staple").write_bytes(answer.public_bytes(serialization.Encoding.DER))
    with s_server(tmp_path / "leaf", "-status_file", str(tmp_path / "staple"), *flags) as port:
        code, seen = await looked(capsys, port, None)
    assert seen["staple"] == f"good, as of {NOW:%Y-%m-%d}, until {NOW + DAY:%Y-%m-%d}"
    assert code == 1
    assert "authority we do not know" in seen["verdict"]
    (link,) = seen["chain"]
    assert link["faults"] == [
        "it is issued by CN=root, which was not sent and is not one of the authorities that are trusted"
    ]


async def test_what_is_no_tls(capsys: pytest.CaptureFixture[str]) -> None:
    async def greet(reader: Any, writer: Any) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")

    async with listening(greet) as port:
        code, seen = await looked(capsys, port, None)
    assert code == 1
    assert seen["error"]
    with pytest.raises(PeerUnreachable, match="nothing listens"):
        await tls.run(tls.Config(target=Address("127.0.0.1", 1)))


def test_the_command(leaf: Path, authority: Authority) -> None:
    with place() as here, s_server(leaf) as port:
        shown = here.run("tls", f"127.0.0.1:{port}", "--no-scan", "--cacert", str(authority.certificate_path))
        assert shown.returncode == 0, shown.stderr
        assert shown.stdout.startswith("127.0.0.1: TLSv1.3, ")
        assert "the certificates hold" in shown.stdout.partition("\n")[0]
        wrong = here.run("tls", "127.0.0.1:1", "--no-scan")
        assert (wrong.returncode, wrong.stdout) == (1, "")
        assert "nothing listens on 127.0.0.1 port 1" in wrong.stderr


# -- chains ----------------------------------------------------------------------------------------------------------


class Issued:
    """A certificate made for a test, and its key."""

    def __init__(
        self,
        name: str,
        by: Issued | None = None,
        *,
        ca: bool | None = True,
        names: Sequence[str] = (),
        ends: datetime.datetime = NOW + 90 * DAY,
        usage: Any = None,
        path_length: int | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).public_key(self.key.public_key())
        builder = builder.issuer_name(by.certificate.subject if by is not None else subject)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(NOW - 30 * DAY).not_valid_after(ends)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        self.certificate = builder.sign(key or (by.key if by is not None else self.key), hashes.SHA256())

    @property
    def key_pem(self) -> bytes:
        format_ = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, format_, serialization.NoEncryption())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


ROOT = Issued("root")
MIDDLE = Issued("middle", ROOT)
NARROW = Issued("narrow", ROOT, path_length=0)
BELOW = Issued("below", NARROW)
SHOP = ("shop.test", "*.shop.test")


def shop(by: Issued, **options: Any) -> Issued:
    return Issued("shop", by, ca=False, names=SHOP, **options)


CHAINS: list[tuple[str, list[Issued], str]] = [
    ("whole", [shop(MIDDLE), MIDDLE], ""),
    ("with its root", [shop(MIDDLE), MIDDLE, ROOT], ""),
    ("by the root itself", [shop(ROOT)], ""),
    ("expired", [shop(MIDDLE, ends=NOW - DAY), MIDDLE], "expired on"),
    ("middle expired", [shop(old := Issued("old", ROOT, ends=NOW - DAY)), old], "expired on"),
    ("middle missing", [shop(MIDDLE)], "issued by CN=middle, which was not sent"),
    ("another's key", [shop(MIDDLE, key=ROOT.key), MIDDLE], "its signature is not by the key of CN=middle"),
    ("not an authority", [shop(plain := Issued("plain", ROOT, ca=None)), plain], "it is no authority's"),
    ("too deep", [shop(BELOW), BELOW, NARROW], "1 authorities are below it, and it allows 0"),
    ("for clients", [shop(MIDDLE, usage=ExtendedKeyUsageOID.CLIENT_AUTH), MIDDLE], "its key is not for servers"),
    ("by itself", [Issued("shop", ca=False, names=SHOP)], "it is signed by itself, and is not one of"),
    ("other root", [shop(other := Issued("other")), other], "it is signed by itself, and is not one of"),
]


@pytest.mark.parametrize(("what", "sent", "fault"), CHAINS, ids=[one[0] for one in CHAINS])
def test_why_a_chain_holds_or_does_not(what: str, sent: list[Issued], fault: str, tmp_path: Path) -> None:
    """The same verdict as `openssl verify`, and the reason at the link that has it."""
    links = chain.judge([one.der for one in sent], "www.shop.test", chain.Anchors([ROOT.der]))
    faults = [why for link in links for why in link.faults]
    assert [fault in why for why in faults] == [True] if fault else not faults
    (tmp_path / "root").write_bytes(ROOT.pem)
    (tmp_path / "leaf").write_bytes(sent[0].pem)
    (tmp_path / "sent").write_bytes(b"".join(one.pem for one in sent))
    command = [program("openssl"), "verify", "-CAfile", str(tmp_path / "root"), "-untrusted", str(tmp_path / "sent")]
    command += ["-purpose", "sslserver", "-verify_hostname", "www.shop.test", str(tmp_path / "leaf")]
    verified = subprocess.run(command, capture_output=True, check=False)
    assert (verified.returncode == 0) is (not fault), verified.stderr


def test_a_wrong_order_is_told() -> None:
    links = chain.judge([one.der for one in (shop(BELOW), NARROW, BELOW)], "shop.test", chain.Anchors([ROOT.der]))
    assert "it is issued by CN=below, but what follows is CN=narrow" in links[0].faults


@pytest.mark.parametrize(
    ("name", "pattern", "fit"),
    [
        ("shop.test", "shop.test", True),
        ("SHOP.test.", "shop.TEST", True),
        ("www.shop.test", "*.shop.test", True),
        ("a.b.shop.test", "*.shop.test", False),
        ("shop.test", "*.shop.test", False),
        ("shop.test", "*.test", False),
        ("wwwshop.test", "www*.test", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "*.0.0.1", False),
    ],
)
def test_names(name: str, pattern: str, fit: bool) -> None:
    assert chain.fits(name, pattern) is fit
