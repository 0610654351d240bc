"""The most important scenarios over the log on disk, with its writer on a thread."""

from __future__ import annotations

import trio


async def settle_until(predicate):
    with trio.fail_after(10):
        while not await predicate():  # noqa: ASYNC110 - bounded polling from outside, as clients do
            await trio.sleep(0.005)


async def test_objects_watches_and_kinds_survive_a_restart(start, open_lmdb, samples, nursery):
    log = await open_lmdb()
    running = await nursery.start(_run, log)
    core = await start(log, controllers=True)
    await core.call("POST", samples.definitions, samples.definition())

    async def established():
        return await core.call("GET", samples.things) and (await core.call("GET", samples.things)).status == 200

    await settle_until(established)
    assert (await core.call("POST", samples.things, samples.thing())).status == 201
    await core.config_map("a")
    before = log.head
    await core.patch(f"{samples.config_maps}/a", {"data": {"key": "new"}})
    await core.call("DELETE", f"{samples.config_maps}/a")
    head = log.head
    core.bus.close()
    running.cancel()
    await log.aclose()

    log = await open_lmdb()
    assert log.head >= head
    running = await nursery.start(_run, log)
    core = await start(log)
    assert (await core.call("GET", f"{samples.things}/a")).status == 200
    # The log is the watch history: no 410 for what was seen before the restart.
    watch = await core.watch(samples.config_maps, f"resourceVersion={before}&fieldSelector=metadata.name%3Da")
    await watch.until(2)
    assert watch.brief == [("MODIFIED", "a", before + 1), ("DELETED", "a", before + 2)]
    running.cancel()
    await log.aclose()


async def test_concurrent_writers_and_watchers(start, open_lmdb, samples, nursery):
    log = await open_lmdb()
    running = await nursery.start(_run, log)
    core = await start(log)
    endpoint = core.endpoint("configmaps")
    await core.config_map("counter", data={"n": "0"})
    begin = log.head
    watches = [await core.watch(samples.config_maps, f"resourceVersion={begin}") for _ in range(3)]

    async def increment():
        async def change(current):
            await trio.lowlevel.checkpoint()
            current["data"]["n"] = str(int(current["data"]["n"]) + 1)
            return current

        await core.store.update(endpoint, "default", "counter", change)

    async def create(number):
        await core.config_map(f"c{number:02}")

    async with trio.open_nursery() as writers:
        for number in range(20):
            writers.start_soon(increment)
            writers.start_soon(create, number)
    assert (await core.call("GET", f"{samples.config_maps}/counter")).json["data"] == {"n": "20"}
    assert log.head == begin + 40
    for watch in watches:
        await watch.until(40)
        assert [revision for *_, revision in watch.brief] == list(range(begin + 1, begin + 41))
    listed = await core.call("GET", samples.config_maps, query="limit=7")
    assert listed.json["metadata"]["remainingItemCount"] == 14
    running.cancel()
    await log.aclose()


async def test_namespace_and_its_objects_go_and_nothing_lands_behind(start, open_lmdb, samples, nursery):
    log = await open_lmdb()
    running = await nursery.start(_run, log)
    core = await start(log, controllers=True)
    await core.namespace("n")
    statuses = []

    async def create(number):
        answer = await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map(f"c{number}"))
        statuses.append(answer.status)

    async with trio.open_nursery() as writers:
        for number in range(20):
            writers.start_soon(create, number)
            if number == 10:
                writers.start_soon(core.call, "DELETE", f"{samples.namespaces}/n")
    await core.gone(f"{samples.namespaces}/n")
    assert set(statuses) <= {201, 403, 404}
    assert await core.store.walk(core.endpoint("configmaps"), "n") == []
    running.cancel()
    await log.aclose()


async def test_keys_that_are_too_long_are_not_found(start, open_lmdb, samples, nursery):
    log = await open_lmdb()
    running = await nursery.start(_run, log)
    core = await start(log)
    name = "x" * 600
    assert (await core.call("GET", f"{samples.config_maps}/{name}")).status == 404
    assert (await core.call("DELETE", f"{samples.config_maps}/{name}")).status == 404
    assert (await core.call("GET", f"/api/v1/namespaces/{name}/configmaps")).json["items"] == []
    assert (await core.call("GET", f"/api/v1/namespaces/{name}/configmaps", query="limit=5")).json["items"] == []
    watch = await core.watch(samples.config_maps, f"fieldSelector=metadata.name%3D{name}")
    await core.config_map("a")
    await core.settle()
    assert watch.events == []
    assert not watch.ended.is_set()
    running.cancel()
    await log.aclose()


async def test_selector_exit_and_compaction_on_disk(start, open_lmdb, samples, nursery):
    log = await open_lmdb()
    running = await nursery.start(_run, log)
    core = await start(log, ring_bytes=1)
    await core.config_map("a", labels={"app": "x"}, data={"v": "old"})
    begin = log.head
    await core.patch(f"{samples.config_maps}/a", {"metadata": {"labels": {"app": "y"}}, "data": {"v": "new"}})
    await log.compact(begin)
    watch = await core.watch(samples.config_maps, f"resourceVersion={begin}&labelSelector=app%3Dx")
    await watch.until(1)
    assert watch.brief == [("DELETED", "a", begin + 1)]
    assert watch.events[0]["object"]["data"] == {"v": "old"}
    expired = await core.watch(samples.config_maps, "resourceVersion=1")
    await expired.end()
    assert expired.events[0]["object"]["code"] == 410
    running.cancel()
    await log.aclose()


async def _run(log, *, task_status):
    """Run a log under a scope of its own, which stands for the process that ends."""
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            await inner.start(log.run)
            task_status.started(scope)
