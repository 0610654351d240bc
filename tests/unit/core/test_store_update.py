"""Changing objects: no-ops, generation, the status split, optimistic locking, lost races."""

from __future__ import annotations

import pytest
import trio

from watchd.registry.refusals import parse_resource_version
from watchd.status import Reason, StatusError


@pytest.fixture
async def splits(core, samples):
    """A custom kind with a status subresource; gives its collection's path."""
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition("splits", "Split", versions=[samples.version(status=True)]))
    return "/apis/example.com/v1/namespaces/default/splits"


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    return samples.things


async def test_update_that_changes_nothing_writes_nothing(core, samples):
    obj = await core.config_map("a")
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    head = core.log.head
    answer = await core.call("PUT", f"{samples.config_maps}/a", obj)
    assert (answer.status, answer.json) == (200, obj)
    assert (await core.patch(f"{samples.config_maps}/a", {"data": {"key": "value"}})).json == obj
    await core.settle()
    assert core.log.head == head
    assert watch.events == []


async def test_one_and_true_differ(core, things, samples):
    await core.call("POST", things, samples.thing(spec={"x": 1}))
    for value, text in ((True, b'"x":true'), (1, b'"x":1}')):
        head = core.log.head
        answer = await core.patch(f"{things}/a", {"spec": {"x": value}})
        assert text in answer.body
        assert core.log.head == head + 1


async def test_update_replaces_and_keeps_what_the_server_owns(core, samples):
    before = await core.config_map("a", labels={"x": "1"})
    change = samples.config_map("a", data={"other": "2"}, creationTimestamp="2001-01-01T00:00:00Z", generation=9)
    after = (await core.call("PUT", f"{samples.config_maps}/a", change)).json
    assert after["data"] == {"other": "2"}
    assert "labels" not in after["metadata"]
    for field in ("uid", "creationTimestamp", "namespace"):
        assert after["metadata"][field] == before["metadata"][field]
    assert "generation" not in after["metadata"]
    assert int(after["metadata"]["resourceVersion"]) == int(before["metadata"]["resourceVersion"]) + 1


async def test_dry_run_shows_the_change_and_stores_nothing(core, samples):
    before = await core.config_map("a")
    head = core.log.head
    answer = await core.patch(f"{samples.config_maps}/a", {"data": {"key": "new"}}, "dryRun=All")
    assert answer.json["data"] == {"key": "new"}
    assert core.log.head == head
    assert (await core.call("GET", f"{samples.config_maps}/a")).json == before


async def test_stale_revision_is_a_conflict(core, samples):
    stale = await core.config_map("a")
    await core.patch(f"{samples.config_maps}/a", {"data": {"key": "new"}})
    head = core.log.head
    answer = await core.call("PUT", f"{samples.config_maps}/a", stale)
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert answer.json["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    locked = await core.patch(
        f"{samples.config_maps}/a", {"metadata": {"resourceVersion": stale["metadata"]["resourceVersion"]}, "data": {"a": "b"}}
    )
    assert locked.status == 409
    assert core.log.head == head


async def test_revision_is_demanded_where_unconditional_updates_are_not_allowed(core, things, samples):
    await core.call("POST", things, samples.thing())
    answer = await core.call("PUT", f"{things}/a", samples.thing(spec={"x": 1}))
    assert answer.status == 422
    assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in answer.json["message"]


async def test_other_uid_is_a_conflict(core, samples):
    await core.config_map("a")
    answer = await core.call("PUT", f"{samples.config_maps}/a", samples.config_map("a", uid="somebody-else"))
    assert answer.status == 409
    assert "Precondition failed: UID in precondition: somebody-else" in answer.json["message"]


@pytest.mark.parametrize("text", ["abc", "-1", "1.0", "9" * 5000, str(1 << 64)])
async def test_malformed_revision_is_said_to_be_one(core, samples, text):
    obj = await core.config_map("a")
    obj["metadata"]["resourceVersion"] = text
    answer = await core.call("PUT", f"{samples.config_maps}/a", obj)
    assert answer.status == 500
    assert "strconv.ParseUint" in answer.json["message"]


def test_revisions_are_read():
    assert parse_resource_version("") == parse_resource_version("0") == 0
    assert parse_resource_version("17") == 17


# Status


