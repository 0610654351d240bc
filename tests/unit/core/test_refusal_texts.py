"""What refused writes are told, word for word as the reference says it."""

from __future__ import annotations

import pytest

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u", "controller": True}


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=[samples.version(status=True)]))
    await core.call("POST", samples.things, samples.thing(x=1))
    return samples.things


async def apply(core, path, obj, query=""):
    headers = {"content-type": "application/apply-patch+yaml"}
    return await core.call("PATCH", path, obj, f"fieldManager=m&force=true&{query}", headers=headers)


# resourceVersion


@pytest.mark.parametrize(
    ("text", "why"), [("x", "invalid syntax"), ("+5", "invalid syntax"), ("18446744073709551616", "value out of range")]
)
async def test_revision_that_is_none_is_told_by_its_parser(core, samples, things, text, why):
    obj = samples.thing()
    obj["metadata"]["resourceVersion"] = text
    new = {**obj, "metadata": {**obj["metadata"], "name": "b"}}
    answers = [
        await core.call("PUT", f"{things}/a", obj),
        await core.call("PUT", f"{things}/a/status", obj),
        await core.patch(f"{things}/a", {"metadata": {"resourceVersion": text}}),
        await apply(core, f"{things}/a", obj),
        await apply(core, f"{things}/b", new),
    ]
    told = {(answer.status, answer.json["message"]) for answer in answers}
    assert told == {(500, f'strconv.ParseUint: parsing "{text}": {why}')}


# Names that are taken


async def test_dry_run_tells_a_name_that_is_on_its_way_out(core, samples, things):
    await core.patch(f"{things}/a", {"metadata": {"finalizers": ["e.com/f"]}})
    await core.call("DELETE", f"{things}/a")
    message = 'object is being deleted: things.example.com "a" already exists'
    for query in ("", "dryRun=All"):
        answer = await core.call("POST", things, samples.thing(), query)
        assert (answer.status, answer.json["message"]) == (409, message)


async def test_generate_name_is_blamed_also_where_a_name_was_given(core, samples, things):
    obj = samples.thing()
    obj["metadata"]["generateName"] = "x-"
    answer = await core.call("POST", things, obj)
    assert answer.json["message"] == (
        'things.example.com "a" already exists, the server was not able to generate a unique name for the object'
    )
    assert answer.json["details"]["retryAfterSeconds"] == 1


# uid


@pytest.mark.parametrize("tail", ["", "/status"])
async def test_other_uid_is_told_with_the_key(core, samples, things, tail):
    uid = (await core.call("GET", f"{things}/a")).json["metadata"]["uid"]
    obj = samples.thing()
    obj["metadata"]["uid"] = "other"
    answer = await core.call("PUT", f"{things}/a{tail}", obj)
    assert answer.status == 409
    assert answer.json["message"] == (
        'Operation cannot be fulfilled on things.example.com "a": StorageError: invalid object, Code: 4, '
        "Key: /registry/example.com/things/default/a, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: other, UID in object meta: {uid}"
    )


async def test_key_of_a_definition_names_its_group_and_that_of_a_configmap_does_not(core, samples, things):
    for path, key in (
        (
            f"{samples.definitions}/things.example.com",
            "apiextensions.k8s.io/customresourcedefinitions/things.example.com",
        ),
        (f"{samples.config_maps}/c", "configmaps/default/c"),
    ):
        if path.endswith("/c"):
            await core.config_map("c")
        obj = (await core.call("GET", path)).json
        obj["metadata"]["uid"] = "other"
        answer = await core.call("PUT", path, obj)
        assert answer.status == 409
        assert f"Key: /registry/{key}, ResourceVersion: 0, " in answer.json["message"]


# Owners


async def test_owners_are_quoted_in_the_order_of_their_type(core, samples, things):
    obj = samples.thing("b")
    obj["metadata"]["ownerReferences"] = [
        OWNER,
        {"controller": True, "uid": "v", "name": "b<", "kind": "K", "apiVersion": "v1"},
    ]
    answer = await core.call("POST", things, obj)
    (cause,) = answer.json["details"]["causes"]
    assert cause["message"] == (
        'Invalid value: [{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":"u","controller":true},'
        '{"apiVersion":"v1","kind":"K","name":"b\\u003c","uid":"v","controller":true}]: Only one reference can have '
        'Controller set to true. Found "true" in references for ConfigMap/a and K/b<'
    )


