"""Watchers served in line: they share bytes, harm nobody, and get each event once however they come and go."""

from __future__ import annotations

from random import Random  # noqa: TID251 - from a seed that is printed

import pytest
import trio

from conversion.webhook import Translations
from storage.errors import Compacted
from watchd.serving import groups
from watchd.status import internal

SEEDS = range(12)


@pytest.fixture
def slices(monkeypatch):
    """Have a walk give way behind each member, and no group rest."""
    monkeypatch.setattr(groups, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(groups, "GATHER_SECONDS", 0.0)


async def test_all_members_are_handed_the_same_bytes(core, samples):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(5)]
    await core.settle()
    await core.config_map("a")
    await core.settle()
    (first, *others) = [watch.sink.shared for watch in watches]
    assert len(first) == 1
    assert all(shared[0] is first[0] for shared in others)


async def test_groups_are_of_one_view_and_scope(core, samples):
    queries = ["", "labelSelector=a", "fieldSelector=metadata.name%3Da", "fieldSelector=metadata.name%3Db"]
    head = core.log.head
    for query in queries * 2:
        await core.watch(samples.config_maps, f"resourceVersion={head}&{query}")
    await core.watch("/api/v1/configmaps", f"resourceVersion={head}")
    await core.settle()
    assert core.bus.statistics().cursors == len(queries) + 1
    assert core.groups.watchers == 2 * len(queries) + 1


async def test_a_change_wakes_the_group_of_its_name_alone(core, samples):
    head = core.log.head
    watches = [
        await core.watch(samples.config_maps, f"resourceVersion={head}&fieldSelector=metadata.name%3Dc{n:04}") for n in range(50)
    ]
    await core.settle()
    before = core.bus.statistics()
    await core.config_map("c0007")
    await watches[7].until(1)
    after = core.bus.statistics()
    assert after.wakeups - before.wakeups == 1
    assert after.ring_reads - before.ring_reads == 1
    assert [len(watch.events) for watch in watches] == [0] * 7 + [1] + [0] * 42


async def test_a_member_whose_socket_is_full_is_sent_its_rest_and_comes_back(core, samples, make_sink):
    sink = make_sink()
    slow = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", sink)
    quick = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.settle()
    sink.block()
    for name in "abc":
        await core.config_map(name)
        await core.settle()
    assert len(sink.shared) == 1, "once its socket was full it was left alone"
    assert core.groups.watchers == 2
    assert core.bus.statistics().cursors == 2, "it has a cursor of its own, by which it is seen to lag"
    assert core.bus.lag() == 2
    sink.unblock()
    await core.settle()
    assert core.bus.statistics().cursors == 1
    await core.config_map("d")
    await slow.until(4)
    assert slow.brief == quick.brief
    assert len(sink.shared) == 2, "it is served in line again"


@pytest.mark.parametrize("error", [OSError, AssertionError])
async def test_an_error_ends_its_own_member_alone(core, samples, make_sink, error):
    class Broken(make_sink):
        def share(self, data, framed):
            raise error("the cable is cut")

    broken = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", Broken())
    sound = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.settle()
    await core.config_map("a")
    await sound.until(1)
    await broken.end()
    assert str(broken.failure) == "the cable is cut"
    assert core.groups.watchers == 1


async def test_a_group_ends_with_its_last_member(core, samples):
    first = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.settle()
    first.sink.close()
    await first.end()
    assert core.bus.statistics().cursors == core.groups.watchers == 0
    second = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.config_map("a")
    await second.until(1)


