"""Lookups: what most writes ask the log about the same few objects, kept until those change.

Each create asks for its namespace and its definition, and each write whether its namespace has quotas: three reads, which
were a tenth of a create.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storage.log import Log
from storage.types import KIND_ID_BYTES, Key, Record, Revision
from watchd.registry.value import header_of

KEPT = 1024
"""Objects, and empty prefixes, that are kept: some hundred bytes each. Beyond, all are forgotten and asked for again."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an object."""

    revision: Revision
    uid: str
    deleting: bool
    """Whether metadata.deletionTimestamp is set."""


class Lookups:
    """Answers as the log would at the last published revision. `publish` is to see all that the log publishes.

    What was read may be newer than that: then the record that made it so is still to be published, and it is read again. Reads
    finish without a checkpoint (storage.log), so that nothing is published between one and the keeping of what it found.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._seen: dict[Key, Seen] = {}
        self._empty: dict[bytes, set[bytes]] = {}
        """Prefixes under which there is nothing, by their kinds' prefixes."""

    async def find(self, key: Key) -> Seen | None:
        """Return what is kept of an object, or None where there is none."""
        seen = self._seen.get(key)
        if seen is None:
            stored = await self._log.get(key)
            if stored is None:
                return None
            header = header_of(stored.header)
            seen = Seen(stored.revision, header.uid, header.deleting)
            if len(self._seen) >= KEPT:
                self._seen.clear()
            self._seen[key] = seen
        return seen

    async def is_empty(self, prefix: bytes) -> bool:
        """Tell whether there is nothing under a kind's or a namespace's prefix."""
        kind = prefix[:KIND_ID_BYTES]
        known = self._empty.get(kind)
        if known is not None and prefix in known:
            return True
        if (await self._log.scan(prefix, limit=1)).items:
            return False
        known = self._empty.setdefault(kind, set())
        if len(known) >= KEPT:
            known.clear()
        known.add(prefix)
        return True

    def publish(self, records: Sequence[Record]) -> None:
        """Forget what is not so any more."""
        seen, empty = self._seen, self._empty
        for record in records:
            key = record.key
            if key in seen:
                del seen[key]
            if empty:
                empty.pop(key[:KIND_ID_BYTES], None)
