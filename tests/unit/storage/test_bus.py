"""Cursors and wake-ups: who is woken, by what, where a cursor stands, what it costs."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import assert_checkpoints, assert_no_checkpoints, wait_all_tasks_blocked

from storage.errors import Compacted, Corrupt, LogClosed
from storage.ring import RECORD_OVERHEAD_BYTES
from storage.types import KindId, Revision, Scope, make_key

PODS = KindId(1)
ALL = Scope(b"")
KIND = Scope(make_key(PODS))


def tagged(value: str, name: str = "name", prefix: bytes = KIND.prefix) -> Scope:
    return Scope(prefix, tag=(name, value))


async def take(cursor, limit: int = 100, max_bytes: int = 1 << 20) -> list[int]:
    batch = await cursor.next(limit=limit, max_bytes=max_bytes)
    return [record.revision for record in batch.records]


class Sleeper:
    """A task that waits on a cursor and notes what it gets, once."""

    def __init__(self, nursery: trio.Nursery, cursor) -> None:
        self.cursor = cursor
        self.got: list[int] | None = None
        self.error: Exception | None = None
        self.scope = trio.CancelScope()
        nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self.scope:
            try:
                self.got = await take(self.cursor)
            except (Compacted, LogClosed) as error:
                self.error = error


async def test_records_come_in_order_and_once(bus, writer):
    cursor = bus.cursor(KIND, bus.head)
    for path in ("a", "b", "a"):
        await writer.put(path)
    with assert_checkpoints():
        batch = await cursor.next(limit=2, max_bytes=1 << 20)
    assert [record.key for record in batch.records] == [writer.key("a"), writer.key("b")]
    assert batch.upto == cursor.position == 2
    assert await take(cursor) == [3]
    assert cursor.position == 3


async def test_a_parked_cursor_wakes(bus, writer, nursery):
    cursor = bus.cursor(KIND, bus.head)
    sleeper = Sleeper(nursery, cursor)
    await wait_all_tasks_blocked()
    assert bus.statistics().parked == 1
    await writer.put("a")
    await wait_all_tasks_blocked()
    assert sleeper.got == [1]
    assert (bus.statistics().parked, bus.statistics().wakeups) == (0, 1)


@pytest.mark.parametrize("kind", [1, 0x2F, 0x2F2F2F2F, 0xFFFFFFFF])
async def test_scopes_are_woken_by_their_keys_only(bus, log, make_writer, nursery, kind):
    # A kind id may hold the byte of a '/'.
    writer = make_writer(log, KindId(kind))
    scopes = {
        "all": ALL,
        "kind": Scope(make_key(writer.kind)),
        "namespace": Scope(make_key(writer.kind, "ns/")),
        "object": Scope(make_key(writer.kind, "ns/a"), exact=True),
        "cluster object": Scope(make_key(writer.kind, "ns"), exact=True),
        "longer namespace": Scope(make_key(writer.kind, "nss/")),
        "other kind": Scope(make_key(KindId(2))),
    }

    async def woken_by(path: str) -> set[str]:
        cursors = {name: bus.cursor(scope, bus.head) for name, scope in scopes.items()}
        sleepers = {name: Sleeper(nursery, cursor) for name, cursor in cursors.items()}
        await wait_all_tasks_blocked()
        before = bus.statistics().wakeups
        await writer.put(path)
        await wait_all_tasks_blocked()
        woken = {name for name, sleeper in sleepers.items() if sleeper.got == [bus.head]}
        assert bus.statistics().wakeups - before == len(woken)
        for name, sleeper in sleepers.items():
            sleeper.scope.cancel()
            cursors[name].close()
        await wait_all_tasks_blocked()
        return woken

    assert await woken_by("ns/a") == {"all", "kind", "namespace", "object"}
    assert await woken_by("ns/b") == {"all", "kind", "namespace"}
    assert await woken_by("ns") == {"all", "kind", "cluster object"}
    assert await woken_by("nss/a") == {"all", "kind", "longer namespace"}


@pytest.mark.parametrize("path", ["ns", "ns/a", "ns/a/", "/a"])
async def test_a_prefix_that_would_never_be_woken_is_refused(bus, path):
    with pytest.raises(ValueError, match="no kind"):
        bus.cursor(Scope(make_key(PODS, path)), bus.head)
    with pytest.raises(ValueError, match="no kind"):
        bus.cursor(Scope(b"\0\0"), bus.head)
    assert bus.statistics().cursors == bus.statistics().scopes == 0


async def test_watchers_by_tag_are_not_woken_by_others(bus, writer, nursery):
    sleepers = [Sleeper(nursery, bus.cursor(tagged(f"pod-{number}"), bus.head)) for number in range(100)]
    await wait_all_tasks_blocked()
    await writer.put("ns/x", "name=pod-7")
    await writer.put("ns/y", "name=unwatched")
    await writer.put("ns/z", "app=pod-8")
    await wait_all_tasks_blocked()
    assert [number for number, sleeper in enumerate(sleepers) if sleeper.got] == [7]
    assert sleepers[7].got[0] == 1
    assert (bus.statistics().wakeups, bus.statistics().parked) == (1, 99)
    nursery.cancel_scope.cancel()


async def test_a_tag_that_is_left_wakes_as_one_that_is_entered(bus, writer, nursery):
    await writer.put("ns/a", "app=old;name=a")
    names = {"old": tagged("old", "app"), "new": tagged("new", "app"), "other": tagged("other", "app")}
    sleepers = {name: Sleeper(nursery, bus.cursor(scope, bus.head)) for name, scope in names.items()}
    await wait_all_tasks_blocked()
    await writer.put("ns/a", "app=new;name=a")
    await wait_all_tasks_blocked()
    assert {name for name, sleeper in sleepers.items() if sleeper.got == [2]} == {"old", "new"}
    leaver = Sleeper(nursery, sleepers["new"].cursor)
    await wait_all_tasks_blocked()
    await writer.delete("ns/a")
    await wait_all_tasks_blocked()
    assert leaver.got == [3]
    nursery.cancel_scope.cancel()


async def test_tags_cost_two_lookups_a_record_however_many_watch(log, make_bus, writer, nursery):
    asked = []

    def tag_of(header: bytes, name: str) -> str:
        asked.append(name)
        return header.decode()

    bus = make_bus(log, tags=tag_of)
    for number in range(1000):
        Sleeper(nursery, bus.cursor(tagged(f"{number}"), bus.head))
    await wait_all_tasks_blocked()
    await writer.put("ns/a", "5")
    await writer.put("ns/a", "6")
    assert len(asked) == 1 + 2
    await wait_all_tasks_blocked()
    assert bus.statistics().wakeups == 2
    nursery.cancel_scope.cancel()


async def test_a_quiet_scope_is_never_passed_by_compaction(bus, log, make_writer, nursery):
    pods, nodes = make_writer(log, PODS), make_writer(log, KindId(2))
    cursor = bus.cursor(KIND, bus.head)
    sleeper = Sleeper(nursery, cursor)
    await wait_all_tasks_blocked()
    for _ in range(20):
        await nodes.put("n")
    await log.compact(log.head)
    assert cursor.position == log.head == 20
    await pods.put("p")
    # Woken, not run yet: it stands just below what it has to read.
    assert cursor.position == 20
    await wait_all_tasks_blocked()
    assert (sleeper.got, sleeper.error, cursor.position) == ([21], None, 21)


async def test_a_caught_up_cursor_follows_between_calls_too(bus, log, make_writer):
    pods, nodes = make_writer(log, PODS), make_writer(log, KindId(2))
    cursor = bus.cursor(KIND, bus.head)
    await pods.put("p")
    assert await take(cursor) == [1]
    for _ in range(20):
        await nodes.put("n")
    await log.compact(log.head)
    assert cursor.position == 21
    await pods.put("p")
    await nodes.put("n")
    await pods.put("p")
    assert cursor.position == 21
    assert await take(cursor) == [22, 24]


async def test_a_cursor_follows_from_where_it_was_made(bus, log, make_writer):
    pods, nodes = make_writer(log, PODS), make_writer(log, KindId(2))
    cursor = bus.cursor(KIND, bus.head)
    for _ in range(20):
        await nodes.put("n")
    await log.compact(log.head)
    assert (cursor.position, bus.lag()) == (20, 0)
    await pods.put("p")
    assert await take(cursor) == [21]


async def test_a_cursor_with_records_outstanding_is_passed_by_compaction(bus, log, writer):
    cursor = bus.cursor(KIND, bus.head)
    for _ in range(5):
        await writer.put("a")
    assert await take(cursor, limit=2) == [1, 2]
    await log.compact(Revision(2))
    assert await take(cursor, limit=1) == [3]
    await log.compact(Revision(4))
    with pytest.raises(Compacted) as caught:
        await take(cursor)
    assert (caught.value.revision, caught.value.floor, cursor.position) == (3, 4, 3)
    with pytest.raises(Compacted):
        bus.cursor(KIND, Revision(3))
    assert await take(bus.cursor(KIND, Revision(4))) == [5]


async def test_a_cursor_from_the_future_waits_for_it(bus, log, writer, nursery):
    cursor = bus.cursor(KIND, Revision(3))
    sleeper = Sleeper(nursery, cursor)
    for _ in range(3):
        await writer.put("a")
        await wait_all_tasks_blocked()
    assert (sleeper.got, cursor.position) == (None, 3)
    await writer.put("a")
    await wait_all_tasks_blocked()
    assert (sleeper.got, cursor.position) == ([4], 4)


async def test_a_cursor_from_the_future_is_not_passed_by_compaction_once_the_log_is_there(bus, log, writer):
    cursor = bus.cursor(Scope(writer.key("a"), exact=True), Revision(2))
    with trio.move_on_after(0):
        await take(cursor)
    await writer.put("a")
    for _ in range(5):
        await writer.put("b")
    await log.compact(log.head)
    assert cursor.position == 6
    await writer.put("a")
    assert await take(cursor) == [7]


async def test_the_position_of_a_future_cursor_does_not_fall(bus, writer):
    cursor = bus.cursor(KIND, Revision(1 << 62))
    await writer.put("a")
    with trio.move_on_after(0):
        await take(cursor)
    assert cursor.position == 1 << 62


async def test_a_cancelled_wait_loses_nothing(bus, writer, nursery):
    cursor = bus.cursor(KIND, bus.head)
    sleeper = Sleeper(nursery, cursor)
    await wait_all_tasks_blocked()
    sleeper.scope.cancel()
    await wait_all_tasks_blocked()
    assert bus.statistics().parked == 0
    # Woken and cancelled in the same instant.
    sleeper = Sleeper(nursery, cursor)
    await wait_all_tasks_blocked()
    await writer.put("a")
    sleeper.scope.cancel()
    await wait_all_tasks_blocked()
    await writer.put("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await take(cursor)
    expected = [1, 2] if sleeper.got is None else [2]
    assert await take(cursor) == expected


async def test_catching_up_over_a_sparse_log_never_returns_nothing(log, make_bus, make_writer):
    pods, nodes = make_writer(log, PODS), make_writer(log, KindId(2))
    wanted = []
    for number in range(3000):
        record = await (pods if number in {5, 6, 2500} else nodes).put("x")
        if record.key == pods.key("x"):
            wanted.append(record.revision)
    bus = make_bus(log, ring_bytes=0)
    cursor = bus.cursor(KIND, Revision(0))
    found = []
    while len(found) < 3:
        with assert_checkpoints():
            got = await take(cursor, limit=4)
        assert got
        found += got
    assert found == wanted
    assert bus.statistics().log_reads < 12


async def test_a_long_catch_up_yields(log, make_bus, make_writer, nursery):
    nodes = make_writer(log, KindId(2))
    for _ in range(5000):
        await nodes.put("x")
    bus = make_bus(log)
    cursor = bus.cursor(KIND, Revision(0))
    positions = set()
    Sleeper(nursery, cursor)
    while not bus.statistics().parked:
        positions.add(cursor.position)
        await trio.lowlevel.checkpoint()
    # Start, end, and at least one between, in whichever order the two tasks run.
    assert len(positions) >= 3
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ring_bytes", [0, 1 << 20])
async def test_limits_hold_from_the_ring_and_from_the_log(log, make_bus, writer, ring_bytes):
    bus = make_bus(log, ring_bytes)
    for _ in range(6):
        await writer.put("a", size=100)
    cursor = bus.cursor(KIND, Revision(0))
    assert await take(cursor, limit=2) == [1, 2]
    assert await take(cursor, max_bytes=250) == [3, 4]
    assert await take(cursor, max_bytes=1) == [5]
    assert await take(cursor) == [6]


async def test_the_ring_is_filled_from_the_tail(log, make_bus, writer):
    for number in range(3000):
        await writer.put(f"{number % 7}", size=50)
    await log.compact(Revision(1000))
    bus = make_bus(log, ring_bytes=64 << 20)
    await bus.start()
    assert (bus.statistics().ring_oldest, bus.statistics().ring_records) == (1001, 2000)
    await writer.put("a")
    cursor = bus.cursor(KIND, Revision(1000))
    found = []
    while len(found) < 2001:
        found += await take(cursor, limit=700)
    assert found == list(range(1001, 3002))
    assert bus.statistics().log_reads == 0


async def test_a_small_ring_is_filled_with_the_newest(log, make_bus, writer):
    for number in range(3000):
        await writer.put(f"{number % 7}", size=50)
    bus = make_bus(log, ring_bytes=100 * (RECORD_OVERHEAD_BYTES + 64))
    await bus.start()
    statistics = bus.statistics()
    assert statistics.ring_records == statistics.ring_bytes // (RECORD_OVERHEAD_BYTES + 61)
    assert statistics.ring_oldest == 3000 - statistics.ring_records + 1


@pytest.mark.parametrize("ring_bytes", [50 * RECORD_OVERHEAD_BYTES, 64 << 20])
async def test_a_ring_that_fills_while_the_log_grows_has_no_gap(log, make_bus, writer, nursery, ring_bytes):
    for _ in range(3000):
        await writer.put("a")
    bus = make_bus(log, ring_bytes)

    async def write():
        for _ in range(200):
            await writer.put("a")

    nursery.start_soon(write)
    await bus.start()
    await wait_all_tasks_blocked()
    oldest = bus.statistics().ring_oldest
    assert bus.statistics().ring_records == 3200 - oldest + 1
    assert oldest == 1 or ring_bytes < 1 << 20
    assert await take(bus.cursor(KIND, Revision(oldest - 1)), limit=5000) == list(range(oldest, 3201))[:1024]


async def test_a_slice_that_publishing_has_overtaken_is_dropped(log, make_bus, writer):
    for _ in range(50):
        await writer.put("a", size=1)
    # Room is left for a small record when the large ones have filled it.
    bus = make_bus(log, ring_bytes=20 * (RECORD_OVERHEAD_BYTES + 600) + 500)

    async def read(after, **options):
        # A log of another make may checkpoint here, and the ring overflow meanwhile.
        batch = await log.read(after, **options)
        for _ in range(30):
            await writer.put("a", size=600 - len(b'{"rv":"99"}'))
        return batch

    class SlowLog:
        floor = property(lambda _: log.floor)
        head = property(lambda _: log.head)

    SlowLog.read = staticmethod(read)
    bus._log = SlowLog()
    await bus.start()
    bus._log = log
    for after in range(bus.head):
        assert await take(bus.cursor(KIND, Revision(after)), limit=2) == list(range(after + 1, bus.head + 1))[:2]


async def test_waiting_for_a_revision(bus, writer, nursery, autojump_clock):
    outcomes = {}

    async def wait(revision: int, seconds: float) -> None:
        outcomes[revision] = await bus.wait_for(Revision(revision), seconds)

    for revision, seconds in ((1, 5), (2, 5), (3, 5)):
        nursery.start_soon(wait, revision, seconds)
    await wait_all_tasks_blocked()
    await writer.put("a")
    await wait_all_tasks_blocked()
    assert outcomes == {1: True}
    await trio.sleep(4.9)
    await writer.put("a")
    await trio.sleep(1)
    assert outcomes == {1: True, 2: True, 3: False}
    assert bus._awaited == {}
    with assert_checkpoints():
        assert await bus.wait_for(Revision(2), 0)


async def test_one_of_two_waits_may_give_up(bus, writer, nursery, autojump_clock):
    outcomes = []

    async def wait(seconds: float) -> None:
        outcomes.append(await bus.wait_for(Revision(1), seconds))

    nursery.start_soon(wait, 1)
    nursery.start_soon(wait, 5)
    await trio.sleep(2)
    assert outcomes == [False]
    await writer.put("a")
    await wait_all_tasks_blocked()
    assert outcomes == [False, True]


async def test_closing_wakes_everybody(bus, writer, nursery):
    scopes = [KIND, ALL, tagged("a"), Scope(make_key(PODS, "ns/a"), exact=True)]
    sleepers = [Sleeper(nursery, bus.cursor(scope, bus.head)) for scope in scopes]
    behind = bus.cursor(KIND, bus.head)
    errors = []

    async def wait():
        try:
            await bus.wait_for(Revision(9), 60)
        except LogClosed as error:
            errors.append(error)

    nursery.start_soon(wait)
    await wait_all_tasks_blocked()
    bus.close()
    await wait_all_tasks_blocked()
    assert [type(sleeper.error) for sleeper in sleepers] == [LogClosed] * 4
    assert len(errors) == 1
    await writer.put("ns/a", "name=a")
    with pytest.raises(LogClosed):
        await take(behind)
    # What came since is not claimed: a bookmark from here repeats nothing and skips nothing.
    assert [cursor.position for cursor in (behind, *(s.cursor for s in sleepers))] == [0] * 5
    with pytest.raises(LogClosed):
        bus.cursor(KIND, bus.head)


async def test_a_closed_cursor_keeps_its_position_and_leaves_nothing_behind(bus, writer):
    scopes = [KIND, ALL, tagged("a"), tagged("b"), Scope(make_key(PODS, "ns/a"), exact=True)]
    with trio.move_on_after(0):
        await bus.wait_for(Revision(9), 1)
    for scope in scopes:
        name = f"name={scope.tag[1] if scope.tag else 'a'}"
        with bus.cursor(scope, bus.head) as cursor, bus.cursor(scope, bus.head):
            await writer.put("ns/a", name)
            await take(cursor)
            assert bus.statistics().cursors == 2
            assert bus.statistics().scopes == 1
        position = cursor.position
        assert position == bus.head
        await writer.put("ns/a", name)
        assert cursor.position == position
        cursor.close()
        with pytest.raises(trio.ClosedResourceError):
            await take(cursor)
    assert (bus.statistics().cursors, bus.statistics().scopes) == (0, 0)
    assert (bus._prefixes, bus._keys, bus._awaited) == ({}, {}, {})


async def test_a_cursor_serves_one_task(bus, nursery):
    cursor = bus.cursor(KIND, bus.head)
    Sleeper(nursery, cursor)
    await wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await take(cursor)
    nursery.cancel_scope.cancel()


async def test_cursors_at_one_place_share_a_scan(bus, writer, nursery):
    sleepers = [Sleeper(nursery, bus.cursor(KIND, bus.head)) for _ in range(10)]
    await wait_all_tasks_blocked()
    await writer.put("a")
    await wait_all_tasks_blocked()
    assert all(sleeper.got == [1] for sleeper in sleepers)
    statistics = bus.statistics()
    assert (statistics.ring_reads, statistics.shared_reads) == (1, 9)
    late = bus.cursor(KIND, Revision(0))
    await writer.put("a")
    assert await take(late) == [1, 2]


async def test_shared_scans_are_bounded_by_the_ring(log, make_bus, writer):
    bus = make_bus(log, ring_bytes=10 * (RECORD_OVERHEAD_BYTES + 1000))
    for _ in range(100):
        await writer.put("a", size=1000)
    with bus.cursor(KIND, Revision(0)):
        for after in range(100):
            with bus.cursor(KIND, Revision(after)) as cursor:
                assert await take(cursor, limit=3) == list(range(after + 1, min(after + 4, 101)))
            held = sum(len(record.body) for batch in bus._scans.values() for record in batch.records)
            assert held <= 10 * (RECORD_OVERHEAD_BYTES + 1000)


async def test_a_commit_of_many_wakes_a_scope_once(bus, log, writer, nursery):
    record = await writer.put("a")
    sleeper = Sleeper(nursery, bus.cursor(KIND, bus.head))
    await wait_all_tasks_blocked()
    bus.publish([msgspec.structs.replace(record, revision=Revision(number)) for number in range(2, 12)])
    await wait_all_tasks_blocked()
    assert sleeper.got == list(range(2, 12))
    assert bus.statistics().wakeups == 1


async def test_records_out_of_order_are_corrupt(bus, writer):
    record = await writer.put("a")
    with pytest.raises(Corrupt):
        bus.publish([record])


async def test_what_was_read_counts_as_outstanding_until_its_reader_comes_back(bus, writer):
    with bus.cursor(KIND, bus.head) as cursor:
        for path in ("a", "b", "c"):
            await writer.put(path)
        await take(cursor, limit=2)
        assert (cursor.position, cursor.settled, bus.lag()) == (2, 0, 3)
        await take(cursor)
        assert (cursor.position, cursor.settled, bus.lag()) == (3, 2, 1)
        assert cursor.notify(bool)
        assert (cursor.settled, bus.lag()) == (3, 0)


async def test_lag_is_that_of_the_cursor_furthest_behind(bus, writer):
    assert bus.lag() == 0
    with bus.cursor(KIND, bus.head) as slow, bus.cursor(KIND, bus.head) as fast:
        for path in ("a", "b", "c"):
            await writer.put(path)
        assert bus.lag() == 3
        await take(fast)
        assert fast.notify(bool)
        assert bus.lag() == 3
        await take(slow, limit=1)
        assert not slow.notify(bool)
        assert bus.lag() == 2
        await take(slow)
        assert slow.notify(bool)
        assert bus.lag() == 0
    assert bus.statistics().cursors == 0


async def test_a_call_comes_with_the_scopes_next_record_once(bus, writer):
    calls = []
    cursor, elsewhere = bus.cursor(KIND, bus.head), bus.cursor(Scope(writer.key("a"), exact=True), bus.head)
    assert cursor.notify(lambda: calls.append("kind"))
    assert elsewhere.notify(lambda: calls.append("a"))
    await writer.put("b")
    assert calls == ["kind"]
    assert bus.statistics().wakeups == 1
    assert not cursor.notify(calls.clear), "there is something to read"
    assert [record.revision for record in (await cursor.read(limit=10, max_bytes=1 << 20)).records] == [1]
    await writer.put("b")
    assert calls == ["kind"]


async def test_reading_does_not_wait(bus, writer):
    cursor = bus.cursor(KIND, bus.head)
    await writer.put("a")
    with assert_no_checkpoints():
        assert [record.revision for record in (await cursor.read(limit=10, max_bytes=1 << 20)).records] == [1]
        batch = await cursor.read(limit=10, max_bytes=1 << 20)
    assert (batch.records, batch.upto) == ([], 1)


async def test_calls_come_with_the_end_and_not_behind_a_cursors_close(bus):
    calls = []
    cursor, closed = bus.cursor(KIND, bus.head), bus.cursor(KIND, bus.head)
    assert cursor.notify(lambda: calls.append("end"))
    assert closed.notify(lambda: calls.append("closed"))
    closed.close()
    assert not closed.notify(calls.clear)
    bus.close()
    assert calls == ["end"]
    assert not cursor.notify(calls.clear)
    with pytest.raises(LogClosed):
        await cursor.read(limit=10, max_bytes=1 << 20)