async def test_what_cannot_be_read_any_more_is_told_by_each_member(core, samples, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()

    async def gone(*_args):
        raise Compacted(1, 2)

    monkeypatch.setattr(core.watching.frames, "join", gone)
    await core.config_map("a")
    for watch in watches:
        await watch.end()
        assert [event["object"]["code"] for event in watch.events] == [410]
    assert core.groups.watchers == 0


async def test_a_large_object_is_sent_by_each_member_as_its_client_takes_it(core, samples):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()
    await core.config_map("large", data={"key": "v" * (128 << 10)})
    await core.settle()
    assert [watch.sink.shared for watch in watches] == [[]] * 3, "what a client does not take would be kept whole for each"
    await core.config_map("small")
    await core.settle()
    head = core.log.head
    assert [len(watch.sink.shared) for watch in watches] == [1] * 3
    assert [watch.brief for watch in watches] == [[("ADDED", "large", head - 1), ("ADDED", "small", head)]] * 3


async def test_an_error_that_nobody_expected_ends_its_own_group_alone(core, samples, monkeypatch, caplog):
    broken = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    sound = await core.watch(samples.namespaces, f"resourceVersion={core.log.head}")
    await core.settle()
    join = core.watching.frames.join

    async def fail(watched, records):
        if watched.view.kind.names.plural == "configmaps" and records:
            raise ZeroDivisionError("of a conversion")
        return await join(watched, records)

    monkeypatch.setattr(core.watching.frames, "join", fail)
    await core.config_map("a")
    for watch in broken:
        await watch.end()
        assert isinstance(watch.failure, ZeroDivisionError)
    await core.namespace("n")
    await sound.until(1)
    assert "served in line" in caplog.text


async def test_others_have_a_turn_within_a_walk(core, samples, slices):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(20)]
    await core.settle()
    await core.config_map("a")
    seen = set()
    while not all(watch.events for watch in watches):
        await trio.lowlevel.checkpoint()
        seen.add(sum(len(watch.events) for watch in watches))
    assert len(seen) > 10


async def test_a_group_lags_while_it_waits_for_its_webhook(core, samples, monkeypatch):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.settle()
    join, converted = core.watching.frames.join, trio.Event()

    async def slow(watched, records):
        await converted.wait()
        return await join(watched, records)

    monkeypatch.setattr(core.watching.frames, "join", slow)
    await core.config_map("a")
    await core.settle()
    assert core.bus.lag() == 1
    converted.set()
    await watch.until(1)
    await core.settle()
    assert core.bus.lag() == 0


async def test_who_joins_within_a_walk_is_not_served_twice(core, samples, slices):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(10)]
    await core.settle()
    await core.config_map("a")
    head = core.log.head
    while not any(watch.events for watch in watches):
        await trio.lowlevel.checkpoint()
    watches += [await core.watch(samples.config_maps, f"resourceVersion={head - 1}") for _ in range(10)]
    late = [await core.watch(samples.config_maps, f"resourceVersion={head}") for _ in range(10)]
    await core.settle()
    assert [watch.brief for watch in watches] == [[("ADDED", "a", head)]] * 20
    assert [watch.brief for watch in late] == [[]] * 10


