"""Pods through the whole server: what their Strategy asks of the Store and the API."""

from __future__ import annotations

PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def pod(core, name="a", **spec):
    body = {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}
    made = await core.call("POST", PODS, body)
    assert made.status == 201, made.body
    return made.json


async def test_what_two_rules_find_is_told_once(core):
    await pod(core)
    answer = await core.patch(f"{PODS}/a", {"spec": {"containers": [{"name": "c", "image": " i"}]}}, kind="strategic-merge")
    assert (answer.status, len(answer.json["details"]["causes"])) == (422, 1)
    answer = await core.patch(f"{PODS}/a", {"metadata": {"labels": {"a b": "c"}}})
    assert (answer.status, len(answer.json["details"]["causes"])) == (422, 1)


async def test_rows_of_ended_pods_say_so(core):
    for phase in ("Running", "Failed", "Succeeded"):
        await pod(core, phase.lower())
        assert (await core.patch(f"{PODS}/{phase.lower()}/status", {"status": {"phase": phase}})).status == 200
    rows = (await core.call("GET", PODS, headers={"accept": TABLE})).json["rows"]
    assert [(row["cells"][0], row.get("conditions")) for row in rows] == [
        ("failed", [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}]),
        ("running", None),
        ("succeeded", [{"type": "Completed", "status": "True", "reason": "Succeeded", "message": "The pod has completed successfully."}]),
    ]


async def test_a_status_brings_nothing_but_itself(core):
    made = await pod(core)
    body = {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": {"nodeName": "n"}, "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}}
    changed = await core.call("PUT", f"{PODS}/a/status", body)
    assert changed.status == 200, changed.body
    assert changed.json["spec"] == made["spec"]
    assert changed.json["metadata"]["labels"] == {"x": "y"}
    assert changed.json["status"] == {"phase": "Running", "qosClass": "BestEffort", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}
    assert changed.json["metadata"]["generation"] == 1
    assert (await core.call("GET", PODS, query="fieldSelector=status.podIP%3D10.0.0.1")).json["items"]


async def test_generation_counts_specs_only(core):
    await pod(core)
    assert (await core.patch(f"{PODS}/a", {"metadata": {"labels": {"a": "b"}}})).json["metadata"]["generation"] == 1
    changed = await core.patch(f"{PODS}/a", {"spec": {"activeDeadlineSeconds": 5}})
    assert changed.json["metadata"]["generation"] == 2
    resized = await core.patch(f"{PODS}/a/resize", {"spec": {"hostname": "x"}})
    assert (resized.json["metadata"]["generation"], "hostname" in resized.json["spec"]) == (2, False)
