"""The local certificate authority: made once in the state directory, it vouches for every name the lab serves."""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import secrets
import shutil
import ssl
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netlab.errors import UsageError

if TYPE_CHECKING:
    from netlab.net.certs_x509 import Issuer  # cryptography takes 90 ms to import: only where something is issued

DEFAULT_NAMES = ("localhost", "127.0.0.1", "::1")
LEAF_DAYS = 90  # browsers refuse more than 398
RENEW_SECONDS = 7 * 86400.0
LEAVES = 512  # kept in memory; the least recently used goes
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its key. `chain` is what a server sends: the leaf, then the authority's. All in PEM."""

    names: tuple[str, ...]
    key: str
    chain: str
    expires: float  # seconds since the epoch
    path: Path | None = None  # where key and chain stand in one file, if anywhere

    def load_into(self, context: ssl.SSLContext) -> None:
        """Make it the certificate of a context; Python takes one only from a file."""
        if self.path is not None:
            context.load_cert_chain(self.path)
            return
        with _as_file((self.key + self.chain).encode()) as path:
            context.load_cert_chain(path)


class Authority:
    """The authority's certificate and, lazily, what it issues. System time decides: others check its dates."""

    def __init__(self, directory: Path, certificate_pem: str, key_pem: str) -> None:
        self.directory = directory
        self.certificate_path = directory / "ca.pem"
        self.certificate_pem, self._key_pem = certificate_pem, key_pem
        self.fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate_pem)).hexdigest()
        self._made: Issuer | None = None
        self._leaves: OrderedDict[tuple[str, ...], Leaf] = OrderedDict()

    @classmethod
    def load(cls, state: Path | None = None) -> Authority:
        """The authority of a state directory (None: the user's), made if there is none yet.

        Of two processes that make one at once, one wins and both use it. Raises UsageError naming the file at fault.
        """
        directory = (state_directory() if state is None else state) / "ca"
        if not os.path.exists(directory):  # as what may not be looked at is not: making it says why
            _found(directory)
        certificate, key = _read(directory / "ca.pem"), _read(directory / "ca.key")
        try:
            return cls(directory, certificate, key)
        except ValueError as error:
            raise UsageError(f"{directory / 'ca.pem'} is not a certificate in PEM: {error}") from error

    # -- issuing -----------------------------------------------------------------------------------------------

    def leaf(self, names: Sequence[str]) -> Leaf:
        """A server's certificate for these names (DNS, `*.` wildcards, IP addresses), from memory where it is there."""
        return self._leaf(tuple(canonical(name) for name in names))

    def leaf_for(self, server_name: str | None) -> Leaf:
        """The certificate for a client's SNI, in lower case; for none, or one that is no name, that of `localhost`."""
        if server_name is None or server_name in DEFAULT_NAMES or not _HOSTNAME.fullmatch(server_name):
            return self._leaf(DEFAULT_NAMES)
        return self._leaf((server_name,))

    def _leaf(self, names: tuple[str, ...]) -> Leaf:
        leaf = self._leaves.get(names)
        if leaf is not None and leaf.expires > time.time() + RENEW_SECONDS:
            self._leaves.move_to_end(names)
            return leaf
        leaf = self._leaves[names] = self._default_leaf() if names == DEFAULT_NAMES else self._issue(names)
        if len(self._leaves) > LEAVES:
            self._leaves.popitem(last=False)
        return leaf

    def issue_client(self, name: str) -> Leaf:
        """A client's certificate; `name` is a host, a user or an e-mail address."""
        key, certificate, expires = self._issuer.issue((name,), days=LEAF_DAYS, client=True)
        return Leaf((name,), key.decode(), certificate.decode() + self.certificate_pem, expires)

    def _issue(self, names: tuple[str, ...]) -> Leaf:
        key, certificate, expires = self._issuer.issue(names, days=LEAF_DAYS)
        return Leaf(names, key.decode(), certificate.decode() + self.certificate_pem, expires)

    @property
    def _issuer(self) -> Issuer:
        if self._made is None:
            from netlab.net.certs_x509 import Issuer

            try:
                self._made = Issuer(self._key_pem.encode(), self.certificate_pem.encode())
            except UsageError as error:
                raise UsageError(f"{self.directory}: {error}") from error
        return self._made

    # -- the leaf of localhost, kept on disk so that a server is up without making one ------------------------------

    def _default_leaf(self) -> Leaf:
        path = self.directory / "localhost.pem"
        leaf = self._kept_leaf(path)
        if leaf is None:
            made = self._issue(DEFAULT_NAMES)
            head = f"authority: {self.fingerprint}\nexpires: {made.expires:.0f}\n"
            try:
                _replace(path, head + made.key + made.chain)
            except OSError:
                return made  # a state directory that cannot be written costs a little time at each start
            leaf = Leaf(made.names, made.key, made.chain, made.expires, path)
        return leaf

    def _kept_leaf(self, path: Path) -> Leaf | None:
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError):
            return None
        head = re.match(
            r"authority: ([0-9a-f]{64})\nexpires: (\d+)\n(-+BEGIN PRIVATE KEY-.+?-END PRIVATE KEY-+\n)", text, re.DOTALL
        )
        if head is None or head[1] != self.fingerprint or int(head[2]) < time.time() + RENEW_SECONDS:
            return None  # somebody else's, or on its way out
        return Leaf(DEFAULT_NAMES, head[3], text[head.end() :], float(head[2]), path)

    def __repr__(self) -> str:
        return f"<Authority {self.fingerprint[:16]} in {self.directory}>"