async def test_status_of_a_custom_object_is_apart(core, splits, samples):
    created = (await core.call("POST", splits, samples.thing(kind="Split", spec={"x": 1}))).json
    everything = {
        **created, "spec": {"x": 2}, "status": {"y": 1}, "metadata": {**created["metadata"], "labels": {"l": "1"}, "finalizers": ["e.com/f"]},
    }
    written = (await core.call("PUT", f"{splits}/a/status", everything)).json
    assert written["status"] == {"y": 1}
    assert written["spec"] == {"x": 1}
    changed = {name: written["metadata"][name] for name in ("resourceVersion", "managedFields")}
    assert written["metadata"] == {**created["metadata"], **changed}
    assert [entry.get("subresource", "") for entry in changed["managedFields"]] == ["", "status"]
    assert written["metadata"]["generation"] == 1
    everything["metadata"]["resourceVersion"] = written["metadata"]["resourceVersion"]
    everything["status"] = {"y": 2}
    written = (await core.call("PUT", f"{splits}/a", everything)).json
    assert (written["spec"], written["status"]) == ({"x": 2}, {"y": 1})
    assert written["metadata"]["generation"] == 2
    assert written["metadata"]["labels"] == {"l": "1"}


async def test_status_can_be_removed_through_status_only(core, splits, samples):
    await core.call("POST", splits, samples.thing(kind="Split"))
    await core.patch(f"{splits}/a/status", {"status": {"y": 1}})
    head = core.log.head
    assert (await core.patch(f"{splits}/a", {"status": None})).json["status"] == {"y": 1}
    assert core.log.head == head
    assert "status" not in (await core.patch(f"{splits}/a/status", {"status": None})).json


async def test_status_of_a_built_in_object_takes_metadata_along(core, samples):
    await core.namespace("n")
    written = await core.patch(f"{samples.namespaces}/n/status", {"metadata": {"labels": {"l": "1"}}, "spec": {"finalizers": []}})
    assert written.json["metadata"]["labels"] == {"kubernetes.io/metadata.name": "n", "l": "1"}
    assert written.json["spec"] == {"finalizers": ["kubernetes"]}
    written = await core.patch(f"{samples.namespaces}/n", {"status": {"phase": "Terminating"}, "spec": {"finalizers": []}})
    assert written.json["status"] == {"phase": "Active"}
    assert written.json["spec"] == {"finalizers": ["kubernetes"]}


async def test_no_status_subresource_is_not_found(core, things, samples):
    await core.call("POST", things, samples.thing())
    assert (await core.patch(f"{things}/a/status", {"status": {}})).status == 404
    # There the status is a field like any other, and counts for the generation.
    changed = (await core.patch(f"{things}/a", {"status": {"y": 1}})).json
    assert (changed["status"], changed["metadata"]["generation"]) == ({"y": 1}, 2)


async def test_generation_follows_content_only(core, splits, samples):
    await core.call("POST", splits, samples.thing(kind="Split", spec={"x": 1}))

    async def generation(body):
        return (await core.patch(f"{splits}/a", body)).json["metadata"]["generation"]

    assert await generation({"metadata": {"labels": {"l": "1"}}}) == 1
    assert await generation({"metadata": {"generation": 7}}) == 1
    assert await generation({"spec": {"x": 2}}) == 2
    assert await generation({"spec": {"x": 2}}) == 2
    assert await generation({"other": True}) == 3


# Races


async def test_lost_race_is_run_again_on_the_winner(core, samples):
    await core.config_map("a")
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.patch(path, {"data": {"theirs": "1"}}), only=b"/a")
    answer = await core.patch(path, {"data": {"mine": "1"}})
    assert answer.json["data"] == {"key": "value", "mine": "1", "theirs": "1"}


async def test_concurrent_updates_all_count(core, samples):
    endpoint = core.endpoint("configmaps")
    await core.config_map("a", data={"n": "0"})

    async def increment():
        async def change(current):
            await trio.lowlevel.checkpoint()
            current["data"]["n"] = str(int(current["data"]["n"]) + 1)
            return current

        await core.store.update(endpoint, "default", "a", change)

    before = core.log.head
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(increment)
    assert (await core.call("GET", f"{samples.config_maps}/a")).json["data"] == {"n": "20"}
    assert core.log.head == before + 20


async def test_unconditional_put_wins_a_lost_race(core, samples):
    await core.config_map("a")
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.patch(path, {"data": {"theirs": "1"}}), only=b"/a")
    answer = await core.call("PUT", path, samples.config_map("a", data={"mine": "1"}))
    assert (answer.status, answer.json["data"]) == (200, {"mine": "1"})


async def test_conditional_put_loses_a_lost_race(core, samples):
    obj = await core.config_map("a")
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.patch(path, {"data": {"theirs": "1"}}), only=b"/a")
    answer = await core.call("PUT", path, {**obj, "data": {"mine": "1"}})
    assert answer.status == 409
    assert (await core.call("GET", path)).json["data"] == {"key": "value", "theirs": "1"}


