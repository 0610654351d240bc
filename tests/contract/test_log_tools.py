"""Retention, verification, backup and restore, on real files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import attrs
import lmdb
import pytest
import trio
import trio.testing

from storage import snapshot
from storage.backup import BackupError, backup, restore
from storage.compact import Retention, compact_once, run
from storage.errors import AlreadyOpen, Corrupt, LogClosed, LogFull, OutcomeUnknown, StorageError
from storage.layout import META_STATE, State, pack_revision, pack_version
from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.types import Revision, Scope
from storage.verify import Report, verify
from tests.contract.conftest import OpenLmdb, StepClock, delete, key, put
from watchd.seams import InlineRunner, ThreadRunner

ALL = Scope(b"")


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


async def traffic(log: Log, writes: int = 60) -> None:
    """Creates, updates and deletes over 13 keys, all waiting at once."""
    async with trio.open_nursery() as nursery:
        for number in range(13):
            nursery.start_soon(log.append, put(f"ns/{number}"))
    for number in range(writes):
        path = f"ns/{number % 13}"
        if number % 11 == 5:
            await log.append(delete(path))
            await log.append(put(path, header=b"again"))
        else:
            await log.append(put(path))
    await log.append(delete("ns/7"))


# Retention ---------------------------------------------------------------------------------------------------------


async def test_what_is_too_old_goes(log: Log, clock: StepClock) -> None:
    for _ in range(4):
        await log.append(put("ns/a"))
        clock.ms += 60_000
    retention = Retention(max_age=150, max_bytes=1 << 30, min_age=10)
    assert await compact_once(log, retention, clock) == 2
    clock.ms += 600_000
    assert await compact_once(log, retention, clock) == 4


async def test_size_wins_over_age_but_not_over_the_least_age(log: Log, clock: StepClock) -> None:
    body = b'{"v":"","p":"%b"}' % (b"x" * 1000)
    for _ in range(40):
        await log.append(put("ns/a", body))
    clock.ms += 200_000
    for _ in range(41):
        await log.append(put("ns/a", body))
    each = await log.superseded_bytes() // 80
    assert await compact_once(log, Retention(max_bytes=60 * each), clock) in range(20, 30)
    assert await log.superseded_bytes() <= 60 * each
    assert await compact_once(log, Retention(max_bytes=each), clock) == 40
    assert await log.superseded_bytes() > each


async def test_retention_goes_by_trios_clock(
    log: Log, clock: StepClock, mock_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    await nursery.start(lambda task_status: run(log, Retention(), clock, interval=10, task_status=task_status))
    for _ in range(3):
        await log.append(put("ns/a"))
    clock.ms += 3_600_000 + 100
    mock_clock.jump(11)
    with trio.fail_after(100):
        while log.floor < 3:
            mock_clock.jump(0.01)
            await trio.lowlevel.checkpoint()


class Unwell:
    """A log whose compaction fails with one error after another, then works."""

    head = floor = Revision(5)

    def __init__(self, errors: list[StorageError]) -> None:
        self.errors = errors
        self.calls = 0

    async def revision_at(self, time_ms: int) -> Revision:
        await trio.lowlevel.checkpoint()
        return Revision(5)

    async def superseded_bytes(self) -> int:
        await trio.lowlevel.checkpoint()
        return 0

    async def compact(self, upto: Revision) -> Revision:
        await trio.lowlevel.checkpoint()
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return upto


async def test_retention_outlives_a_full_disk_and_an_unknown_outcome(
    autojump_clock: trio.testing.MockClock, clock: StepClock
) -> None:
    log = Unwell([LogFull("full"), OutcomeUnknown("half way")])
    with trio.move_on_after(35):
        await run(cast("Log", log), Retention(), clock, interval=10)
    assert log.calls == 4
    with pytest.raises(LogClosed, match="page 7"):
        await run(cast("Log", Unwell([Corrupt("page 7")])), Retention(), clock)


async def test_a_hold_ends_after_a_minute(log: Log, mock_clock: trio.testing.MockClock) -> None:
    for _ in range(3):
        await log.append(put("ns/a"))
    with log.hold(Revision(1)):
        mock_clock.jump(59)
        assert await log.compact(Revision(3)) == 1
        mock_clock.jump(2)
        assert await log.compact(Revision(3)) == 3


# Verification ------------------------------------------------------------------------------------------------------


async def test_a_sound_log_verifies(open_lmdb: OpenLmdb) -> None:
    log = await open_lmdb()
    await traffic(log)
    progress: list[tuple[int, int]] = []
    before = await verify(log, progress=lambda done, total: progress.append((done, total)))
    assert before.problems == ()
    assert before.good
    assert (before.keys, before.records, before.head) == (12, log.head, log.head)
    assert progress[0][0] == 0
    assert progress[-1][0] == progress[-1][1] == 2 * log.head + 12
    await log.compact(Revision(40))
    after = await verify(log)
    assert after.good
    assert after.digest == before.digest
    await log.append(put("ns/0"))
    assert (await verify(log)).digest != before.digest


@attrs.frozen
class Raw:
    """The tables of a closed log, to be damaged by hand."""

    txn: Any
    log: Any
    current: Any
    history: Any
    meta: Any

    def value(self) -> bytes:
        value: bytes = self.txn.get(VICTIM, db=self.current)
        return value

    def state(self) -> bytes:
        value: bytes = self.txn.get(META_STATE, db=self.meta)
        return value


VICTIM = key("ns/3")

DAMAGES: dict[str, Callable[[Raw], object]] = {
    "body": lambda raw: raw.txn.put(VICTIM, raw.value()[:-2] + b"X}", db=raw.current),
    "header": lambda raw: raw.txn.put(VICTIM, raw.value().replace(b"h{", b"H{"), db=raw.current),
    "value lost": lambda raw: raw.txn.delete(VICTIM, db=raw.current),
    "value too many": lambda raw: raw.txn.put(key("ns/zombie"), raw.value(), db=raw.current),
    "value cut": lambda raw: raw.txn.put(VICTIM, raw.value()[:10], db=raw.current),
    "record lost": lambda raw: raw.txn.delete(pack_revision(20), db=raw.log),
    "record cut": lambda raw: raw.txn.put(pack_revision(20), b"\0\0", db=raw.log),
    "record below the floor": lambda raw: raw.txn.put(
        pack_revision(1), raw.txn.get(pack_revision(2), db=raw.log), db=raw.log
    ),
    "history lost": lambda raw: raw.txn.delete(VICTIM, db=raw.history),
    "history wrong": lambda raw: raw.txn.put(VICTIM, pack_version(20, deleted=True), db=raw.history),
    "head": lambda raw: raw.txn.put(META_STATE, State(Revision(1000), Revision(10), 0, 0).pack(), db=raw.meta),
    "superseded": lambda raw: raw.txn.put(META_STATE, raw.state()[:23] + b"\x01" + raw.state()[24:], db=raw.meta),
}


async def damaged(path: Path, damage: str) -> Report:
    """Damage a closed log, and verify it."""
    with lmdb.open(str(path), max_dbs=8, map_size=1 << 24) as env:
        log, current, meta = (env.open_db(name, create=False) for name in (b"log", b"current", b"meta"))
        history = env.open_db(b"history", create=False, dupsort=True, dupfixed=True)
        with env.begin(write=True) as txn:
            DAMAGES[damage](Raw(txn, log, current, history, meta))
    again = await LmdbLog.open(path, clock=StepClock(), runner=ThreadRunner())
    try:
        return await verify(again)
    finally:
        await again.aclose()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("body", "differs from its record"),
        ("header", "differs from its record"),
        ("value lost", "current: 11 keys, the log has 12"),
        ("value too many", "the log says None"),
        ("value cut", "cut short"),
        ("record lost", "between 19 and 21"),
        ("record cut", "revision 20 cannot be read"),
        ("record below the floor", "below the floor"),
        ("history lost", "entries, the log has"),
        ("history wrong", "is not what the log says"),
        ("head", "and 1001 are missing"),
        ("superseded", "superseded bytes"),
    ],
)
async def test_each_damage_is_found(open_lmdb: OpenLmdb, tmp_path: Path, damage: str, words: str) -> None:
    log = await open_lmdb()
    await traffic(log)
    await log.compact(Revision(10))
    assert (await verify(log)).good
    await log.aclose()
    report = await damaged(tmp_path / "data", damage)
    assert not report.good
    assert words in "\n".join(report.problems)


# Backup and restore ------------------------------------------------------------------------------------------------


async def test_a_backup_taken_while_appending_is_one_revision(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    log = await open_lmdb()
    pods = await log.kind("pods")
    await traffic(log)
    await log.compact(Revision(20))
    file = tmp_path / "backup"
    seen: list[int] = []
    async with trio.open_nursery() as nursery:

        async def write() -> None:
            while True:
                await log.append(put("ns/0"))

        nursery.start_soon(write)
        head = log.head
        with trio.fail_after(30):
            while log.head < head + 5:
                await trio.lowlevel.checkpoint()
        described = await backup(log, file, progress=lambda done, total: seen.append(total - done))
        with trio.fail_after(30):
            while log.head < described.head + 5:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert seen[-1] == 0
    expected = await log.scan(b"", limit=1000, at=Revision(described.head))
    changes = (await log.read(Revision(20), scope=ALL, limit=described.head - 20, max_bytes=1 << 30)).records
    restored = await restore(file, tmp_path / "new", runner=ThreadRunner())
    assert restored == described
    other = await open_lmdb(tmp_path / "new", cluster_id="other")
    assert (other.head, other.floor, other.cluster_id) == (described.head, 20, log.cluster_id)
    assert (await verify(other)).problems == ()
    assert await other.scan(b"", limit=1000) == expected
    assert (await other.read(Revision(20), scope=ALL, limit=9999, max_bytes=1 << 30)).records == changes
    assert dict(other.kinds()) == {"pods": pods}
    assert (await other.append(put("ns/0"))).revision == described.head + 1


async def test_a_backup_replaces_nothing(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    log = await open_lmdb()
    (tmp_path / "backup").write_bytes(b"precious")
    with pytest.raises(BackupError, match="exists already"):
        await backup(log, tmp_path / "backup")
    assert (tmp_path / "backup").read_bytes() == b"precious"
    with pytest.raises(BackupError, match="No such file"):
        await backup(log, tmp_path / "nowhere" / "backup")


async def test_a_backup_given_up_leaves_nothing(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    log = await open_lmdb()
    await traffic(log)
    with trio.CancelScope() as scope:
        await backup(log, tmp_path / "backup", progress=lambda done, total: scope.cancel())
    assert scope.cancelled_caught
    assert names_in(tmp_path) == ["data"]


async def test_closing_the_log_ends_a_backup(
    open_lmdb: OpenLmdb, tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "SLICE_ROWS", 10)
    log = await open_lmdb()
    await traffic(log)
    with pytest.raises(LogClosed, match="closed while"):
        await backup(log, tmp_path / "backup", progress=lambda done, total: nursery.start_soon(log.aclose))
    assert names_in(tmp_path) == ["data"]


async def test_restore_wants_an_empty_directory(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    log = await open_lmdb()
    await traffic(log)
    await backup(log, tmp_path / "backup")
    with pytest.raises(AlreadyOpen):
        await restore(tmp_path / "backup", tmp_path / "data", runner=ThreadRunner())
    await log.aclose()
    with pytest.raises(BackupError, match="not empty"):
        await restore(tmp_path / "backup", tmp_path / "data", runner=ThreadRunner())
    log = await open_lmdb()
    assert (await verify(log)).good


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "empty", "other"])
async def test_a_damaged_backup_restores_nothing(open_lmdb: OpenLmdb, tmp_path: Path, damage: str) -> None:
    log = await open_lmdb()
    await traffic(log)
    file = tmp_path / "backup"
    await backup(log, file)
    good = file.read_bytes()
    middle = len(good) // 2
    file.write_bytes(
        {
            "cut": good[:middle],
            "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
            "longer": good + b"\0",
            "empty": b"",
            "other": b"SQLite format 3\0" + good,
        }[damage]
    )
    with pytest.raises(BackupError):
        await restore(file, tmp_path / "new", runner=ThreadRunner())
    assert names_in(tmp_path / "new") == ["lock"]
    file.write_bytes(good)
    await restore(file, tmp_path / "new", runner=InlineRunner())


# Beside a running server -------------------------------------------------------------------------------------------

READER = """
import sys, trio
from pathlib import Path
from storage.backup import backup
from storage.errors import LogClosed
from storage.lmdb_log import LmdbLog
from storage.types import Revision, Scope, Key
from storage.verify import verify
from watchd.seams import SystemClock, ThreadRunner

