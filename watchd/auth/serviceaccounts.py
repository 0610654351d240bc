"""Tokens of ServiceAccounts: issued by the token subresource, accepted for as long as what they name is there (FEATURES row 129).

Claims and extras of the user are those of Kubernetes (pkg/serviceaccount), so that what reads them elsewhere reads these.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from watchd.auth.authentication import API_AUDIENCES, ISSUER, BearerAuthenticator, Identity, TokenRefused
from watchd.auth.jwt import BadToken, Claims, SigningKey, unverified
from watchd.auth.user import User
from watchd.seams import Clock, Entropy
from watchd.status import Reason, StatusError, go_quote

Object = dict[str, Any]

Find = Callable[[str, str, str, str], Awaitable[Object]]
"""Return an object as it is now, by group, plural, namespace and name. Raises StatusError 404."""

ALL_GROUP = "system:serviceaccounts"
"""Group of all ServiceAccounts; that of one namespace's is `system:serviceaccounts:NAMESPACE`."""

LEEWAY_MS = 60_000
"""How far the clocks of who issues and who verifies may differ."""

KEPT_TOKENS = 1024
"""Tokens whose signature is remembered: those of a busy cluster's clients, about a kilobyte each."""

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""The user's extra with the token's own id."""

PRIVATE = "kubernetes.io"
"""The claim that says whose token it is."""

BOUND = {"secret": "secrets", "pod": "pods", "node": "nodes"}
"""Claims of the object that a token lives and dies with, in the order of their verification, and the objects' resources."""

INVALIDATED = "service account token has been invalidated"


def username(namespace: str, name: str) -> str:
    """Return the name of a ServiceAccount's user."""
    return f"system:serviceaccount:{namespace}:{name}"


def groups(namespace: str) -> tuple[str, ...]:
    """Return the groups of a namespace's ServiceAccounts."""
    return ALL_GROUP, f"{ALL_GROUP}:{namespace}"


class Issuer:
    """Signs tokens."""

    def __init__(self, key: SigningKey, *, clock: Clock, entropy: Entropy) -> None:
        self.key = key
        self._clock = clock
        self._entropy = entropy

    def issue(self, account: Object, bound: Mapping[str, Object], *, audiences: Sequence[str], seconds: int) -> str:
        """Return a token.

        Args:
            account: the ServiceAccount.
            bound: what it lives and dies with, by claim (BOUND). Where a pod is bound, a node only tells where it runs.
            audiences: who may accept it.
            seconds: how long it is valid.

        """
        now = self._clock.now_ms() // 1000
        meta = account["metadata"]
        return self.key.sign(
            {
                "iss": ISSUER,
                "sub": username(meta["namespace"], meta["name"]),
                "aud": list(audiences),
                "iat": now,
                "nbf": now,
                "exp": now + seconds,
                "jti": self._entropy.uid(),
                PRIVATE: {
                    "namespace": meta["namespace"],
                    "serviceaccount": _reference(account),
                    **{claim: _reference(obj) for claim, obj in bound.items()},
                },
            }
        )


def _reference(obj: Object) -> dict[str, str]:
    meta = obj["metadata"]
    return {field: meta[field] for field in ("name", "uid") if meta.get(field)}


