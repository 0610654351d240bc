"""What logs and the process that commits for them say to each other: MessagePack behind a length of 4 bytes.

One request, one answer, and never two of a log at a time. An answer does not carry back what the request brought: the log
stamps its own write with the revision, and reads what a delete shows.
"""

from __future__ import annotations

import socket
from typing import Final

import msgspec

from storage.committer import Append, Outcome
from storage.environment import Options
from storage.errors import Conflict, Corrupt, FormatMismatch, LogFull, OutcomeUnknown, StorageError
from storage.layout import U32, State
from storage.receipt import Asked
from storage.types import Key, KindId, Record, Revision

MESSAGE_BYTES: Final = 256 << 20
"""The longest message. A batch has some MiB (storage.inbox); LMDB refuses a transaction of 512 MiB."""

LENGTH_BYTES: Final = 4
"""Before each message, big-endian."""


OPENED_BYTES: Final = 64 * 1024
"""More than what says that the environment is open, or why not."""


class Open(msgspec.Struct, frozen=True, array_like=True):
    """What a process is told first: which environment to commit to. Answered by Opened or a Fault."""

    path: str
    options: Options


class Commit(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Answered by Committed, always."""

    now_ms: int
    asked: Asked
    appends: list[Append]


class Allot(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Answered by Allotted or a Fault."""

    names: list[str]


class Compact(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Answered by Compacted or a Fault."""

    upto: Revision


class Stamp(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=0):
    """An append that is stored: what its record has beside the write."""

    revision: Revision
    created: Revision
    previous: Revision
    previous_header: bytes
    time_ms: int


class Lost(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """A Conflict."""

    key: Key
    expected: Revision
    actual: Revision


class Fault(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """Another error, by the name of its class."""

    name: str
    text: str

    @property
    def error(self) -> StorageError:
        """Return the error, to be raised."""
        return _ERRORS[self.name](self.text)


class Opened(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The environment is open, and what it shows is on the disk."""


class Committed(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """One outcome for each append, in order."""

    outcomes: list[Stamp | Lost | Fault]


class Allotted(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """The ids, in the order of the names."""

    ids: list[KindId]


class Compacted(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """What the transaction has left."""

    state: State


Request = Commit | Allot | Compact
Answer = Opened | Committed | Allotted | Compacted | Fault

_ERRORS: Final = {error.__name__: error for error in (Corrupt, FormatMismatch, LogFull, OutcomeUnknown, StorageError)}
_ENCODER: Final = msgspec.msgpack.Encoder()

decode_open: Final = msgspec.msgpack.Decoder(Open).decode
decode_request: Final = msgspec.msgpack.Decoder(Request).decode
decode_answer: Final = msgspec.msgpack.Decoder(Answer).decode


def fault_of(error: StorageError) -> Fault:
    """Return what tells of an error; of a class that the other side does not expect, as its nearest base."""
    name = next(base.__name__ for base in type(error).__mro__ if base.__name__ in _ERRORS)
    return Fault(name, str(error))


def told(outcome: Outcome) -> Stamp | Lost | Fault:
    """Return what tells of an append's outcome."""
    if isinstance(outcome, Record):
        return Stamp(outcome.revision, outcome.created, outcome.previous, outcome.previous_header, outcome.time_ms)
    if isinstance(outcome, Conflict):
        return Lost(outcome.key, outcome.expected, outcome.actual)
    return fault_of(outcome)


def framed(message: Open | Request | Answer) -> bytearray:
    """Return a message with its length before it."""
    data = bytearray(LENGTH_BYTES)
    _ENCODER.encode_into(message, data, LENGTH_BYTES)
    U32.pack_into(data, 0, min(len(data) - LENGTH_BYTES, MESSAGE_BYTES + 1))
    return data


class Inflow:
    """Makes messages of the bytes that arrive."""

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes | memoryview) -> None:
        """Take bytes as they come."""
        self._data += data

    def take(self) -> bytes | None:
        """Return the next whole message. Raises ValueError for one that is too long."""
        if len(self._data) < LENGTH_BYTES:
            return None
        end = LENGTH_BYTES + U32.unpack_from(self._data)[0]
        if end > LENGTH_BYTES + MESSAGE_BYTES:
            raise ValueError(f"a message of {end} bytes")
        if len(self._data) < end:
            return None
        message = bytes(memoryview(self._data)[LENGTH_BYTES:end])
        del self._data[:end]
        return message


def receive(connection: socket.socket) -> bytes | None:
    """Wait on a blocking socket for one message; None at its end. Nothing behind the message is taken."""
    length = _receive_exactly(connection, LENGTH_BYTES)
    return None if length is None else _receive_exactly(connection, U32.unpack(length)[0])


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return None
        data += more
    return data
