"""Pods piece by piece: what hangs together in ways that a few recorded answers do not show. Words are held by tests/conformance."""

from __future__ import annotations

import copy

import pytest

from watchd.registry.builtin.common.quantities import rounded_up
from watchd.registry.builtin.core.images import tag_of
from watchd.registry.builtin.core.pod import STRATEGY
from watchd.registry.builtin.core.pod_columns import COLUMNS
from watchd.registry.builtin.core.podgates import drop_disabled, drop_of_template
from watchd.registry.builtin.core.podresources import default_pod_resources, quality_of_service
from watchd.registry.builtin.core.podspec import default_pod_spec
from watchd.registry.builtin.core.podupdate import spec_diff

NOW_MS = 1_750_000_000_000
"""2025-06-15T15:06:40Z."""

DIGEST = "sha256:" + 64 * "0"


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("nginx", "latest"),
        ("nginx:1.27", "1.27"),
        ("localhost:5000/a", "latest"),
        ("localhost/a:b", "b"),
        ("registry.k8s.io/pause:3.10", "3.10"),
        ("[fd00::1]:5000/a:x", "x"),
        (f"a@{DIGEST}", ""),
        (f"a:latest@{DIGEST}", "latest"),
        (f"a@sha256:{'0' * 32}", ""),
        ("Nginx", ""),
        ("a/B", ""),
        ("a//b", ""),
        ("", ""),
        (64 * "a", ""),
        (" nginx", ""),
    ],
)
def test_tags_of_images(image, tag):
    assert tag_of(image) == tag


@pytest.mark.parametrize(
    ("text", "found"), [("0.0001", "1m"), ("1.5Gi", "1536Mi"), ("1000m", "1"), ("100u", "1m"), ("-0.0001", "-1m"), ("nope", "nope"), ("0", "0")]
)
def test_amounts_are_rounded_up_to_thousandths(text, found):
    assert rounded_up(text) == found


def container(name="c", **fields):
    return {"name": name, "image": "nginx", **fields}


def asks(**amounts):
    return {"resources": {"requests": amounts}}


def test_defaults_are_their_own():
    spec = {
        "hostNetwork": True,
        "containers": [container(ports=[{"containerPort": 80}], livenessProbe={"grpc": {"port": 1, "service": None}})],
        "volumes": [{"name": "a"}, {"name": "b", "projected": {"sources": None}}, {"name": "c", "hostPath": {"path": "/"}}],
    }
    pod = {"metadata": {"name": "a"}, "spec": spec}
    STRATEGY.default(pod)
    once = copy.deepcopy(pod)
    STRATEGY.default(pod)
    assert pod == once
    assert spec["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP", "hostPort": 80}]
    assert spec["containers"][0]["livenessProbe"]["grpc"]["service"] == ""
    assert spec["volumes"][2]["hostPath"]["type"] == ""


def test_templates_get_less_than_pods():
    spec = {"terminationGracePeriodSeconds": -1, "containers": [container(resources={"limits": {"cpu": "1"}})]}
    default_pod_spec(spec)
    assert spec["terminationGracePeriodSeconds"] == -1
    assert "requests" not in spec["containers"][0]["resources"]
    assert "enableServiceLinks" not in spec


@pytest.mark.parametrize(
    ("containers", "first", "quality"),
    [
        ([container()], [], "BestEffort"),
        ([container(**asks(cpu="0"))], [], "BestEffort"),
        ([container(**asks(cpu="1"))], [], "Burstable"),
        ([container(resources={"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1000m", "memory": "1"}})], [], "Guaranteed"),
        ([container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "1"}})], [], "Burstable"),
        ([container(resources={"limits": {"cpu": "1", "memory": "1"}, "requests": {"cpu": "1", "memory": "1"}})], [container("i")], "Burstable"),
        ([], [], "BestEffort"),
    ],
)
def test_quality_of_service(containers, first, quality):
    assert quality_of_service({"containers": containers, "initContainers": first}) == quality


