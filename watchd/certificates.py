"""Certificates and keys of the server itself: made, read and checked, under pki/ in the data directory.

Apart from watchd.credentials because of what it imports: a start that finds everything as the last one left it does without.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watchd.private_files import PRIVATE, PUBLIC, CredentialsError, read_file, write_file

CA_DAYS = 3650
"""How long the CA is valid: clients keep its certificate, so it outlives everything it signs."""

SERVER_DAYS = 365
"""How long a server certificate is valid: within the 398 days that clients accept at most."""

RENEW_DAYS = 30
"""A server certificate with fewer days left is made anew at the start."""

BACKDATE_MINUTES = 60
"""Certificates are valid from a little earlier on, for clients whose clock is slow."""


@attrs.frozen
class Validity:
    """From when until when nothing has to be made anew, in milliseconds since the epoch."""

    begin_ms: int
    end_ms: int


def settle(pki: Path, names: Sequence[str], now_ms: int) -> Validity:
    """Make what is missing and renew what is due; return for how long that holds.

    The server certificate is made anew when it is close to its end, was not signed by this CA, or lacks one of the
    names. The CA and the key of ServiceAccounts stay: clients hold them, or what they have signed.

    Args:
        pki: the directory, which is there.
        names: host names and addresses for the server certificate.
        now_ms: the time, in milliseconds since the epoch.

    Raises:
        CredentialsError: no permission, no room, or a file that holds something else.

    """
    now = dt.datetime.fromtimestamp(now_ms / 1000, tz=dt.UTC)
    ca = _load_pair(pki / "ca.pem")
    if ca is None or ca.certificate.not_valid_after_utc <= now:
        ca = _make_ca(now)
        write_file(pki / "ca.pem", ca.pem(), PRIVATE)
    certificate = _pem(ca.certificate)
    if read_file(pki / "ca.crt") != certificate:
        write_file(pki / "ca.crt", certificate, PUBLIC)
    server = _load_pair(pki / "server.pem")
    if server is None or not _serves(server.certificate, ca, names, now):
        server = _make_server(ca, names, now)
        write_file(pki / "server.pem", server.pem(), PRIVATE)
    _settle_account_key(pki / "sa.key")
    renewal = server.certificate.not_valid_after_utc - dt.timedelta(days=RENEW_DAYS)
    return Validity(_ms(server.certificate.not_valid_before_utc), _ms(min(renewal, ca.certificate.not_valid_after_utc)))


def _ms(time: dt.datetime) -> int:
    return int(time.timestamp() * 1000)


def _settle_account_key(path: Path) -> None:
    data = read_file(path)
    if data is None:
        write_file(path, _key_pem(ec.generate_private_key(ec.SECP256R1())), PRIVATE)
        return
    try:
        found = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise CredentialsError(f"{path}: not a key in PEM; remove the file for a new one") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise CredentialsError(f"{path}: not a key on the curve P-256; remove the file for a new one")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@attrs.frozen
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    def pem(self) -> bytes:
        return _pem(self.certificate) + _key_pem(self.key)


def _load_pair(path: Path) -> _Pair | None:
    data = read_file(path)
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


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
