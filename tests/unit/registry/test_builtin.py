"""The built-in kinds: their facts, and what each adds to being stored."""

from __future__ import annotations

import base64
import copy
import json

import pytest

from tests.builtin import KINDS, builtin
from watchd.registry import schemas
from watchd.registry.builtin.core import event
from watchd.schema.typed import prune_and_check
from watchd.seams import SystemClock, SystemEntropy

NAMESPACE = builtin("", "namespaces")
CONFIG_MAP = builtin("", "configmaps")
SECRET = builtin("", "secrets")
SERVICE_ACCOUNT = builtin("", "serviceaccounts")
EVENT = builtin("", "events")
NEW_EVENT = builtin("events.k8s.io", "events")
LEASE = builtin("coordination.k8s.io", "leases")


def made(kind, **fields):
    """Return a new object as the server makes it, up to validation."""
    obj = {"apiVersion": kind.api_version("v1"), "kind": kind.names.kind, "metadata": {"name": "a"}, **copy.deepcopy(fields)}
    if kind.namespaced:
        obj["metadata"].setdefault("namespace", "n")
    prune_and_check(obj, kind.versions[0].schema)
    kind.strategy.default(obj)
    kind.strategy.prepare_create(obj, clock=SystemClock(), entropy=SystemEntropy())
    return obj


def found(kind, obj):
    return [str(error) for error in kind.strategy.validate(obj)]


def changed(kind, old, subresource="", **fields):
    new = {**copy.deepcopy(old), **fields}
    kind.strategy.default(new)
    kind.strategy.prepare_update(new, old, subresource)
    return new, [str(error) for error in kind.strategy.validate_update(new, old, subresource)]


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_the_kinds():
    facts = {
        (k.api_version(k.hub), k.names.plural, k.names.short_names, k.namespaced, k.strategy.create_on_update)
        for k in KINDS
    }
    assert facts >= {
        ("v1", "namespaces", ("ns",), False, False),
        ("v1", "configmaps", ("cm",), True, False),
        ("v1", "secrets", (), True, False),
        ("v1", "serviceaccounts", ("sa",), True, False),
        ("v1", "events", ("ev",), True, True),
        ("events.k8s.io/v1", "events", ("ev",), True, True),
        ("coordination.k8s.io/v1", "leases", (), True, True),
        ("apps/v1", "deployments", ("deploy",), True, False),
        ("autoscaling/v2", "horizontalpodautoscalers", ("hpa",), True, False),
    }
    assert not any(version.served and ("alpha" in version.name or "beta" in version.name) for kind in KINDS for version in kind.versions)
    stored = [kind for kind in KINDS if not kind.virtual]
    assert len({(kind.group, kind.names.plural) for kind in KINDS}) == len(KINDS) == 70
    assert [k.names.plural for k in stored if "deletecollection" not in k.verbs] == ["namespaces"]
    assert {k.names.kind for k in KINDS if k.virtual} >= {"Binding", "TokenReview", "SubjectAccessReview", "ComponentStatus"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.names.plural}.{kind.group}")
def test_schemas_know_their_kind_and_stand_alone(kind):
    schema = kind.versions[0].schema
    gvk = {"group": kind.group, "kind": kind.names.kind, "version": kind.hub}
    assert schema["x-kubernetes-group-version-kind"] == [gvk]
    assert schema["title"] == kind.names.kind
    assert schemas.REF not in json.dumps(schema)
    assert schema["properties"]["metadata"]["properties"]["finalizers"]["x-kubernetes-list-type"] == "set"


def test_published_schemas_refer_to_published_schemas():
    names = set(schemas.names())
    for name in names:
        text = json.dumps(schemas.published(name))
        assert "x-go-" not in text
        for part in text.split(schemas.REF)[1:]:
            assert part.partition('"')[0] in names


def test_a_namespace_begins_active_and_labelled():
    obj = made(NAMESPACE, status={"phase": "Terminating"})
    assert obj["metadata"]["labels"] == {"kubernetes.io/metadata.name": "a"}
    assert obj["spec"] == {"finalizers": ["kubernetes"]}
    assert obj["status"] == {"phase": "Active"}
    assert found(NAMESPACE, obj) == []
    assert NAMESPACE.strategy.fields(obj) == {"status.phase": "Active"}


