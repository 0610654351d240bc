"""Backup to one file at one revision, while the log is written; restore into an empty data directory.

The file: MAGIC; a u32 and as many bytes of JSON (Description); then for each retained record its revision u64, a u32
and as many bytes of its row of `log` (storage.layout); then the SHA-256 of all that. Numbers are big-endian. The log
and the kinds are the whole truth: restoring folds them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from storage.committer import ROOM_COMPACT, write_meta, write_rows
from storage.environment import DATA_NAME, Environment, Options, sync_directory
from storage.errors import Corrupt, StorageError
from storage.layout import U32, LogRow, State, unpack_log
from storage.lmdb_log import LmdbLog
from storage.lock import LOCK_NAME, DirectoryLock
from storage.snapshot import Progress, Snapshot, walk
from storage.types import KindId, Revision, Runner

MAGIC = b"watchd backup 1\n"
"""Begins a backup; the number is that of the file's layout."""

PARTIAL_NAME = "restore.partial"
"""Where a restore builds the log before it moves into its place; left behind only by a killed one."""

CHUNK_ROWS = 1000
"""Rows in one transaction of a restore."""

CHUNK_BYTES = 8 * 1024 * 1024
"""Bytes in one transaction of a restore: far below LMDB's limit of dirty pages."""

DESCRIPTION_LIMIT = 64 * 1024 * 1024
"""Bytes of a description that are believed: far more kinds than a log holds, and no burden on memory."""

_ROW = struct.Struct(">QI")
_DIGEST_BYTES = 32


class BackupError(StorageError):
    """A backup cannot be written, or a file cannot be restored; nothing is left half done."""


class Description(msgspec.Struct, frozen=True):
    """What a backup says of itself."""

    cluster_id: str
    head: int
    floor: int
    superseded: int
    time_ms: int
    """Of the head, in milliseconds since the epoch."""
    records: int
    kinds: dict[str, int]


