"""What the durable log promises besides: reopening, full disks, failing ones, and one process at a time."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
import trio
import trio.testing

from storage import cursors, inbox, snapshot
from storage.errors import (
    AlreadyOpen,
    Conflict,
    Corrupt,
    FormatMismatch,
    LogClosed,
    LogFull,
    OutcomeUnknown,
    StorageError,
)
from storage.layout import META_FORMAT, pack_revision
from storage.lmdb_log import LmdbLog
from storage.types import Key, Record, Revision, Scope
from storage.verify import verify
from tests.contract.conftest import OpenLmdb, delete, key, put
from tests.disk import small_disk

ALL = Scope(b"")
KIB = b'{"v":"","p":"%b"}' % (b"x" * 1024)


# Reopening ---------------------------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(open_either: OpenLmdb) -> None:
    log = await open_either()
    kinds = [await log.kind(name) for name in ("pods", "services")]
    for number in range(20):
        await log.append(put(f"ns/{number % 4}"))
    await log.append(delete("ns/2"))
    await log.compact(Revision(9))
    page = await log.scan(b"", limit=99)
    batch = await log.read(Revision(9), scope=ALL, limit=99, max_bytes=1 << 20)
    await log.aclose()
    again = await open_either(cluster_id="another")
    assert (again.head, again.floor, again.cluster_id) == (21, 9, "c1")
    assert [await again.kind(name) for name in ("pods", "services")] == kinds
    assert await again.kind("events") not in kinds
    assert await again.scan(b"", limit=99) == page
    assert await again.read(Revision(9), scope=ALL, limit=99, max_bytes=1 << 20) == batch
    assert (await again.append(put("ns/2", expect=0))).revision == 22
    assert (await verify(again)).problems == ()


async def test_a_second_server_is_refused_and_told_by_whom(open_either: OpenLmdb, tmp_path: Path) -> None:
    log = await open_either()
    with pytest.raises(AlreadyOpen, match=f"in use by process {os.getpid()}"):
        await open_either()
    program = (
        "import sys; from pathlib import Path; from storage.lock import DirectoryLock; DirectoryLock(Path(sys.argv[1]))"
    )
    done = await trio.run_process(
        [sys.executable, "-c", program, str(tmp_path / "data")], capture_stderr=True, check=False
    )
    assert f"AlreadyOpen: {tmp_path / 'data'} is in use by process {os.getpid()}" in done.stderr.decode()
    await log.append(put("ns/a"))
    await log.aclose()
    assert (await open_either()).head == 1


def _garbage(path: Path) -> None:
    (path / "data.mdb").write_bytes(os.urandom(100_000))


def _tiny(path: Path) -> None:
    (path / "data.mdb").write_bytes(b"hello")


def _foreign(path: Path) -> None:
    with lmdb.open(str(path)) as env, env.begin(write=True) as txn:
        txn.put(b"somebody", b"else")


def _newer(path: Path) -> None:
    with lmdb.open(str(path), max_dbs=1) as env:
        meta = env.open_db(b"meta")
        with env.begin(write=True) as txn:
            txn.put(META_FORMAT, b"watchd log 2", db=meta)


@pytest.mark.parametrize("fill", [_garbage, _tiny, _foreign, _newer])
async def test_other_data_is_refused_and_left_alone(
    open_either: OpenLmdb, tmp_path: Path, fill: Callable[[Path], None]
) -> None:
    path = tmp_path / "data"
    path.mkdir()
    fill(path)
    before = (path / "data.mdb").read_bytes()
    for readonly in (False, True):
        with pytest.raises(FormatMismatch):
            await open_either(readonly=readonly)
    assert (path / "data.mdb").read_bytes() == before


async def test_reading_only_creates_nothing(open_either: OpenLmdb, tmp_path: Path) -> None:
    with pytest.raises(FormatMismatch, match="holds no log"):
        await open_either(readonly=True)
    assert not (tmp_path / "data").exists()
    await (await open_either()).aclose()
    log = await open_either(readonly=True)
    assert log.head == 0
    with pytest.raises(LogClosed, match="reading only"):
        await log.append(put("ns/a"))
    with pytest.raises(LogClosed, match="reading only"):
        await log.kind("pods")


async def test_a_new_log_needs_a_name(open_either: OpenLmdb) -> None:
    with pytest.raises(StorageError, match="cluster id"):
        await open_either(cluster_id=None)


async def test_a_truncated_file_is_an_error_not_a_crash(open_either: OpenLmdb, tmp_path: Path) -> None:
    log = await open_either()
    for number in range(200):
        await log.append(put(f"ns/{number}", KIB))
    await log.aclose()
    os.truncate(tmp_path / "data" / "data.mdb", 3 * 4096)
    with pytest.raises(StorageError):  # noqa: PT012 - which of them shows it depends on the pages that are left
        log = await open_either()
        await log.scan(b"", limit=999)


# A key written often -----------------------------------------------------------------------------------------------


class _Counting:
    """A cursor that counts its steps."""

    steps = 0

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        _Counting.steps += 1
        return getattr(self._cursor, name)


async def test_a_key_written_100000_times_is_read_at_any_revision_in_a_few_steps(
    open_lmdb: OpenLmdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_lmdb(relaxed=True)
    times = 100_000
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(_rewrite, log, times // 50)
    assert log.head == times
    version = snapshot.Snapshot._version
    monkeypatch.setattr(
        snapshot.Snapshot, "_version", lambda self, cursor, *rest: version(self, _Counting(cursor), *rest)
    )
    for at in (1, 2, 50_000, times - 1):
        _Counting.steps = 0
        stored = await log.get(key("ns/a"), Revision(at))
        assert stored is not None
        assert stored.body == b'{"v":"%d"}' % at
        assert 0 < _Counting.steps <= 8
        _Counting.steps = 0
        page = await log.scan(b"", limit=10, at=Revision(at))
        assert [item.revision for item in page.items] == [at]
        assert _Counting.steps <= 8


async def _rewrite(log: LmdbLog, times: int) -> None:
    for _ in range(times):
        await log.append(put("ns/a"))


# No room -----------------------------------------------------------------------------------------------------------

LIMIT = 2 * 1024 * 1024


async def fill(log: LmdbLog) -> int:
    """Append until there is no room; return how many keys there are."""
    for number in range(100_000):
        try:
            await log.append(put(f"ns/{number:05}", KIB))
        except LogFull:
            return number
    raise AssertionError("it was never full")


async def check_full_and_recovery(log: LmdbLog) -> None:
    """Held in common by all kinds of full disks: `fill` has been refused, what else."""
    count = await fill(log)
    assert count > 100
    assert log.head == count
    before = await verify(log)
    assert before.problems == ()
    with pytest.raises(LogFull):
        await log.append(put("ns/00000", KIB * 3))
    assert log.failed is None
    assert (await verify(log)).digest == before.digest
    assert len((await log.scan(b"", limit=count + 1)).items) == count


async def test_at_its_limit_the_log_refuses_puts_and_recovers(open_either: OpenLmdb) -> None:
    log = await open_either(max_bytes=LIMIT)
    records: list[Record] = []
    log.subscribe(records.extend)
    await check_full_and_recovery(log)
    count = log.head
    # Deletes and compaction go into the reserve, and make room.
    for number in range(50):
        await log.append(delete(f"ns/{number:05}"))
    assert await log.compact(log.head) == log.head == count + 50
    for number in range(20):
        await log.append(put(f"new/{number}", KIB))
    assert (await verify(log)).problems == ()
    assert [record.revision for record in records] == list(range(1, log.head + 1))
    await log.aclose()
    log = await open_either(max_bytes=LIMIT)
    assert log.head == count + 70
    assert (await verify(log)).problems == ()


async def test_beside_a_write_that_is_too_large_the_others_get_through(open_either: OpenLmdb) -> None:
    log = await open_either(max_bytes=LIMIT)
    outcomes: dict[str, object] = {}

    async def write(path: str, body: bytes) -> None:
        try:
            outcomes[path] = await log.append(put(path, body))
        except LogFull as full:
            outcomes[path] = full

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(write, f"ns/{number}", b'{"v":"","p":"%b"}' % (b"x" * LIMIT) if number % 3 == 1 else KIB)
    assert {path for path, outcome in outcomes.items() if isinstance(outcome, LogFull)} == {"ns/1", "ns/4"}
    assert log.head == 4
    assert (await verify(log)).problems == ()


async def test_the_map_itself_may_be_full(open_either: OpenLmdb) -> None:
    await check_full_and_recovery(await open_either(map_size=LIMIT))


@pytest.fixture(name="small_disk", params=[3, 5])
def disk_of_few_mib(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of so many MiB."""
    with small_disk(tmp_path, request.param) as path:
        yield path


