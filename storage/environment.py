"""The LMDB environment: how it is opened, its tables, what its errors mean. The only module that imports lmdb.

Safe settings only: every commit is synced, no writable map. `relaxed` gives up the sync: after a power cut answered
revisions would be used again for other changes.

No trio here, and little else: the process that commits (storage.committer_child) imports it to start in an instant.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import msgspec

from storage.committer import ROOM_COMPACT, ROOM_DELETE, ROOM_LAST, ROOM_PUT
from storage.errors import Corrupt, FormatMismatch, LogFull, OutcomeUnknown, StorageError
from storage.layout import FORMAT, META_CLUSTER, META_FORMAT, META_STATE, State
from storage.reserve import RESERVE_BYTES, Reserve
from storage.snapshot import Snapshot, Tables
from storage.types import NOTHING

T = TypeVar("T")

MAP_SIZE = 1 << 40
"""Address space for the file, in bytes (1 TiB): the file starts at KiB, and the map never grows under readers."""

MAX_READERS = 1024
"""Reader slots of 64 bytes, for all processes together; LMDB's own 126 are few beside dead readers."""

SPARE_TXNS = 4
"""Read transactions kept for reuse: renewing one costs a third of beginning one."""

RESERVE_SHARE = 16
"""The reserve behind a size limit is one part in so many of it, RESERVE_BYTES at the least: a compaction transaction
copies the pages that it touches before it frees any."""

ROOM_BYTES = 64 * 1024
"""A disk with less room than this is full: the smallest commit takes some pages of 4 KiB."""

DATA_NAME = "data.mdb"
"""LMDB's name for its file in the data directory."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DAMAGED = (lmdb.CorruptedError, lmdb.PageNotFoundError, lmdb.InvalidError)


class Options(msgspec.Struct, frozen=True):
    """How an environment is opened."""

    map_size: int = MAP_SIZE
    max_bytes: int | None = None
    """The size limit of what is stored, in bytes; None for the disk's own."""
    relaxed: bool = False
    readonly: bool = False
    max_readers: int = MAX_READERS
    cluster_id: str | None = None
    """Given to the data when it is created."""


