"""What the memory log promises beyond the contract of every log: forks, accounting, no checkpoint in a read."""

from __future__ import annotations

import pytest
import trio
from trio.testing import assert_checkpoints, assert_no_checkpoints

from storage.errors import Compacted, Conflict, LogClosed, LogFull
from storage.memory_log import COMPACT_SLICE, DELETE_RESERVE, HOLD_SECONDS, RECORD_OVERHEAD_BYTES, MemoryLog
from storage.types import NOTHING, Key, Revision, Scope

ALL = Scope(b"")


async def contents(log: MemoryLog, at: int | None = None) -> dict[Key, int]:
    page = await log.scan(b"", limit=1 << 20, at=None if at is None else Revision(at))
    return {item.key: item.revision for item in page.items}


async def changes(log: MemoryLog, after: int = 0) -> list[int]:
    batch = await log.read(Revision(after), scope=ALL, limit=1 << 20, max_bytes=1 << 30)
    return [record.revision for record in batch.records]


async def test_a_fork_has_the_past_and_its_own_future(log, writer, make_writer):
    await writer.put("a")
    await writer.put("b")
    await log.kind("pods")
    fork = log.fork()
    other = make_writer(fork)
    await other.delete("a")
    await other.put("c")
    await fork.kind("nodes")
    await fork.compact(Revision(4))
    await writer.put("b")

    assert await contents(log) == {writer.key("a"): 1, writer.key("b"): 3}
    assert await changes(log) == [1, 2, 3]
    assert await contents(fork) == {writer.key("b"): 2, writer.key("c"): 4}
    assert (log.head, log.floor, fork.head, fork.floor) == (3, 0, 4, 4)
    assert (dict(log.kinds()), dict(fork.kinds())) == ({"pods": 1}, {"pods": 1, "nodes": 2})
    assert fork.cluster_id == log.cluster_id


async def test_a_fork_is_not_closed_nor_subscribed_with_its_origin(log, writer, make_writer):
    published = []
    log.subscribe(published.extend)
    with log.hold(NOTHING):
        fork = log.fork()
        await log.aclose()
        await make_writer(fork).put("a")
        assert await fork.compact(Revision(1)) == 1
    assert published == []
    with pytest.raises(LogClosed):
        await writer.put("a")


async def test_only_appends_checkpoint(log, writer):
    with assert_checkpoints():
        await writer.put("a")
    with assert_no_checkpoints():
        await log.get(writer.key("a"))
        await log.scan(b"", limit=10)
        await log.count(b"", limit=10)
        await log.read(NOTHING, scope=ALL, limit=10, max_bytes=10)
        await log.revision_at(0)
        await log.superseded_bytes()


async def test_a_cancelled_append_writes_nothing(log, writer):
    published = []
    log.subscribe(published.extend)
    with trio.CancelScope() as scope:
        scope.cancel()
        await writer.put("a")
    assert scope.cancelled_caught
    assert (log.head, published) == (0, [])


async def test_an_append_is_published_before_it_is_answered_and_before_any_other_task_runs(log, writer):
    seen = []

    def publish(records):
        seen.append(([record.revision for record in records], log.head))

    log.subscribe(publish)
    record = await writer.put("a")
    assert seen == [([record.revision], record.revision)]


async def test_appends_at_once_get_dense_revisions(log, writer):
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(writer.put, f"ns/{number}")
    assert await changes(log) == list(range(1, 101))
    assert sorted((await contents(log)).values()) == list(range(1, 101))


async def test_of_racing_creates_one_wins(log, writer):
    outcomes = []

    async def create():
        try:
            outcomes.append(await writer.put("a", expect=NOTHING))
        except Conflict as error:
            outcomes.append((error.expected, error.actual))

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(create)
    assert log.head == 1
    assert outcomes[1:] == [(0, 1)] * 4


