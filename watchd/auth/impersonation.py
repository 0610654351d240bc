"""Impersonation: a user asks as somebody else, if they may (FEATURES row 132; `kubectl --as`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from watchd.auth.authorization import Attributes, Authorizer, require
from watchd.auth.serviceaccounts import groups as account_groups
from watchd.auth.user import ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User
from watchd.names import dns1123_label, dns1123_subdomain
from watchd.status import Reason, StatusError, go_quote

PREFIX = "impersonate-"
USER, GROUP, UID = f"{PREFIX}user", f"{PREFIX}group", f"{PREFIX}uid"
EXTRA = f"{PREFIX}extra-"

ACCOUNT = "system:serviceaccount:"

AUTHENTICATION = "authentication.k8s.io"


class _Wanted(msgspec.Struct, frozen=True):
    """Who a request is to be from, as its headers have it."""

    name: str
    uid: str
    groups: tuple[str, ...] | None
    """None where none are named."""
    extra: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, headers: Mapping[str, str]) -> _Wanted:
        extra = {
            unquote(name.removeprefix(EXTRA)): _several(value) for name, value in headers.items() if name.startswith(EXTRA)
        }
        groups = _several(headers[GROUP]) if GROUP in headers else None
        return cls(headers.get(USER, ""), headers.get(UID, ""), groups, extra)

    def go(self) -> str:
        """Write it down as Go's %#v does."""
        groups = "[]string(nil)" if self.groups is None else _go_strings(self.groups)
        extra = ", ".join(f"{go_quote(key)}:{_go_strings(self.extra[key])}" for key in sorted(self.extra))
        extras = f"map[string][]string{{{extra}}}" if self.extra else "map[string][]string(nil)"
        return f"&user.DefaultInfo{{Name:{go_quote(self.name)}, UID:{go_quote(self.uid)}, Groups:{groups}, Extra:{extras}}}"


def _several(value: str) -> tuple[str, ...]:
    # Repeated fields are joined so (watchd.api.message.Request).
    return tuple(value.split(", "))


def _go_strings(texts: Iterable[str]) -> str:
    return f"[]string{{{', '.join(go_quote(text) for text in texts)}}}"


def impersonates(headers: Mapping[str, str]) -> bool:
    """Tell whether a request may be meant for somebody else; one that is not need not be asked further."""
    return PREFIX in " ".join(headers)


async def impersonated(user: User, headers: Mapping[str, str], authorizer: Authorizer) -> User:
    """Return the user that a request is to be taken from: the one that its headers name, or the one who asks.

    Args:
        user: who asks.
        headers: names in lower case.
        authorizer: says whether the one may be the other, and have each of their groups and attributes.

    Raises:
        StatusError: 400 for attributes of nobody, 403.

    """
    wanted = _Wanted.read(headers)
    if not wanted.name:
        if wanted.uid or wanted.groups is not None or wanted.extra:
            why = f"requested {wanted.go()} without impersonating a user name"
            raise StatusError(Reason.BAD_REQUEST, why)
        return user
    account = _account(wanted.name)
    for asked in _questions(user, wanted, account):
        await require(authorizer, asked)
    groups = wanted.groups
    if groups is None:
        groups = account_groups(account[0]) if account else ()
    if wanted.name == ANONYMOUS.name:
        groups = groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(wanted.name, wanted.uid, groups, wanted.extra)


def _questions(user: User, wanted: _Wanted, account: tuple[str, str] | None) -> Iterable[Attributes]:
    base = Attributes(user=user, verb="impersonate", path="", version="v1")
    if account:
        yield msgspec.structs.replace(base, resource="serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield msgspec.structs.replace(base, resource="users", name=wanted.name)
    for group in wanted.groups or ():
        yield msgspec.structs.replace(base, resource="groups", name=group)
    base = msgspec.structs.replace(base, group=AUTHENTICATION)
    for key, values in wanted.extra.items():
        for value in values:
            yield msgspec.structs.replace(base, resource="userextras", subresource=key, name=value)
    if wanted.uid:
        yield msgspec.structs.replace(base, resource="uids", name=wanted.uid)


def _account(name: str) -> tuple[str, str] | None:
    """Return namespace and name of a ServiceAccount by its user's name, None for another user's."""
    parts = name.removeprefix(ACCOUNT).split(":")
    if not name.startswith(ACCOUNT) or len(parts) != 2 or dns1123_label(parts[0]) or dns1123_subdomain(parts[1]):
        return None
    return parts[0], parts[1]
