from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import trio
import trio.testing

from storage.bus import WatchBus
from storage.memory_log import MemoryLog
from storage.types import EVERYTHING, Op, Record, Write, make_key, path_of
from watchd.controllers.following import PAGE_KEYS, follow
from watchd.registry.value import tag_of
from watchd.share import Freshness


async def put(log, name):
    await log.append(Write(make_key(7, name), Op.PUT, b"", b"{}", 1))


async def test_the_state_and_then_changes_or_the_changes_alone(clock, nursery):
    log = MemoryLog(clock=clock)
    await nursery.start(log.run)
    bus = WatchBus(log, tag_of=tag_of, ring_bytes=1 << 20)
    await put(log, "a")
    seen = {True: [], False: []}

    def handler(found):
        async def handle(thing):
            found.append((path_of(thing.key), isinstance(thing, Record)))

        return handle

    async def start(present, task_status):
        await follow(log, bus, EVERYTHING, handler(seen[present]), present=present, task_status=task_status)

    for present in seen:
        await nursery.start(start, present)
    await put(log, "b")
    await trio.testing.wait_all_tasks_blocked()
    assert seen == {True: [("a", False), ("b", True)], False: [("b", True)]}
    nursery.cancel_scope.cancel()


async def test_the_end_of_the_state_is_told_with_its_revision_each_time(clock, nursery):
    log = MemoryLog(clock=clock)
    await nursery.start(log.run)
    bus = WatchBus(log, tag_of=tag_of, ring_bytes=1)
    seen = []

    async def handle(thing):
        seen.append(path_of(thing.key))
        if thing.revision == 3:
            # What it has not seen goes meanwhile.
            await put(log, "b")
            await log.append(Write(make_key(7, "a"), Op.DELETE))
            await log.compact(log.head)

    for name in "ab":
        await put(log, name)
    await nursery.start(partial(follow, log, bus, EVERYTHING, handle, again=lambda: seen.append("again"), whole=seen.append))
    await put(log, "b")
    await trio.testing.wait_all_tasks_blocked()
    assert seen == ["a", "b", 2, "b", "again", "b", 5]
    nursery.cancel_scope.cancel()


async def test_a_definition_that_went_before_it_was_followed_is_not_waited_for(autojump_clock):
    freshness = Freshness(SimpleNamespace(refresh=lambda: None), EVERYTHING)
    gone = Record(5, make_key(7, "a"), Op.DELETE, b"", b"", 0, 1, 4, b"", 0)
    freshness.installed(7)
    freshness.publish([gone])
    began = trio.current_time()
    await freshness.wait()
    assert trio.current_time() == began


async def test_a_long_state_leaves_time_to_others(clock, nursery, autojump_clock):
    log = MemoryLog(clock=clock)
    await nursery.start(log.run)
    for number in range(2 * PAGE_KEYS + 1):
        await put(log, f"{number:06}")
    bus = WatchBus(log, tag_of=tag_of, ring_bytes=1 << 20)
    pages = []

    async def handle(stored):
        if path_of(stored.key).endswith(("000", "500")):
            pages.append(trio.current_time())
            # Of a time that passes while the loop is held.
            autojump_clock.jump(1)

    began = trio.current_time()
    with trio.move_on_after(60):
        await follow(log, bus, EVERYTHING, handle, rest=4.0)
    assert [at - began for at in pages] == [0, 5, 10]
    nursery.cancel_scope.cancel()
