"""The local authority: made once, kept private, and what it issues passes the strictest verification there is."""

from __future__ import annotations

import ipaddress
import os
import shutil
import ssl
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import UsageError
from netlab.net import certs
from netlab.net.certs import DEFAULT_NAMES, Authority, Leaf, canonical, has_authority, state_directory
from netlab.net.tls_context import ServerContexts, client_context, leaf_context
from netlab.stores.token_key import own_key


def certificate(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.chain.encode())


def alternative_names(leaf: Leaf) -> list[str]:
    names = certificate(leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def write_pair(leaf: Leaf, folder: Path) -> Path:
    path = folder / "leaf.pem"
    path.write_text(leaf.key + leaf.chain)
    return path


def test_files_are_private(authority: Authority) -> None:
    authority.leaf(DEFAULT_NAMES)
    assert stat.S_IMODE(authority.directory.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in authority.directory.iterdir()}
    assert files == {"ca.key": 0o600, "ca.pem": 0o600, "localhost.pem": 0o600}


def test_loaded_again_it_is_the_same(authority: Authority) -> None:
    again = Authority.load(authority.directory.parent)
    assert again.fingerprint == authority.fingerprint
    assert again.certificate_pem == authority.certificate_pem


def test_two_at_once_agree(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from netlab.net.certs import Authority\n"
    script += "print(Authority.load(Path(sys.argv[1])).fingerprint)"

    def load(_: int) -> str:
        command = [sys.executable, "-c", script, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        prints = set(pool.map(load, range(4)))
    assert len(prints) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["ca"]


def test_authority_certificate(authority: Authority) -> None:
    made = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    constraints = made.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)
    assert made.extensions.get_extension_for_class(x509.KeyUsage).critical
    assert made.not_valid_after_utc - made.not_valid_before_utc > timedelta(days=3650)


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (DEFAULT_NAMES, "localhost"),
        (("www.shop.test",), "www.shop.test"),
        (("*.shop.test", "shop.test"), "api.shop.test"),
        (("bücher.test",), "xn--bcher-kva.test"),
        ((f"{'a' * 60}.{'b' * 60}.test",), f"{'a' * 60}.{'b' * 60}.test"),
    ],
)
def test_openssl_verifies_strictly(authority: Authority, tmp_path: Path, names: tuple[str, ...], host: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install openssl")
    leaf = write_pair(authority.leaf(names), tmp_path)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host]
    done = subprocess.run([*command, "-CAfile", authority.certificate_path, leaf], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_openssl_verifies_client_certificates(authority: Authority, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install openssl")
    for name in ("alice", "alice@shop.test", "Alice of the Shop"):
        leaf = write_pair(authority.issue_client(name), tmp_path)
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", authority.certificate_path]
        done = subprocess.run([*command, leaf], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


STRICT = """
import ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
assert context.verify_flags & ssl.VERIFY_X509_STRICT
served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); served.load_cert_chain(sys.argv[2])
one, two = ssl.MemoryBIO(), ssl.MemoryBIO()
client = context.wrap_bio(one, two, server_hostname=sys.argv[3])
server = served.wrap_bio(two, one, server_side=True)
for side in (client, server, client, server):
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        pass
print(client.version())
"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_python_313_verifies_strictly(authority: Authority, tmp_path: Path, host: str) -> None:
    leaf = write_pair(authority.leaf(DEFAULT_NAMES), tmp_path)
    command = [python_313(), "-I", "-c", STRICT, str(authority.certificate_path), str(leaf), host]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "TLSv1.3\n", done.stderr


def python_313() -> str:
    """An interpreter whose default is strict; a name on the path may be a version switcher's, that leads nowhere."""
    if sys.version_info >= (3, 13):
        return sys.executable
    kept = sorted((Path.home() / ".pyenv" / "versions").glob("3.1[3-9].*/bin/python"))
    for candidate in [shutil.which("python3.13"), *map(str, kept)]:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0:
            return candidate
    pytest.skip("Python 3.13 is missing: install python3.13")


def test_leaf_fields(authority: Authority) -> None:
    leaf = authority.leaf(("WWW.Shop.test.", "[::1]", "127.0.0.1"))
    made = certificate(leaf)
    assert alternative_names(leaf) == ["www.shop.test", "::1", "127.0.0.1"]
    assert made.not_valid_after_utc - made.not_valid_before_utc < timedelta(days=397)
    assert made.not_valid_before_utc < datetime.now(UTC) - timedelta(minutes=30)
    authority_made = x509.load_pem_x509_certificate(authority.certificate_pem.encode())
    subject = authority_made.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    issuer = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert issuer == subject
    assert leaf.chain.endswith(authority.certificate_pem)


def test_leaves_are_kept_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certs, "LEAVES", 3)
    authority = Authority.load(tmp_path)
    first = authority.leaf(("first.test",))
    assert authority.leaf(("first.test",)) is first
    for name in ("second.test", "third.test", "fourth.test"):
        authority.leaf((name,))
    assert authority.leaf(("first.test",)) is not first


def test_a_leaf_near_its_end_is_renewed(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = ServerContexts(authority)
    old, old_context = authority.leaf(("old.test",)), contexts("old.test")
    monkeypatch.setattr(certs, "RENEW_SECONDS", 1000 * 86400.0)
    assert authority.leaf(("old.test",)) is not old
    assert contexts("old.test") is not old_context


def test_the_leaf_of_localhost_is_kept_on_disk(tmp_path: Path) -> None:
    first = Authority.load(tmp_path).leaf(DEFAULT_NAMES)
    script = "import sys; from pathlib import Path; from netlab.net.certs import Authority\n"
    script += "from netlab.net.tls_context import ServerContexts\n"
    script += "ServerContexts(Authority.load(Path(sys.argv[1]))); print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert Authority.load(tmp_path).leaf(DEFAULT_NAMES).chain == first.chain


@pytest.mark.parametrize("damage", ["expired", "foreign", "garbage"])
def test_a_kept_leaf_that_will_not_do_is_replaced(tmp_path: Path, damage: str) -> None:
    authority = Authority.load(tmp_path)
    first = authority.leaf(DEFAULT_NAMES)
    path = authority.directory / "localhost.pem"
    text = path.read_text()
    if damage == "expired":
        text = text.replace(f"expires: {first.expires:.0f}", "expires: 1000000000")
    elif damage == "foreign":
        text = text.replace(authority.fingerprint, "0" * 64)
    path.write_text(text if damage != "garbage" else "nothing of the kind")
    second = Authority.load(tmp_path).leaf(DEFAULT_NAMES)
    assert second.chain != first.chain
    assert Authority.load(tmp_path).leaf(DEFAULT_NAMES).chain == second.chain


def test_a_state_directory_that_cannot_be_written_still_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority.load(tmp_path)

    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(certs, "_replace", refuse)
    leaf = authority.leaf(DEFAULT_NAMES)
    assert leaf.path is None
    leaf_context(leaf)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match=r"cannot be made in .*set NETLAB_STATE"):
        Authority.load(file / "state")
    unseen = tmp_path / ("x" * 300)  # as a folder in one that is closed to us, it cannot be looked at
    assert not has_authority(unseen)
    with pytest.raises(UsageError, match=r"cannot be made in .*set NETLAB_STATE"):
        Authority.load(unseen)
    with pytest.raises(UsageError, match=r"key for tokens cannot be made at .*set NETLAB_STATE"):
        own_key(unseen)
    authority = Authority.load(tmp_path)
    (authority.directory / "ca.key").rename(tmp_path / "moved.key")
    with pytest.raises(UsageError, match=r"ca\.key is missing; put it back, or remove"):
        Authority.load(tmp_path)
    shutil.copy(Authority.load(tmp_path / "other").directory / "ca.key", authority.directory / "ca.key")
    with pytest.raises(UsageError, match="do not belong together"):
        Authority.load(tmp_path).leaf(("a.test",))
    (authority.directory / "ca.pem").write_text("nothing")
    with pytest.raises(UsageError, match=r"ca\.pem is not a certificate"):
        Authority.load(tmp_path)


def test_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETLAB_STATE", str(tmp_path / "own"))
    assert state_directory() == tmp_path / "own"
    monkeypatch.delenv("NETLAB_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory() == tmp_path / "netlab"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    assert state_directory() == Path.home() / ".local/state/netlab"


@pytest.mark.parametrize("name", ["", "a b", "-a.test", "a..b", "x" * 64 + ".test", "*", "a.*.test", "a/b", "ü" * 300])
def test_names_that_cannot_be(authority: Authority, name: str) -> None:
    with pytest.raises(UsageError, match="is not a name a certificate can be made for"):
        authority.leaf((name,))


@pytest.mark.parametrize(
    "sni", [None, "localhost", "127.0.0.1", "::1", "", "a b", "*.shop.test", "a/../b", "-", "x" * 300]
)
def test_unknown_names_get_the_leaf_of_localhost(authority: Authority, sni: str | None) -> None:
    assert authority.leaf_for(sni).names == DEFAULT_NAMES


def test_addresses_asked_for_by_name(authority: Authority) -> None:
    assert alternative_names(authority.leaf_for("127.0.60.1")) == ["127.0.60.1"]


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=300))
def test_no_server_name_is_too_strange(name: str) -> None:
    try:
        found = canonical(name)
    except UsageError:
        return
    try:
        ipaddress.ip_address(found)
    except ValueError:
        assert found == found.lower()
        assert len(found) <= 255


def test_contexts_refuse_what_cannot_be_meant(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the lowest TLS version, 1\.3, is above the highest, 1\.2"):
        client_context(minimum="1.3", maximum="1.2")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    with pytest.raises(UsageError, match="holds no certificates in PEM"):
        client_context(cafile=junk)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        client_context(cafile=tmp_path / "none.pem")
    with pytest.raises(UsageError, match="is not a certificate with its unencrypted key"):
        client_context(certificate=authority.certificate_path)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        ServerContexts(authority, client_certificates="required", client_ca=tmp_path / "none.pem")


def test_no_descriptor_is_left(authority: Authority) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("descriptors are counted in /proc, which is Linux's")
    before = len(os.listdir("/proc/self/fd"))
    leaf_context(authority.leaf(("descriptor.test",)))
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_authority_is_trusted_besides_the_system(authority: Authority) -> None:
    context = client_context(authority=authority)
    assert ssl.PEM_cert_to_DER_cert(authority.certificate_pem) in context.get_ca_certs(binary_form=True)
