"""Controllers that sleep until there is something for them, and the parts that several share."""

from __future__ import annotations

import trio

from storage.types import NOTHING
from watchd.controllers.deadlines import Deadlines
from watchd.controllers.dormant import Dormant

N = "/api/v1/namespaces/default"


class Awake:
    """A controller that tells when it runs."""

    def __init__(self):
        self.made = 0

    async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
        self.made += 1
        task_status.started()
        await trio.sleep_forever()


async def asleep(core, nursery, *scopes, **options):
    """Start a dormant controller; return what tells whether it woke."""
    awake = Awake()
    await nursery.start(Dormant(core.log, core.bus, scopes, lambda: awake, **options).run)
    await core.settle()
    return awake


async def test_it_wakes_with_the_first_object(core, nursery, autojump_clock):
    awake = await asleep(core, nursery, core.endpoint("secrets").scope())
    await core.config_map("a")
    await core.settle()
    assert awake.made == 0
    for name in "ab":
        await core.call("POST", f"{N}/secrets", {"metadata": {"name": name}})
        await core.settle()
    assert awake.made == 1


async def test_it_is_awake_at_once_where_there_are_objects(core, nursery, autojump_clock):
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})
    assert (await asleep(core, nursery, core.endpoint("secrets").scope())).made == 1


async def test_any_of_several_kinds_wakes_it(core, nursery, autojump_clock):
    scopes = core.endpoint("secrets").scope(), core.endpoint("configmaps").scope()
    awake = await asleep(core, nursery, *scopes)
    await core.config_map("a")
    await core.settle()
    assert awake.made == 1


async def test_objects_without_the_tag_do_not_wake_it(core, nursery, autojump_clock):
    scope = core.endpoint("secrets").scope(tag=("type", "e.com/mine"))
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "before"}})
    awake = await asleep(core, nursery, scope)
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "after"}})
    await core.settle()
    assert awake.made == 0
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "mine"}, "type": "e.com/mine"})
    await core.settle()
    assert awake.made == 1


async def test_objects_that_are_always_there_do_not_wake_it(core, nursery, autojump_clock):
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "always"}})
    awake = await asleep(core, nursery, core.endpoint("secrets").scope(), ignored=frozenset({"default/always"}))
    await core.patch(f"{N}/secrets/always", {"data": {"a": "YQ=="}})
    await core.settle()
    assert awake.made == 0
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "other"}})
    await core.settle()
    assert awake.made == 1


async def test_a_deletion_wakes_nobody(core, nursery, autojump_clock):
    ignored = frozenset({"default/a"})
    await core.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})
    awake = await asleep(core, nursery, core.endpoint("secrets").scope(), ignored=ignored)
    await core.call("DELETE", f"{N}/secrets/a")
    await core.settle()
    assert awake.made == 0


async def test_one_that_compaction_has_passed_wakes(core, nursery, autojump_clock):
    awake = Awake()
    dormant = Dormant(core.log, core.bus, [core.endpoint("secrets").scope()], lambda: awake)
    look = dormant._look

    async def look_and_fall_behind(scope):
        # Right after the look others write and compact.
        await look(scope)
        for name in "ab":
            await core.config_map(name)
        await core.log.compact(core.log.head)
        return NOTHING

    dormant._look = look_and_fall_behind
    await nursery.start(dormant.run)
    await core.settle()
    assert awake.made == 1


async def test_it_ends_with_the_log(core, autojump_clock):
    awake = Awake()
    async with trio.open_nursery() as own:
        await own.start(Dormant(core.log, core.bus, [core.endpoint("secrets").scope()], lambda: awake).run)
        core.bus.close()
    assert awake.made == 0


async def test_deadlines_come_in_their_order_and_can_be_moved(clock, nursery, autojump_clock):
    done = []

    async def due(key):
        await trio.lowlevel.checkpoint()
        done.append(key)

    deadlines = Deadlines(clock, due)
    nursery.start_soon(deadlines.run)
    now = clock.now_ms()
    for key, seconds in ((b"late", 300), (b"moved", 100), (b"off", 50), (b"soon", 10)):
        deadlines.set(key, now + seconds * 1000)
    deadlines.set(b"moved", now + 400_000)
    deadlines.set(b"off", None)
    for seconds, expected in ((11, [b"soon"]), (200, [b"soon"]), (100, [b"soon", b"late"]), (100, [b"soon", b"late", b"moved"])):
        clock.advance(seconds)
        await trio.sleep(61)
        assert done == expected
    deadlines.set(b"soon", now)
    await trio.sleep(1)
    assert done[-1] == b"soon"