def state_directory() -> Path:
    """Where netlab keeps what must survive: NETLAB_STATE, else `netlab` under the XDG state directory."""
    own = os.environ.get("NETLAB_STATE")
    if own:
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_STATE_HOME")
    # an XDG path that is not absolute is to be ignored (XDG Base Directory Specification)
    return (Path(base) if base and os.path.isabs(base) else Path.home() / ".local" / "state") / "netlab"


def has_authority(state: Path | None = None) -> bool:
    """Whether a state directory (None: the user's) has one: a call is no reason to make it."""
    return os.path.exists((state_directory() if state is None else state) / "ca" / "ca.pem")


def canonical(name: str) -> str:
    """A name as it stands in a certificate: lower case, IDNA A-labels, no trailing dot; addresses in shortest form."""
    try:
        return str(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    try:
        plain = (name if name.isascii() else name.encode("idna").decode("ascii")).lower().removesuffix(".")
    except UnicodeError:
        plain = ""
    if not _HOSTNAME.fullmatch(plain.removeprefix("*.")):
        raise UsageError(f"{name!r} is not a name a certificate can be made for: give a host name or an IP address")
    return plain


# -- files -----------------------------------------------------------------------------------------------------


def _found(directory: Path) -> None:
    """Make the authority in a folder of its own and put it in place by its name: whole, or not at all."""
    from netlab.net.certs_x509 import new_authority

    draft = directory.with_name(f".ca-{secrets.token_hex(8)}")
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        key, certificate = new_authority()
        _write(draft / "ca.key", key)
        _write(draft / "ca.pem", certificate)
        with contextlib.suppress(FileExistsError):  # another process was first: its authority is the one
            _rename_folder(draft, directory)
    except OSError as error:
        raise UsageError(
            f"the local authority cannot be made in {directory}: {error.strerror}; "
            "set NETLAB_STATE to a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename_folder(draft: Path, directory: Path) -> None:
    try:
        draft.rename(directory)
    except OSError:  # ENOTEMPTY or EEXIST, as the system likes
        if directory.exists():
            raise FileExistsError(str(directory)) from None
        raise


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        _write(draft, text.encode("ascii"))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        words = f"{path} is missing; put it back, or remove {path.parent} to have a new authority made"
        raise UsageError(words) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which the content can be read for a moment; on Linux it never touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("netlab-certificate")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name
