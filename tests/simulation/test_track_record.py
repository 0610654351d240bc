"""The validators' track record: faults put into the bus on purpose, each of which they must find.

A change of the traffic or of the validators has to go on finding all of them. The first ones are the classes of bug
that etcd and Kubernetes have had: skipped and repeated events, progress ahead of events, starvation, lost deletes
around compaction, false "too old" for quiet watchers.
"""

from __future__ import annotations

import msgspec
import pytest
import trio

from storage.bus import Cursor, WatchBus
from storage.errors import Compacted
from storage.memory_log import MemoryLog
from storage.ring import Ring
from storage.types import Batch, Revision, Scope
from tests.simulation.fault import Fault, Patch

SEEDS = range(30)
"""A fault that none of these finds is one the traffic no longer reaches."""


def skip_a_record(patch: Patch) -> None:
    read = Ring.read

    def faulty(ring, after, scope, limit, max_bytes, *, look):
        batch = read(ring, after, scope, limit, max_bytes, look=look)
        if batch is not None and len(batch.records) > 2:
            del batch.records[1]
        return batch

    patch(Ring, "read", faulty)


def repeat_a_record(patch: Patch) -> None:
    read = Ring.read

    def faulty(ring, after, scope, limit, max_bytes, *, look):
        batch = read(ring, after, scope, limit, max_bytes, look=look)
        if batch is not None and len(batch.records) > 2:
            batch = Batch(batch.records, Revision(batch.upto - 1))
        return batch

    patch(Ring, "read", faulty)


def swap_two_records(patch: Patch) -> None:
    append = Ring.append

    def faulty(ring, record):
        append(ring, record)
        if record.revision % 10 == 0 and len(ring) > 1:
            ring._records[-2:] = reversed(ring._records[-2:])

    patch(Ring, "append", faulty)


def go_on_from_the_limit_too_far(patch: Patch) -> None:
    read = Ring.read

    def faulty(ring, after, scope, limit, max_bytes, *, look):
        batch = read(ring, after, scope, limit, max_bytes, look=look)
        if batch is not None and len(batch.records) == limit:
            batch = Batch(batch.records, min(Revision(batch.upto + 1), ring.head))
        return batch

    patch(Ring, "read", faulty)


def read_a_ring_that_is_not_whole(patch: Patch) -> None:
    read = Ring.read

    def faulty(ring, after, scope, limit, max_bytes, *, look):
        return read(ring, max(after, ring.after), scope, limit, max_bytes, look=look)

    patch(Ring, "read", faulty)


def claim_the_head(patch: Patch) -> None:
    patch(Cursor, "position", property(lambda cursor: max(cursor._after, cursor._bus.head)))


def follow_while_behind(patch: Patch) -> None:
    scan = WatchBus._scan

    async def faulty(bus, entry, after, limit, max_bytes, look):
        batch = await scan(bus, entry, after, limit, max_bytes, look)
        return Batch(batch.records, max(batch.upto, bus.head)) if len(batch.records) == limit else batch

    patch(WatchBus, "_scan", faulty)


def stay_at_the_own_position(patch: Patch) -> None:
    def position(cursor):
        # The prototype's bug: a quiet watcher keeps the revision at which it fell asleep.
        quiet = cursor._quiet
        return cursor._bus.head if cursor._busy and quiet is not None and quiet.first is None else cursor._after

    patch(Cursor, "position", property(position))


def forget_to_wake(patch: Patch) -> None:
    end_quiet = WatchBus._end_quiet

    def faulty(bus, quiet, revision):
        if revision % 10:
            end_quiet(bus, quiet, revision)

    patch(WatchBus, "_end_quiet", faulty)


def wake_by_the_new_tag_only(patch: Patch) -> None:
    touch = WatchBus._touch

    def faulty(bus, record):
        touch(bus, msgspec.structs.replace(record, previous_header=b""))

    patch(WatchBus, "_touch", faulty)