async def test_a_full_log_takes_deletes_and_recovers_by_compaction(clock, make_writer):
    log = MemoryLog(clock=clock, max_bytes=10 * (RECORD_OVERHEAD_BYTES + 1000))
    writer = make_writer(log)
    for number in range(9):
        await writer.put(f"{number}", size=1000)
    before = await contents(log)
    with pytest.raises(LogFull):
        await writer.put("9", size=1000)
    assert (log.head, await contents(log)) == (9, before)

    # All of it is live: compaction alone frees nothing.
    await log.compact(log.head)
    with pytest.raises(LogFull):
        await writer.put("0", size=1000)
    await writer.delete("0")
    with pytest.raises(LogFull):
        await writer.put("9", size=1000)
    await log.compact(log.head)
    await writer.put("9", size=1000)


async def test_deletes_do_not_grow_a_full_log_without_end(clock, make_writer):
    log = MemoryLog(clock=clock, max_bytes=64 * RECORD_OVERHEAD_BYTES)
    writer = make_writer(log)
    outcomes = []
    for write in (writer.put, writer.delete):
        for number in range(100):
            try:
                await write(f"{number}")
            except LogFull:
                break
        outcomes.append(log.head)
    full, fuller = outcomes
    assert 0 < fuller - full <= 64 // DELETE_RESERVE


async def test_compaction_frees_what_it_said(log, writer):
    for _ in range(3):
        for path in ("a", "b", "c"):
            await writer.put(path)
    await writer.delete("c")
    said = await log.superseded_bytes()
    assert said > 7 * RECORD_OVERHEAD_BYTES
    assert await log.compact(log.head) == 10
    assert await log.superseded_bytes() == 0
    last, base = log._history.last, log._history.base
    live = [await log.get(key) for key in await contents(log)]
    assert last.written_bytes - base.superseded_bytes == sum(
        len(item.key) + len(item.header) + len(item.body) + RECORD_OVERHEAD_BYTES for item in live
    )


async def test_every_retained_revision_reads_as_it_was(log, writer):
    states = [{}]
    for step in range(60):
        path = f"ns/{step * 7 % 5}"
        if step % 4 == 3 and writer.key(path) in states[-1]:
            await writer.delete(path)
        else:
            await writer.put(path)
        states.append(await contents(log))
    for floor in (0, 13, 40, 60):
        assert await log.compact(Revision(floor)) == floor
        for revision in range(61):
            if revision < floor:
                with pytest.raises(Compacted):
                    await log.scan(b"", limit=1, at=Revision(revision))
            else:
                assert await contents(log, revision) == states[revision]
        assert await changes(log, floor) == list(range(floor + 1, 61))


async def test_compaction_yields_between_slices_and_never_passes_the_head(log, writer):
    for _ in range(3 * COMPACT_SLICE):
        await writer.put("a")
    floors = []

    async def watch():
        while log.floor < log.head:
            floors.append(log.floor)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        assert await log.compact(Revision(1 << 40)) == log.head
    assert {COMPACT_SLICE, 2 * COMPACT_SLICE} & set(floors)


async def test_a_hold_keeps_its_revision_for_a_minute_at_the_most(log, writer, autojump_clock):
    for _ in range(10):
        await writer.put("a")
    with log.hold(Revision(4)):
        with log.hold(Revision(6)):
            assert await log.compact(Revision(8)) == 4
        await trio.sleep(HOLD_SECONDS - 1)
        assert await log.compact(Revision(8)) == 4
        await trio.sleep(1)
        assert await log.compact(Revision(8)) == 8
    assert await log.compact(Revision(9)) == 9
    with pytest.raises(Compacted), log.hold(Revision(8)):
        pass
    assert log._holds == {}


async def test_revision_at_a_time(log, writer, clock):
    for ms in (100, 200, 200, 300):
        clock.ms = ms
        await writer.put("a")
    assert [await log.revision_at(ms) for ms in (99, 100, 199, 200, 299, 300, 999)] == [0, 1, 1, 3, 3, 4, 4]
    await log.compact(Revision(3))
    assert [await log.revision_at(ms) for ms in (99, 200, 300)] == [3, 3, 4]


async def test_run_ends_when_the_log_is_closed(log):
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        await log.aclose()
    with pytest.raises(LogClosed):
        await log.get(Key(b"a"))


async def test_positions_beyond_any_number_are_answered(log, writer):
    await writer.put("a")
    huge = Revision((1 << 64) - 1)
    assert (await log.read(huge, scope=ALL, limit=1, max_bytes=1)).upto == huge
