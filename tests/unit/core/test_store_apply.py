"""Server-side apply and scale, over requests: create, conflicts, force, removal, refusals, Scales."""

from __future__ import annotations

from functools import partial

import cbor2
import pytest

YAML = {"content-type": "application/apply-patch+yaml"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "color": {"type": "string"},
                "size": {"type": "integer", "default": 5},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
        },
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "selector": {"type": "string"}}},
    },
}
SCALE = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    version = {"subresources": {"status": {}, "scale": SCALE}, "schema": {"openAPIV3Schema": SCHEMA}}
    await core.define(samples.definition(versions=[samples.version(**version)]))
    return samples.things


@pytest.fixture
def apply(core, things, samples):
    async def run(manager="m", query="", path="a", **fields):
        body = fields.pop("body") if "body" in fields else samples.thing(**fields)
        return await core.call("PATCH", f"{things}/{path}", body, f"fieldManager={manager}&{query}", headers=YAML)

    return run


async def test_apply_creates_changes_and_rests(core, apply):
    made = await apply(spec={"color": "red"})
    assert (made.status, made.json["spec"]) == (201, {"color": "red", "size": 5})
    assert made.json["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": {"f:color": {}}}
    changed = await apply(spec={"color": "blue"})
    assert (changed.status, changed.json["metadata"]["generation"]) == (200, 2)
    head = core.log.head
    core.clock.advance(60)
    assert (await apply(spec={"color": "blue"})).json == changed.json
    assert core.log.head == head


async def test_null_that_may_not_be_is_refused_and_one_with_a_default_takes_it(apply):
    for _ in ("create", "update"):
        refused = await apply(spec={"color": None})
        assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (422, "spec.color")
        assert (await apply(spec={"color": "red"})).status in {200, 201}
    filled = await apply(path="b", name="b", spec={"size": None})
    assert (filled.status, filled.json["spec"]) == (201, {"size": 5})


async def test_conflict_names_the_owner_and_force_takes_over(apply):
    await apply("one", spec={"color": "red"})
    refused = await apply("two", spec={"color": "blue"})
    assert refused.status == 409
    assert refused.json["message"] == 'Apply failed with 1 conflict: conflict with "one": .spec.color'
    assert refused.json["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".spec.color"}
    ]
    taken = await apply("two", "force=true", spec={"color": "blue"})
    assert taken.json["spec"]["color"] == "blue"
    assert [entry["manager"] for entry in taken.json["metadata"]["managedFields"]] == ["two"]


async def test_what_is_applied_no_more_goes_and_what_nobody_owns_stays(core, things, apply):
    await apply(spec={"color": "red", "tags": ["a", "b"]})
    await core.patch(f"{things}/a", {"spec": {"replicas": 2}}, "fieldManager=other")
    after = await apply(spec={"tags": ["b"]})
    assert after.json["spec"] == {"replicas": 2, "size": 5, "tags": ["b"]}


async def test_apply_in_cbor(core, things, samples):
    headers = {"content-type": "application/apply-patch+cbor"}
    answer = await core.call("PATCH", f"{things}/a", cbor2.dumps(samples.thing(spec={"color": "red"})), "fieldManager=m", headers=headers)
    assert (answer.status, answer.json["spec"]["color"]) == (201, "red")


async def test_status_is_applied_apart(apply):
    await apply(spec={"color": "red"})
    after = await apply(path="a/status", spec={"color": "blue"}, status={"replicas": 3})
    assert (after.json["spec"]["color"], after.json["status"]) == ("red", {"replicas": 3})
    assert {entry.get("subresource", "") for entry in after.json["metadata"]["managedFields"]} == {"", "status"}
    assert (await apply(path="gone/status", name="gone")).status == 404


async def test_dry_run_applies_nothing(core, things, apply):
    head = core.log.head
    assert (await apply(query="dryRun=All", spec={"color": "red"})).status == 201
    assert core.log.head == head


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"[1]", 400, "error decoding patch: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b"{a", 400, "error decoding patch: error converting YAML to JSON: yaml: line 1: did not find expected ',' or '}'"),
        (b"", 400, "invalid object type: /, Kind="),
        (b"apiVersion: 5\nkind: Thing", 400, "invalid object type: /, Kind=Thing"),
        (b"apiVersion: example.com/v2\nkind: Thing", 400, "invalid object type: example.com/v2, Kind=Thing"),
        (b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {}", 400, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        (b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: b}", 400, "the name of the object (b) does not match the name on the URL (a)"),
        (
            b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a, namespace: y}",
            500,
            "failed to create typed patch object (/a; example.com/v1, Kind=Thing): .metadata.namespace: expected string, got &value.valueUnstructured{Value:true}",
        ),
        (
            b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {bogus: 1}",
            500,
            "failed to create typed patch object (/a; example.com/v1, Kind=Thing): .spec.bogus: field not declared in schema",
        ),
        (
            b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a, uid: u}",
            409,
            'Operation cannot be fulfilled on things.example.com "a": uid mismatch: the provided object specified uid u, and no existing object was found',
        ),
        (
            b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a, managedFields: [{manager: x}]}",
            400,
            "metadata.managedFields must be nil",
        ),
    ],
)
async def test_refusals(apply, body, status, message):
    answer = await apply(body=body)
    assert (answer.status, answer.json["message"]) == (status, message)


