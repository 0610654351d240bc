"""Custom resources under their schemas, over the whole core: writes, patches, other versions, changed definitions."""

from __future__ import annotations

import json

import pytest

TARGET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "weight": {"type": "integer", "minimum": 0, "default": 1},
        "note": {"type": "string", "nullable": True},
    },
}


def version(samples, name="v1", spec=None, **more):
    status = {"type": "object", "default": {"phase": "New"}, "properties": {"phase": {"type": "string"}}}
    properties = {"spec": spec or TARGET, "status": status}
    return samples.version(name, schema={"openAPIV3Schema": {"type": "object", "properties": properties}}, **more)


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    other = {**TARGET, "properties": {**TARGET["properties"], "extra": {"type": "string", "default": "x"}}}
    versions = [version(samples, status=True), version(samples, "v2", other, storage=False, status=True)]
    await core.define(samples.definition(versions=versions))
    return samples.things


async def change(core, samples, *versions):
    path = f"{samples.definitions}/things.example.com"
    definition = (await core.call("GET", path)).json
    definition["spec"]["versions"] = list(versions)
    answer = await core.call("PUT", path, definition)
    assert answer.status == 200, answer.body
    await core.settle()


def warnings(answer):
    return [value for name, value in answer.headers if name == "warning"]


async def test_a_create_is_pruned_defaulted_and_validated(core, samples, things):
    obj = samples.thing(spec={"name": "a", "z": 1, "note": None})
    answer = await core.call("POST", things, obj, "fieldValidation=Warn")
    assert answer.json["spec"] == {"name": "a", "note": None, "weight": 1}
    assert warnings(answer) == ['299 - "unknown field \\"spec.z\\""']
    answer = await core.call("POST", things, samples.thing("b", spec={"name": "a", "z": 1}), "fieldValidation=Strict")
    assert (answer.status, answer.json["message"]) == (
        400,
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "spec.z"',
    )
    answer = await core.call("POST", things, samples.thing("b", spec={"name": "too long", "weight": -1}))
    assert answer.status == 422
    assert {cause["field"]: cause["message"] for cause in answer.json["details"]["causes"]} == {
        "spec.name": "Too long: may not be more than 5 bytes",
        "spec.weight": "Invalid value: -1: spec.weight in body should be greater than or equal to 0",
    }


async def test_a_status_that_is_dropped_is_read_with_its_default(core, samples, things):
    answer = await core.call("POST", things, samples.thing(spec={"name": "a"}, status={"phase": "Old"}))
    assert answer.json["status"] == {"phase": "New"}
    assert (await core.call("GET", f"{things}/a")).json == answer.json
    dry = await core.call("POST", things, samples.thing("b", spec={"name": "a"}), "dryRun=All")
    assert dry.json["status"] == {"phase": "New"}


async def test_a_patch_is_held_to_the_schema(core, samples, things):
    await core.call("POST", things, samples.thing(spec={"name": "a"}))
    answer = await core.patch(f"{things}/a", {"spec": {"z": "<"}}, "fieldValidation=Strict")
    cause = answer.json["details"]["causes"][0]
    assert (answer.status, cause["field"]) == (422, "patch")
    assert cause["message"].endswith('strict decoding error: unknown field "spec.z"')
    assert '\\"z\\":\\"\\\\u003c\\"' in cause["message"]
    answer = await core.patch(f"{things}/a", {"spec": {"weight": "x"}})
    assert answer.json["details"]["causes"] == [
        {
            "reason": "FieldValueTypeInvalid",
            "message": 'Invalid value: "string": spec.weight in body must be of type integer: "string"',
            "field": "spec.weight",
        }
    ]


