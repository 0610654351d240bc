"""A key pair on the curve P-256, and its signatures as JSON Web Tokens hold them (RFC 7518 section 3.4)."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

HALF_BYTES = 32
"""Length of each of the two numbers of a signature, and of each coordinate of a point of P-256."""


class KeyPair:
    """Signs with the private key and verifies with the public one."""

    def __init__(self, pem: bytes) -> None:
        """Read the private key, PEM. Raises ValueError."""
        key = serialization.load_pem_private_key(pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError("no key on P-256")  # noqa: TRY004  # it is the key that is wrong
        self._private = key
        self._public = key.public_key()

    def sign(self, data: bytes) -> bytes:
        """Return a signature: its two numbers, one behind the other."""
        halves = decode_dss_signature(self._private.sign(data, ec.ECDSA(hashes.SHA256())))
        return b"".join(half.to_bytes(HALF_BYTES, "big") for half in halves)

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Tell whether a signature, in the same form, is this key's of some data."""
        if len(signature) != 2 * HALF_BYTES:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:HALF_BYTES], signature[HALF_BYTES:]))
        try:
            self._public.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def public_der(self) -> bytes:
        """Return the public key, DER."""
        return self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def point(self) -> tuple[bytes, bytes]:
        """Return the public key's coordinates, x and y."""
        numbers = self._public.public_numbers()
        return numbers.x.to_bytes(HALF_BYTES, "big"), numbers.y.to_bytes(HALF_BYTES, "big")