async def test_a_full_disk_is_survived(open_either: OpenLmdb, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (1 << 20))
    log = await open_either(small_disk / "data")
    await check_full_and_recovery(log)
    head = log.head
    ballast.unlink()
    await log.append(put("ns/later", KIB))
    assert log.head == head + 1
    assert (await verify(log)).problems == ()
    await log.aclose()
    log = await open_either(small_disk / "data")
    assert log.head == head + 1
    assert (await verify(log)).problems == ()


async def test_what_a_refused_commit_wrote_is_given_back(open_either: OpenLmdb, small_disk: Path) -> None:
    log = await open_either(small_disk / "data")
    await log.append(put("ns/a"))
    with pytest.raises(LogFull):
        await log.append(put("ns/large", b'{"v":"","p":"%b"}' % (b"x" * (8 << 20))))
    assert (small_disk / "data" / "data.mdb").stat().st_size < 1 << 20
    assert (await log.append(put("ns/b"))).revision == 2


async def test_on_a_full_disk_compaction_makes_room(open_either: OpenLmdb, small_disk: Path) -> None:
    log = await open_either(small_disk / "data")
    with pytest.raises(LogFull):  # noqa: PT012 - it is full sooner or later
        for number in range(100_000):
            await log.append(put(f"ns/{number % 500:05}", KIB))
    assert log.failed is None
    head = log.head
    before = await verify(log)
    assert await log.compact(log.head) == head
    after = await verify(log)
    assert after.problems == ()
    assert after.digest == before.digest
    for number in range(20):
        await log.append(put(f"ns/{number:05}", KIB))
    assert log.head == head + 20


