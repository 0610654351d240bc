"""Everything that can go wrong in the log, as one tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storage.types import Key, Revision


class StorageError(Exception):
    """The root of the tree."""


class Conflict(StorageError):
    """An expectation or a check did not hold; nothing was written for this append."""

    def __init__(self, key: Key, expected: Revision, actual: Revision) -> None:
        super().__init__(f"{key!r} is at revision {actual}, not {expected}")
        self.key = key
        self.expected = expected
        self.actual = actual


class Compacted(StorageError):
    """The revision asked for lies below the floor."""

    def __init__(self, revision: Revision, floor: Revision) -> None:
        super().__init__(f"revision {revision} is compacted, the floor is {floor}")
        self.revision = revision
        self.floor = floor


class FutureRevision(StorageError):
    """The revision asked for lies above the head."""

    def __init__(self, revision: Revision, head: Revision) -> None:
        super().__init__(f"revision {revision} is in the future, the head is {head}")
        self.revision = revision
        self.head = head


class KeyTooLong(StorageError):
    """A key over KEY_LIMIT bytes."""


class LogFull(StorageError):
    """No room for this write, on the disk or within the configured limit; the state is as it was."""


class OutcomeUnknown(StorageError):
    """A commit failed half way: whether the write is stored shows only when the head is read again."""


class CommitterLost(OutcomeUnknown):
    """The process that commits died, and told nothing of what it had been asked."""


class Overtaken(StorageError):
    """Compaction has passed what this process has taken over of others' commits: nobody can tell its watchers what they missed."""


class LogClosed(StorageError):
    """The log is closed, or closing."""


class Corrupt(StorageError):
    """What is stored contradicts itself. Writes stop; the message says where."""


class AlreadyOpen(StorageError):
    """Another server holds the data directory."""


class FormatMismatch(StorageError):
    """The data directory was written by a version with another layout, or is no data directory."""
