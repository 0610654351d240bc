"""Plans: answers that are produced while they are sent. The doors run them (watchd.serving.stream)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from storage.bus import WatchBus
from storage.log import Log
from storage.types import Key, Revision, Scope
from watchd.api.message import Stream
from watchd.api.metrics import WatchEvents
from watchd.registry.frames import FrameCache, Watched
from watchd.registry.registry import Retirement
from watchd.registry.view import View


class WatchCore(msgspec.Struct, frozen=True):
    """What every watch reads from."""

    log: Log
    bus: WatchBus
    frames: FrameCache


class WatchPlan(msgspec.Struct, frozen=True):
    """A watch that has been checked and may begin."""

    core: WatchCore
    watched: Watched
    opening: View | None
    """How the first event is shown where it differs from the others: the first Table alone has its columns."""
    scope: Scope
    after: Revision | None
    """Events behind this revision; None: the present state comes first."""
    minimum: Revision
    """The revision that the present state must have reached."""
    retirement: Retirement
    """Ends it when its kind is served otherwise, or no longer."""
    bookmarks: bool
    """Whether the client takes bookmarks; the present state is then closed with one."""
    timeout_seconds: float
    jitter: float
    """In [0, 1): spreads the bookmarks of watches that began together."""
    running: Callable[[], AbstractContextManager[None]]
    """Entered while it runs, to be counted."""
    events: WatchEvents
    """Told what was sent."""


class ListPlan(msgspec.Struct, frozen=True):
    """A list whose first part is read; the rest is read and sent in turns."""

    log: Log
    view: View
    prefix: bytes
    first: bytes
    """The first part, encoded; it may be empty."""
    next: Key
    """Where the reading goes on."""
    revision: Revision
    """Of the snapshot."""
    parts: tuple[bytes, bytes, bytes]
    """What stands before, between and after the items."""


class Streams(Protocol):
    """Makes plans into bodies; the composition root passes in the doors' own."""

    def watch(self, plan: WatchPlan) -> Stream:
        """Return the body of a watch."""

    def list(self, plan: ListPlan) -> Stream:
        """Return the body of a long list."""