def test_a_pods_own_amounts_cover_its_containers():
    spec = {
        "resources": {"limits": {"cpu": "4"}},
        "containers": [container(resources={"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}})],
        "initContainers": [
            container("s", restartPolicy="Always", resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}),
            container("i", resources={"requests": {"cpu": "3"}, "limits": {"memory": "9Gi"}}),
        ],
    }
    default_pod_resources(spec)
    # The one of the beginning asks for 3 beside the one that stays, which is more than all others later.
    assert spec["resources"] == {"limits": {"cpu": "4", "memory": "10Gi"}, "requests": {"cpu": "4", "memory": "1Gi"}}


def test_what_is_gated_stays_where_it_was():
    spec = {"containers": [container(lifecycle={"stopSignal": "SIGTERM"}), container("d", lifecycle={"stopSignal": "SIGINT", "preStop": {}})]}
    old = copy.deepcopy(spec)
    drop_disabled(spec, old)
    assert spec == old
    drop_disabled(spec)
    assert spec == {"containers": [container(), container("d", lifecycle={"preStop": {}})]}


def test_annotations_that_became_fields_are_dropped():
    template = {"metadata": {"annotations": {"pod.beta.kubernetes.io/init-containers": "x"}}, "spec": {}}
    drop_of_template(template)
    assert template == {"metadata": {}, "spec": {}}


def test_specs_are_compared_as_the_reference_writes_them():
    diff = spec_diff({"dnsPolicy": "Default", "nodeSelector": {"b": "x", "a": "y"}}, {"dnsPolicy": "None", "nodeSelector": {"b": "x", "a": "y"}})
    assert diff == (
        "@@ -6,7 +6,7 @@\n"
        '  "RestartPolicy": "",\n'
        '  "TerminationGracePeriodSeconds": null,\n'
        '  "ActiveDeadlineSeconds": null,\n'
        '- "DNSPolicy": "Default",\n'
        '+ "DNSPolicy": "None",\n'
        '  "NodeSelector": {\n'
        '   "a": "y",\n'
        '   "b": "x"\n'
    )


def cells(pod):
    pod.setdefault("metadata", {"name": "a"})
    return {column.name: column.cell(pod, NOW_MS) for column in COLUMNS}


def one(name="c", *, ready=False, restarts=0, last="", **state):
    status = {"name": name, "ready": ready, "restartCount": restarts, "state": state}
    return status | ({"lastState": {"terminated": {"finishedAt": last}}} if last else {})


def pod(*statuses, phase="Running", first=(), containers=1, **more):
    spec = {"containers": [container(str(number)) for number in range(containers)], "initContainers": [container(s["name"]) for s in first]}
    return {"spec": spec, "status": {"phase": phase, "containerStatuses": list(statuses), "initContainerStatuses": list(first), **more}}


@pytest.mark.parametrize(
    ("shown", "ready", "status", "restarts"),
    [
        (pod(), "0/1", "Running", "0"),
        (pod(one(ready=True, running={})), "1/1", "Running", "0"),
        (pod(one(restarts=3, last="2025-06-15T15:01:40Z", waiting={"reason": "CrashLoopBackOff"})), "0/1", "CrashLoopBackOff", "3 (5m ago)"),
        (pod(one(restarts=2, running={})), "0/1", "Running", "2"),
        (pod(one(terminated={"exitCode": 1})), "0/1", "ExitCode:1", "0"),
        (pod(one(terminated={"exitCode": 1, "signal": 9})), "0/1", "Signal:9", "0"),
        (pod(one(terminated={"exitCode": 0, "reason": "Completed"}), phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(one(terminated={"exitCode": 0, "reason": "Completed"}), one("d", ready=True, running={}), containers=2), "1/2", "NotReady", "0"),
        (pod(one(terminated={"exitCode": 0, "reason": "Completed"}), one("d", terminated={"exitCode": 2, "reason": "Error"})), "0/1", "Error", "0"),
        (pod(first=[one("i", terminated={"exitCode": 0}), one("j", running={})], phase="Pending"), "0/1", "Init:1/2", "0"),
        (pod(first=[one("i", restarts=4, terminated={"exitCode": 3})], phase="Pending"), "0/1", "Init:ExitCode:3", "4"),
        (pod(first=[one("i", waiting={"reason": "PodInitializing"})], phase="Pending"), "0/1", "Init:0/1", "0"),
        (pod(first=[one("i", waiting={"reason": "ErrImagePull"})], phase="Pending"), "0/1", "Init:ErrImagePull", "0"),
        (pod(phase="Failed", reason="Evicted"), "0/1", "Evicted", "0"),
        (pod(phase="Pending", conditions=[{"type": "PodScheduled", "reason": "SchedulingGated"}]), "0/1", "SchedulingGated", "0"),
    ],
)
def test_columns_tell_how_far_a_pod_is(shown, ready, status, restarts):
    found = cells(shown)
    assert (found["Ready"], found["Status"], found["Restarts"]) == (ready, status, restarts)


def test_columns_of_a_pod_that_ends():
    meta = {"name": "a", "deletionTimestamp": "2025-06-15T15:06:40Z"}
    assert cells({"metadata": meta, **pod()})["Status"] == "Terminating"
    assert cells({"metadata": meta, **pod(phase="Succeeded")})["Status"] == "Succeeded"
    assert cells({"metadata": meta, **pod(reason="NodeLost")})["Status"] == "Unknown"


def test_gates_count_the_first_condition_of_each():
    shown = pod(conditions=[{"type": "a", "status": "True"}, {"type": "b", "status": "False"}, {"type": "b", "status": "True"}])
    shown["spec"]["readinessGates"] = [{"conditionType": "a"}, {"conditionType": "b"}, {"conditionType": "c"}]
    assert cells(shown)["Readiness Gates"] == "1/3"


def test_pods_are_selected_by_what_they_are():
    found = STRATEGY.fields({"spec": {"nodeName": "n", "hostNetwork": True}, "status": {"podIPs": [{"ip": "10.0.0.1"}]}})
    assert found == {
        "spec.nodeName": "n",
        "spec.host": "n",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "true",
        "status.phase": "",
        "status.nominatedNodeName": "",
        "status.podIP": "10.0.0.1",
        "status.podIPs": "",
    }