async def test_field_manager_is_required(core, things, samples):
    answer = await core.call("PATCH", f"{things}/a", samples.thing(), headers=YAML)
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "fieldManager")


async def test_revision_of_the_applied_object_is_a_lock_for_what_is_there(apply):
    assert (await apply(metadata={"resourceVersion": "1"})).status == 201
    assert (await apply(metadata={"resourceVersion": "1"})).status == 409


async def test_keys_that_stand_twice_are_warned_of_or_refused(apply):
    body = b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {color: a, color: b}"
    refused = await apply(body=body, query="fieldValidation=Strict")
    assert refused.json["message"] == (
        'error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:\n  line 4: key "color" already set in map'
    )
    taken = await apply(body=body)
    assert (taken.status, taken.json["spec"]["color"]) == (201, "b")
    assert taken.warnings == ['299 - "line 4: key \\"color\\" already set in map"']


@pytest.mark.parametrize(
    ("path", "obj"),
    [
        ("/api/v1/namespaces/default/configmaps/a", {"kind": "ConfigMap", "data": {"k": "v"}}),
        ("/api/v1/namespaces/default/secrets/a", {"kind": "Secret", "data": {"k": "eA=="}}),
        ("/api/v1/namespaces/default/serviceaccounts/a", {"kind": "ServiceAccount", "secrets": [{"name": "s"}]}),
        ("/api/v1/namespaces/a", {"kind": "Namespace", "metadata": {"name": "a", "labels": {"x": "1"}}}),
        (
            "/apis/coordination.k8s.io/v1/namespaces/default/leases/a",
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "me"}},
        ),
    ],
)
async def test_built_in_kinds_are_applied_to(core, path, obj):
    applied = {"apiVersion": "v1", "metadata": {"name": "a"}, **obj}
    run = partial(core.call, "PATCH", path, headers=YAML)
    made = await run(applied, "fieldManager=one")
    assert made.status == 201, made.body
    again = await run(applied, "fieldManager=one")
    assert (again.status, again.json) == (200, made.json)
    bare = {name: obj.get(name, "v1") for name in ("apiVersion", "kind")} | {"metadata": {"name": "a"}}
    emptied = await run(bare, "fieldManager=one")
    assert emptied.status == 200
    assert [e for e in emptied.json["metadata"].get("managedFields", []) if e["manager"] == "one"] == []


async def test_scale_shows_and_sets_replicas(core, things, samples):
    await core.call("POST", things, samples.thing(spec={"replicas": 3}), "fieldManager=one")
    await core.patch(f"{things}/a/status", {"status": {"replicas": 2, "selector": "app=x"}}, "fieldManager=one")
    shown = (await core.call("GET", f"{things}/a/scale")).json
    assert (shown["apiVersion"], shown["kind"], shown["spec"]) == ("autoscaling/v1", "Scale", {"replicas": 3})
    assert shown["status"] == {"replicas": 2, "selector": "app=x"}
    shown["spec"]["replicas"] = 4
    written = await core.call("PUT", f"{things}/a/scale", shown, "fieldManager=two")
    assert (written.status, written.json["spec"]) == (200, {"replicas": 4})
    assert (await core.call("PUT", f"{things}/a/scale", shown)).status == 409
    obj = (await core.call("GET", f"{things}/a")).json
    assert (obj["spec"]["replicas"], obj["metadata"]["generation"]) == (4, 2)
    assert [(e["manager"], e.get("subresource")) for e in obj["metadata"]["managedFields"] if "f:replicas" in e["fieldsV1"].get("f:spec", {})] == [("two", "scale")]


async def test_scale_is_patched_and_applied(core, things, apply):
    await apply("one", spec={"replicas": 1})
    assert (await core.patch(f"{things}/a/scale", {"spec": {"replicas": 2}}, "fieldManager=two")).json["spec"] == {"replicas": 2}
    wanted = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": 6}}
    assert (await apply("three", path="a/scale", body=wanted)).status == 409
    assert (await apply("three", "force=true", path="a/scale", body=wanted)).json["spec"] == {"replicas": 6}
    refused = await core.patch(f"{things}/a/scale", {"spec": {"replicas": -1}})
    assert (refused.status, refused.json["details"]["causes"][0]["field"]) == (422, ".spec.replicas")


async def test_scale_of_an_object_without_replicas(core, things, samples):
    await core.call("POST", things, samples.thing())
    answer = await core.call("GET", f"{things}/a/scale")
    assert (answer.status, answer.json["message"]) == (500, 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist')
    assert (await core.patch(f"{things}/a/scale", {"metadata": {"labels": {"x": "1"}}})).status == 400
    assert (await core.patch(f"{things}/a/scale", {"spec": {"replicas": 2}})).json["spec"] == {"replicas": 2}


async def test_scale_is_a_table_with_its_own_columns(core, things, samples):
    await core.call("POST", things, samples.thing(spec={"replicas": 3}))
    table = (await core.call("GET", f"{things}/a/scale", headers={"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"})).json
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert table["rows"][0]["cells"][:3] == ["a", 3, 0]
