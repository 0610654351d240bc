"""Authentication: from a request's credentials to a User (FEATURES rows 127 and 133)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from watchd.auth.user import ANONYMOUS, User
from watchd.failures import Failure
from watchd.status import Reason, StatusError


class TokenFileError(Failure):
    """A token file that cannot be used. The message is one line and holds no token."""


class Credentials(msgspec.Struct, frozen=True):
    """What a request brings to prove who asks."""

    headers: Mapping[str, str]
    """Names in lower case."""
    certificate: bytes | None = None
    """The client's verified certificate, DER."""


ISSUER = "https://kubernetes.default.svc"
"""Who signs tokens of ServiceAccounts, as their `iss` has it: the name under which Pods reach a cluster's API."""

API_AUDIENCES = (ISSUER,)
"""Audiences that this server is."""


class Identity(msgspec.Struct, frozen=True):
    """Who a token says asks."""

    user: User
    audiences: tuple[str, ...]
    """Those of the audiences asked for that the token is for."""


class TokenRefused(Exception):
    """A token that is nobody's any more, or for somebody else. The message is for TokenReview: requests are never told why."""


class Authenticator(Protocol):
    """Recognises one form of credential."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Return the user, or None where there is no credential of this form. Raises StatusError 401 for a bad one."""


def unauthorized() -> StatusError:
    """401, as the reference words it: never why."""
    return StatusError(Reason.UNAUTHORIZED, "Unauthorized")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the bearer token of an Authorization header (RFC 6750), None where there is none."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    return rest.strip() or None


class BearerAuthenticator(ABC):
    """Recognises bearer tokens of one kind."""

    @abstractmethod
    async def identify(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Return whose token it is, None for a token that is none of this kind. Raises TokenRefused."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Return the token's user, None where no token was sent. Raises StatusError 401 for a token that is not accepted."""
        token = bearer_token(credentials.headers)
        if token is None:
            return None
        try:
            found = await self.identify(token, API_AUDIENCES)
        except TokenRefused as error:
            raise unauthorized() from error
        if found is None:
            raise unauthorized()
        return found.user


class TokenAuthenticator(BearerAuthenticator):
    """Bearer tokens that are known beforehand.

    Tokens are kept and looked up as digests under a key that never leaves the process, so that the time of a lookup
    tells nothing of a token, however many there are; the last comparison is a constant-time one.
    """

    def __init__(self, users: Mapping[str, User]) -> None:
        self._key = secrets.token_bytes(32)
        self._users = {self._digest(token): (token.encode(), user.authenticated()) for token, user in users.items()}

    def _digest(self, token: str) -> bytes:
        return hashlib.blake2b(token.encode(errors="surrogateescape"), key=self._key, digest_size=32).digest()

    def find(self, token: str) -> User | None:
        """Return the user of a token."""
        found = self._users.get(self._digest(token))
        if found is None:
            return None
        known, user = found
        return user if hmac.compare_digest(known, token.encode(errors="surrogateescape")) else None

    async def authenticate(self, credentials: Credentials) -> User | None:
        """Return the token's user, None where no token was sent. Raises StatusError 401 for an unknown token."""
        token = bearer_token(credentials.headers)
        if token is None:
            return None
        user = self.find(token)
        if user is None:
            raise unauthorized()
        return user

    async def identify(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Return the token's user: it is for this server, and for nobody else."""
        shared = tuple(audience for audience in API_AUDIENCES if audience in audiences)
        user = self.find(token) if shared else None
        return None if user is None else Identity(user, shared)


class AuthenticatorChain:
    """Several authenticators as one: the first that knows the user decides, and a bad credential ends it all."""

    def __init__(self, members: Sequence[Authenticator], *, anonymous: bool) -> None:
        """Take the members in order; `anonymous` says whether a request without a credential is let through."""
        self._members = tuple(members)
        self._anonymous = anonymous

    async def authenticate(self, credentials: Credentials) -> User:
        """Return the user, system:anonymous where no credential was sent.

        Raises:
            StatusError: 401 for a bad credential, or for none where anonymous requests are not let through.

        """
        refused: StatusError | None = None
        for member in self._members:
            try:
                user = await member.authenticate(credentials)
            except StatusError as error:
                # A token that one issuer does not know may be another's.
                refused = error
                continue
            if user is not None:
                return user
        if refused is not None:
            raise refused
        if not self._anonymous:
            raise unauthorized()
        return ANONYMOUS

    async def review(self, token: str, audiences: Sequence[str]) -> Identity:
        """Say whose a token is, for somebody else who was shown it. Raises TokenRefused with all the reasons."""
        reasons = ["invalid bearer token"]
        for member in self._members:
            if not isinstance(member, BearerAuthenticator):
                continue
            try:
                found = await member.identify(token, audiences)
            except TokenRefused as error:
                reasons.append(str(error))
                continue
            if found is not None:
                return found
        raise TokenRefused(reasons[0] if len(reasons) == 1 else f"[{', '.join(reasons)}]")


def read_token_file(path: Path) -> dict[str, User]:
    """Read kube-apiserver's CSV format: token, user name, user uid, and optionally the groups, comma-separated.

    A token that stands there twice is the last line's user, a line with an empty token is left out: both as in the
    reference. Raises TokenFileError.
    """
    # Only here: most servers have no such file.
    import csv  # noqa: PLC0415 - see above

    try:
        # csv wants to see line ends itself.
        with path.open(encoding="utf-8", newline="") as file:
            return _users(csv.reader(file, strict=True), path)
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TokenFileError(f"{path}: not UTF-8 text") from error
    except csv.Error as error:
        raise TokenFileError(f"{path}: {error}") from error


def _users(rows: Iterable[list[str]], path: Path) -> dict[str, User]:
    users = {}
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        # Go's reader, and so the reference, trims nothing; a blank after a comma is a common slip in a token file.
        fields = [field.strip() for field in row]
        if len(fields) < 3:
            raise TokenFileError(
                f"{path}: record {number} has {len(fields)} columns; it takes at least 3: token, user name, user uid"
            )
        token, name, uid = fields[:3]
        if not token:
            continue
        if not name:
            raise TokenFileError(f"{path}: record {number} has no user name")
        groups = tuple(group.strip() for group in fields[3].split(",") if group.strip()) if len(fields) > 3 else ()
        users[token] = User(name, uid, groups)
    return users
