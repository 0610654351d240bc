"""The server's own credentials: a CA, a server certificate, an admin token and the kubeconfig that hands them out.

All of it lives in the data directory, private to its owner. Callers hold DATA/lock, so nobody else writes here.

    pki/ca.pem       certificate and key of the CA       pki/ca.crt   its certificate alone, for clients
    pki/server.pem   certificate and key of the server
    pki/sa.key       key that signs tokens of ServiceAccounts
    admin.token      one line                            kubeconfig   complete before /readyz answers ok
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import attrs
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watchd.seams import Clock

CA_DAYS = 3650
"""How long the CA is valid: clients keep its certificate, so it outlives everything it signs."""

SERVER_DAYS = 365
"""How long a server certificate is valid: within the 398 days that clients accept at most."""

RENEW_DAYS = 30
"""A server certificate with fewer days left is made anew at the start."""

BACKDATE_MINUTES = 60
"""Certificates are valid from a little earlier on, for clients whose clock is slow."""

TOKEN_BYTES = 32
"""Entropy of the admin token: past guessing."""

PRIVATE = 0o600
"""Mode of every file but the CA's certificate."""

PRIVATE_DIR = 0o700
"""Mode of the data directory."""

PUBLIC = 0o644
"""Mode of what clients may read."""

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


class CredentialsError(Exception):
    """A credential that cannot be read or written. The message is one line and holds no secret."""


@attrs.frozen
class Credentials:
    """What a server shows to its clients, and what it gives its owner."""

    ca_file: Path
    ca_certificate: str
    """PEM."""
    server_file: Path
    """Certificate and key, PEM: for SSLContext.load_cert_chain."""
    admin_token: str = attrs.field(repr=False)
    account_key: ec.EllipticCurvePrivateKey = attrs.field(repr=False, eq=False)
    """Signs tokens of ServiceAccounts, on P-256."""
    kubeconfig: Path
    """Where it goes; `write_kubeconfig` writes it once the port is known."""

    def write_kubeconfig(self, url: str) -> None:
        """Write the kubeconfig for a server at this URL, whole or not at all. Raises CredentialsError."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": CONTEXT,
                    "cluster": {
                        "server": url,
                        "certificate-authority-data": base64.b64encode(self.ca_certificate.encode()).decode(),
                    },
                }
            ],
            "users": [{"name": CONTEXT, "user": {"token": self.admin_token}}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
            "current-context": CONTEXT,
        }
        write_file(self.kubeconfig, yaml.safe_dump(document, sort_keys=False).encode(), PRIVATE)


def prepare(directory: Path, names: Sequence[str], *, clock: Clock) -> Credentials:
    """Read the credentials of a data directory, making what is missing and renewing what is due.

    The server certificate is made anew when it is close to its end, was not signed by this CA, or lacks one of the
    names. The CA, the token and the key of ServiceAccounts stay: clients hold them, or what they have signed.

    Args:
        directory: the data directory; made where it is missing.
        names: host names and addresses that clients use beside ALWAYS_NAMES and the machine's own name.
        clock: for the certificates' times.

    Raises:
        CredentialsError: no permission, no room, or a file that holds something else.

    """
    now = dt.datetime.fromtimestamp(clock.now_ms() / 1000, tz=dt.UTC)
    pki = directory / "pki"
    try:
        directory.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        pki.mkdir(mode=PRIVATE_DIR, exist_ok=True)
    except OSError as error:
        raise CredentialsError(f"{error.filename}: {error.strerror}") from error
    ca = _load_pair(pki / "ca.pem")
    if ca is None or ca.certificate.not_valid_after_utc <= now:
        ca = _make_ca(now)
        write_file(pki / "ca.pem", ca.pem(), PRIVATE)
    certificate = _pem(ca.certificate)
    if _read(pki / "ca.crt") != certificate:
        write_file(pki / "ca.crt", certificate, PUBLIC)
    wanted = list(dict.fromkeys([*ALWAYS_NAMES, _hostname(), *names]))
    server = _load_pair(pki / "server.pem")
    if server is None or not _serves(server.certificate, ca, wanted, now):
        write_file(pki / "server.pem", _make_server(ca, wanted, now).pem(), PRIVATE)
    return Credentials(
        ca_file=pki / "ca.crt",
        ca_certificate=certificate.decode(),
        server_file=pki / "server.pem",
        admin_token=_admin_token(directory / "admin.token"),
        account_key=_account_key(pki / "sa.key"),
        kubeconfig=directory / "kubeconfig",
    )


def _admin_token(path: Path) -> str:
    data = _read(path)
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


def _account_key(path: Path) -> ec.EllipticCurvePrivateKey:
    data = _read(path)
    if data is None:
        key = ec.generate_private_key(ec.SECP256R1())
        write_file(path, _key_pem(key), PRIVATE)
        return key
    try:
        found = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise CredentialsError(f"{path}: not a key in PEM; remove the file for a new one") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise CredentialsError(f"{path}: not a key on the curve P-256; remove the file for a new one")
    return found


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@attrs.frozen
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    def pem(self) -> bytes:
        return _pem(self.certificate) + _key_pem(self.key)


def _load_pair(path: Path) -> _Pair | None:
    data = _read(path)
    if data is None:
        return None
    try:
        certificate = x509.load_pem_x509_certificate(data)
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise CredentialsError(f"{path}: not a certificate and its key in PEM; remove the file for a new one") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CredentialsError(f"{path}: the key is not the certificate's; remove the file for a new one")
    return _Pair(certificate, key)


def _make_ca(now: dt.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "watchd CA")])
    certificate = (
        _builder(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _make_server(ca: _Pair, names: Sequence[str], now: dt.datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "watchd")])
    certificate = (
        _builder(subject, ca.certificate.subject, key, now, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    return _Pair(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=BACKDATE_MINUTES))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(certificate: x509.Certificate, ca: _Pair, names: Sequence[str], now: dt.datetime) -> bool:
    if certificate.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS):
        return False
    if certificate.not_valid_before_utc > now:
        return False
    try:
        certificate.verify_directly_issued_by(ca.certificate)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - the library raises several unrelated types, and each means: make another one
        return False
    return {_general_name(name) for name in names} <= set(held)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise CredentialsError(f'"{name}" cannot stand in a certificate: {error}') from error


def _hostname() -> str:
    name = socket.gethostname()
    # A machine's name may hold what a certificate's may not.
    return name if name.isascii() and name else "localhost"


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error


def write_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all, durably, with its mode from the first moment on. Raises CredentialsError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # O_EXCL: never through a link that somebody laid here. fchmod: the umask may take bits away.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(descriptor, mode)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CredentialsError(f"{path}: {error.strerror}") from error
