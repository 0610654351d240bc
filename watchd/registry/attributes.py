"""What an admission member is told of a write, and the chain's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from storage.types import Check
from watchd.registry.kind import Kind, Version

Object = dict[str, Any]


class Operation(StrEnum):
    """What kind of write it is."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class UserInfo(Protocol):
    """Who asks (authentication.k8s.io UserInfo)."""

    @property
    def name(self) -> str:
        """The user's name."""

    @property
    def uid(self) -> str:
        """The user's uid, or empty."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The user's groups."""

    @property
    def extra(self) -> Mapping[str, tuple[str, ...]]:
        """What else is known of the user."""


class Attributes(msgspec.Struct, eq=False):
    """One write on its way through admission."""

    operation: Operation
    kind: Kind
    version: Version
    """Of the request; `object` and `old` are at this version."""
    namespace: str
    name: str
    """Empty while generateName has not made one."""
    subresource: str
    object: Object | None
    """The new object, which `mutate` may change in place; None for a DELETE."""
    old: Object | None
    dry_run: bool = False
    user: UserInfo | None = None
    """None for the server's own controllers."""
    checks: list[Check] = msgspec.field(default_factory=list)
    """Conditions on other keys that the append is made under: a member that looked something up adds what it saw."""
    warnings: list[str] = msgspec.field(default_factory=list)
    """Texts for the Warning header."""
    ended: list[Callable[[bool], None]] = msgspec.field(default_factory=list)
    """Told once whether the object was stored. A member of `validate` adds to it what it has to undo or to forget; from then on
    the write goes to its end whoever is cancelled."""


class Admission(Protocol):
    """Members that may change or refuse a write. Called again when a race is lost, with fresh attributes."""

    async def mutate(self, attributes: Attributes) -> None:
        """Change the object. Raises StatusError to refuse."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse, by raising StatusError, or let pass."""
