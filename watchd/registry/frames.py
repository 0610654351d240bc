"""Frames: the bytes of watch events, encoded once and shared by all watchers of one view (DESIGN section 5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from storage.errors import Compacted
from storage.log import Log
from storage.types import NOTHING, Op, Record, Revision, Stored, restamp
from watchd.registry.translated import ready, ready_at_hub
from watchd.registry.view import View

Object = dict[str, Any]

FRAME_CACHE_BYTES = 32 << 20
"""Bound of all cached frames together, in bytes: a second of heavy traffic, however many views there are."""

FRAME_OVERHEAD = 250
"""Bytes that a cached frame costs beside its own: dict slot, queue slot, the bytes object's head."""

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"
ERROR = "ERROR"


class Joined(msgspec.Struct, frozen=True, gc=False):
    """The frames of a batch in one buffer."""

    batch: tuple[Revision, Revision, int]
    """First and last revision, and number of records: the same for two watchers in step."""
    events: int
    """Frames in the buffer: records that the view does not show have none."""
    data: bytes


NO_FRAMES = Joined((NOTHING, NOTHING, 0), 0, b"")


class Watched:
    """A view that is being watched, with its frames: revision -> bytes, empty where the view does not show the change."""

    __slots__ = ("__weakref__", "frames", "joined", "view")

    def __init__(self, view: View) -> None:
        self.view = view
        self.frames: dict[Revision, bytes] = {}
        self.joined: Joined | None = None
        """The last batch: watchers in step share one send buffer."""


class FrameCache:
    """Makes the frames of records and keeps the latest, within a bound of bytes."""

    def __init__(self, log: Log, *, max_bytes: int = FRAME_CACHE_BYTES) -> None:
        self._log = log
        self._max_bytes = max_bytes
        self._bytes = 0
        self._order: deque[tuple[Watched, Revision, int]] = deque()
        self._watched: WeakValueDictionary[Hashable, Watched] = WeakValueDictionary()

    @property
    def cached_bytes(self) -> int:
        """Bytes of cached frames, their overhead included."""
        return self._bytes

    def watched(self, key: Hashable, view: View) -> Watched:
        """Return the shared Watched of all views with an equal key; `view` serves if there is none yet.

        The key must say everything that the view's frames depend on, the kind's identity included.
        """
        found = self._watched.get(key)
        if found is None:
            found = self._watched[key] = Watched(view)
        return found

    async def join(self, watched: Watched, records: Sequence[Record]) -> Joined:
        """Return the frames of a batch as one buffer. Has no checkpoint where every frame is cached.

        Raises Compacted where the predecessor of a change that left the selector is gone.
        """
        if not records:
            return NO_FRAMES
        batch = records[0].revision, records[-1].revision, len(records)
        if watched.joined is not None and watched.joined.batch == batch:
            return watched.joined
        frames = watched.frames
        parts = []
        if watched.view.kind.translations is not None:
            await ready(watched.view.kind, watched.view.version, [record for record in records if record.revision not in frames])
        for record in records:
            frame = frames.get(record.revision)
            if frame is None:
                frame = await self.make(watched.view, record)
                self._keep(watched, record.revision, frame)
            if frame:
                parts.append(frame)
        watched.joined = Joined(batch, len(parts), b"".join(parts))
        return watched.joined

    def _keep(self, watched: Watched, revision: Revision, frame: bytes) -> None:
        size = len(frame) + FRAME_OVERHEAD
        watched.frames[revision] = frame
        self._order.append((watched, revision, size))
        self._bytes += size
        while self._bytes > self._max_bytes:
            old, old_revision, old_size = self._order.popleft()
            old.frames.pop(old_revision, None)
            self._bytes -= old_size

    async def make(self, view: View, record: Record) -> bytes:
        """Encode the event that a change is in this view; empty where it is none.

        Leaving the selector is DELETED with the old object under the new revision, entering it is ADDED.
        """
        codec = view.codec
        await ready(view.kind, view.version, [record])
        if record.op is Op.DELETE:
            # It shows what was there before.
            return codec.event(DELETED, view.body(record)) if view.wants(record) else b""
        before = view.wanted_before(record)
        if before is None:
            earlier = await self._before(record)
            await ready_at_hub(view.kind, [earlier])
            before = view.wants(earlier)
        if view.wants(record):
            return codec.event(MODIFIED if before else ADDED, view.body(record))
        if not before:
            return b""
        old = _restamped(await self._before(record), record.revision)
        await ready(view.kind, view.version, [old])
        return codec.event(DELETED, view.body(old))

    async def _before(self, record: Record) -> Stored:
        """Return the predecessor of a change. Raises Compacted where it is gone."""
        # Not at its own revision, which may lie below the floor: the newest at the floor is kept.
        old = await self._log.get(record.key, at=Revision(record.revision - 1))
        if old is None:
            raise Compacted(record.previous, self._log.floor)
        return old


def initial_frame(view: View, stored: Stored) -> bytes:
    """Encode an object of the state that a watch begins with."""
    return view.codec.event(ADDED, view.body(stored))


def bookmark_frame(view: View, revision: Revision, *, initial_events_end: bool = False) -> bytes:
    """Encode a bookmark: nothing but kind and resourceVersion (PROTOCOL section 3)."""
    gvk = view.kind.gvk(view.version)
    metadata: Object = {"resourceVersion": str(revision)}
    if initial_events_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    obj: Object = {"kind": gvk.kind, "apiVersion": str(gvk.group_version), "metadata": metadata}
    if view.projection is not None:
        # Columns are of whole objects.
        obj = view.projection(view.kind.blank(view.version, metadata))
    return view.codec.event(BOOKMARK, view.codec.encode(obj))


def error_frame(view: View, status: Object) -> bytes:
    """Encode an ERROR event holding a Status."""
    return view.codec.event(ERROR, view.codec.encode(status))


def _restamped(stored: Stored, revision: Revision) -> Stored:
    body = restamp(stored.body, stored.stamp_at, stored.revision, revision)
    return Stored(stored.key, revision, stored.created, stored.header, body, stored.stamp_at)
