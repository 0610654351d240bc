"""What every log promises (storage.log), each promise alone."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from storage.bodies import Cut
from storage.errors import Compacted, Conflict, FutureRevision, KeyTooLong, LogClosed
from storage.log import Log
from storage.types import KEY_LIMIT, NOTHING, PAGE_BYTES, Check, Key, Op, Page, Record, Revision, Scope, make_key
from tests.contract.conftest import KIND, StepClock, delete, key, put

ALL = Scope(b"")


async def everything(log: Log) -> list[Record]:
    batch = await log.read(log.floor, scope=ALL, limit=1_000_000, max_bytes=1 << 30)
    assert batch.upto == log.head
    return batch.records


def names(page: Page) -> list[str]:
    return [item.key[4:].decode() for item in page.items]


async def test_an_empty_log_is_at_revision_0(log: Log) -> None:
    assert (log.head, log.floor) == (NOTHING, NOTHING)
    assert await log.get(key("a/b")) is None
    assert (await log.scan(b"", limit=10)).items == []
    assert await everything(log) == []
    assert await log.superseded_bytes() == 0


async def test_revisions_are_dense_from_1(log: Log) -> None:
    records = [await log.append(put("ns/a")), await log.append(put("ns/b")), await log.append(delete("ns/a"))]
    assert [record.revision for record in records] == [1, 2, 3]
    assert log.head == 3
    assert await everything(log) == records


async def test_the_revision_is_stamped_into_the_body(log: Log) -> None:
    for _ in range(10):
        record = await log.append(put("ns/a", b'{"x":"rv","v":"","z":1}'))
    stored = await log.get(key("ns/a"))
    assert stored is not None
    assert record.body == stored.body == b'{"x":"rv","v":"10","z":1}'
    assert stored.stamp_at == record.stamp_at == 15


async def test_a_record_tells_of_its_predecessor(log: Log) -> None:
    first = await log.append(put("ns/a", header=b"one"))
    second = await log.append(put("ns/a", header=b"two"))
    gone = await log.append(delete("ns/a"))
    again = await log.append(put("ns/a", header=b"three"))
    assert (first.created, first.previous, first.previous_header, first.header) == (1, NOTHING, b"", b"one")
    assert (second.created, second.previous, second.previous_header, second.header) == (1, 1, b"one", b"two")
    assert (gone.op, gone.created, gone.previous, gone.previous_header, gone.header) == (Op.DELETE, 1, 2, b"two", b"two")
    assert gone.body == b'{"v":"3"}'
    assert (again.created, again.previous, again.previous_header) == (4, NOTHING, b"")
    assert await everything(log) == [first, second, gone, again]


async def test_a_delete_is_stamped_anew_where_the_digits_grow(log: Log) -> None:
    for _ in range(9):
        await log.append(put("ns/a", b'{"v":"","after":"9"}'))
    gone = await log.append(delete("ns/a"))
    assert gone.body == b'{"v":"10","after":"9"}'
    assert (await everything(log))[-1] == gone


@pytest.mark.parametrize("expect", [None, 0, 1, 2])
async def test_expectations(log: Log, expect: int | None) -> None:
    await log.append(put("ns/other"))
    await log.append(put("ns/a"))
    if expect in (None, 2):
        assert (await log.append(put("ns/a", expect=expect))).revision == 3
        return
    with pytest.raises(Conflict) as caught:
        await log.append(put("ns/a", expect=expect))
    assert (caught.value.key, caught.value.expected, caught.value.actual) == (key("ns/a"), expect, 2)
    assert log.head == 2


async def test_expecting_absence(log: Log) -> None:
    await log.append(put("ns/a", expect=0))
    await log.append(delete("ns/a", expect=1))
    await log.append(put("ns/a", expect=0))
    with pytest.raises(Conflict):
        await log.append(put("ns/a", expect=0))


async def test_an_absent_key_cannot_be_deleted(log: Log) -> None:
    with pytest.raises(Conflict):
        await log.append(delete("ns/a"))
    assert log.head == NOTHING


async def test_checks_hold_or_nothing_is_written(log: Log) -> None:
    await log.append(put("space", kind=2))
    right = Check(key("space", 2), Revision(1))
    absent = Check(key("other", 2), NOTHING)
    assert (await log.append(put("ns/a"), checks=[right, absent])).revision == 2
    await log.append(put("space", kind=2))
    with pytest.raises(Conflict) as caught:
        await log.append(put("ns/b"), checks=[absent, right])
    assert (caught.value.key, caught.value.expected, caught.value.actual) == (key("space", 2), 1, 3)
    assert await log.get(key("ns/b")) is None
    assert log.head == 3


async def test_of_many_that_expect_the_same_one_wins(log: Log, published: list[Record]) -> None:
    """They share a transaction, and are evaluated after the ones before them."""
    await log.append(put("ns/a"))
    outcomes: list[str] = []

    async def compete() -> None:
        try:
            await log.append(put("ns/a", expect=1))
        except Conflict:
            outcomes.append("lost")
        else:
            outcomes.append("won")

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(compete)
    assert sorted(outcomes) == ["lost"] * 19 + ["won"]
    assert [record.revision for record in published] == [1, 2]


async def test_a_chain_in_one_batch(log: Log) -> None:
    """Create, update, delete and create of one key, and a check on another, all waiting at once."""
    with trio.move_on_after(10) as patience:
        async with trio.open_nursery() as nursery:
            for write in (put("ns/a", expect=0), put("ns/a", expect=1), delete("ns/a", expect=2), put("ns/a", expect=0)):
                nursery.start_soon(log.append, write)
                await trio.testing.wait_all_tasks_blocked()
    assert not patience.cancelled_caught
    assert [(record.op, record.previous, record.created) for record in await everything(log)] == [
        (Op.PUT, 0, 1),
        (Op.PUT, 1, 1),
        (Op.DELETE, 2, 1),
        (Op.PUT, 0, 4),
    ]


async def test_publishing_comes_before_the_answer(log: Log, published: list[Record]) -> None:
    async def write(number: int) -> None:
        record = await log.append(put(f"ns/{number}"))
        assert record in published
        assert log.head >= record.revision

    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(write, number)
    assert [record.revision for record in published] == list(range(1, 41))
    assert await everything(log) == published


async def test_a_write_handed_off_happens_though_its_caller_is_cancelled(log: Log, published: list[Record]) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await log.append(put("ns/a"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.append, put("ns/b"))
        await trio.testing.wait_all_tasks_blocked(0.001)
        nursery.cancel_scope.cancel()
    last = await log.append(put("ns/c"))
    assert await log.get(key("ns/b")) is not None
    assert [record.revision for record in published] == list(range(1, last.revision + 1))


async def test_a_key_may_be_511_bytes_and_no_more(log: Log) -> None:
    longest = "ns/" + "x" * (KEY_LIMIT - 7)
    await log.append(put(longest))
    await log.append(put(longest))
    assert await log.get(key(longest)) is not None
    assert names(await log.scan(make_key(KIND, "ns/"), limit=5, at=Revision(1))) == [longest]
    with pytest.raises(KeyTooLong):
        await log.append(put(longest + "x"))
    assert await log.get(key(longest + "x")) is None
    assert log.head == 2


async def test_get_at_each_revision(log: Log) -> None:
    await log.append(put("ns/a"))  # 1
    await log.append(put("ns/b"))  # 2
    await log.append(put("ns/a"))  # 3
    await log.append(delete("ns/a"))  # 4
    await log.append(put("ns/a"))  # 5
    found = [await log.get(key("ns/a"), Revision(at)) for at in range(6)]
    assert [None if one is None else (one.revision, one.created, one.body) for one in found] == [
        None,
        (1, 1, b'{"v":"1"}'),
        (1, 1, b'{"v":"1"}'),
        (3, 1, b'{"v":"3"}'),
        None,
        (5, 5, b'{"v":"5"}'),
    ]
    future = Revision(6)
    for call in (log.get(key("ns/a"), future), log.scan(b"", limit=1, at=future), log.bodies(b"", limit=1, at=future, cut=CUT)):
        with pytest.raises(FutureRevision) as caught:
            await call
        assert (caught.value.revision, caught.value.head) == (6, 5)


async def test_keys_come_in_byte_order_within_their_prefix(log: Log) -> None:
    paths = ["b/z", "a/a", "a-b/a", "a/aa", "a/b", "a0/a", "b/a"]
    for path in paths:
        await log.append(put(path))
    await log.append(put("a/other", kind=2))
    await log.append(put("a/other", kind=256))
    assert names(await log.scan(make_key(KIND), limit=99)) == sorted(paths)
    assert names(await log.scan(make_key(KIND, "a/"), limit=99)) == ["a/a", "a/aa", "a/b"]
    assert names(await log.scan(make_key(KIND, "c/"), limit=99)) == []
    assert len((await log.scan(b"", limit=99)).items) == 9


@pytest.mark.parametrize("at", [None, 10, 12], ids=["now", "before the changes", "between them"])
async def test_pages_show_one_revision(log: Log, at: int | None) -> None:
    for number in range(10):
        await log.append(put(f"ns/{number}"))
    await log.append(delete("ns/3"))
    await log.append(put("ns/5"))
    await log.append(put("ns/99"))
    revision = None if at is None else Revision(at)
    found: list[str] = []
    start: Key | None = None
    while True:
        page = await log.scan(make_key(KIND, "ns/"), start=start, limit=3, at=revision)
        counted = await log.count(make_key(KIND, "ns/"), start=start, limit=3, at=revision)
        assert page.revision == counted.revision == (at or 13)
        assert (counted.keys, counted.next) == (len(page.items), page.next)
        assert len(page.items) <= 3
        found += names(page)
        start = page.next
        if start is None:
            break
    expected = [f"ns/{number}" for number in range(10) if at == 10 or number != 3]
    assert found == expected + (["ns/99"] if at is None else [])


CUT = Cut(header=b"h1", skip=4, opening=b"<", between=b";")


async def joined(log: Log, prefix: bytes, *, limit: int, at: int | None = None) -> bytes:
    """Put everything under a prefix together, in pages."""
    revision = None if at is None else Revision(at)
    parts: list[bytes] = []
    start: Key | None = None
    while True:
        found = await log.bodies(prefix, start=start, limit=limit, at=revision, cut=CUT, follows=any(parts))
        assert found is not None
        assert found.revision == (log.head if revision is None else revision)
        assert found.count <= limit
        assert found.data.count(b"<") == found.count
        assert found.last is not None or not found.count
        parts.append(found.data)
        if found.next is None:
            return b"".join(parts)
        assert start is None or found.next > start
        assert found.last is None or found.last < found.next
        start = found.next


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 99])
@pytest.mark.parametrize("at", [None, 5, 7], ids=["now", "before the changes", "between them"])
async def test_bodies_are_put_together_in_pages_of_one_revision(log: Log, at: int | None, limit: int) -> None:
    for number in range(4):
        await log.append(put(f"ns/{number}", header=b"h1 and more"))
    await log.append(put("other/1", header=b"h1"))
    await log.append(delete("ns/1"))
    await log.append(put("ns/0", header=b"h1"))
    await log.append(put("ns/3", b'{"long":true,"v":""}', header=b"h1"))
    expected = {None: [7, 3, "true"], 5: [1, 2, 3, 4], 7: [7, 3, 4]}[at]
    shown = [b'<ng":true,"v":"8"}' if what == "true" else b'<:"%d"}' % what for what in expected]
    assert await joined(log, make_key(KIND, "ns/"), limit=limit, at=at) == b";".join(shown)
    assert await joined(log, make_key(KIND, "none/"), limit=limit, at=at) == b""


async def test_bodies_of_other_headers_are_not_put_together(log: Log) -> None:
    for number, header in enumerate([b"h1", b"h1 ", b"h2", b"h1", b"h", b"h1"]):
        await log.append(put(f"ns/{number}", b'1{"v":""}' if header == b"h" else b'{"v":""}', header=header))
    # The change of another makes the past be read otherwise.
    await log.append(put("ns/9", header=b"h1"))
    prefix = make_key(KIND, "ns/")
    for at in (None, Revision(6)):
        found = await log.bodies(prefix, limit=2, at=at, cut=CUT)
        assert found is not None
        assert (found.count, found.data, found.next) == (2, b'<:"1"};<:"2"}', key("ns/2"))
        # A short header, however its body goes on, is none that begins so.
        for start in ("ns/2", "ns/1", "ns/4", "ns/3"):
            assert await log.bodies(prefix, start=key(start), limit=2, at=at, cut=CUT) is None
        found = await log.bodies(prefix, start=key("ns/3"), limit=1, at=at, cut=CUT)
        assert found is not None
        assert found.data == b'<:"4"}'


async def test_bodies_of_the_past_are_judged_by_the_headers_of_then(log: Log) -> None:
    await log.append(put("ns/1", header=b"h1 odd"))
    await log.append(put("ns/2", header=b"h2"))
    await log.append(put("ns/3", header=b"h1 odd"))
    await log.append(put("ns/1", header=b"h1 even"))
    await log.append(put("ns/2", header=b"h1 odd"))
    await log.append(delete("ns/3"))
    cut = Cut(b"h1", 0, b"", b",", lambda header: header.endswith(b"odd"))
    for at, expected in ((1, b'{"v":"1"}'), (2, None), (4, None), (5, b'{"v":"5"},{"v":"3"}'), (6, b'{"v":"5"}')):
        found = await log.bodies(make_key(KIND), limit=9, at=Revision(at), cut=cut)
        assert (found and found.data) == expected, at


@pytest.mark.parametrize("at", [None, 6], ids=["now", "before the change"])
async def test_bodies_are_selected_by_their_headers(log: Log, at: int | None) -> None:
    for number in range(6):
        await log.append(put(f"ns/{number}", header=b"h1 odd" if number % 2 else b"h1 even"))
    await log.append(put("ns/9", header=b"h1 even"))
    asked: list[bytes] = []

    def wanted(header: bytes) -> bool:
        asked.append(header)
        return header.endswith(b"odd")

    cut = Cut(b"h1", 0, b"", b",", wanted)
    revision = None if at is None else Revision(at)
    found = await log.bodies(make_key(KIND), limit=4, at=revision, cut=cut)
    assert found is not None
    assert (found.data, found.count, found.last, found.next) == (b'{"v":"2"},{"v":"4"}', 2, key("ns/3"), key("ns/4"))
    assert asked == [b"h1 even", b"h1 odd"] * 2
    found = await log.bodies(make_key(KIND), start=key("ns/4"), limit=1, at=revision, cut=cut, follows=True)
    assert found is not None
    assert (found.data, found.count, found.last, found.next) == (b"", 0, key("ns/4"), key("ns/5"))


async def test_a_start_before_the_prefix_is_the_prefix(log: Log) -> None:
    await log.append(put("a/a"))
    await log.append(put("b/a"))
    page = await log.scan(make_key(KIND, "b/"), start=key("a/"), limit=9)
    assert names(page) == ["b/a"]
    assert names(await log.scan(make_key(KIND, "b/"), start=key("b/b"), limit=9)) == []


async def test_reading_a_scope(log: Log) -> None:
    for path in ("a/1", "b/1", "a/2", "ab/1", "a/1", "a/11"):
        await log.append(put(path))
    await log.append(put("a/1", kind=2))

    async def revisions(scope: Scope, after: int = 0) -> list[int]:
        batch = await log.read(Revision(after), scope=scope, limit=100, max_bytes=1 << 20)
        assert batch.upto == 7
        return [record.revision for record in batch.records]

    assert await revisions(ALL) == [1, 2, 3, 4, 5, 6, 7]
    assert await revisions(Scope(make_key(KIND))) == [1, 2, 3, 4, 5, 6]
    assert await revisions(Scope(make_key(KIND, "a/"))) == [1, 3, 5, 6]
    assert await revisions(Scope(make_key(KIND, "a/1"), exact=True)) == [1, 5]
    assert await revisions(Scope(make_key(KIND, "a/")), after=3) == [5, 6]
    assert await revisions(ALL, after=7) == []


async def test_reading_is_bounded_by_records_looked_at_and_by_bytes(log: Log) -> None:
    for number in range(12):
        await log.append(put("a/1" if number % 4 == 0 else "b/1", b'{"v":"","p":"%b"}' % (b"x" * 100)))
    scope = Scope(make_key(KIND, "a/"))
    batch = await log.read(Revision(1), scope=scope, limit=2, max_bytes=1 << 20)
    assert (batch.records, batch.upto) == ([], 3)
    size = len((await log.read(Revision(0), scope=scope, limit=1, max_bytes=1)).records[0].body)
    batch = await log.read(Revision(0), scope=scope, limit=99, max_bytes=2 * size)
    assert [record.revision for record in batch.records] == [1, 5]
    assert 5 <= batch.upto < 9
    batch = await log.read(Revision(4), scope=scope, limit=99, max_bytes=1)
    assert [record.revision for record in batch.records] == [5]
    assert 5 <= batch.upto < 9


async def test_compaction_keeps_the_state_and_loses_the_past(log: Log) -> None:
    await log.append(put("ns/a"))  # 1
    await log.append(put("ns/b"))  # 2
    await log.append(put("ns/a"))  # 3
    await log.append(delete("ns/b"))  # 4
    await log.append(put("ns/c"))  # 5
    await log.append(put("ns/a"))  # 6
    assert await log.compact(Revision(4)) == log.floor == 4
    assert await log.compact(Revision(2)) == 4
    assert names(await log.scan(b"", limit=9, at=Revision(4))) == ["ns/a"]
    stored = await log.get(key("ns/a"), Revision(5))
    assert stored is not None
    assert (stored.revision, stored.created) == (3, 1)
    for call in (
        log.get(key("ns/a"), Revision(3)),
        log.scan(b"", limit=9, at=Revision(3)),
        log.count(b"", limit=9, at=Revision(3)),
        log.bodies(b"", limit=9, at=Revision(3), cut=CUT),
        log.read(Revision(3), scope=ALL, limit=9, max_bytes=9),
    ):
        with pytest.raises(Compacted) as caught:
            await call
        assert (caught.value.revision, caught.value.floor) == (3, 4)
    records = await everything(log)
    assert [(record.revision, record.previous) for record in records] == [(5, 0), (6, 3)]
    assert records[1].previous_header == b"h"
    assert await log.compact(Revision(99)) == log.head == 6
    assert await log.superseded_bytes() == 0
    assert (await log.append(delete("ns/c"))).body == b'{"v":"7"}'


async def test_superseded_bytes_grow_with_changes_and_shrink_with_compaction(log: Log) -> None:
    for _ in range(5):
        await log.append(put("ns/a", b'{"v":"","p":"%b"}' % (b"x" * 1000)))
    before = await log.superseded_bytes()
    assert before >= 4000
    await log.compact(Revision(3))
    assert 2000 <= await log.superseded_bytes() < before


async def test_a_hold_keeps_compaction_off(log: Log) -> None:
    for _ in range(6):
        await log.append(put("ns/a"))
    with log.hold(Revision(3)), log.hold(Revision(4)):
        assert await log.compact(Revision(5)) == 3
        with pytest.raises(Compacted), log.hold(Revision(2)):
            pass
    assert await log.compact(Revision(5)) == 5


async def test_revision_at_a_time(log: Log, clock: StepClock) -> None:
    times = [(await log.append(put(f"ns/{number % 3}"))).time_ms for number in range(8)]
    assert times == sorted(times)
    assert await log.revision_at(times[0] - 1) == NOTHING
    assert [await log.revision_at(time) for time in times] == list(range(1, 9))
    assert await log.revision_at(times[-1] + 10_000) == 8
    await log.compact(Revision(4))
    assert await log.revision_at(times[1]) == 4
    assert await log.revision_at(times[5]) == 6


async def test_time_never_goes_back(log: Log, clock: StepClock) -> None:
    first = await log.append(put("ns/a"))
    clock.ms -= 60_000
    second = await log.append(put("ns/a"))
    assert second.time_ms >= first.time_ms


async def test_kinds_are_allotted_once_and_use_no_revision(log: Log) -> None:
    pods = await log.kind("pods")
    services = await log.kind("services")
    assert await log.kind("pods") == pods != services
    assert dict(log.kinds()) == {"pods": pods, "services": services}
    assert log.head == NOTHING


async def test_many_kinds_are_allotted_in_one_go(log: Log) -> None:
    pods = await log.kind("pods")
    await log.allot(["services", "pods", "nodes", "services"])
    kinds = dict(log.kinds())
    assert set(kinds) == {"pods", "services", "nodes"}
    assert len(set(kinds.values())) == 3
    assert kinds["pods"] == pods
    assert await log.kind("nodes") == kinds["nodes"]
    assert log.head == NOTHING


async def test_kinds_asked_for_at_once_are_one(log: Log) -> None:
    found: list[int] = []

    async def ask(name: str) -> None:
        found.append(await log.kind(name))

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(ask, f"k{number % 2}")
    assert len(set(found)) == 2


async def test_a_closed_log_says_so(log: Log) -> None:
    await log.append(put("ns/a"))
    await log.aclose()
    with pytest.raises(LogClosed):
        await log.append(put("ns/a"))
    with pytest.raises(LogClosed):
        await log.get(key("ns/a"))
    await log.aclose()


async def test_closing_finishes_what_was_handed_off(log: Log, published: list[Record]) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(log.append, put(f"ns/{number}"))
        await trio.testing.wait_all_tasks_blocked(0.001)
        await log.aclose()
    assert len(published) == 30


async def test_a_page_of_large_values_ends_early_and_goes_on(log: Log) -> None:
    large = b'{"v":"","pad":"%s"}' % (b"x" * (PAGE_BYTES // 3))
    for number in range(8):
        await log.append(put(f"ns/a{number}", large))
    for at in (None, Revision(8)):
        found: list[str] = []
        start: Key | None = None
        while True:
            page = await log.scan(key(""), start=start, limit=100, at=at)
            assert sum(len(item.body) for item in page.items) < PAGE_BYTES + len(large) + 10
            bodies = await log.bodies(key(""), start=start, limit=100, at=at, cut=Cut(b"h", 0, b"", b","))
            assert bodies is not None
            assert bodies.data == b",".join(item.body for item in page.items)
            assert (bodies.count, bodies.next) == (len(page.items), page.next)
            found += names(page)
            if page.next is None:
                break
            start = page.next
        assert found == [f"ns/a{number}" for number in range(8)]
        await log.append(put("ns/b"))
