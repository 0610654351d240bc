"""Watches from the first byte to the last: state, events, bookmarks, the ways they end, and that no client harms another."""

from __future__ import annotations

import orjson
import pytest
import trio

from watchd.serving.sink import PIECE
from watchd.serving.watch import BOOKMARK_SECONDS, BOOKMARK_SPREAD, FIRST_KEYS, PAGE_BYTES


@pytest.fixture(params=["in line", "by a task"])
def make_sink(request, make_sink):
    """Watches are the same where they are served in line and where each is served by its own task."""
    return make_sink if request.param == "in line" else make_sink.__base__


async def write(core, samples, count, start=0):
    for number in range(start, start + count):
        await core.config_map(f"c{number:04}")


async def test_state_first_then_events(core, samples):
    await core.config_map("b")
    await core.config_map("a")
    watch = await core.watch(samples.config_maps)
    await watch.until(2)
    await core.config_map("c")
    await watch.until(3)
    head = core.log.head
    assert watch.brief == [("ADDED", "a", head - 1), ("ADDED", "b", head - 2), ("ADDED", "c", head)]
    assert watch.bookmarks == []


async def test_end_of_the_state_is_marked(core, samples):
    await core.config_map("a")
    watch = await core.watch(
        samples.config_maps, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    )
    await watch.until(2)
    assert watch.events[1] == {
        "type": "BOOKMARK",
        "object": {
            "kind": "ConfigMap",
            "apiVersion": "v1",
            "metadata": {"resourceVersion": str(core.log.head), "annotations": {"k8s.io/initial-events-end": "true"}},
        },
    }


async def test_no_piece_of_a_state_or_of_what_was_missed_is_held_for_a_slow_client_beyond_what_is_counted(core, samples):
    after = core.log.head
    for number in range(20):
        await core.config_map(f"c{number:04}", data={"key": "v" * 10_000})
    state = await core.watch(samples.config_maps)
    missed = await core.watch(samples.config_maps, f"resourceVersion={after}")
    for watch in (state, missed):
        await watch.until(20)
        assert max(len(piece) for piece in watch.sink.chunks) < PIECE + 11_000
        assert [name for _, name, _ in watch.brief] == [f"c{number:04}" for number in range(20)]


async def test_the_pages_of_a_state_are_small_whatever_the_size_of_its_objects(core, samples, monkeypatch):
    for number in range(150):
        await core.config_map(f"c{number:04}", data={"key": "v" * 10_000})
    scan, pages = core.log.scan, []

    async def noted(prefix, **options):
        page = await scan(prefix, **options)
        pages.append(sum(len(item.body) for item in page.items))
        return page

    monkeypatch.setattr(core.log, "scan", noted)
    watch = await core.watch(samples.config_maps)
    await watch.until(150)
    assert [name for _, name, _ in watch.brief] == [f"c{number:04}" for number in range(150)]
    assert max(pages[1:]) <= PAGE_BYTES, "it is held for as long as a slow client takes, and nobody counts it"
    assert pages[0] < FIRST_KEYS * 11_000


async def test_state_of_many_pages_is_one_snapshot(core, samples, make_sink):
    await write(core, samples, 1100)
    before = core.log.head
    sink = make_sink()
    sink.block()
    watch = await core.watch(samples.config_maps, "allowWatchBookmarks=true", sink)
    await core.settle()
    await core.call("DELETE", f"{samples.config_maps}/c0900")
    await core.config_map("c0901a")
    sink.unblock()
    await watch.until(1103)
    assert [name for _, name, _ in watch.brief[:1100]] == [f"c{n:04}" for n in range(1100)]
    assert watch.bookmarks == [before]
    assert watch.brief[1100:] == [("DELETED", "c0900", before + 1), ("ADDED", "c0901a", before + 2)]


async def test_each_event_once_in_order_from_any_revision(core, samples):
    start = core.log.head
    await write(core, samples, 30)
    await core.patch(f"{samples.config_maps}/c0003", {"data": {"x": "y"}})
    await core.call("DELETE", f"{samples.config_maps}/c0004")
    for after in range(start, core.log.head + 1, 7):
        watch = await core.watch(samples.config_maps, f"resourceVersion={after}")
        await watch.until(core.log.head - after)
        await core.settle()
        assert [revision for *_, revision in watch.brief] == list(range(after + 1, core.log.head + 1))