FILE_LIMIT = """
import resource, signal, sys, trio
from pathlib import Path
from storage.errors import LogFull
from storage.lmdb_log import LmdbLog
from storage.types import KindId, Op, Write, make_key
from storage.verify import verify
from watchd.seams import SystemClock, ThreadRunner

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

async def main():
    log = await LmdbLog.open(Path(sys.argv[1]), clock=SystemClock(), runner=ThreadRunner(), cluster_id="c")
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        write = lambda number: log.append(Write(make_key(KindId(1), f"ns/{number}"), Op.PUT, b"h", b"x" * 1000, 3))
        for full in range(10_000):
            try:
                await write(full)
            except LogFull:
                break
        assert full > 50 and log.head == full and log.failed is None, (full, log.head, log.failed)
        assert (await verify(log)).good
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await write("more")
        assert log.head == full + 1 and (await verify(log)).good
        await log.aclose()
        print("done")

trio.run(main)
"""


async def test_a_file_size_limit_is_survived(tmp_path: Path) -> None:
    with trio.fail_after(60):
        done = await trio.run_process([sys.executable, "-c", FILE_LIMIT, str(tmp_path / "data")], capture_stdout=True)
    assert done.stdout == b"done\n"


# Failing disks -----------------------------------------------------------------------------------------------------


class Faults:
    """Commits that fail: before they reach the disk, or after."""

    def __init__(self, log: LmdbLog) -> None:
        self._env = log._env
        self._commit = log._env._commit_txn
        self.mode = "good"
        self.code = errno.EIO
        self.left = 0
        """How many commits fail besides the next."""
        log._env._commit_txn = self  # type: ignore[method-assign]

    def __call__(self, txn: Any) -> None:
        mode = self.mode
        self.left -= 1
        if self.left <= 0:
            self.mode = "good"
        if mode == "before":
            txn.abort()
        else:
            self._commit(txn)
        if mode != "good":
            error = lmdb.Error("mdb_txn_commit: Input/output error")
            error.code = self.code  # type: ignore[misc]  # as the C extension sets it
            raise error


