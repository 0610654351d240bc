"""The server's own credentials: a CA, a server certificate, an admin token and the kubeconfig that hands them out.

All of it lives in the data directory, private to its owner. Callers hold DATA/lock, so nobody else writes here.

    pki/ca.pem       certificate and key of the CA       pki/ca.crt   its certificate alone, for clients
    pki/server.pem   certificate and key of the server
    pki/sa.key       key that signs tokens of ServiceAccounts
    pki/checked      digest of the four, and for which names and how long they were found good
    admin.token      one line                            kubeconfig   complete before /readyz answers ok
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import attrs
import msgspec

from watchd.private_files import PRIVATE, CredentialsError, read_file, write_file
from watchd.seams import Clock

TOKEN_BYTES = 32
"""Entropy of the admin token: past guessing."""

PRIVATE_DIR = 0o700
"""Mode of the data directory."""

ALWAYS_NAMES = (
    "localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
"""Names of every server certificate: the local machine's, and those that clients inside a cluster use."""

CONTEXT = "watchd"
"""Name of the cluster, the user and the context in the kubeconfig."""


PKI_FILES = ("ca.pem", "ca.crt", "server.pem", "sa.key")
"""What is checked."""

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters:
- name: {context}
  cluster:
    server: {url}
    certificate-authority-data: {ca}
users:
- name: {context}
  user:
    token: {token}
contexts:
- name: {context}
  context:
    cluster: {context}
    user: {context}
current-context: {context}
"""
"""YAML, in which JSON's strings are strings: a library for the rest of it would be imported at each start."""


class _Checked(msgspec.Struct, frozen=True):
    """What was found good."""

    digest: str
    """Of PKI_FILES."""
    names: list[str]
    """That the server certificate has."""
    begin_ms: int
    """From when, in milliseconds since the epoch."""
    end_ms: int
    """Until when nothing is due."""

    def covers(self, digest: str, names: Sequence[str], now_ms: int) -> bool:
        """Tell whether it holds for what is there, for these names and now."""
        return self.digest == digest and set(names) <= set(self.names) and self.begin_ms <= now_ms < self.end_ms


@attrs.frozen
class Credentials:
    """What a server shows to its clients, and what it gives its owner."""

    ca_file: Path
    ca_certificate: str
    """PEM."""
    server_file: Path
    """Certificate and key, PEM: for SSLContext.load_cert_chain."""
    admin_token: str = attrs.field(repr=False)
    account_key: bytes = attrs.field(repr=False)
    """Signs tokens of ServiceAccounts: a key on P-256, PEM."""
    kubeconfig: Path
    """Where it goes; `write_kubeconfig` writes it once the port is known."""

    def write_kubeconfig(self, url: str) -> None:
        """Write the kubeconfig for a server at this URL, whole or not at all. Raises CredentialsError."""
        text = KUBECONFIG.format(
            context=CONTEXT,
            url=json.dumps(url),
            ca=base64.b64encode(self.ca_certificate.encode()).decode(),
            token=json.dumps(self.admin_token),
        )
        if read_file(self.kubeconfig) != text.encode():
            write_file(self.kubeconfig, text.encode(), PRIVATE)


def prepare(directory: Path, names: Sequence[str], *, clock: Clock) -> Credentials:
    """Read the credentials of a data directory, making what is missing and renewing what is due.

    Args:
        directory: the data directory; made where it is missing.
        names: host names and addresses that clients use beside ALWAYS_NAMES and the machine's own name.
        clock: for the certificates' times.

    Raises:
        CredentialsError: no permission, no room, or a file that holds something else.

    """
    pki = directory / "pki"
    try:
        directory.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        pki.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    except OSError as error:
        raise CredentialsError(f"{error.filename}: {error.strerror}") from error
    wanted = list(dict.fromkeys([*ALWAYS_NAMES, _hostname(), *names]))
    files = _checked_files(pki, wanted, clock.now_ms())
    return Credentials(
        ca_file=pki / "ca.crt",
        ca_certificate=files["ca.crt"].decode(),
        server_file=pki / "server.pem",
        admin_token=_admin_token(directory / "admin.token"),
        account_key=files["sa.key"],
        kubeconfig=directory / "kubeconfig",
    )


def _checked_files(pki: Path, names: Sequence[str], now_ms: int) -> dict[str, bytes]:
    """Return PKI_FILES, after a check of those that were not found good before as they are now."""
    files = _pki_files(pki)
    data = read_file(pki / "checked")
    checked = None
    if data is not None:
        # One that cannot be read counts as missing, and is written anew.
        with contextlib.suppress(msgspec.DecodeError):
            checked = msgspec.json.decode(data, type=_Checked)
    if checked is not None and checked.covers(_digest(files), names, now_ms):
        return files
    # Only here: nothing is missing, changed or due at most starts, and the library for certificates is a large one.
    from watchd import certificates  # noqa: PLC0415 - see above

    validity = certificates.settle(pki, names, now_ms)
    files = _pki_files(pki)
    found = _Checked(_digest(files), list(names), validity.begin_ms, validity.end_ms)
    write_file(pki / "checked", msgspec.json.encode(found), PRIVATE)
    return files


def _pki_files(pki: Path) -> dict[str, bytes]:
    """Return those of PKI_FILES that are there."""
    found = {name: read_file(pki / name) for name in PKI_FILES}
    return {name: data for name, data in found.items() if data is not None}


def _digest(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, data in files.items():
        whole.update(f"{name} {len(data)}\n".encode())
        whole.update(data)
    return whole.hexdigest()


def _admin_token(path: Path) -> str:
    data = read_file(path)
    if data is None:
        # Not the server's Entropy: that one may be seeded, and a token must never be foreseeable.
        token = secrets.token_urlsafe(TOKEN_BYTES)
        write_file(path, f"{token}\n".encode(), PRIVATE)
        return token
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise CredentialsError(f"{path}: not a token") from error
    if not token or any(character.isspace() for character in token):
        raise CredentialsError(f"{path}: not a token; remove the file for a new one")
    return token


def _hostname() -> str:
    name = socket.gethostname()
    # A machine's name may hold what a certificate's may not.
    return name if name.isascii() and name else "localhost"