async def test_a_large_group_rests_behind_a_walk_and_lets_events_gather(core, samples, autojump_clock, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(groups, "perf_counter", lambda: next(ticks) * 0.01)
    await core.config_map("a")
    await core.settle()
    for name in "bcd":
        await core.config_map(name)
    begun = trio.current_time()
    for watch in watches:
        await watch.until(4)
    assert [len(watch.sink.shared) for watch in watches] == [2] * 3
    assert trio.current_time() - begun == pytest.approx(groups.GATHER_SECONDS)


async def test_what_comes_within_a_walk_gathers_too(core, samples, autojump_clock, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(groups, "perf_counter", lambda: next(ticks) * 0.01)
    await core.config_map("a")
    while not watches[0].events:
        await trio.lowlevel.checkpoint()
    assert not watches[2].events, "the walk is under way"
    await core.config_map("b")
    begun = trio.current_time()
    for watch in watches:
        await watch.until(2)
    assert trio.current_time() - begun == pytest.approx(groups.GATHER_SECONDS)


async def test_a_group_more_than_one_send_behind_does_not_rest(core, samples, autojump_clock, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(groups, "perf_counter", lambda: next(ticks) * 0.01)
    monkeypatch.setattr(groups, "BATCH_RECORDS", 1)
    begun = trio.current_time()
    for name in "abcd":
        await core.config_map(name)
    for watch in watches:
        await watch.until(4)
    assert [len(watch.sink.shared) for watch in watches] == [4] * 3
    assert trio.current_time() - begun == pytest.approx(groups.GATHER_SECONDS), "behind the first alone"


async def test_a_group_whose_sends_are_large_does_not_rest(core, samples, autojump_clock, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    await core.settle()
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(groups, "perf_counter", lambda: next(ticks) * 0.01)
    begun = trio.current_time()
    for count, name in enumerate("abc", 1):
        await core.config_map(name, data={"key": "v" * groups.GATHER_BYTES})
        for watch in watches:
            await watch.until(count)
    assert trio.current_time() == begun


async def test_a_group_that_falls_behind_has_as_much_of_the_loop_as_others(core, samples, nursery, monkeypatch):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(20)]
    await core.settle()
    now, turns = [0.0], [0]

    def perf_counter():
        now[0] += 0.0004
        return now[0]

    async def keep_the_loop_busy():
        while True:
            now[0] += 0.02
            turns[0] += 1
            await trio.lowlevel.checkpoint()

    monkeypatch.setattr(groups, "BATCH_RECORDS", 1)
    monkeypatch.setattr(groups, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(groups, "perf_counter", perf_counter)
    for number in range(30):
        await core.create("configmaps", {"metadata": {"name": f"c{number:02}", "namespace": "default"}})
    before = sum(len(watch.events) for watch in watches)
    assert before < 300, "it is behind"
    nursery.start_soon(keep_the_loop_busy)
    for watch in watches:
        await watch.until(30)
    assert turns[0] < 100, "of which a walk by the millisecond would take two hundred"
    nursery.cancel_scope.cancel()


class Comings:
    """Watchers that join, leave, and read nothing for a while, by chance."""

    def __init__(self, core, samples, chance):
        self.core, self.path, self.chance = core, samples.config_maps, chance
        self.start = core.log.head
        self.watches = []
        self.left = []

    async def turn(self):
        """Do one thing or another, and give the others a few turns."""
        match self.chance.randrange(8):
            case 0:
                after = self.chance.randint(self.start, self.core.log.head)
                self.watches.append((after, await self.core.watch(self.path, f"resourceVersion={after}")))
            case 1 if self.watches:
                self.chance.choice(self.watches)[1].sink.block()
            case 2 if self.watches:
                self.chance.choice(self.watches)[1].sink.unblock()
            case 3 if len(self.watches) > 3:
                self.left.append(self.watches.pop(self.chance.randrange(len(self.watches))))
                self.left[-1][1].sink.close()
            case 4:
                await self.core.namespace(f"n{self.core.log.head}")
            case _:
                await self.core.config_map(f"c{self.core.log.head:05}")
        for _ in range(self.chance.randrange(6)):
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_event_reaches_each_watcher_once_and_in_order(core, samples, slices, seed):
    print("seed", seed)
    comings = Comings(core, samples, Random(seed))
    for _ in range(150):
        await comings.turn()
    for _, watch in comings.watches:
        watch.sink.unblock()
    witness = await core.watch(samples.config_maps, f"resourceVersion={comings.start}")
    await core.settle()
    for after, watch in comings.watches:
        assert watch.brief == [event for event in witness.brief if event[2] > after]
    for after, watch in comings.left:
        expected = [event for event in witness.brief if event[2] > after]
        assert watch.brief == expected[: len(watch.brief)]


class Webhook:
    """Conversions that take a while, and fail now and then, by chance."""

    def __init__(self, core, chance):
        self.join, self.chance = core.watching.frames.join, chance

    async def __call__(self, watched, records):
        for _ in range(self.chance.randrange(12)):
            await trio.lowlevel.checkpoint()
        if records and self.chance.random() < 0.03:
            raise internal("the webhook has failed")
        return await self.join(watched, records)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_slow_and_failing_webhook_loses_no_event_and_leaves_nothing_behind(core, samples, slices, monkeypatch, seed):
    print("seed", seed)
    chance = Random(seed)
    comings = Comings(core, samples, chance)
    retirement = core.endpoint("configmaps").retirement
    join = core.watching.frames.join
    # A kind is frozen; a webhook's is served by a task of its group's own.
    monkeypatch.setitem(vars(core.endpoint("configmaps").kind), "translations", Translations("ConfigMap", ["v1"], None, None))
    monkeypatch.setattr(core.watching.frames, "join", Webhook(core, chance))
    for _ in range(150):
        await comings.turn()
    for _, watch in comings.watches:
        watch.sink.unblock()
    await core.settle()
    monkeypatch.setattr(core.watching.frames, "join", join)
    witness = await core.watch(samples.config_maps, f"resourceVersion={comings.start}")
    await core.settle()
    for after, watch in comings.watches + comings.left:
        expected = [event for event in witness.brief if event[2] > after]
        assert watch.brief == (expected[: len(watch.brief)] if watch.ended.is_set() else expected)
    for _, watch in comings.watches:
        watch.sink.close()
    witness.sink.close()
    await core.settle()
    assert core.groups.watchers == core.bus.statistics().cursors == len(core.groups._groups) == 0
    assert retirement._calls == {}