@pytest.fixture
async def faulty(open_lmdb: OpenLmdb) -> tuple[LmdbLog, Faults, list[Record]]:
    log = await open_lmdb()
    records: list[Record] = []
    log.subscribe(records.extend)
    await log.append(put("ns/a"))
    return log, Faults(log), records


@pytest.mark.parametrize(("mode", "head"), [("before", 1), ("after", 4)])
async def test_after_a_failed_commit_the_disk_tells(
    faulty: tuple[LmdbLog, Faults, list[Record]], mode: str, head: int
) -> None:
    log, faults, records = faulty
    unknown = 0

    async def write(path: str) -> None:
        nonlocal unknown
        with pytest.raises(OutcomeUnknown):
            await log.append(put(path))
        assert log.head == head
        unknown += 1

    await trio.testing.wait_all_tasks_blocked()
    faults.mode = mode
    async with trio.open_nursery() as nursery:
        for path in ("ns/a", "ns/b", "ns/c"):
            nursery.start_soon(write, path)
    assert unknown == 3
    assert [record.revision for record in records] == list(range(1, head + 1))
    assert (await log.get(key("ns/c")) is not None) == (mode == "after")
    assert (await log.append(put("ns/d"))).revision == head + 1
    assert records == (await log.read(Revision(0), scope=ALL, limit=99, max_bytes=1 << 20)).records
    assert log.failed is None
    assert (await verify(log)).problems == ()


async def test_no_room_at_the_commit_leaves_no_doubt(faulty: tuple[LmdbLog, Faults, list[Record]]) -> None:
    log, faults, _ = faulty
    faults.mode, faults.code, faults.left = "before", errno.ENOSPC, 3
    with pytest.raises(LogFull):
        await log.append(put("ns/a"))
    assert faults.left == 0
    # The same error, but the disk shows another commit.
    faults.mode = "after"
    with pytest.raises(OutcomeUnknown):
        await log.append(put("ns/a"))
    assert log.head == 2


async def test_a_failed_allotment_or_compaction_is_looked_up(faulty: tuple[LmdbLog, Faults, list[Record]]) -> None:
    log, faults, _ = faulty
    faults.mode = "after"
    with pytest.raises(OutcomeUnknown):
        await log.kind("pods")
    assert dict(log.kinds()) == {"pods": await log.kind("pods")}
    await log.append(put("ns/a"))
    faults.mode = "after"
    with pytest.raises(OutcomeUnknown):
        await log.compact(Revision(2))
    assert log.floor == 2
    assert (await verify(log)).problems == ()


