"""User: who asks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

AUTHENTICATED = "system:authenticated"
"""Group of everybody who showed a valid credential."""

UNAUTHENTICATED = "system:unauthenticated"
"""Group of everybody who showed none."""

MASTERS = "system:masters"
"""Group that may do everything, whatever the rules say."""

NO_EXTRA: Mapping[str, tuple[str, ...]] = MappingProxyType({})
"""Extra attributes of most users."""


class User(msgspec.Struct, frozen=True):
    """A user as the authenticators establish it (authentication.k8s.io/v1 UserInfo)."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = NO_EXTRA

    def authenticated(self) -> User:
        """Return the user as a member of system:authenticated."""
        if AUTHENTICATED in self.groups or UNAUTHENTICATED in self.groups:
            return self
        return msgspec.structs.replace(self, groups=(*self.groups, AUTHENTICATED))


ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))
"""Whoever shows no credential."""

ADMIN = User("admin", groups=(MASTERS,))
"""The owner of the data directory: the user of the admin token and of the kubeconfig that the server writes."""
