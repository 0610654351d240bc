"""JSON Web Tokens under one elliptic curve key: ES256 (RFC 7515, RFC 7518 section 3.4, RFC 7519), and the key as a JWK (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from watchd.auth.p256 import KeyPair

Claims = dict[str, Any]

ALGORITHM = "ES256"


class BadToken(Exception):
    """A token that is no JWT, or is not signed by this key. The message is the reference's, and holds no token."""


def encode(data: bytes) -> str:
    """Write bytes in base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read base64 for URLs, without padding. Raises ValueError."""
    if not text.isascii() or "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url without padding")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def unverified(token: str) -> Claims | None:
    """Return what a token claims, whoever wrote it, or None where it is no JWT. To be trusted in nothing."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(decode(parts[1]))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


class SigningKey:
    """A key pair on the curve P-256 that signs tokens and verifies them."""

    def __init__(self, pem: bytes) -> None:
        """Take the private key, PEM; it is read when it is first used."""
        self._pem = pem

    @cached_property
    def _pair(self) -> KeyPair:
        # Only here: many servers never see a token of a ServiceAccount, and the library for keys is a large one.
        from watchd.auth.p256 import KeyPair  # noqa: PLC0415 - see above

        return KeyPair(self._pem)

    @cached_property
    def id(self) -> str:
        """Derived from the public key as the reference derives it, and as little of use to forge one."""
        return encode(hashlib.sha256(self._pair.public_der()).digest())

    def sign(self, claims: Claims) -> str:
        """Return a token with these claims."""
        header = encode(orjson.dumps({"alg": ALGORITHM, "kid": self.id}))
        signed = f"{header}.{encode(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS))}"
        return f"{signed}.{encode(self._pair.sign(signed.encode()))}"

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that this key has signed. Raises BadToken."""
        signed, _, signature = token.rpartition(".")
        try:
            header = orjson.loads(decode(signed.partition(".")[0]))
            raw = decode(signature)
        except ValueError as error:
            raise BadToken("go-jose/go-jose: error in cryptographic primitive") from error
        if not isinstance(header, dict) or header.get("kid", self.id) != self.id:
            raise BadToken("invalid signature, no keys found")
        # The algorithm is this key's, whatever the token's header wishes for.
        if header.get("alg") != ALGORITHM or not self._pair.has_signed(signed.encode(), raw):
            raise BadToken("go-jose/go-jose: error in cryptographic primitive")
        claims = unverified(token)
        if claims is None:
            raise BadToken("go-jose/go-jose: error in cryptographic primitive")
        return claims

    def jwk(self) -> dict[str, str]:
        """Return the public key as a JSON Web Key."""
        x, y = map(encode, self._pair.point())
        return {"use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": ALGORITHM, "x": x, "y": y}