async def test_where_reopening_fails_writes_stop_and_reads_go_on(
    faulty: tuple[LmdbLog, Faults, list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, faults, records = faulty
    log._env.sync = _no_sync  # type: ignore[method-assign]
    faults.mode = "before"
    with pytest.raises(OutcomeUnknown):
        await log.append(put("ns/a"))
    assert log.failed is not None
    assert "Input/output error" in log.failed
    for call in (log.append(put("ns/a")), log.kind("new"), log.compact(Revision(1))):
        with pytest.raises(LogClosed, match="writes have stopped"):
            await call
    stored = await log.get(key("ns/a"))
    assert stored is not None
    assert stored.revision == len(records) == 1


def _no_sync() -> None:
    raise OutcomeUnknown("what is committed cannot be synced")


async def test_a_batch_that_waits_while_writes_stop_is_refused(faulty: tuple[LmdbLog, Faults, list[Record]]) -> None:
    log, faults, _ = faulty
    log._env.sync = _no_sync  # type: ignore[method-assign]
    outcomes: list[type] = []

    async def write() -> None:
        try:
            await log.append(put("ns/a", b'{"v":"","p":"%b"}' % (b"x" * (5 << 20))))
        except StorageError as error:
            outcomes.append(type(error))

    faults.mode = "before"
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(write)
    assert outcomes.count(OutcomeUnknown) == 1
    assert outcomes.count(LogClosed) == 9


async def test_damage_stops_writes(open_either: OpenLmdb, tmp_path: Path) -> None:
    log = await open_either()
    await log.append(put("ns/a"))
    await log.aclose()
    with lmdb.open(str(tmp_path / "data"), max_dbs=8) as env:
        table = env.open_db(b"log", create=False)
        with env.begin(write=True) as txn:
            txn.put(pack_revision(7), b"from the future", db=table)
    log = await open_either()
    with pytest.raises(Corrupt, match="records after the head"):
        await log.append(put("ns/b"))
    assert await log.get(key("ns/b")) is None
    with pytest.raises(LogClosed, match="corrupt"):
        await log.append(put("ns/b"))
    assert await log.get(key("ns/a")) is not None


async def test_a_walk_gives_way_to_reopening(faulty: tuple[LmdbLog, Faults, list[Record]]) -> None:
    log, faults, _ = faulty

    async def fail() -> None:
        faults.mode = "before"
        with pytest.raises(OutcomeUnknown):
            await log.append(put("ns/b"))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            with log.snapshot() as held:
                nursery.start_soon(fail)
                while not held.doomed:
                    await trio.lowlevel.checkpoint()
                assert held.get(key("ns/a")) is not None
    assert (await log.append(put("ns/b"))).revision == 2


# The writer --------------------------------------------------------------------------------------------------------


class HeldRunner:
    """Works in line, but only when it is let."""

    def __init__(self) -> None:
        self.entered = trio.Event()
        self.let = trio.Event()
        self.let.set()

    async def run_sync(self, function: Callable[..., Any], *args: Any) -> Any:
        self.entered.set()
        await self.let.wait()
        return function(*args)


async def test_a_cancelled_writer_sees_its_batch_through(open_lmdb: OpenLmdb) -> None:
    runner = HeldRunner()
    log = await open_lmdb(run=False, runner=runner)
    outcomes: list[int | None] = []
    records: list[Record] = []
    log.subscribe(records.extend)

    async def write(path: str) -> None:
        try:
            outcomes.append((await log.append(put(path))).revision)
        except LogClosed:
            outcomes.append(None)

    async def let() -> None:
        await trio.testing.wait_all_tasks_blocked()
        assert outcomes == []
        runner.let.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as waiters, trio.open_nursery() as nursery:
            waiters.start_soon(write, "ns/a")
            await trio.testing.wait_all_tasks_blocked()
            runner.entered, runner.let = trio.Event(), trio.Event()
            await nursery.start(log.run)
            await runner.entered.wait()
            waiters.start_soon(write, "ns/b")
            waiters.start_soon(let)
            nursery.cancel_scope.cancel()
    assert outcomes == [1, None]
    assert [record.revision for record in records] == [1]
    with pytest.raises(LogClosed, match="nothing runs"):
        await log.append(put("ns/c"))
    await log.aclose()
    assert (await open_lmdb()).head == 1


async def test_the_inbox_is_bounded(open_either: OpenLmdb, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery) -> None:
    monkeypatch.setattr(inbox, "INBOX_BYTES", 100_000)
    log = await open_either(run=False)
    sizes: list[int] = []

    async def write(number: int) -> None:
        await log.append(put(f"ns/{number:03}", KIB * 10))
        sizes.append(log._inbox.bytes)

    async with trio.open_nursery() as waiters:
        for number in range(60):
            waiters.start_soon(write, number)
        await trio.testing.wait_all_tasks_blocked()
        assert 80_000 < log._inbox.bytes <= 100_000
        assert len(log._inbox) < 60
        await nursery.start(log.run)
    assert len(sizes) == 60
    assert max(sizes) <= 100_000
    assert log.head == 60


async def test_waiting_appends_share_a_commit(open_lmdb: OpenLmdb) -> None:
    log = await open_lmdb()
    commits = 0
    commit = log._env._commit_txn

    def counted(txn: Any) -> None:
        nonlocal commits
        commits += 1
        commit(txn)

    log._env._commit_txn = counted  # type: ignore[method-assign]
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(log.append, put(f"ns/{number}"))
    assert log.head == 200
    assert commits <= 4


async def test_compaction_goes_in_small_transactions_between_batches(
    open_either: OpenLmdb, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_either(relaxed=True)
    for _ in range(4):
        async with trio.open_nursery() as writers:
            for number in range(500):
                writers.start_soon(log.append, put(f"ns/{number}"))
    head = log.head
    done: list[str] = []

    def note(name: str) -> None:
        call = getattr(log._committer, name)

        async def noted(*args: object) -> object:
            done.append(name)
            return await call(*args)

        monkeypatch.setattr(log._committer, name, noted)

    async def write() -> None:
        while log.floor < head:
            await log.append(put("ns/0"))

    note("commit")
    note("compact")
    nursery.start_soon(write)
    await log.compact(head)
    assert log.floor == head
    assert done.count("compact") >= 4
    assert "compact compact" not in " ".join(done)
    assert (await verify(log)).problems == ()


async def test_the_switch_interval_is_short_in_a_transaction_only(open_lmdb: OpenLmdb) -> None:
    log = await open_lmdb()
    before = sys.getswitchinterval()
    seen: list[float] = []
    commit = log._env._commit_txn

    def spy(txn: Any) -> None:
        seen.append(sys.getswitchinterval())
        commit(txn)

    log._env._commit_txn = spy  # type: ignore[method-assign]
    await log.append(put("ns/a"))
    with pytest.raises(Conflict):
        await log.append(put("ns/a", expect=9))
    await log.append(put("ns/a"))
    await log.compact(Revision(2))
    assert len(seen) == 4
    assert max(seen) < before
    assert sys.getswitchinterval() == before


CRASH = """
import sys, trio
from pathlib import Path
from storage.lmdb_log import LmdbLog
from storage.types import KindId, Op, Write, make_key
from watchd.seams import SystemClock, ThreadRunner

async def write(log, number):
    while True:
        record = await log.append(Write(make_key(KindId(1), f"ns/{number}"), Op.PUT, b"h", b"x" * 1000, 3))
        sys.stdout.write(f"{record.revision} {number}\\n")
        sys.stdout.flush()

async def main():
    log = await LmdbLog.open(Path(sys.argv[1]), clock=SystemClock(), runner=ThreadRunner(), cluster_id="c")
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        for number in range(8):
            nursery.start_soon(write, log, number)

trio.run(main)
"""


async def test_a_killed_writer_loses_no_answered_write(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CRASH, str(tmp_path / "data")]
    answered: dict[int, str] = {}
    for _ in range(3):
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        told = b""
        with trio.fail_after(60):
            while told.count(b"\n") < 50:
                told += await process.stdout.receive_some()
            process.send_signal(signal.SIGKILL)
            async for more in process.stdout:
                told += more
            await process.wait()
        for line in told.decode().splitlines()[: told.count(b"\n")]:
            revision, number = line.split()
            assert int(revision) not in answered
            answered[int(revision)] = number
        log = await open_lmdb()
        assert log.head >= max(answered)
        assert (await verify(log)).problems == ()
        batch = await log.read(Revision(0), scope=ALL, limit=100_000, max_bytes=1 << 30)
        written = {record.revision: Key(record.key[4:]).decode().removeprefix("ns/") for record in batch.records}
        assert answered.items() <= written.items()
        await log.aclose()


# Counting ----------------------------------------------------------------------------------------------------------


async def test_keys_are_counted_in_slices(open_lmdb: OpenLmdb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cursors, "MOST_ROWS", 3)
    log = await open_lmdb()
    for number in range(7):
        await log.append(put(f"ns/{number}"))
    for _ in range(2):
        for limit in range(1, 10):
            counted = await log.count(key("ns/"), limit=limit)
            assert (counted.keys, counted.next) == (min(limit, 7), key(f"ns/{limit}") if limit < 7 else None)
            assert (await log.count(key("ns/"), start=key("ns/5"), limit=limit)).keys == min(limit, 2)
        # And where another scope follows.
        await log.append(put("zz/1"))
    assert (await log.count(key("none/"), limit=1)).keys == (await log.count(key("zzz/"), limit=1)).keys == 0