def look_for_the_namespace_in_the_kind(patch: Patch) -> None:
    touch = WatchBus._touch

    def faulty(bus, record):
        slash = record.key.find(b"/")
        kept = {prefix: node for prefix, node in bus._prefixes.items() if prefix == record.key[: slash + 1]}
        kept |= {prefix: node for prefix, node in bus._prefixes.items() if len(prefix) <= 4}
        every, bus._prefixes = bus._prefixes, kept
        touch(bus, record)
        bus._prefixes = every

    patch(WatchBus, "_touch", faulty)


def lose_what_a_cancelled_wait_had_read(patch: Patch) -> None:
    following = Cursor.next

    async def faulty(cursor, *, limit, max_bytes):
        batch = await following(cursor, limit=limit, max_bytes=max_bytes)
        await trio.lowlevel.checkpoint()
        return batch

    patch(Cursor, "next", faulty)


def share_scans_of_other_places(patch: Patch) -> None:
    scan = WatchBus._scan

    async def faulty(bus, entry, after, limit, max_bytes, look):
        for (other, start, *_), batch in bus._scans.items():
            if other is entry and start != after and batch.upto > after:
                return batch
        return await scan(bus, entry, after, limit, max_bytes, look)

    patch(WatchBus, "_scan", faulty)


def read_below_the_floor(patch: Patch) -> None:
    read = MemoryLog.read

    async def faulty(log, after, *, scope: Scope, limit, max_bytes):
        return await read(log, max(after, log.floor), scope=scope, limit=limit, max_bytes=max_bytes)

    patch(MemoryLog, "read", faulty)
    patch(WatchBus, "floor", property(lambda bus: Revision(0)))


def expire_at_the_floor(patch: Patch) -> None:
    scan = WatchBus._scan

    async def faulty(bus, entry, after, limit, max_bytes, look):
        if after <= bus.floor and after:
            raise Compacted(after, bus.floor)
        return await scan(bus, entry, after, limit, max_bytes, look)

    patch(WatchBus, "_scan", faulty)


def answer_waits_too_early(patch: Patch) -> None:
    wait_for = WatchBus.wait_for

    async def faulty(bus, revision, timeout_seconds):
        await wait_for(bus, Revision(revision - 1), timeout_seconds)
        return True

    patch(WatchBus, "wait_for", faulty)


def spin_when_caught_up(patch: Patch) -> None:
    async def faulty(cursor, after):
        await trio.lowlevel.checkpoint()

    patch(Cursor, "_park", faulty)


FAULTS = [
    Fault("a record is skipped", "reliable", skip_a_record),
    Fault("a record is repeated", "ordered, unique", repeat_a_record),
    Fault("two records are swapped", "ordered, unique", swap_two_records),
    Fault("a read at its limit claims one revision more", "reliable", go_on_from_the_limit_too_far),
    Fault("the ring answers for what it has evicted", "reliable", read_a_ring_that_is_not_whole),
    Fault("the position is ahead of what was delivered", "bookmarkable", claim_the_head),
    Fault("a cursor that is behind counts as caught up", "reliable", follow_while_behind),
    Fault("a quiet cursor keeps its old position", "quiet", stay_at_the_own_position),
    Fault("a scope is not woken", "bookmarkable", forget_to_wake),
    Fault("leaving a selection does not wake", "bookmarkable", wake_by_the_new_tag_only),
    Fault("a kind id that holds a '/' hides namespaces", "bookmarkable", look_for_the_namespace_in_the_kind),
    Fault("a cancelled wait loses what it had read", "bookmarkable", lose_what_a_cancelled_wait_had_read),
    Fault("a scan is shared with cursors elsewhere", "reliable", share_scans_of_other_places),
    Fault("compacted records are passed over in silence", "reliable", read_below_the_floor),
    Fault("a retained revision is refused", "retained", expire_at_the_floor),
    Fault("a wait for a revision ends too early", "fresh", answer_waits_too_early),
    Fault("a cursor spins where it should sleep", "whole", spin_when_caught_up),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_validators_find(simulate, monkeypatch, fault):
    fault.put_in(monkeypatch.setattr)
    for seed in SEEDS:
        found = simulate(seed).violations
        if any(violation.startswith(fault.breaks) for violation in found):
            print(f"{fault.name}: found by seed {seed}:", found[0])
            return
    pytest.fail(f"{fault.name}: not found by any seed of {SEEDS}")