@pytest.mark.parametrize(
    ("patch", "status", "message"),
    [
        ({"metadata": None}, 400, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        ({"metadata": {"name": "b"}}, 400, "the name of the object (b) does not match the name on the URL (a)"),
        ({"kind": "Other"}, 422, 'Other.example.com "a" is invalid: kind: Invalid value: "Other": must be Thing'),
        (
            {"apiVersion": "v1"},
            422,
            'Thing "a" is invalid: apiVersion: Invalid value: "v1": must be example.com/v1',
        ),
        (
            {"apiVersion": None},
            500,
            "Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'",
        ),
    ],
)
async def test_a_patch_makes_an_object_of_the_kind(core, samples, things, patch, status, message):
    await core.call("POST", things, samples.thing(spec={"name": "a"}))
    answer = await core.patch(f"{things}/a", patch)
    assert (answer.status, answer.json["message"]) == (status, message)


async def test_metadata_of_a_wrong_type_is_told_without_the_kind(core, samples, things):
    await core.call("POST", things, samples.thing(spec={"name": "a"}))
    answer = await core.patch(f"{things}/a", {"metadata": {"labels": {"a": 1}}})
    assert answer.json["details"]["causes"][0]["message"].endswith(
        '": json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string'
    )


async def test_another_version_knows_its_own_fields(core, samples, things):
    await core.call("POST", things, samples.thing(spec={"name": "a"}))
    other = things.replace("/v1/", "/v2/")
    # What is stored knows no `extra`; its default is for objects that come in at v2.
    assert (await core.call("GET", f"{other}/a")).json["spec"] == {"name": "a", "weight": 1}
    answer = await core.call("POST", other, samples.thing("b", "example.com/v2", spec={"name": "b"}), "dryRun=All")
    assert answer.json["spec"] == {"name": "b", "weight": 1}


async def test_a_changed_definition_is_seen_in_what_is_stored(core, samples, things):
    await core.call("POST", things, samples.thing(spec={"name": "a", "note": None}))
    tight = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "note": {"type": "string"},
            "size": {"type": "integer", "default": 3},
        },
    }
    await change(core, samples, version(samples, spec=tight, status=True))
    seen = (await core.call("GET", f"{things}/a")).json
    assert seen["spec"] == {"name": "a", "size": 3}
    listed = (await core.call("GET", things)).json["items"]
    assert listed == [seen]
    watch = await core.watch(things, "resourceVersion=0")
    await core.settle()
    assert watch.events[0]["object"]["spec"] == seen["spec"]


async def test_what_did_not_change_may_stay_invalid(core, samples, things):
    await core.call("POST", things, samples.thing(spec={"name": "a", "note": "long"}))
    short = {**TARGET, "properties": {**TARGET["properties"], "note": {"type": "string", "maxLength": 1}}}
    await change(core, samples, version(samples, spec=short, status=True))
    assert (await core.patch(f"{things}/a", {"spec": {"weight": 2}})).status == 200
    assert (await core.patch(f"{things}/a", {"spec": {"note": "longer"}})).status == 422


async def test_rules_are_asked_on_every_write_and_let_pass_what_was(core, samples):
    await core.nursery.start(core.definitions.run)
    rule = {"rule": "self.weight < 10", "message": "too heavy"}
    ruled = {**TARGET, "x-kubernetes-validations": [rule]}
    await core.define(samples.definition(versions=[version(samples, status=True)]))
    things = samples.things
    await core.call("POST", things, samples.thing(spec={"name": "a", "weight": 11}))
    await change(core, samples, version(samples, spec=ruled, status=True))
    answer = await core.call("POST", things, samples.thing("b", spec={"name": "b", "weight": 11}))
    assert answer.json["details"]["causes"][0]["message"] == "Invalid value: too heavy"
    answer = await core.patch(f"{things}/a", {"metadata": {"labels": {"a": "b"}}})
    assert answer.status == 200
    assert "too heavy" in warnings(answer)[0]
    assert (await core.patch(f"{things}/a", {"spec": {"name": "b"}})).status == 422


async def test_finalizers_without_a_domain_are_warned_of(core, samples, things):
    obj = samples.thing(spec={"name": "a"}, metadata={"finalizers": ["mine", "example.com/x", "orphan", "a.b"]})
    answer = await core.call("POST", things, obj)
    assert [json.loads(text.removeprefix("299 - ")) for text in warnings(answer)] == [
        (
            'metadata.finalizers: "a.b": prefer a domain-qualified finalizer name including a path (/) to avoid accidental '
            "conflicts with other finalizer writers"
        ),
        (
            'metadata.finalizers: "mine": prefer a domain-qualified finalizer name to avoid accidental conflicts with other '
            "finalizer writers"
        ),
    ]


async def test_a_version_with_the_same_schema_is_the_same_bytes_under_another_name(core, samples):
    await core.nursery.start(core.definitions.run)
    looser = {**TARGET, "required": []}
    versions = [version(samples), version(samples, "v2", looser, storage=False)]
    await core.define(samples.definition(versions=versions))
    await core.call("POST", samples.things, samples.thing(spec={"name": "a"}))
    other = samples.things.replace("/v1/", "/v2/")
    stored = (await core.call("GET", f"{samples.things}/a")).body
    renamed = stored.replace(b"example.com/v1", b"example.com/v2", 1)
    assert (await core.call("GET", f"{other}/a")).body == renamed
    assert renamed.strip() in (await core.call("GET", other)).body
    watch = await core.watch(other, "resourceVersion=0")
    await core.settle()
    assert watch.events[0]["object"]["apiVersion"] == "example.com/v2"