# Warnings


@pytest.mark.parametrize("change", [apply, lambda core, path, obj: core.patch(path, obj)])
async def test_nothing_is_warned_of_in_a_change_that_is_refused(core, samples, things, change):
    obj = {**samples.thing(), "metadata": {"name": "a", "finalizers": ["a b"]}}
    answer = await change(core, f"{things}/a", obj)
    assert (answer.status, answer.warnings) == (422, [])
    obj["metadata"]["finalizers"] = ["plain"]
    answer = await change(core, f"{things}/a", obj)
    assert answer.status == 200
    assert len(answer.warnings) == 1


# Bodies of apply


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"a: b: c", "error encoding patch: yaml: mapping values are not allowed in this context"),
        (b" [", "error encoding patch: yaml: line 1: did not find expected node content"),
        (b"a: .nan", "error encoding patch: json: unsupported value: NaN"),
        (b"\xff", "error encoding patch: yaml: invalid leading UTF-8 octet"),
        (
            b" {",
            "error decoding patch: error converting YAML to JSON: yaml: line 1: did not find expected node content",
        ),
        (b"{a: .nan}", "error decoding patch: error converting YAML to JSON: json: unsupported value: NaN"),
    ],
)
async def test_unreadable_apply_is_told_by_who_read_it(core, samples, things, body, message):
    answer = await apply(core, f"{things}/a", body)
    assert (answer.status, answer.json["message"]) == (400, message)


@pytest.mark.parametrize(
    ("field", "value"), [("creationTimestamp", "x"), ("creationTimestamp", 5), ("generation", 1.5)]
)
async def test_what_the_server_puts_back_may_be_applied_ill_typed(core, samples, things, field, value):
    before = (await core.call("GET", f"{things}/a")).json["metadata"]
    obj = samples.thing(y=2)
    obj["metadata"][field] = value
    answer = await apply(core, f"{things}/a", obj)
    assert answer.status == 200
    assert answer.json["metadata"]["creationTimestamp"] == before["creationTimestamp"]
    assert answer.json["metadata"]["generation"] == 2
    assert answer.json["y"] == 2
    obj["metadata"]["name"] = "new"
    answer = await apply(core, f"{things}/new", obj)
    assert (answer.status, answer.json["metadata"]["generation"]) == (201, 1)


@pytest.mark.parametrize("value", ["x", 5])
async def test_a_new_object_has_no_time_of_deletion_to_be_read(core, samples, things, value):
    obj = samples.thing("new")
    obj["metadata"]["deletionTimestamp"] = value
    answer = await apply(core, f"{things}/new", obj)
    assert answer.status == 201
    assert "deletionTimestamp" not in answer.json["metadata"]
    assert (await apply(core, f"{things}/new", obj)).status >= 400


# Definitions


@pytest.mark.parametrize("items", [5, True, "x", [], None])
async def test_items_that_are_no_schema_are_passed_over(core, samples, items):
    def definition(kind):
        schema = {"type": "object", "properties": {"spec": {"type": kind, "items": items}}}
        return samples.definition(versions=[samples.version(schema={"openAPIV3Schema": schema})])

    answer = await core.call("POST", samples.definitions, definition("array"))
    (cause,) = answer.json["details"]["causes"]
    assert (cause["field"], cause["message"]) == (
        "spec.validation.openAPIV3Schema.properties[spec].items",
        "Required value: must be specified",
    )
    answer = await core.call("POST", samples.definitions, definition("object"))
    assert answer.status == 201
    schema = answer.json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema == {"type": "object", "properties": {"spec": {"type": "object"}}}


async def test_items_that_hold_no_schema_are_refused(core, samples):
    schema = {"type": "object", "properties": {"spec": {"type": "array", "items": [5]}}}
    versions = [samples.version(schema={"openAPIV3Schema": schema})]
    answer = await core.call("POST", samples.definitions, samples.definition(versions=versions))
    assert answer.status == 400
    assert answer.json["message"] == (
        'CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: json: cannot unmarshal '
        "number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.items of type "
        "v1.JSONSchemaProps"
    )


# Patches of apiVersion and kind