@pytest.mark.parametrize(("races", "status"), [(4, 200), (5, 409)])
async def test_patch_is_tried_five_times(core, samples, races, status):
    await core.config_map("a")
    path, count = f"{samples.config_maps}/a", 0

    async def interfere():
        nonlocal count
        count += 1
        await core.patch(path, {"data": {"theirs": str(count)}})

    core.log.race(interfere, times=races, only=b"/a")
    answer = await core.patch(path, {"data": {"mine": "1"}})
    assert answer.status == status
    assert count == races
    stored = (await core.call("GET", path)).json["data"]
    assert ("mine" in stored) == (status == 200)


async def test_object_that_goes_while_it_is_changed_is_not_found(core, samples):
    await core.config_map("a")
    path = f"{samples.config_maps}/a"
    core.log.race_once(lambda: core.call("DELETE", path), only=b"/a")
    assert (await core.patch(path, {"data": {"mine": "1"}})).status == 404
    assert not await core.exists(path)


# Create on update

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def lease(holder: str, **metadata):
    return {"metadata": {"name": "l", **metadata}, "spec": {"holderIdentity": holder}}


async def test_put_creates_where_the_kind_allows_it(core, samples):
    answer = await core.call("PUT", f"{LEASES}/l", lease("me"))
    assert (answer.status, answer.json["spec"]) == (201, {"holderIdentity": "me"})
    assert answer.json["metadata"]["uid"]
    assert (await core.call("PUT", f"{samples.config_maps}/a", samples.config_map("a"))).status == 404


async def test_create_on_update_that_is_raced_becomes_an_update(core):
    core.log.race_once(lambda: core.call("POST", LEASES, lease("other")), only=b"/l")
    answer = await core.call("PUT", f"{LEASES}/l", lease("me"))
    # A Lease takes no update without a resourceVersion.
    assert answer.status == 422
    assert (await core.call("GET", f"{LEASES}/l")).json["spec"] == {"holderIdentity": "other"}


async def test_put_of_a_lease_that_was_deleted_is_no_create(core):
    old = (await core.call("POST", LEASES, lease("me"))).json
    await core.call("DELETE", f"{LEASES}/l")
    answer = await core.call("PUT", f"{LEASES}/l", lease("me", uid=old["metadata"]["uid"]))
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert not await core.exists(f"{LEASES}/l")


async def test_create_on_update_checks_the_namespace(core):
    answer = await core.call("PUT", LEASES.replace("default", "nope") + "/l", lease("me"))
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "nope" not found')


# Storage version


async def test_update_without_a_change_brings_an_object_to_a_new_storage_version(core, samples):
    await core.nursery.start(core.definitions.run)
    v1, v2 = samples.version("v1"), samples.version("v2", storage=False)
    await core.define(samples.definition(versions=[v1, v2]))
    await core.call("POST", samples.things, samples.thing(spec={"x": 1}))
    await core.patch(
        f"{samples.definitions}/things.example.com",
        {"spec": {"versions": [{**v1, "storage": False}, {**v2, "storage": True}]}},
    )
    await core.settle()
    key = core.endpoint("things", "example.com").key("default", "a")
    obj = (await core.call("GET", f"{samples.things}/a")).json
    assert b'"example.com/v1"' in (await core.log.get(key)).body
    head = core.log.head
    assert (await core.call("PUT", f"{samples.things}/a", obj)).status == 200
    assert b'"example.com/v2"' in (await core.log.get(key)).body
    assert core.log.head == head + 1
    obj = (await core.call("GET", f"{samples.things}/a")).json
    assert (await core.call("PUT", f"{samples.things}/a", obj)).json == obj
    assert core.log.head == head + 1


async def test_object_of_a_version_that_is_gone_can_still_be_read_and_deleted(core, samples):
    await core.nursery.start(core.definitions.run)
    v1, v2 = samples.version("v1"), samples.version("v2", storage=False)
    name = f"{samples.definitions}/things.example.com"
    await core.define(samples.definition(versions=[v1, v2]))
    await core.call("POST", samples.things, samples.thing(spec={"x": 1}))
    await core.patch(name, {"spec": {"versions": [{**v1, "storage": False}, {**v2, "storage": True}]}})
    assert (await core.patch(f"{name}/status", {"status": {"storedVersions": ["v2"]}})).status == 200
    assert (await core.patch(name, {"spec": {"versions": [{**v2, "storage": True}]}})).status == 200
    await core.settle()
    path = samples.things.replace("v1", "v2", 1)
    read = await core.call("GET", f"{path}/a")
    assert (read.status, read.json["apiVersion"], read.json["spec"]) == (200, "example.com/v2", {"x": 1})
    assert (await core.call("DELETE", f"{path}/a")).status == 200


async def test_refusal_keeps_its_reason_through_store(core):
    with pytest.raises(StatusError) as caught:
        await core.store.get(core.endpoint("configmaps"), "default", "nope")
    assert caught.value.reason is Reason.NOT_FOUND
