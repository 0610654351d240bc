"""The bytes of the log's tables. All numbers are big-endian and unsigned.

    log      revision u64 -> op u8, key length u16, header length u32, stamp_at u32, created u64, previous u64,
             time_ms u64, key, header, body (stamped). A delete has no header and body: they are its predecessor's.
    current  key -> revision u64, created u64, stamp_at u32, header length u32, header, body (stamped)
    history  key -> sorted duplicates u64: revision << 1 | deleted, one for each retained row of `log`
    kinds    storage name, UTF-8 -> u32
    meta     "format" -> FORMAT, "cluster" -> cluster id, UTF-8,
             "state" -> head u64, floor u64, superseded bytes u64, time of the head in ms u64,
             "receipt/N" -> token 16 bytes, sequence u64, first revision u64, one bit an append (storage.receipt)

Everything in (floor, head] is in `log`; at or below the floor only the newest put of each key is. So `log` and
`kinds` are the whole truth: `current` is their fold, `history` their index, `superseded` a sum over them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from struct import Struct

import msgspec

from storage.bodies import Cut
from storage.errors import Corrupt
from storage.types import Key, Op, Revision, Stored

FORMAT = b"watchd log 1"
"""Names the layout in `meta`: another layout has another number, and is refused."""

META_FORMAT = b"format"
META_CLUSTER = b"cluster"
META_STATE = b"state"

U64 = Struct(">Q")
U32 = Struct(">I")
_LOG = Struct(">BHIIQQQ")
_CURRENT = Struct(">QQII")
_STATE = Struct(">QQQQ")


class State(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What `meta` says of the whole."""

    head: Revision
    floor: Revision
    superseded: int
    """Bytes of the rows of `log` that compaction up to the head would delete."""
    time_ms: int
    """Time of the head's record: a later record's is never smaller, so that times can be searched."""

    def pack(self) -> bytes:
        """Return the row of `meta`."""
        return _STATE.pack(self.head, self.floor, self.superseded, self.time_ms)


class LogRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `log`, without its revision."""

    op: Op
    key: Key
    header: bytes
    body: bytes
    stamp_at: int
    created: Revision
    previous: Revision
    time_ms: int


def unpack_state(row: bytes | memoryview | None) -> State:
    """Read the state. Raises Corrupt."""
    if row is None or len(row) != _STATE.size:
        raise Corrupt("meta holds no state")
    head, floor, superseded, time_ms = _STATE.unpack(row)
    return State(head, floor, superseded, time_ms)


def pack_revision(revision: int) -> bytes:
    """Return the key of a row of `log`."""
    return U64.pack(revision)


def unpack_revision(key: bytes | memoryview) -> Revision:
    """Read the key of a row of `log`."""
    return Revision(U64.unpack(key)[0])


def pack_version(revision: int, *, deleted: bool) -> bytes:
    """Return a duplicate of `history`."""
    return U64.pack(revision << 1 | deleted)


def unpack_version(value: bytes | memoryview) -> tuple[Revision, bool]:
    """Read a duplicate of `history`: the revision, and whether it deleted the key."""
    number: int = U64.unpack(value)[0]
    return Revision(number >> 1), bool(number & 1)


def pack_log(row: LogRow) -> bytes:
    """Return a row of `log`."""
    head = _LOG.pack(
        row.op, len(row.key), len(row.header), row.stamp_at, row.created, row.previous, row.time_ms
    )
    return b"%b%b%b%b" % (head, row.key, row.header, row.body)


def unpack_log(revision: int, row: memoryview | bytes | None) -> LogRow:
    """Read a row of `log`. Raises Corrupt where it is missing or cut short."""
    if row is None:
        raise Corrupt(f"log: the record of revision {revision} is missing")
    try:
        op, key_length, header_length, stamp_at, created, previous, time_ms = _LOG.unpack_from(row)
        operation = Op(op)
    except (struct.error, ValueError) as error:
        raise Corrupt(f"log: the record of revision {revision} cannot be read") from error
    header_at = _LOG.size + key_length
    body_at = header_at + header_length
    if body_at > len(row):
        raise Corrupt(f"log: the record of revision {revision} is cut short")
    return LogRow(
        operation,
        Key(bytes(row[_LOG.size : header_at])),
        bytes(row[header_at:body_at]),
        bytes(row[body_at:]),
        stamp_at,
        created,
        previous,
        time_ms,
    )


def log_key(row: memoryview | bytes) -> Key:
    """Read only the key of a row of `log`."""
    return Key(bytes(row[_LOG.size : _LOG.size + (row[1] << 8 | row[2])]))


def log_header(row: memoryview | bytes) -> bytes:
    """Read only the header of a row of `log`."""
    _, key_length, header_length, *_ = _LOG.unpack_from(row)
    at = _LOG.size + key_length
    return bytes(row[at : at + header_length])


def log_time(row: memoryview | bytes) -> int:
    """Read only the time of a row of `log`, in milliseconds since the epoch."""
    time_ms: int = _LOG.unpack_from(row)[6]
    return time_ms


def log_size(key: bytes, header: int, body: int) -> int:
    """Return how long a row of `log` is, in bytes, from its key and the lengths of its header and body."""
    return _LOG.size + len(key) + header + body


def pack_current(stored: Stored) -> bytes:
    """Return a row of `current`."""
    head = _CURRENT.pack(stored.revision, stored.created, stored.stamp_at, len(stored.header))
    return b"%b%b%b" % (head, stored.header, stored.body)


def unpack_current(key: Key, row: memoryview | bytes) -> Stored:
    """Read a row of `current`. Raises Corrupt where it is cut short."""
    if len(row) < _CURRENT.size:
        raise Corrupt(f"current: the row of {key!r} is cut short")
    revision, created, stamp_at, header_length = _CURRENT.unpack_from(row)
    body_at = _CURRENT.size + header_length
    return Stored(key, revision, created, bytes(row[_CURRENT.size : body_at]), bytes(row[body_at:]), stamp_at)


@lru_cache(16)
def _beginning(length: int) -> Struct:
    """Return what reads of a row of `current` the length of its header, and so many bytes that this begins with."""
    return Struct(f">20xI{length}s")


def current_bodies(rows: Iterable[memoryview], cut: Cut) -> list[memoryview] | None:
    """Return the bodies of those rows of `current` that are wanted, cut, as views of the rows.

    None where a row's header does not begin as the cut says, or the row cannot be read.
    """
    header, wanted = cut.header, cut.wanted
    unpack = _beginning(len(header)).unpack_from
    least, at = len(header), _CURRENT.size + cut.skip
    bodies = []
    for row in rows:
        try:
            length, begin = unpack(row)
        except struct.error:
            return None
        if begin != header or length < least:
            return None
        if wanted is None or wanted(bytes(row[_CURRENT.size : _CURRENT.size + length])):
            bodies.append(row[at + length :])
    return bodies
