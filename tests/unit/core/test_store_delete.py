"""Deleting objects: finalizers, propagation, preconditions, collections."""

from __future__ import annotations

import pytest
import trio


async def test_delete_answers_success_and_removes(core, samples):
    obj = await core.config_map("a")
    head = core.log.head
    answer = await core.call("DELETE", f"{samples.config_maps}/a")
    assert answer.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": obj["metadata"]["uid"]},
    }
    assert core.log.head == head + 1
    assert (await core.call("DELETE", f"{samples.config_maps}/a")).status == 404
    assert core.log.head == head + 1


async def test_finalizers_hold_until_the_last_is_gone(core, samples):
    await core.config_map("a", finalizers=["e.com/x", "e.com/y"])
    path = f"{samples.config_maps}/a"
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    marked = await core.call("DELETE", path)
    assert (marked.status, marked.json["kind"]) == (200, "ConfigMap")
    assert marked.json["metadata"]["deletionTimestamp"] == "2025-06-15T15:06:40Z"
    assert marked.json["metadata"]["deletionGracePeriodSeconds"] == 0
    head = core.log.head
    core.clock.advance(60)
    again = await core.call("DELETE", path)
    assert (again.status, again.json) == (200, marked.json)
    assert core.log.head == head
    added = await core.patch(path, {"metadata": {"finalizers": ["e.com/x", "e.com/y", "e.com/z"]}})
    assert added.status == 422
    assert "no new finalizers can be added if the object is being deleted" in added.json["message"]
    assert (await core.patch(path, {"metadata": {"deletionTimestamp": None}})).json == marked.json
    assert (await core.patch(path, {"metadata": {"finalizers": ["e.com/x"]}})).status == 200
    last = await core.patch(path, {"metadata": {"finalizers": None}})
    assert (last.status, last.json["kind"]) == (200, "ConfigMap")
    assert not await core.exists(path)
    await core.settle()
    assert [event["type"] for event in watch.events] == ["MODIFIED", "MODIFIED", "DELETED"]
    assert watch.brief[-1] == ("DELETED", "a", core.log.head)


async def test_generation_of_a_marked_object_rises(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    await core.call("POST", samples.things, samples.thing(metadata={"finalizers": ["e.com/x"]}))
    assert (await core.call("DELETE", f"{samples.things}/a")).json["metadata"]["generation"] == 2
    assert (await core.call("DELETE", f"{samples.things}/a")).json["metadata"]["generation"] == 2


async def test_dry_run_deletes_nothing(core, samples):
    await core.config_map("a")
    await core.config_map("b", finalizers=["e.com/x"])
    head = core.log.head
    assert (await core.call("DELETE", f"{samples.config_maps}/a", query="dryRun=All")).json["status"] == "Success"
    held = await core.call("DELETE", f"{samples.config_maps}/b", query="dryRun=All")
    assert "deletionTimestamp" in held.json["metadata"]
    assert core.log.head == head


@pytest.mark.parametrize("preconditions", [{"uid": "other"}, {"resourceVersion": "1"}])
async def test_precondition_that_does_not_hold_is_a_conflict(core, samples, preconditions):
    await core.config_map("a")
    answer = await core.call("DELETE", f"{samples.config_maps}/a", {"preconditions": preconditions})
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert await core.exists(f"{samples.config_maps}/a")


async def test_preconditions_that_hold_let_pass(core, samples):
    meta = (await core.config_map("a"))["metadata"]
    held = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    assert (await core.call("DELETE", f"{samples.config_maps}/a", {"preconditions": held})).status == 200


async def test_precondition_is_looked_at_again_after_a_lost_race(core, samples):
    meta = (await core.config_map("a"))["metadata"]
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.patch(path, {"data": {"x": "y"}}), only=b"/a")
    answer = await core.call("DELETE", path, {"preconditions": {"resourceVersion": meta["resourceVersion"]}})
    assert answer.status == 409
    core.log.race_once(lambda: core.patch(path, {"data": {"x": "z"}}), only=b"/a")
    assert (await core.call("DELETE", path)).json["status"] == "Success"


