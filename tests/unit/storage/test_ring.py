"""The ring of recent records: whole from `after` on, bounded by bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import Corrupt
from storage.ring import RECORD_OVERHEAD_BYTES, TRIM_AT, Ring, weight
from storage.types import Batch, KindId, Op, Record, Revision, Scope, make_key

PODS = KindId(1)
ALL = Scope(b"")


def record(revision: int, path: str = "ns/a", size: int = 10) -> Record:
    body = b"x" * size
    return Record(Revision(revision), make_key(PODS, path), Op.PUT, b"h", body, 0, Revision(1), Revision(0), b"p", 0)


def revisions(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [found.revision for found in batch.records]


def test_it_reads_what_was_appended():
    ring = Ring(1 << 20)
    for revision in range(1, 11):
        ring.append(record(revision))
    batch = ring.read(Revision(4), ALL, 100, 1 << 20, look=100)
    assert revisions(batch) == [5, 6, 7, 8, 9, 10]
    assert batch.upto == ring.head == 10
    assert ring.read(Revision(10), ALL, 100, 1 << 20, look=100) == Batch([], Revision(10))


def test_it_evicts_the_oldest_and_owns_up_to_it():
    ring = Ring(3 * weight(record(1)))
    for revision in range(1, 11):
        ring.append(record(revision))
    assert (len(ring), ring.bytes, ring.oldest, ring.after) == (3, 3 * weight(record(1)), 8, 7)
    assert ring.read(Revision(6), ALL, 100, 1 << 20, look=100) is None
    assert revisions(ring.read(Revision(7), ALL, 100, 1 << 20, look=100)) == [8, 9, 10]


def test_a_record_over_the_bound_leaves_it_empty_but_truthful():
    ring = Ring(5 * RECORD_OVERHEAD_BYTES)
    ring.append(record(1))
    ring.append(record(2, size=1 << 20))
    assert (len(ring), ring.bytes, ring.oldest, ring.after, ring.head) == (0, 0, None, 2, 2)
    assert ring.read(Revision(1), ALL, 10, 10, look=10) is None
    ring.append(record(3))
    assert revisions(ring.read(Revision(2), ALL, 10, 10, look=10)) == [3]


def test_it_stays_small_over_many_evictions():
    ring = Ring(10 * weight(record(1)))
    for revision in range(1, 5 * TRIM_AT):
        ring.append(record(revision))
        assert len(ring) == min(revision, 10)
        assert ring.oldest == max(1, revision - 9)
    assert len(ring._records) <= TRIM_AT + 10
    assert revisions(ring.read(ring.after, ALL, 100, 1 << 20, look=100)) == list(range(ring.oldest, ring.head + 1))


def test_it_weighs_headers_and_bodies():
    ring = Ring(1 << 20)
    ring.append(record(1, size=1000))
    assert ring.bytes == 1000 + len(b"h") + len(b"p") + RECORD_OVERHEAD_BYTES


def test_scopes_narrow_it():
    ring = Ring(1 << 20)
    for revision, path in enumerate(["ns/a", "ns/b", "other/a", "ns/ab"], start=1):
        ring.append(record(revision, path))

    def read(scope: Scope) -> list[int]:
        return revisions(ring.read(Revision(0), scope, 100, 1 << 20, look=100))

    assert read(Scope(make_key(PODS, "ns/"))) == [1, 2, 4]
    assert read(Scope(make_key(PODS, "ns/a"), exact=True)) == [1]
    assert read(Scope(make_key(KindId(2)))) == []


def test_bounds_of_a_read():
    ring = Ring(1 << 20)
    for revision in range(1, 11):
        ring.append(record(revision, "ns/a" if revision % 2 else "ns/b"))
    odd = Scope(make_key(PODS, "ns/a"), exact=True)
    batch = ring.read(Revision(0), odd, 2, 1 << 20, look=100)
    assert (revisions(batch), batch.upto) == ([1, 3], 4)
    batch = ring.read(Revision(0), odd, 100, 25, look=100)
    assert (revisions(batch), batch.upto) == ([1, 3], 4)
    batch = ring.read(Revision(0), odd, 100, 1, look=100)
    assert (revisions(batch), batch.upto) == ([1], 2)
    batch = ring.read(Revision(0), odd, 100, 1 << 20, look=4)
    assert (revisions(batch), batch.upto) == ([1, 3], 4)


def test_numbers_need_only_rise():
    ring = Ring(1 << 20, Revision(5))
    for revision in (9, 12, 40):
        ring.append(record(revision))
    assert revisions(ring.read(Revision(5), ALL, 10, 1 << 20, look=10)) == [9, 12, 40]
    assert revisions(ring.read(Revision(10), ALL, 10, 1 << 20, look=10)) == [12, 40]
    with pytest.raises(Corrupt, match="40 was published after 40"):
        ring.append(record(40))


def test_older_records_fill_the_front():
    ring = Ring(5 * weight(record(1)), Revision(10))
    ring.append(record(11))
    older = Ring(1 << 20)
    for revision in range(1, 11):
        older.append(record(revision))
    ring.fill(older)
    assert (ring.after, ring.oldest, len(ring), ring.head) == (6, 7, 5, 11)
    assert revisions(ring.read(Revision(6), ALL, 10, 1 << 20, look=10)) == [7, 8, 9, 10, 11]
    with pytest.raises(Corrupt, match="10 stands before 6"):
        ring.fill(older)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["a", "b"]), st.integers(0, 300)), max_size=60),
    st.integers(0, 8 * (RECORD_OVERHEAD_BYTES + 100)),
    st.integers(1, 70),
    st.integers(1, 9),
    st.integers(1, 600),
)
def test_reading_on_gives_every_record_once(steps, bound, look, limit, max_bytes):
    ring = Ring(bound)
    kept: list[Record] = []
    for gap, name, size in steps:
        kept.append(record(ring.head + gap, name, size))
        ring.append(kept[-1])
        assert ring.bytes <= bound
    scope = Scope(make_key(PODS, "a"), exact=True)
    found: list[Record] = []
    position = ring.after
    while position < ring.head:
        batch = ring.read(position, scope, limit, max_bytes, look=look)
        assert batch is not None
        assert position < batch.upto
        assert len(batch.records) <= min(limit, look)
        assert len(batch.records) <= 1 or sum(len(item.body) for item in batch.records) <= max_bytes
        found += batch.records
        position = batch.upto
    assert found == [item for item in kept if item.revision > ring.after and scope.covers(item.key)]
