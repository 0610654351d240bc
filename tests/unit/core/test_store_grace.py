"""Deleting what is left time to end by itself: pods, whose kubelets end them."""

from __future__ import annotations

from storage.types import Op

PODS = "/api/v1/namespaces/default/pods"


async def pod(core, name="a", **spec):
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
    made = await core.call("POST", PODS, body)
    assert made.status == 201, made.body
    return made.json


async def test_an_unscheduled_pod_is_marked_before_it_goes(core):
    await pod(core)
    watch = await core.watch(PODS, f"resourceVersion={core.log.head}")
    gone = await core.call("DELETE", f"{PODS}/a", query="gracePeriodSeconds=20")
    assert (gone.status, gone.json["kind"]) == (200, "Pod")
    assert (gone.json["metadata"]["deletionGracePeriodSeconds"], gone.json["metadata"]["generation"]) == (0, 2)
    assert gone.json["metadata"]["resourceVersion"] == str(core.log.head)
    await core.settle()
    assert [event["type"] for event in watch.events] == ["MODIFIED", "DELETED"]
    assert watch.events[0]["object"]["metadata"]["deletionTimestamp"] == "2025-06-15T15:06:40Z"


async def test_a_dry_run_marks_nobody(core):
    await pod(core)
    head = core.log.head
    answer = await core.call("DELETE", f"{PODS}/a", query="dryRun=All")
    assert (answer.status, answer.json["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    assert core.log.head == head


async def test_time_runs_from_the_first_delete_and_is_only_shortened(core):
    await pod(core, nodeName="n")
    marked = await core.call("DELETE", f"{PODS}/a")
    meta = marked.json["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"], meta["generation"]) == ("2025-06-15T15:07:10Z", 30, 2)
    core.clock.advance(7)
    head = core.log.head
    assert (await core.call("DELETE", f"{PODS}/a")).json == marked.json
    assert (await core.call("DELETE", f"{PODS}/a", query="gracePeriodSeconds=30")).json == marked.json
    assert core.log.head == head
    meta = (await core.call("DELETE", f"{PODS}/a", query="gracePeriodSeconds=10")).json["metadata"]
    assert (meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"], meta["generation"]) == ("2025-06-15T15:06:50Z", 10, 2)
    assert (await core.patch(f"{PODS}/a", {"metadata": {"labels": {"x": "y"}}})).status == 200
    assert (await core.call("DELETE", f"{PODS}/a", query="gracePeriodSeconds=0")).status == 200
    assert not await core.exists(f"{PODS}/a")


async def test_finalizers_hold_a_pod_beyond_its_time(core):
    await pod(core, nodeName="n")
    assert (await core.patch(f"{PODS}/a", {"metadata": {"finalizers": ["e.com/x"]}})).status == 200
    await core.call("DELETE", f"{PODS}/a")
    held = await core.call("DELETE", f"{PODS}/a", query="gracePeriodSeconds=0")
    assert (held.status, held.json["metadata"]["deletionGracePeriodSeconds"]) == (200, 0)
    assert await core.exists(f"{PODS}/a")
    assert (await core.patch(f"{PODS}/a", {"metadata": {"finalizers": None}})).status == 200
    assert not await core.exists(f"{PODS}/a")


async def test_a_finalizer_taken_while_time_runs_leaves_the_pod(core):
    await pod(core, nodeName="n")
    await core.patch(f"{PODS}/a", {"metadata": {"finalizers": ["e.com/x"]}})
    await core.call("DELETE", f"{PODS}/a")
    assert (await core.patch(f"{PODS}/a", {"metadata": {"finalizers": None}})).status == 200
    assert await core.exists(f"{PODS}/a")


async def test_an_ended_pod_goes_at_once(core):
    await pod(core, nodeName="n")
    assert (await core.patch(f"{PODS}/a/status", {"status": {"phase": "Succeeded"}})).status == 200
    await core.call("DELETE", f"{PODS}/a")
    assert not await core.exists(f"{PODS}/a")


async def test_who_writes_between_mark_and_end_does_not_keep_the_pod(core):
    await pod(core)
    watch = await core.watch(PODS, f"resourceVersion={core.log.head}")

    async def before(write):
        if write.op is Op.DELETE:
            core.log.before_append = None
            assert (await core.patch(f"{PODS}/a/status", {"status": {"phase": "Running"}})).status == 200

    core.log.before_append = before
    assert (await core.call("DELETE", f"{PODS}/a")).status == 200
    assert not await core.exists(f"{PODS}/a")
    await core.settle()
    assert [event["type"] for event in watch.events] == ["MODIFIED", "DELETED"]


async def test_a_collection_leaves_each_its_time(core):
    await pod(core, "a", nodeName="n")
    await pod(core, "b")
    assert (await core.call("DELETE", PODS, query="gracePeriodSeconds=5")).status == 200
    left = (await core.call("GET", PODS)).json["items"]
    assert [(item["metadata"]["name"], item["metadata"]["deletionGracePeriodSeconds"]) for item in left] == [("a", 5)]
