"""No create lands behind a namespace's deletionTimestamp, however the two are interleaved."""

from __future__ import annotations

import pytest
import trio

from storage.types import Op


async def test_terminating_namespace_refuses_creates(core, samples):
    await core.namespace("n")
    assert (await core.call("DELETE", f"{samples.namespaces}/n")).json["status"]["phase"] == "Terminating"
    answer = await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map("a"))
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["details"]["causes"] == [
        {"reason": "NamespaceTerminating", "message": "namespace n is being terminated", "field": "metadata.namespace"}
    ]


async def test_deletion_between_look_and_append_wins(core, samples):
    await core.namespace("n")
    core.log.race_once(lambda: core.call("DELETE", f"{samples.namespaces}/n"), only=b"n/a")
    answer = await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map("a"))
    assert answer.status == 403
    assert not await core.exists("/api/v1/namespaces/n/configmaps/a")


async def test_removal_between_look_and_append_wins(core, samples):
    await core.namespace("n")

    async def remove():
        await core.call("DELETE", f"{samples.namespaces}/n")
        namespace = (await core.call("GET", f"{samples.namespaces}/n")).json
        namespace["spec"] = {}
        await core.call("PUT", f"{samples.namespaces}/n/finalize", namespace)
        assert not await core.exists(f"{samples.namespaces}/n")

    core.log.race_once(remove, only=b"n/a")
    answer = await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map("a"))
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "n" not found')


async def test_namespace_that_only_changes_lets_the_create_through(core, samples):
    await core.namespace("n")
    core.log.race_once(lambda: core.patch(f"{samples.namespaces}/n", {"metadata": {"labels": {"x": "y"}}}), only=b"n/a")
    assert (await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map("a"))).status == 201


async def test_custom_objects_and_created_leases_too(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    await core.namespace("n")
    core.log.race_once(lambda: core.call("DELETE", f"{samples.namespaces}/n"), only=b"n/")
    assert (await core.call("POST", "/apis/example.com/v1/namespaces/n/things", samples.thing())).status == 403
    lease = "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"
    assert (await core.call("PUT", lease, {"metadata": {"name": "l"}})).status == 403


@pytest.mark.parametrize("seed", range(5))
async def test_under_any_interleaving(start, autojump_clock, samples, seed):
    core = await start(controllers=True)
    print("seed", seed)
    await core.namespace("n")
    created = []

    async def create(number):
        for _ in range(number * (seed + 1) % 7):
            await trio.lowlevel.checkpoint()
        answer = await core.call("POST", "/api/v1/namespaces/n/configmaps", samples.config_map(f"c{number}"))
        created.append(answer.status)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(create, number)
            if number == 3 * seed:
                nursery.start_soon(core.call, "DELETE", f"{samples.namespaces}/n")
    await core.gone(f"{samples.namespaces}/n")
    assert set(created) <= {201, 403, 404}
    key = core.endpoint("namespaces").key("", "n")
    marked, removed = [
        record.revision
        for record in (await core.log.read(0, scope=core.bus.cursor(core.endpoint("namespaces").scope(), core.log.head).scope, limit=1000, max_bytes=1 << 20)).records
        if record.key == key and (record.op is Op.DELETE or b"deletionTimestamp" in record.body)
    ][:2]
    prefix = core.endpoint("configmaps").scope("n")
    records = (await core.log.read(0, scope=prefix, limit=1000, max_bytes=1 << 20)).records
    assert all(record.revision < marked for record in records if record.op is Op.PUT)
    assert all(record.revision < removed for record in records)
    assert await core.store.walk(core.endpoint("configmaps"), "n") == []