async def test_finalizer_that_arrives_in_time_holds(core, samples):
    await core.config_map("a")
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.patch(path, {"metadata": {"finalizers": ["e.com/x"]}}), only=b"/a")
    assert "deletionTimestamp" in (await core.call("DELETE", path)).json["metadata"]
    assert await core.exists(path)


async def test_two_deletes_at_once_remove_once(core, samples):
    await core.config_map("a")
    head, found = core.log.head, []

    async def delete():
        found.append((await core.call("DELETE", f"{samples.config_maps}/a")).status)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(delete)
        nursery.start_soon(delete)
    assert sorted(found) == [200, 404]
    assert core.log.head == head + 1


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [("Foreground", ["foregroundDeletion"]), ("Orphan", ["orphan"]), ("Background", None), ("", None)],
)
async def test_propagation_policy_becomes_a_finalizer(core, samples, policy, finalizers):
    await core.config_map("a")
    query = f"propagationPolicy={policy}" if policy else ""
    answer = await core.call("DELETE", f"{samples.config_maps}/a", query=query)
    if finalizers is None:
        assert answer.json["status"] == "Success"
    else:
        assert answer.json["metadata"]["finalizers"] == finalizers


async def test_later_policy_replaces_an_earlier_one(core, samples):
    await core.config_map("a", finalizers=["e.com/x"])
    path = f"{samples.config_maps}/a"
    for policy, finalizers in (
        ("Foreground", ["e.com/x", "foregroundDeletion"]),
        ("Orphan", ["e.com/x", "orphan"]),
        ("Background", ["e.com/x"]),
    ):
        answer = await core.call("DELETE", path, {"propagationPolicy": policy})
        assert answer.json["metadata"]["finalizers"] == finalizers


async def test_collection_is_deleted_by_selector(core, samples):
    for name, app in (("a", "x"), ("b", "y"), ("c", "x")):
        await core.config_map(name, labels={"app": app}, finalizers=["e.com/x"] if name == "c" else [])
    answer = await core.call("DELETE", samples.config_maps, query="labelSelector=app%3Dx")
    assert answer.json["kind"] == "ConfigMapList"
    assert [item["metadata"]["name"] for item in answer.json["items"]] == ["a", "c"]
    left = (await core.call("GET", samples.config_maps)).json["items"]
    assert [(item["metadata"]["name"], "deletionTimestamp" in item["metadata"]) for item in left] == [("b", False), ("c", True)]


async def test_revision_of_a_deleted_collection_is_that_very_one(core, samples):
    before = core.log.head
    await core.config_map("a", labels={"x": "1"})
    answer = await core.call("DELETE", samples.config_maps, None, f"labelSelector=x&resourceVersion={before}")
    assert (answer.status, answer.json["items"]) == (200, [])
    assert await core.exists(f"{samples.config_maps}/a")
    # It is a precondition, too.
    found = core.log.head
    await core.config_map("b", labels={"x": "1"})
    answer = await core.call("DELETE", samples.config_maps, None, f"labelSelector=x&resourceVersion={found}")
    assert (answer.status, len(answer.json["items"])) == (200, 1)
    assert await core.exists(f"{samples.config_maps}/b")
    assert not await core.exists(f"{samples.config_maps}/a")
    answer = await core.call("DELETE", samples.config_maps, None, f"labelSelector=x&resourceVersion={found + 5}")
    assert answer.status == 504


async def test_initial_namespaces_are_immortal(core, samples):
    for name, status in (("default", 403), ("kube-system", 403), ("kube-public", 403), ("kube-node-lease", 200)):
        assert (await core.call("DELETE", f"{samples.namespaces}/{name}")).status == status
