"""Evictions and bindings beside others who write: what one snapshot of answers cannot show. Words are held by tests/conformance."""

from __future__ import annotations

import pytest

NS = "/api/v1/namespaces/default"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


async def pod(core, name, *, ready=True, phase="Running"):
    spec = {"nodeName": "n", "terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "i"}]}
    made = await core.call("POST", f"{NS}/pods", {"metadata": {"name": name, "labels": {"app": "a"}}, "spec": spec})
    assert made.status == 201, made.body
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    changed = await core.patch(f"{NS}/pods/{name}/status", {"status": {"phase": phase, "conditions": [condition]}})
    assert changed.status == 200, changed.body


async def budget(core, **status):
    body = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}}}
    made = await core.call("POST", BUDGETS, body)
    assert made.status == 201, made.body
    counted = {"currentHealthy": 3, "desiredHealthy": 1, "expectedPods": 3, "disruptionsAllowed": 2, "observedGeneration": 1}
    changed = await core.patch(f"{BUDGETS}/b/status", {"status": {**counted, **status}})
    assert changed.status == 200, changed.body


async def evict(core, name, **options):
    return await core.call("POST", f"{NS}/pods/{name}/eviction", {"metadata": {"name": name}, **options})


async def allowed(core):
    status = (await core.call("GET", f"{BUDGETS}/b")).json["status"]
    return status["disruptionsAllowed"], sorted(status.get("disruptedPods", {}))


async def test_two_at_once_take_two(core):
    for name in ("p1", "p2", "p3"):
        await pod(core, name)
    await budget(core)

    async def other():
        assert (await evict(core, "p2")).status == 201

    core.log.race_once(other, only=b"default/b")
    assert (await evict(core, "p1")).status == 201
    assert await allowed(core) == (0, ["p1", "p2"])
    refused = await evict(core, "p3")
    assert (refused.status, refused.json["details"]["causes"][0]["reason"]) == (429, "DisruptionBudget")


async def test_the_last_disruption_is_given_once(core):
    for name in ("p1", "p2"):
        await pod(core, name)
    await budget(core, disruptionsAllowed=1)

    async def other():
        assert (await evict(core, "p2")).status == 201

    core.log.race_once(other, only=b"default/b")
    assert (await evict(core, "p1")).status == 429
    assert await allowed(core) == (0, ["p2"])
    assert await core.exists(f"{NS}/pods/p1")


async def test_an_unready_pod_goes_uncounted_unless_it_changes_meanwhile(core):
    await pod(core, "p1", ready=False)
    await budget(core, disruptionsAllowed=0)

    async def recover():
        changed = await core.patch(f"{NS}/pods/p1/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        assert changed.status == 200, changed.body

    core.log.race_once(recover, only=b"default/p1")
    refused = await evict(core, "p1")
    assert (refused.status, refused.header("retry-after")) == (429, "10")
    assert await core.exists(f"{NS}/pods/p1")
    await core.patch(f"{NS}/pods/p1/status", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    assert (await evict(core, "p1")).status == 201
    assert await allowed(core) == (0, [])


async def test_unhealthy_pods_go_always_where_the_budget_says_so(core):
    await pod(core, "p1", ready=False)
    await budget(core, disruptionsAllowed=0, currentHealthy=0)
    assert (await evict(core, "p1")).status == 429
    await core.patch(f"{BUDGETS}/b", {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}})
    assert (await evict(core, "p1")).status == 201


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_who_serves_nobody_goes_uncounted(core, phase):
    await pod(core, "p1", phase=phase)
    await budget(core, disruptionsAllowed=0)
    assert (await evict(core, "p1")).status == 201
    assert not await core.exists(f"{NS}/pods/p1")


async def test_a_lost_race_is_run_again(core):
    await pod(core, "p1", phase="Pending")

    async def touch():
        assert (await core.patch(f"{NS}/pods/p1", {"metadata": {"labels": {"b": "c"}}})).status == 200

    core.log.race(touch, times=3, only=b"default/p1")
    assert (await evict(core, "p1")).status == 201
    assert not await core.exists(f"{NS}/pods/p1")


async def test_another_uid_is_refused(core):
    await pod(core, "p1")
    answer = await evict(core, "p1", deleteOptions={"preconditions": {"uid": "other"}})
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert "the UID in the precondition (other) does not match the UID in record" in answer.json["message"]
    assert await core.exists(f"{NS}/pods/p1")


async def test_a_pod_is_bound_once_whoever_comes_first(core):
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await core.call("POST", f"{NS}/pods", {"metadata": {"name": "p"}, "spec": spec})

    def bind(node):
        return core.call("POST", f"{NS}/pods/p/binding", {"metadata": {"name": "p"}, "target": {"name": node}})

    async def other():
        assert (await bind("second")).status == 201

    core.log.race_once(other, only=b"default/p")
    answer = await bind("first")
    assert (answer.status, answer.json["message"]) == (
        409,
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "second"',
    )
    assert (await core.call("GET", f"{NS}/pods/p")).json["spec"]["nodeName"] == "second"
