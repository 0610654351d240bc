"""The records of the log: what is written, what is stored, what is read."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NewType, Protocol, TypeVar, TypeVarTuple

import msgspec

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Revision = NewType("Revision", int)
"""The number of a change: dense, from 1, one for each change of any key. 0 stands for "before everything" or "absent"."""

KindId = NewType("KindId", int)
"""The 4-byte number that stands for a kind's storage name at the head of its keys."""

Key = NewType("Key", bytes)
"""A kind id of 4 bytes, big-endian, and a path ("namespace/name" or "name"). Keys sort as bytes."""

NOTHING = Revision(0)
"""The revision of an absent key, and the floor and head of an empty log."""

KIND_ID_BYTES = 4
"""Length of the kind id at the head of every key, in bytes."""

PAGE_BYTES = 4 << 20
"""Bytes of bodies after which a page of a scan ends: a list of large objects must not be held in memory by the hundred."""

KEY_LIMIT = 511
"""The longest key in bytes: LMDB's compiled-in limit, and so everybody's."""


def make_key(kind: KindId, path: str = "") -> Key:
    """Build the key of an object, or the prefix of a collection (an empty path, or "namespace/")."""
    return Key(kind.to_bytes(KIND_ID_BYTES, "big") + path.encode())


def kind_of(key: Key) -> KindId:
    """Return the kind id at the head of a key."""
    return KindId(int.from_bytes(key[:KIND_ID_BYTES], "big"))


def path_of(key: Key) -> str:
    """Return the path behind the kind id of a key."""
    return key[KIND_ID_BYTES:].decode()


class Op(IntEnum):
    """What a change did to its key."""

    PUT = 0
    DELETE = 1


class Write(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One change of one key, as it is asked for.

    A DELETE carries no header and body: its record shows those of its predecessor under the new revision.
    """

    key: Key
    op: Op
    header: bytes = b""
    """What is known of the body without decoding it; opaque to the log."""
    body: bytes = b""
    """The value, without the digits of its revision."""
    stamp_at: int = 0
    """Offset in `body` where the log writes the revision's decimal digits."""
    expect: Revision | None = None
    """The revision that the key must have now (NOTHING: be absent), or None for no condition."""


class Check(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A condition on another key, evaluated in the transaction of the append it goes with."""

    key: Key
    revision: Revision
    """The revision that the key must have (NOTHING: be absent)."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """The value of a key at some revision."""

    key: Key
    revision: Revision
    """The revision of the change that wrote this value."""
    created: Revision
    """The revision at which the key came to be."""
    header: bytes
    body: bytes
    """The value with its revision stamped in."""
    stamp_at: int


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One change, as the log keeps it and watchers see it."""

    revision: Revision
    key: Key
    op: Op
    header: bytes
    """Of a DELETE: the predecessor's."""
    body: bytes
    """With `revision` stamped in. Of a DELETE: the predecessor's, stamped anew."""
    stamp_at: int
    created: Revision
    previous: Revision
    """The predecessor's revision, NOTHING for a key that was absent."""
    previous_header: bytes
    """The predecessor's header, so that a selector can tell an entry from a change; empty where there is none."""
    time_ms: int
    """When it was committed, in milliseconds since the epoch, by the log's clock."""


class Page(msgspec.Struct, frozen=True, gc=False):
    """A part of a scan, all at one revision."""

    items: list[Stored]
    revision: Revision
    """The revision that the page shows."""
    next: Key | None
    """Where the scan goes on, or None at its end."""


class Count(msgspec.Struct, frozen=True, gc=False):
    """How many keys a part of a scan would return."""

    keys: int
    revision: Revision
    """The revision that was counted at."""
    next: Key | None
    """Where the counting goes on, or None at its end."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """A part of the log."""

    records: list[Record]
    upto: Revision
    """How far the reading came: every record of the scope in (after, upto] is in `records`."""


class Scope(msgspec.Struct, frozen=True, gc=False):
    """Which keys a reader is interested in.

    `tag` narrows the wake-ups only, not what is read: the name and value of an equality that each wanted record
    satisfies before or after its change, so that a reader of one object is not woken by all the others.
    """

    prefix: bytes
    """A kind, a kind and "namespace/", or (with `exact`) a whole key."""
    exact: bool = False
    tag: tuple[str, str] | None = None

    def covers(self, key: Key) -> bool:
        """Tell whether a key is inside."""
        return key == self.prefix if self.exact else key.startswith(self.prefix)


EVERYTHING = Scope(b"")
"""All keys of the log."""


class Clock(Protocol):
    """Where the log takes the time from."""

    def now_ms(self) -> int:
        """Return the time of day in milliseconds since the epoch."""


class Runner(Protocol):
    """Where blocking work is done: a thread, or in line where tests own the time."""

    async def run_sync(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function that blocks, to its end: a cancelled caller does not undo it."""


TagOf = Callable[[bytes, str], "str | None"]
"""(header, tag name) -> the tag's value in that header, or None. Headers are opaque to storage: their owner passes this in."""

Publish = Callable[["list[Record]"], None]
"""Called by a log after each commit with its records, in order, before any append of it is answered."""


def stamp(body: bytes, at: int, revision: Revision) -> bytes:
    """Write a revision's digits into a body that has none."""
    return b"%b%d%b" % (body[:at], revision, body[at:])


def restamp(body: bytes, at: int, old: Revision, new: Revision) -> bytes:
    """Replace a body's revision."""
    return b"%b%d%b" % (body[:at], new, body[at + len(str(old)) :])