def quoted(answer):
    """Return what a refused patch quotes, and why it is refused."""
    (cause,) = answer.json["details"]["causes"]
    assert (answer.status, answer.json["message"]) == (422, f' "" is invalid: patch: {cause["message"]}')
    text, _, why = cause["message"].removeprefix('Invalid value: "').rpartition('": ')
    return text.replace('\\"', '"'), why


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, ".apiVersion accessor error: <nil> is of the type <nil>, expected string"),
        ("a/b/c", "unexpected GroupVersion string: a/b/c"),
        (
            5,
            "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .apiVersion of type string",
        ),
    ],
)
async def test_a_version_that_is_none_is_no_patch(core, samples, things, value, why):
    operations = [{"op": "replace", "path": "/apiVersion", "value": value}]
    assert quoted(await core.patch(f"{things}/a", operations, kind="json"))[1] == why


@pytest.mark.parametrize("value", ["", "/", "a/"])
async def test_a_version_without_its_name_is_missing(core, samples, things, value):
    answer = await core.patch(f"{things}/a", {"apiVersion": value})
    assert (answer.status, answer.json["message"]) == (
        500,
        "Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'",
    )


async def test_kind_of_a_built_in_object_is_that_of_its_type(core, samples, things):
    path = f"{samples.definitions}/things.example.com"
    answer = await core.patch(path, {"kind": None})
    assert (answer.status, answer.json["kind"]) == (200, "CustomResourceDefinition")
    answer = await core.patch(path, {"apiVersion": None})
    assert answer.status == 400
    assert answer.json["message"].endswith(
        "(things.example.com based on URL) was undeterminable: name must be provided"
    )
    unknown = 'no kind "X" is registered for version "apiextensions.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"'
    assert quoted(await core.patch(path, {"kind": "X"}))[1] == unknown
    other = "converting (v1.DeleteOptions) to (apiextensions.CustomResourceDefinition): unknown conversion"
    assert quoted(await core.patch(path, {"kind": "DeleteOptions"}))[1] == other


@pytest.fixture
async def scaled(core, samples):
    await core.nursery.start(core.definitions.run)
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    await core.define(samples.definition(versions=[samples.version(subresources={"scale": scale})]))
    await core.call("POST", samples.things, samples.thing(spec={"replicas": 1}))
    return f"{samples.things}/a/scale"


@pytest.mark.parametrize("patch", [{"kind": None}, {"apiVersion": None}, {"apiVersion": "", "kind": ""}])
async def test_a_scale_needs_no_kind_in_a_patch(core, scaled, patch):
    answer = await core.patch(scaled, patch)
    assert (answer.status, answer.json["kind"], answer.json["apiVersion"]) == (200, "Scale", "autoscaling/v1")


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"kind": "X"}, 'no kind "X" is registered for version "autoscaling/v1" in scheme "pkg/runtime/scheme.go:111"'),
        ({"apiVersion": "apps/v1beta2"}, "converting (v1beta2.Scale) to (v1.Scale): unknown conversion"),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
    ],
)
async def test_a_scale_of_another_kind(core, scaled, patch, why):
    answer = await core.patch(scaled, patch)
    assert quoted(answer)[1] == why