async def main():
    log = await LmdbLog.open(Path(sys.argv[1]), clock=SystemClock(), runner=ThreadRunner(), readonly=True)
    report = await verify(log)
    assert report.good, report
    page = await log.scan(b"", limit=1000)
    batch = await log.read(log.floor, scope=Scope(b""), limit=1000, max_bytes=1 << 30)
    stored = await log.get(page.items[0].key, log.floor)
    await backup(log, Path(sys.argv[2]))
    print(report.digest, log.head, log.floor, len(page.items), len(batch.records), batch.upto, sorted(log.kinds()))
    sys.stdout.flush()
    head = log.head
    sys.stdin.readline()
    print(log.head - head, (await log.read(head, scope=Scope(b""), limit=9, max_bytes=99)).upto - head)
    await log.aclose()

trio.run(main)
"""


async def line(process: trio.Process) -> str:
    assert process.stdout is not None
    told = b""
    while not told.endswith(b"\n"):
        more = await process.stdout.receive_some()
        assert more, "the reader ended"
        told += more
    return told.decode()


async def test_another_process_reads_beside_the_writer(open_lmdb: OpenLmdb, tmp_path: Path) -> None:
    log = await open_lmdb()
    await log.kind("pods")
    await traffic(log)
    await log.compact(Revision(5))
    digest = (await verify(log)).digest
    command = [sys.executable, "-c", READER, str(tmp_path / "data"), str(tmp_path / "backup")]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        with trio.fail_after(60):
            told = (await line(process)).split(maxsplit=6)
            head = log.head
            assert told == [digest, str(head), "5", "12", str(head - 5), str(head), "['pods']\n"]
            await log.append(put("ns/1"))
            await log.append(put("ns/1"))
            assert process.stdin is not None
            await process.stdin.send_all(b"\n")
            assert await line(process) == "2 2\n"
            assert await process.wait() == 0
    finally:
        process.kill()
        await process.wait()
    restored = await restore(tmp_path / "backup", tmp_path / "new", runner=ThreadRunner())
    assert restored.head == head