def test_a_namespace_waits_for_its_finalizers():
    obj = made(NAMESPACE)
    assert NAMESPACE.strategy.finalizers_hold(obj)
    NAMESPACE.strategy.on_delete(obj)
    assert obj["status"]["phase"] == "Terminating"
    emptied, errors = changed(NAMESPACE, obj, "finalize", spec={"finalizers": []}, status={"phase": "x"})
    assert errors == []
    assert emptied["status"] == {"phase": "Terminating"}
    assert not NAMESPACE.strategy.finalizers_hold(emptied)


def test_a_namespaces_spec_and_status_have_their_own_ways():
    obj = made(NAMESPACE)
    assert changed(NAMESPACE, obj, spec={}, status={})[0] == obj
    new, errors = changed(NAMESPACE, obj, "status", spec={}, status={"phase": "Terminating"})
    assert new["spec"] == obj["spec"]
    assert errors == [
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
    ]
    _, errors = changed(NAMESPACE, obj, "finalize", spec={"finalizers": ["mine"]})
    assert errors == [
        'spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    ]


def test_configmap_keys():
    obj = made(CONFIG_MAP, data={"a b": "", "..": "", "x": ""}, binaryData={"x": b64("y")})
    assert [line.partition(":")[0] for line in found(CONFIG_MAP, obj)] == [
        "data[a b]",
        "data[..]",
        "data[x]",
        "binaryData[x]",
    ]
    assert found(CONFIG_MAP, obj)[2] == 'data[x]: Invalid value: "x": duplicate of key present in binaryData'


def test_configmap_size():
    half = 1 << 19
    obj = made(CONFIG_MAP, data={"a": "x" * half}, binaryData={"b": base64.b64encode(b"y" * half).decode()})
    assert found(CONFIG_MAP, obj) == []
    obj["data"]["a"] += "x"
    assert found(CONFIG_MAP, obj) == ["[]: Too long: may not be more than 1048576 bytes"]


def test_an_immutable_configmap():
    old = made(CONFIG_MAP, immutable=True, data={"a": "1"})
    why = "Forbidden: field is immutable when `immutable` is set"
    assert changed(CONFIG_MAP, old, data={"a": "2"}, immutable=False)[1] == [f"immutable: {why}", f"data: {why}"]
    assert changed(CONFIG_MAP, old, metadata={"labels": {"x": "y"}})[1] == []
    assert changed(CONFIG_MAP, made(CONFIG_MAP, data={"a": "1"}), data={"a": "2"}, immutable=True)[1] == []


def test_string_data_is_folded():
    obj = made(SECRET, data={"a": b64("old"), "b": b64("kept")}, stringData={"a": "new"})
    assert obj["data"] == {"a": b64("new"), "b": b64("kept")}
    assert "stringData" not in obj
    assert obj["type"] == "Opaque"
    assert SECRET.strategy.fields(obj) == {"type": "Opaque"}


def test_secret_type_and_immutability():
    old = made(SECRET, immutable=True, data={"a": b64("1")})
    new, errors = changed(SECRET, old, type="mine", data={})
    assert new["type"] == "mine"
    assert errors == [
        'type: Invalid value: "mine": field is immutable',
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


@pytest.mark.parametrize(
    ("kind", "data", "errors"),
    [
        ("kubernetes.io/tls", {"tls.crt": ""}, ["data[tls.key]: Required value"]),
        ("kubernetes.io/tls", {"tls.crt": "", "tls.key": ""}, []),
        ("kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]),
        ("kubernetes.io/basic-auth", {"password": "x"}, []),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": ""}, ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": '{"auths":{}}'}, []),
        (
            "kubernetes.io/dockercfg",
            {".dockercfg": "hunter2"},
            ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be a JSON object'],
        ),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        ("example.com/mine", {}, []),
    ],
)
def test_secret_types(kind, data, errors):
    assert found(SECRET, made(SECRET, type=kind, stringData=data)) == errors


def test_secret_size():
    obj = made(SECRET, data={"a": base64.b64encode(b"x" * ((1 << 20) + 1)).decode()})
    assert found(SECRET, obj) == ["data: Too long: may not be more than 1048576 bytes"]


def test_service_accounts_keep_names_of_secrets_only():
    obj = made(SERVICE_ACCOUNT, secrets=[{"name": "s", "namespace": "other"}, {"uid": "x"}])
    assert obj["secrets"] == [{"name": "s"}, {}]


def test_lease_numbers():
    obj = made(LEASE, spec={"leaseDurationSeconds": 0, "leaseTransitions": -1, "holderIdentity": "", "strategy": "x"})
    assert obj["spec"] == {"leaseDurationSeconds": 0, "leaseTransitions": -1, "holderIdentity": ""}
    assert found(LEASE, obj) == [
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]
    assert made(LEASE)["spec"] == {}


CORE = {
    "involvedObject": {"kind": "Pod", "namespace": "n", "name": "p", "uid": "u"},
    "reason": "Started",
    "message": "it runs",
    "source": {"component": "kubelet"},
    "count": 3,
    "type": "Normal",
}

NEW = {
    "eventTime": "2026-01-01T00:00:00.000001Z",
    "reportingController": "example.com/c",
    "reportingInstance": "c-1",
    "action": "Starting",
    "reason": "Started",
    "regarding": {"kind": "Pod", "namespace": "n", "name": "p"},
    "note": "it runs",
    "type": "Normal",
}


def test_events_of_both_groups_are_one_object():
    old = made(EVENT, **CORE)
    assert found(EVENT, old) == []
    seen = event.from_core(old)
    assert (seen["apiVersion"], seen["regarding"]["name"], seen["note"]) == ("events.k8s.io/v1", "p", "it runs")
    assert (seen["deprecatedSource"], seen["deprecatedCount"]) == ({"component": "kubelet"}, 3)
    assert event.to_core(seen) == old
    new = made(NEW_EVENT, **NEW)
    assert event.from_core(event.to_core(new)) == new
    assert EVENT.storage_name == NEW_EVENT.storage_name
    assert EVENT.epoch == NEW_EVENT.epoch
    assert NEW_EVENT.to_hub(new, "v1")["message"] == "it runs"


def test_event_conversion_changes_no_input():
    new = made(NEW_EVENT, **NEW)
    before = copy.deepcopy(new)
    event.to_core(new)
    assert new == before


def test_event_fields_have_the_names_of_both_groups():
    fields = EVENT.strategy.fields(made(EVENT, **CORE))
    assert set(fields) == set(event.ALL_FIELDS)
    assert (fields["involvedObject.name"], fields["regarding.name"], fields["source"]) == ("p", "p", "kubelet")
    core = event.to_core(made(NEW_EVENT, **NEW))
    assert NEW_EVENT.strategy.fields(core)["source"] == "example.com/c"


@pytest.mark.parametrize(("space", "about", "good"), [("n", "n", True), ("default", "", True), ("n", "", False), ("n", "m", False)])
def test_an_events_namespace_is_that_of_its_object(space, about, good):
    obj = made(EVENT, metadata={"name": "a", "namespace": space}, involvedObject={"namespace": about})
    text = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'
    assert found(EVENT, obj) == ([] if good else [text])


def test_new_style_events_say_who_reports():
    obj = made(NEW_EVENT, **NEW)
    assert found(NEW_EVENT, obj) == []
    del obj["reportingController"], obj["action"]
    obj.update(note="x" * 1025, type="Odd", deprecatedCount=1, series={"count": 1})
    lines = found(NEW_EVENT, obj)
    assert "reportingController: Required value" in lines
    assert "action: Required value" in lines
    assert 'message: Invalid value: "": can have at most 1024 characters' in lines
    assert 'series.count: Invalid value: "": should be at least 2' in lines
    assert "series.lastObservedTime: Required value" in lines
    assert 'type: Invalid value: "": has invalid value: Odd' in lines
    assert 'count: Invalid value: "": needs to be unset' in lines
    assert found(NEW_EVENT, made(NEW_EVENT, type="Normal", regarding={"namespace": "n"})) == [
        "eventTime: Required value"
    ]


def test_only_the_series_of_a_new_style_event_changes():
    old = made(NEW_EVENT, **NEW)
    series = {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}
    assert changed(NEW_EVENT, old, series=series)[1] == []
    assert changed(NEW_EVENT, old, reason="Other", note="other")[1] == [
        'reason: Invalid value: "Other": field is immutable',
        'message: Invalid value: "other": field is immutable',
    ]
    core = event.to_core(old)
    assert changed(EVENT, core, reason="Other")[1] == []