class ServiceAccountAuthenticator(BearerAuthenticator):
    """Accepts tokens that this server has issued, for as long as the ServiceAccount and the bound object are what they were."""

    def __init__(self, key: SigningKey, find: Find, *, clock: Clock) -> None:
        self._key = key
        self._find = find
        self._clock = clock
        self._verified: OrderedDict[bytes, Claims] = OrderedDict()

    async def identify(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Return whose token it is, None for one of another issuer. Raises TokenRefused."""
        seen = unverified(token)
        if seen is None or seen.get("iss") != ISSUER:
            return None
        claims = self._claims(token)
        held = _audiences(claims)
        shared = tuple(audience for audience in held if audience in audiences)
        if not shared:
            raise TokenRefused(f"token audiences {_listed(held)} is invalid for the target audiences {_listed(audiences)}")
        self._check_times(claims)
        return Identity(await self._user(claims), shared)

    def _claims(self, token: str) -> Claims:
        """Return the claims of a token with a valid signature. Raises TokenRefused."""
        digest = hashlib.blake2b(token.encode(errors="surrogateescape"), digest_size=32).digest()
        found = self._verified.get(digest)
        if found is not None:
            self._verified.move_to_end(digest)
            return found
        try:
            claims = self._key.verify(token)
        except BadToken as error:
            raise TokenRefused(str(error)) from error
        self._verified[digest] = claims
        if len(self._verified) > KEPT_TOKENS:
            self._verified.popitem(last=False)
        return claims

    def _check_times(self, claims: Claims) -> None:
        now = self._clock.now_ms()
        if now > claims.get("exp", 0) * 1000 + LEEWAY_MS:
            raise TokenRefused("service account token has expired")
        if now + LEEWAY_MS < claims.get("nbf", 0) * 1000:
            raise TokenRefused("service account token is not valid yet")

    async def _user(self, claims: Claims) -> User:
        """Return the user, if all that the token names is still there. Raises TokenRefused."""
        private = claims.get(PRIVATE) or {}
        namespace, account = private.get("namespace", ""), _Reference.of(private, "serviceaccount")
        if account is None:
            raise TokenRefused(INVALIDATED)
        try:
            found = await self._find("", "serviceaccounts", namespace, account.name)
        except StatusError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            raise TokenRefused(error.message) from error
        if found["metadata"]["uid"] != account.uid:
            raise TokenRefused(f"service account UID ({found['metadata']['uid']}) does not match claim ({account.uid})")
        if self._gone(found):
            raise TokenRefused(f"service account {namespace}/{account.name} has been deleted")
        bound = {claim: reference for claim in BOUND if (reference := _Reference.of(private, claim)) is not None}
        for claim, reference in bound.items():
            # Of a pod's node the token says where the pod ran, and nothing depends on it.
            if claim != "node" or "pod" not in bound:
                await self._check_bound(claim, reference, namespace)
        return User(username(namespace, account.name), account.uid, groups(namespace), _extra(claims, bound)).authenticated()

    async def _check_bound(self, claim: str, reference: _Reference, namespace: str) -> None:
        try:
            found = await self._find("", BOUND[claim], "" if claim == "node" else namespace, reference.name)
        except StatusError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            raise TokenRefused(INVALIDATED) from error
        uid = found["metadata"]["uid"]
        if uid != reference.uid:
            raise TokenRefused(f"{claim} UID ({uid}) does not match service account {claim} ref claim ({reference.uid})")
        if self._gone(found):
            raise TokenRefused(INVALIDATED)

    def _gone(self, obj: Object) -> bool:
        """Tell whether an object's deletion began long enough ago for everybody to know."""
        time = obj["metadata"].get("deletionTimestamp")
        return time is not None and datetime.fromisoformat(time).timestamp() * 1000 < self._clock.now_ms() - LEEWAY_MS


class _Reference(msgspec.Struct, frozen=True):
    name: str
    uid: str

    @classmethod
    def of(cls, private: Mapping[str, Any], claim: str) -> _Reference | None:
        found = private.get(claim)
        return cls(found.get("name", ""), found.get("uid", "")) if isinstance(found, dict) else None


def _listed(texts: Sequence[str]) -> str:
    """Write strings as Go's %q does a slice of them."""
    return f"[{' '.join(go_quote(text) for text in texts)}]"


def _audiences(claims: Claims) -> list[str]:
    found = claims.get("aud") or list(API_AUDIENCES)
    return [found] if isinstance(found, str) else found


def _extra(claims: Claims, bound: Mapping[str, _Reference]) -> dict[str, tuple[str, ...]]:
    """Return what the user's extra says of the token: what it is bound to, and its own id."""
    extra: dict[str, tuple[str, ...]] = {}
    if claims.get("jti"):
        extra[CREDENTIAL_ID] = (f"JTI={claims['jti']}",)
    for claim in ("node", "pod"):
        if (reference := bound.get(claim)) is not None:
            extra[f"authentication.kubernetes.io/{claim}-name"] = (reference.name,)
            if reference.uid:
                extra[f"authentication.kubernetes.io/{claim}-uid"] = (reference.uid,)
    return extra