class Environment:
    """An LMDB environment with the log's tables, and what its errors mean."""

    tables: Tables

    def __init__(self, directory: Path, options: Options) -> None:
        """Open, creating what is missing. Raises FormatMismatch, LogFull, Corrupt, StorageError."""
        self._directory = directory
        self._options = options
        self._reserve = 0
        map_size = options.map_size
        if options.max_bytes is not None:
            self._reserve = max(RESERVE_BYTES, options.max_bytes // RESERVE_SHARE)
            map_size = min(map_size, options.max_bytes + self._reserve)
        self._map_size = map_size
        self.open(readonly=options.readonly)

    def open(self, *, readonly: bool) -> None:
        """Open, or open again after `close`; `readonly` in case writing is no longer possible."""
        options = self._options
        new = not (self._directory / DATA_NAME).exists()
        if new and readonly:
            raise FormatMismatch(f"{self._directory} holds no log")
        try:
            self._env = lmdb.open(
                str(self._directory),
                map_size=self._map_size,
                max_dbs=len(msgspec.structs.fields(Tables)),
                max_readers=options.max_readers,
                max_spare_txns=SPARE_TXNS,
                readonly=readonly,
                create=not readonly,
                sync=not options.relaxed,
                metasync=not options.relaxed,
                mode=0o600,
            )
        except (lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.InvalidParameterError) as error:
            raise FormatMismatch(f"{self._directory / DATA_NAME} is no log: {error}") from error
        except lmdb.Error as error:
            kind = LogFull if _code(error) in _NO_ROOM else StorageError
            raise kind(f"{self._directory} cannot be opened: {error}") from error
        try:
            self._env.reader_check()
            if not readonly:
                if not options.relaxed:
                    # What a writer that was killed has left may be in the page cache alone, and is about to be shown.
                    self.sync()
                # Whoever reads meanwhile sees it from the next transaction on that writes.
                self._env.begin(write=True).abort()
                self._pad()
                self._disk_reserve = Reserve(self._directory)
            self.tables = self._open_tables(readonly=readonly)
            if new:
                sync_directory(self._directory)
        except lmdb.Error as error:
            self._env.close()
            raise self._refused(error) from error
        except OSError as error:
            self._env.close()
            raise StorageError(f"{self._directory} cannot be used: {error.strerror}") from error
        except BaseException:
            self._env.close()
            raise

    def _pad(self) -> None:
        """Make the file as long as its header says: reading a page behind the end would kill the process (SIGBUS)."""
        size = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        path = self._directory / DATA_NAME
        if path.stat().st_size < size:
            os.truncate(path, size)

    def _open_tables(self, *, readonly: bool) -> Tables:
        if self._env.stat()["entries"] == 0:
            if readonly:
                raise FormatMismatch(f"{self._directory} holds no log")
            return self._create()
        try:
            meta = self._env.open_db(b"meta", create=False)
            with self._env.begin() as txn:
                stored = txn.get(META_FORMAT, db=meta)
        except lmdb.NotFoundError as error:
            raise FormatMismatch(f"{self._directory} was not written by this program") from error
        if stored != FORMAT:
            raise FormatMismatch(f"{self._directory} has the format {stored!r}, this version writes {FORMAT!r}")
        return Tables(
            log=self._env.open_db(b"log", create=False),
            current=self._env.open_db(b"current", create=False),
            history=self._env.open_db(b"history", create=False, dupsort=True, dupfixed=True),
            kinds=self._env.open_db(b"kinds", create=False),
            meta=meta,
        )

    def _create(self) -> Tables:
        """Create the tables in one transaction, so that a crash leaves a log or nothing."""
        cluster_id = self._options.cluster_id
        if not cluster_id:
            raise StorageError(f"{self._directory} holds no log, and creating one needs a cluster id")
        with self._env.begin(write=True) as txn:
            tables = Tables(
                log=self._env.open_db(b"log", txn=txn),
                current=self._env.open_db(b"current", txn=txn),
                history=self._env.open_db(b"history", txn=txn, dupsort=True, dupfixed=True),
                kinds=self._env.open_db(b"kinds", txn=txn),
                meta=self._env.open_db(b"meta", txn=txn),
            )
            txn.put(META_FORMAT, FORMAT, db=tables.meta)
            txn.put(META_CLUSTER, cluster_id.encode(), db=tables.meta)
            txn.put(META_STATE, State(NOTHING, NOTHING, 0, 0).pack(), db=tables.meta)
        return tables

    def close(self) -> None:
        """Close; nobody may be in a transaction."""
        self._env.close()

    def sync(self) -> None:
        """Force what is committed to the disk. Raises OutcomeUnknown."""
        try:
            self._env.sync(True)
        except lmdb.Error as error:
            raise OutcomeUnknown(f"what is committed cannot be synced: {error}") from error

    def begin(self) -> Any:
        """Begin a read transaction whose values are views. Raises StorageError."""
        try:
            return self._env.begin(buffers=True)
        except lmdb.Error as error:
            raise self._refused(error) from error

    def ask(self, question: Callable[[Snapshot], T]) -> T:
        """Answer a question within one read transaction. Raises Corrupt, StorageError, and what the question raises."""
        txn = self.begin()
        try:
            return question(Snapshot(txn, self.tables))
        except lmdb.Error as error:
            raise self._refused(error) from error
        finally:
            txn.abort()

    def transact(self, body: Callable[[Any], T], *, room: int) -> T:
        """Run `body` in one synced write transaction: see storage.committer.Store."""
        if room != ROOM_LAST:
            return self._transact(body, room)
        self._disk_reserve.release()
        try:
            return self._transact(body, room)
        finally:
            self._disk_reserve.hold()

    def _transact(self, body: Callable[[Any], T], room: int) -> T:
        try:
            txn = self._env.begin(write=True, buffers=True)
        except lmdb.Error as error:
            raise OutcomeUnknown(f"no transaction can be begun: {error}") from error
        before = txn.id() - 1
        try:
            result = body(txn)
            self._check_room(txn, room)
        except lmdb.Error as error:
            txn.abort()
            raise self._aborted(error) from error
        except BaseException:
            txn.abort()
            raise
        try:
            self._commit_txn(txn)
        except lmdb.Error as error:
            if (_is_full(error) or self._is_disk_full()) and self._is_at(before):
                self._trim()
                raise LogFull(f"the disk is full: {error}") from error
            raise OutcomeUnknown(f"a commit failed half way: {error}") from error
        return result

    def _commit_txn(self, txn: Any) -> None:
        txn.commit()

    def _check_room(self, txn: Any, room: int) -> None:
        limit = self._options.max_bytes
        if limit is None or room in (ROOM_COMPACT, ROOM_LAST):
            return
        pages = page_size = 0
        for table in msgspec.structs.astuple(self.tables):
            stat = txn.stat(table)
            pages += stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
            page_size = stat["psize"]
        allowed = limit + {ROOM_PUT: 0, ROOM_DELETE: self._reserve // 2}[room]
        if pages * page_size > allowed:
            raise LogFull(f"the log is at its limit of {limit} bytes")

    def _is_disk_full(self) -> bool:
        """Tell whether there is no room: LMDB reports a write that a full disk cut short as EIO, not ENOSPC."""
        try:
            free = os.statvfs(self._directory)
            size = (self._directory / DATA_NAME).stat().st_size
        except OSError:
            return False
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        limited = limit != resource.RLIM_INFINITY and size + ROOM_BYTES > limit
        return limited or free.f_bavail * free.f_frsize < ROOM_BYTES

    def _trim(self) -> None:
        """Give back what a commit that found no room has added to the file's end."""
        size = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        path = self._directory / DATA_NAME
        with suppress(OSError):
            if path.stat().st_size > size:
                os.truncate(path, size)

    def _is_at(self, txn_id: int) -> bool:
        """Tell whether the last commit on the disk is still this one: a commit that found no room left no trace."""
        try:
            with self._env.begin() as txn:
                return txn.id() == txn_id
        except lmdb.Error:
            # After a failed write of its header page LMDB refuses everything: only opening it anew will tell.
            return False

    def _aborted(self, error: lmdb.Error) -> StorageError:
        if _is_full(error):
            return LogFull(f"no room: {error}")
        if isinstance(error, _DAMAGED):
            return Corrupt(str(error))
        return OutcomeUnknown(f"a transaction failed: {error}")

    def _refused(self, error: lmdb.Error) -> StorageError:
        if isinstance(error, _DAMAGED):
            return Corrupt(str(error))
        return LogFull(str(error)) if _is_full(error) else StorageError(str(error))


def _is_full(error: lmdb.Error) -> bool:
    return isinstance(error, (lmdb.MapFullError, lmdb.TxnFullError)) or _code(error) in _NO_ROOM


def _code(error: lmdb.Error) -> int:
    """Return the errno or LMDB code; errors that the binding finds by itself have none."""
    return getattr(error, "code", 0)


def sync_directory(directory: Path) -> None:
    """Make a new file's name durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
