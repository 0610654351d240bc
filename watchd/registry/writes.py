"""What is asked of the Store, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from storage.types import Stored
from watchd.registry.attributes import UserInfo

Object = dict[str, Any]

Change = Callable[[Object], Awaitable[Object]]
"""From a copy of the current object at the request's version to the wanted one. Called again after a lost race."""


class Caller(msgspec.Struct, frozen=True):
    """Who writes, and how."""

    user: UserInfo | None = None
    """None for the server's own controllers."""
    dry_run: bool = False
    warnings: list[str] = msgspec.field(default_factory=list)
    """Filled with texts for the Warning header."""
    manager: str = "watchd"
    """What managedFields call the caller."""


CONTROLLER = Caller()
"""The server's own controllers."""


class Deletion(msgspec.Struct, frozen=True):
    """What a delete asks for (metav1.DeleteOptions)."""

    uid: str = ""
    """Precondition, or empty."""
    resource_version: str = ""
    """Precondition, or empty."""
    propagation: str = ""
    """Background, Foreground, Orphan, or empty for the kind's default."""
    grace: int | None = None
    """Seconds that the object is left, for kinds that know such a time."""


class Written(msgspec.Struct, frozen=True):
    """What a write came to."""

    object: Object
    """At the request's version, with its resourceVersion."""
    stored: Stored | None
    """What is stored now; None after a dry run and for what was removed."""
    created: bool = False
    removed: bool = False
