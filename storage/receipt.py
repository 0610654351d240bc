"""Receipts: what a transaction leaves for those who asked for it, should its answers be lost with the process that commits.

Each log has a row in `meta`, which every transaction that stores something of it writes anew. It tells that log which of
its appends are stored, and so, with their revisions, what it would have been answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import msgspec

from storage.types import Record, Revision

_RECEIPT = Struct(">16sQQ")

TOKEN_BYTES = 16
"""Bytes of a log's token: a UUID."""


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One request of one log."""

    slot: int
    """Which row is the log's: those of logs that are open at one time differ."""
    token: bytes
    """Random: others may have had the row before, or leave one behind whose process is dead already."""
    sequence: int
    """Of the log's requests."""

    @property
    def name(self) -> bytes:
        """Return the name of the row in `meta`."""
        return b"receipt/%d" % self.slot


def pack_receipt(asked: Asked, outcomes: Sequence[object]) -> bytes | None:
    """Return the row that says which of a request's appends are stored: Records, one behind the other; None for none."""
    stored, first = 0, 0
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Record):
            stored |= 1 << index
            first = first or outcome.revision
    if not first:
        return None
    return _RECEIPT.pack(asked.token, asked.sequence, first) + stored.to_bytes(-(-len(outcomes) // 8), "little")


def stored_by(row: bytes | None, asked: Asked, count: int) -> list[Revision | None]:
    """Return the revision of each of a request's appends, None where it is not stored."""
    revisions: list[Revision | None] = [None] * count
    if row is None or len(row) < _RECEIPT.size:
        return revisions
    token, sequence, revision = _RECEIPT.unpack_from(row)
    if (token, sequence) != (asked.token, asked.sequence):
        return revisions
    stored = int.from_bytes(row[_RECEIPT.size :], "little")
    for index in range(count):
        if stored >> index & 1:
            revisions[index] = Revision(revision)
            revision += 1
    return revisions