async def test_disconnected_watch_resumes_exactly_once(core, samples, make_sink):
    seen, after = [], core.log.head
    for round_ in range(6):
        sink = make_sink()
        watch = await core.watch(samples.config_maps, f"resourceVersion={after}&allowWatchBookmarks=true", sink)
        await write(core, samples, 3, start=round_ * 10)
        await watch.until(2)
        sink.close()
        await write(core, samples, 2, start=round_ * 10 + 5)
        await watch.end()
        seen += watch.brief
        after = max([after, *watch.bookmarks, *(revision for *_, revision in watch.brief)])
    final = await core.watch(samples.config_maps, f"resourceVersion={after}")
    await core.settle()
    seen += final.brief
    names = [name for _, name, _ in seen]
    assert names == sorted(set(names))
    assert len(names) == 30


async def test_namespace_bounds_a_watch(core, samples):
    await core.namespace("n")
    one = await core.watch("/api/v1/namespaces/n/configmaps", f"resourceVersion={core.log.head}")
    every = await core.watch("/api/v1/configmaps", f"resourceVersion={core.log.head}")
    await core.config_map("a")
    await core.config_map("b", namespace="n")
    await every.until(2)
    assert [name for _, name, _ in one.brief] == ["b"]


async def test_watch_of_one_name(core, samples):
    await core.config_map("ab")
    by_field = await core.watch(samples.config_maps, "fieldSelector=metadata.name%3Da")
    legacy = await core.watch("/api/v1/watch/namespaces/default/configmaps/a")
    everywhere = await core.watch("/api/v1/configmaps", f"fieldSelector=metadata.name%3Da&resourceVersion={core.log.head}")
    await core.settle()
    await core.config_map("a")
    await core.config_map("abc")
    for watch in (by_field, legacy, everywhere):
        await watch.until(1)
        assert watch.brief == [("ADDED", "a", core.log.head - 1)]


# Bookmarks


async def test_bookmarks_about_each_minute_while_there_is_something_to_tell(core, samples, autojump_clock):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&allowWatchBookmarks=true&timeoutSeconds=600")
    low, high = BOOKMARK_SECONDS * (1 - BOOKMARK_SPREAD), BOOKMARK_SECONDS * (1 + BOOKMARK_SPREAD)
    for _ in range(3):
        # Changes elsewhere: the position moves on without an event.
        await core.namespace(f"n{core.log.head}")
        head, told = core.log.head, len(watch.bookmarks)
        await trio.sleep(high + 1)
        assert watch.bookmarks[told:] == [head]
    assert watch.brief == []
    before = len(watch.bookmarks)
    await trio.sleep(low * 2)
    assert len(watch.bookmarks) == before, "nothing new to tell"


async def test_no_bookmarks_unless_asked_for(core, samples, autojump_clock):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&timeoutSeconds=300")
    await core.namespace("n")
    await watch.end()
    assert watch.events == []


@pytest.mark.parametrize("seconds", [1, 59, 61, 1000])
async def test_timeout_ends_with_a_bookmark(core, samples, autojump_clock, seconds):
    begun = trio.current_time()
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&allowWatchBookmarks=true&timeoutSeconds={seconds}")
    await core.namespace("n")
    await core.config_map("a")
    await watch.end()
    assert trio.current_time() - begun == pytest.approx(seconds)
    assert watch.failure is None
    assert watch.events[-1]["type"] == "BOOKMARK"
    assert watch.bookmarks[-1] == core.log.head


async def test_watch_without_a_timeout_ends_after_half_an_hour_and_more(core, samples, autojump_clock):
    begun = trio.current_time()
    watch = await core.watch(samples.config_maps)
    await watch.end()
    assert trio.current_time() - begun == pytest.approx(1800 * 1.5)


async def test_timeout_is_kept_under_steady_traffic(core, samples, autojump_clock):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&allowWatchBookmarks=true&timeoutSeconds=30")
    with trio.move_on_after(100):
        for number in range(1000):
            await core.config_map(f"c{number:04}")
            await trio.sleep(0.5)
            if watch.ended.is_set():
                break
    assert watch.ended.is_set()
    assert 55 <= len(watch.brief) <= 62
    assert watch.bookmarks[-1] >= watch.brief[-1][2]