async def backup(log: LmdbLog, file: Path, *, progress: Progress | None = None) -> Description:
    """Write the log as it is now to a new file, durably; a read-only log may do so beside the server that writes it.

    Raises BackupError where the file exists or cannot be written, LogClosed, Corrupt.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with log.snapshot() as snapshot, _new_file(file, partial) as out:
            description = _describe(snapshot, log.cluster_id)
            steps = _write(snapshot, description, out)
            await walk(steps, log.runner, description.records, progress, snapshot)
            await log.runner.run_sync(_place, out, partial, file)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from error
    return description


@contextlib.contextmanager
def _new_file(file: Path, partial: Path) -> Iterator[BinaryIO]:
    """Open the file under its temporary name, and leave nothing of that name behind."""
    if file.exists():
        raise BackupError(f"{file} exists already")
    with partial.open("xb", buffering=1 << 20) as out:
        try:
            partial.chmod(0o600)
            yield out
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def _place(out: BinaryIO, partial: Path, file: Path) -> None:
    """Make the file durable, then give it its name."""
    out.flush()
    os.fsync(out.fileno())
    # A link, unlike a rename, never replaces what came into being meanwhile.
    file.hardlink_to(partial)
    sync_directory(file.parent)


def _describe(snapshot: Snapshot, cluster_id: str) -> Description:
    state = snapshot.state
    records, _, _ = snapshot.entries()
    return Description(
        cluster_id, state.head, state.floor, state.superseded, state.time_ms, records, dict(snapshot.kinds())
    )


def _write(snapshot: Snapshot, description: Description, out: BinaryIO) -> Iterator[int]:
    digest = hashlib.sha256()

    def write(data: bytes) -> None:
        digest.update(data)
        out.write(data)

    text = msgspec.json.encode(description)
    write(MAGIC + U32.pack(len(text)) + text)
    for done, (revision, row) in enumerate(snapshot.log_rows(), 1):
        write(_ROW.pack(revision, len(row)) + row)
        yield done
    out.write(digest.digest())


async def restore(file: Path, directory: Path, *, runner: Runner, progress: Progress | None = None) -> Description:
    """Make a backup the log of an empty data directory: all of it at the end, or nothing.

    Raises:
        BackupError: the file is damaged or no backup, the directory is not empty or cannot be written.
        AlreadyOpen: a server holds the directory.
        LogFull: no room.

    """
    try:
        with _empty(directory) as partial, _open(file) as stream:
            source = _Source(stream)
            description = source.description()
            environment = Environment(partial, Options(relaxed=True, cluster_id=description.cluster_id))
            try:
                await walk(_load(source, description, environment), runner, description.records, progress)
            finally:
                environment.close()
            await runner.run_sync(_move, partial, directory)
    except OSError as error:
        raise BackupError(f"{file} cannot be restored into {directory}: {error.strerror}") from error
    return description


@contextlib.contextmanager
def _empty(directory: Path) -> Iterator[Path]:
    """Lock a directory that is empty or new; yield a place in it to build in, and clear that away at the end."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = DirectoryLock(directory)
    partial = directory / PARTIAL_NAME
    try:
        found = sorted({entry.name for entry in directory.iterdir()} - {LOCK_NAME, PARTIAL_NAME})
        if found:
            raise BackupError(f"{directory} is not empty: it holds {found[0]}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        lock.release()


def _open(file: Path) -> BinaryIO:
    return file.open("rb", buffering=1 << 20)


def _move(partial: Path, directory: Path) -> None:
    (partial / DATA_NAME).rename(directory / DATA_NAME)
    sync_directory(directory)


class _Source:
    """A backup that is read, and checked as it goes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = os.fstat(stream.fileno()).st_size - _DIGEST_BYTES
        self._digest = hashlib.sha256()

    def take(self, count: int) -> bytes:
        """Read so many bytes. Raises BackupError where there are fewer before the digest."""
        data = self._stream.read(count) if count <= self._left else b""
        if len(data) != count:
            raise BackupError("the backup is cut short")
        self._left -= count
        self._digest.update(data)
        return data

    def description(self) -> Description:
        """Read the beginning. Raises BackupError."""
        if self._left < len(MAGIC) or self.take(len(MAGIC)) != MAGIC:
            raise BackupError("the file is no backup, or one of another version")
        (length,) = U32.unpack(self.take(U32.size))
        if length > DESCRIPTION_LIMIT:
            raise BackupError("the backup's description is damaged")
        try:
            return msgspec.json.decode(self.take(length), type=Description)
        except msgspec.MsgspecError as error:
            raise BackupError(f"the backup's description is damaged: {error}") from error

    def row(self) -> tuple[Revision, LogRow]:
        """Read a record. Raises BackupError, Corrupt."""
        revision, length = _ROW.unpack(self.take(_ROW.size))
        return Revision(revision), unpack_log(revision, self.take(length))

    def finish(self) -> None:
        """Compare the digest. Raises BackupError."""
        if self._left != 0 or self._stream.read() != self._digest.digest():
            raise BackupError("the backup is damaged: its digest differs")


def _load(source: _Source, description: Description, environment: Environment) -> Iterator[int]:
    """Fold the records into an environment; what is damaged shows at the end, before anything is in its place."""
    chunk: list[tuple[Revision, LogRow]] = []
    size = 0
    for done in range(1, description.records + 1):
        try:
            revision, row = source.row()
        except Corrupt as error:
            raise BackupError(f"the backup is damaged: {error}") from error
        chunk.append((revision, row))
        size += len(row.header) + len(row.body)
        if len(chunk) >= CHUNK_ROWS or size >= CHUNK_BYTES:
            _store(environment, chunk)
            chunk, size = [], 0
        yield done
    source.finish()
    _store(environment, chunk)
    state = State(
        Revision(description.head), Revision(description.floor), description.superseded, description.time_ms
    )
    kinds = {name: KindId(kind) for name, kind in description.kinds.items()}
    tables = environment.tables
    environment.transact(lambda txn: write_meta(txn, tables, state, kinds), room=ROOM_COMPACT)
    environment.sync()


def _store(environment: Environment, rows: list[tuple[Revision, LogRow]]) -> None:
    tables = environment.tables
    environment.transact(lambda txn: write_rows(txn, tables, rows), room=ROOM_COMPACT)
