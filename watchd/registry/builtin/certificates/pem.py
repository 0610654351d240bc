"""PEM and X.509 as certificate requests hold them, checked as the reference checks them (RFC 7468, RFC 2986)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

import attrs
from cryptography import x509

_BLOCK = re.compile(
    rb"-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n(.*?)-----END \1-----[ \t]*(?:\r?\n|$)", re.DOTALL
)
_HEADER = re.compile(rb"[^\r\n:]+:[^\r\n]*\r?\n")

REQUEST = "CERTIFICATE REQUEST"
CERTIFICATE = "CERTIFICATE"


class Malformed(ValueError):
    """What is no certificate or request. The message is for a field error."""


@attrs.frozen
class Block:
    """One PEM block."""

    type: str
    headers: bool
    data: bytes


def blocks(text: bytes) -> Iterator[Block]:
    """Yield the blocks of a text; what is around them is passed over."""
    for match in _BLOCK.finditer(text):
        body, headers = match[2], False
        while header := _HEADER.match(body):
            body, headers = body[header.end() :], True
        try:
            data = base64.b64decode(b"".join(body.split()), validate=True)
        except binascii.Error:
            continue
        yield Block(match[1].decode(errors="replace"), headers, data)


def request(text: bytes) -> x509.CertificateSigningRequest:
    """Read a certificate request, without looking at its signature. Raises Malformed."""
    block = next(blocks(text), None)
    if block is None or block.type != REQUEST:
        raise Malformed(f"PEM block type must be {REQUEST}")
    try:
        return x509.load_der_x509_csr(block.data)
    except ValueError as error:
        raise Malformed("x509: malformed certificate request") from error


def check_request(text: bytes) -> None:
    """Check that a request is one, and signed by the key that it is for. Raises Malformed."""
    found = request(text)
    try:
        good = found.is_signature_valid
    except Exception as error:
        raise Malformed("x509: cannot verify signature: algorithm unimplemented") from error
    if not good:
        raise Malformed("x509: signature verification failure")


def organizations(text: bytes) -> list[str]:
    """Return the organizations of a request's subject: a client's groups. Raises Malformed."""
    return [str(name.value) for name in request(text).subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)]


def check_certificates(text: bytes) -> None:
    """Check that a text holds certificates and nothing else. Raises Malformed."""
    count = 0
    for block in blocks(text):
        if block.type != CERTIFICATE:
            raise Malformed(f'only {CERTIFICATE} PEM blocks are allowed, found "{block.type}"')
        if block.headers:
            raise Malformed("no PEM block headers are permitted")
        try:
            x509.load_der_x509_certificate(block.data)
        except ValueError as error:
            raise Malformed("x509: malformed certificate") from error
        count += 1
    if not count:
        raise Malformed(f"must contain at least one {CERTIFICATE} PEM block")