async def test_bookmark_never_runs_ahead_of_what_the_sink_took(core, samples, make_sink, autojump_clock):
    sink = make_sink()
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&allowWatchBookmarks=true&timeoutSeconds=500", sink)
    for number in range(40):
        if number % 4 == 1:
            sink.block()
        await core.config_map(f"c{number:04}")
        await core.namespace(f"n{number}")
        await trio.sleep(13)
        if number % 4 == 3:
            sink.unblock()
            await core.settle()
    sink.unblock()
    await watch.end()
    named = 0
    for event in watch.events:
        revision = int(event["object"]["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            named = max(named, revision)
        else:
            assert revision > named, "a bookmark had named it already"
    assert len(watch.brief) == len({name for _, name, _ in watch.brief}) > 30


async def test_shutdown_says_how_far_the_stream_came(core, samples):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&allowWatchBookmarks=true")
    plain = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.config_map("a")
    await watch.until(1)
    await core.namespace("n")
    core.bus.close()
    await watch.end()
    await plain.end()
    assert [event["type"] for event in watch.events] == ["ADDED", "BOOKMARK"]
    assert watch.bookmarks == [core.log.head]
    assert [event["type"] for event in plain.events] == ["ADDED"]
    assert watch.failure is plain.failure is None


# Revisions that are gone, or yet to come


async def test_compacted_revision_is_an_error_event(core, samples):
    await write(core, samples, 5)
    await core.log.compact(core.log.head - 1)
    watch = await core.watch(samples.config_maps, "resourceVersion=1")
    await watch.end()
    assert watch.events == [
        {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": f"too old resource version: 1 ({core.log.floor})",
                "reason": "Expired",
                "code": 410,
            },
        }
    ]
    assert watch.failure is None


async def test_compacted_revision_does_not_matter_to_a_state(core, samples):
    await write(core, samples, 3)
    await core.log.compact(core.log.head)
    watch = await core.watch(
        samples.config_maps, "resourceVersion=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    )
    await watch.until(4)
    assert [event["type"] for event in watch.events] == ["ADDED"] * 3 + ["BOOKMARK"]


async def test_quiet_watch_outlives_compaction(core, samples):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.settle()
    for number in range(20):
        await core.namespace(f"n{number}")
    await core.log.compact(core.log.head)
    await core.config_map("a")
    await watch.until(1)
    assert watch.brief == [("ADDED", "a", core.log.head)]


@pytest.mark.parametrize("query", ["timeoutSeconds=600", "timeoutSeconds=30", "timeoutSeconds=30&allowWatchBookmarks=true"])
async def test_quiet_watch_whose_time_comes_behind_compaction_ends_well(core, samples, autojump_clock, query):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}&{query}")
    await core.settle()
    for number in range(20):
        await core.namespace(f"n{number}")
    await core.log.compact(core.log.head)
    await watch.end()
    assert [event["type"] for event in watch.events] == ["BOOKMARK"] * ("allowWatchBookmarks" in query)
    assert watch.bookmarks == [core.log.head] * len(watch.events)


async def test_quiet_watch_whose_client_takes_nothing_outlives_compaction(core, samples, make_sink):
    sink = make_sink()
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", sink)
    await core.settle()
    sink.block()
    await core.config_map("a")
    await core.settle()
    for number in range(20):
        await core.namespace(f"n{number}")
    await core.log.compact(core.log.head)
    sink.unblock()
    await core.config_map("b")
    await core.settle()
    assert [name for _, name, _ in watch.brief] == ["a", "b"]


async def test_future_revision_waits_in_silence(core, samples, autojump_clock):
    start = core.log.head
    watch = await core.watch(samples.config_maps, f"resourceVersion={start + 3}&timeoutSeconds=100")
    await write(core, samples, 3)
    await trio.sleep(20)
    assert watch.events == []
    await core.config_map("late")
    await watch.until(1)
    assert watch.brief == [("ADDED", "late", start + 4)]
    await watch.end()


async def test_state_of_a_future_revision_is_a_timeout_event(core, samples, autojump_clock):
    head, begun = core.log.head, trio.current_time()
    query = f"resourceVersion={head + 1000}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    watch = await core.watch(samples.config_maps, query)
    await watch.end()
    assert trio.current_time() - begun == pytest.approx(3)
    (event,) = watch.events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (504, "Timeout")
    assert event["object"]["message"] == f"Timeout: Too large resource version: {head + 1000}, current: {head}"


async def test_state_waits_for_a_revision_that_comes(core, samples, autojump_clock):
    head = core.log.head
    watch = await core.watch(
        samples.config_maps, f"resourceVersion={head + 1}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    )
    await core.settle()
    assert watch.events == []
    await core.config_map("a")
    await watch.until(1)
    assert watch.brief == [("ADDED", "a", head + 1)]


# Sinks


async def test_slow_sink_harms_nobody_and_loses_nothing(core, samples, make_sink):
    slow_sink = make_sink()
    slow_sink.block()
    slow = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", slow_sink)
    quick = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    for number in range(300):
        await core.config_map(f"c{number:04}")
        if number % 50 == 0:
            await quick.until(number + 1)
    await quick.until(300)
    assert slow.events == []
    slow_sink.unblock()
    await slow.until(300)
    assert slow.brief == quick.brief
    assert core.groups.watchers == 2


async def test_sink_that_stays_behind_compaction_is_told_so(core, samples, make_sink):
    sink = make_sink()
    sink.block()
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", sink)
    await core.config_map("first")
    await core.settle()
    await write(core, samples, 5)
    await core.log.compact(core.log.head - 1)
    sink.unblock()
    await watch.end()
    assert [event["type"] for event in watch.events] == ["ADDED", "ERROR"]
    assert watch.events[-1]["object"]["code"] == 410


async def test_client_that_leaves_takes_its_cursor_along(core, samples, make_sink):
    sink = make_sink()
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}", sink)
    await core.settle()
    assert core.groups.watchers == 1
    sink.close()
    await core.config_map("a")
    await watch.end()
    assert core.groups.watchers == 0


async def test_cancelled_watch_leaves_nothing_behind(core, samples):
    watch = await core.watch(samples.config_maps)
    await core.settle()
    watch.scope.cancel()
    await watch.ended.wait()
    assert core.groups.watchers == 0
    assert core.log.log._holds == {}


# Long lists


async def test_list_over_many_pages_is_one_snapshot_while_writers_write(core, samples, make_sink):
    await write(core, samples, 1300)
    before = core.log.head
    response = await core.respond("GET", samples.config_maps)
    assert not isinstance(response.body, bytes)
    sink = make_sink()

    async def disturb():
        for number in range(0, 1300, 10):
            await core.call("DELETE", f"{samples.config_maps}/c{number:04}")
            await core.config_map(f"c{number:04}-new")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(disturb)
        nursery.start_soon(response.body.run, sink)
    listed = orjson.loads(sink.data)
    assert listed["metadata"] == {"resourceVersion": str(before)}
    assert [item["metadata"]["name"] for item in listed["items"]] == [f"c{n:04}" for n in range(1300)]
    assert max(int(item["metadata"]["resourceVersion"]) for item in listed["items"]) <= before
    assert core.log.head > before
    assert len(sink.chunks) >= 3


@pytest.mark.parametrize("query", ["labelSelector=none", ""])
async def test_long_list_with_an_empty_or_full_selection_is_whole(core, samples, query):
    await write(core, samples, 700)
    answer = await core.call("GET", samples.config_maps, query=query)
    assert len(answer.json["items"]) == (0 if query else 700)


async def test_list_whose_snapshot_is_compacted_is_cut_off(core, samples, make_sink, autojump_clock):
    await write(core, samples, 1300)
    response = await core.respond("GET", samples.config_maps)
    sink, failure = make_sink(), []
    sink.block()

    async def run():
        try:
            await response.body.run(sink)
        except Exception as error:  # noqa: BLE001 - looked at below
            failure.append(type(error).__name__)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await core.settle()
        before = core.log.head
        await core.config_map("another")
        # For a while the list holds compaction back, then no longer.
        assert await core.log.compact(core.log.head) == before
        await trio.sleep(61)
        assert await core.log.compact(core.log.head) > before
        sink.unblock()
    assert failure == ["Compacted"]
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(sink.data)