async def test_a_refused_patch_quotes_the_fields_of_a_scale_in_their_order(core, scaled):
    text, why = quoted(await core.patch(scaled, {"spec": {"replicas": "x", "a": 1}, "kind": "Scale"}))
    assert why == "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
    head, _, tail = text.partition('"metadata":')
    assert head == '{"apiVersion":"autoscaling/v1","kind":"Scale",'
    order = [tail.find(f'"{name}":') for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")]
    assert order == sorted(order)
    assert tail.endswith('},"spec":{"a":1,"replicas":"x"},"status":{"replicas":0}}')


async def test_a_scale_stays_in_its_namespace(core, scaled):
    answer = await core.patch(scaled, {"metadata": {"namespace": "other"}})
    assert (answer.status, answer.json["message"]) == (
        400,
        "the namespace of the provided object does not match the namespace sent on the request",
    )


# Definitions that are none


@pytest.mark.parametrize(
    ("api_version", "kind", "why"),
    [
        (
            "apiextensions.k8s.io/v1",
            "X",
            'no kind "X" is registered for version "apiextensions.k8s.io/v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            "v1",
            "CustomResourceDefinition",
            'no kind "CustomResourceDefinition" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111"',
        ),
        (
            "apiextensions.k8s.io/v1",
            "ConversionReview",
            "converting (v1.ConversionReview) to (apiextensions.CustomResourceDefinition): unknown conversion",
        ),
    ],
)
async def test_bodies_of_other_kinds_are_no_definitions(core, samples, api_version, kind, why):
    answer = await core.call(
        "POST", samples.definitions, {**samples.definition(), "apiVersion": api_version, "kind": kind}
    )
    assert answer.status == 400
    message = f'{kind} in version "v1" cannot be handled as a CustomResourceDefinition: {why}'
    assert answer.json["message"] == message


@pytest.mark.parametrize(
    ("field", "go_type"),
    [
        ("enum", "[]v1.JSON"),
        ("dependencies", "v1.JSONSchemaDependencies"),
        ("definitions", "v1.JSONSchemaDefinitions"),
        ("$schema", "v1.JSONSchemaURL"),
        ("x-kubernetes-validations", "v1.ValidationRules"),
    ],
)
async def test_fields_of_schemas_are_told_by_their_types(core, samples, field, go_type):
    schema = {"type": "object", field: 5}
    versions = [samples.version(schema={"openAPIV3Schema": schema})]
    answer = await core.call("POST", samples.definitions, samples.definition(versions=versions))
    assert answer.status == 400
    assert answer.json["message"].endswith(
        f"number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.{field} of type {go_type}"
    )


async def test_a_version_without_a_name_is_stored_nevertheless(core, samples):
    answer = await core.call("POST", samples.definitions, samples.definition(versions=[samples.version("")]))
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == ["spec.versions[0].name"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"metadata": {"creationTimestamp": 5}}, "json: cannot unmarshal number into Go value of type string"),
        ({"metadata": {"generation": 1.5}}, "cannot convert float64 to int64"),
        (
            {"metadata": {"deletionTimestamp": "x"}},
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
        (
            {"spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"caBundle": "!!"}}}}},
            "error decoding from json: illegal base64 data at input byte 0",
        ),
    ],
)
async def test_applied_definitions_that_are_not_of_their_type(core, samples, change, why):
    obj = samples.definition()
    for field, values in change.items():
        obj[field].update(values)
    answer = await apply(core, f"{samples.definitions}/things.example.com", obj)
    gvk = "apiextensions.k8s.io/v1, Kind=CustomResourceDefinition"
    assert answer.status == 500
    assert answer.json["message"] == (
        f"failed to convert new object (/things.example.com; {gvk}) to proper version: "
        f"unable to convert unstructured object to {gvk}: {why}"
    )


async def test_managed_fields_that_are_no_list_are_of_another_type(core, samples, things):
    obj = samples.thing()
    obj["metadata"]["managedFields"] = 5
    answer = await apply(core, f"{things}/a", obj)
    assert (answer.status, answer.json["message"]) == (
        500,
        "failed to create typed patch object (/a; example.com/v1, Kind=Thing): .metadata.managedFields: expected list, got &{5}",
    )


# Patches that nobody asks to be checked


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        ("json", b"{}", 400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ("json", b"[5]", 400, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
        ("json", b'[{"op":5}]', 422, "the server rejected our request due to an error in our request"),
        ("json", b'[{"op":"test","path":5}]', 422, "the server rejected our request due to an error in our request"),
        ("merge", b"5", 400, "Invalid JSON Patch"),
    ],
)
async def test_unchecked_patches_are_told_by_the_library(core, samples, things, kind, body, status, message):
    answer = await core.patch(f"{things}/a", body, "fieldValidation=Ignore", kind=kind)
    assert (answer.status, answer.json["message"]) == (status, message)
    checked = await core.patch(f"{things}/a", body, kind=kind)
    assert (checked.status, checked.json["message"].partition(":")[0]) == (400, "error decoding patch")


async def test_an_unchecked_array_takes_the_place_of_the_object(core, samples, things):
    text, why = quoted(await core.patch(f"{things}/a", b'[5,{"a":null}]', "fieldValidation=Ignore"))
    assert text == "[5,{}]"
    assert "json: cannot unmarshal array into Go value of type struct" in why
