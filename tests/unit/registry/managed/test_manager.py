"""The FieldManager: what the recorded scenarios do not show by name."""

from __future__ import annotations

import copy
import json

import pytest

from watchd.registry import schemas
from watchd.registry.managed.errors import ApplyConflict, BadApply, InvalidManagedFields, TypeProblem, UnknownVersion
from watchd.registry.managed.fieldset import FieldSet, paths
from watchd.registry.managed.manager import BEFORE_FIRST_APPLY, LAST_APPLIED, FieldManager
from watchd.registry.managed.typed import DEDUCED_TYPING, typing_of_schema, typing_of_whole
from watchd.registry.metadata import ANNOTATIONS_MAX

V1, V2, GONE = "g.example.com/v1", "g.example.com/v2", "g.example.com/v0"
T0, T1 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
WRONG_STRING = "&value.valueUnstructured{Value:5}"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "width": {"type": "integer"},
                "color": {"type": "string"},
                "any": {"x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
        },
    },
}
TYPINGS = {V1: typing_of_schema(SCHEMA), V2: typing_of_schema(SCHEMA)}


def typing_of(version):
    if version not in TYPINGS:
        raise UnknownVersion(version)
    return TYPINGS[version]


def convert(obj, version):
    if version not in TYPINGS:
        raise UnknownVersion(version)
    names = ("size", "width") if version == V2 else ("width", "size")
    spec = {names[1] if name == names[0] else name: value for name, value in obj.get("spec", {}).items()}
    return {**obj, "apiVersion": version, "spec": spec}


FIELDS = FieldManager("Thing", typing_of, convert)


def thing(spec, version=V1, **meta):
    return {"apiVersion": version, "kind": "Thing", "metadata": {"name": "a", **meta}, "spec": spec}


def created(spec, manager="creator", **meta):
    obj = thing(spec, **meta)
    # What the field manager returns is shared.
    entries = copy.deepcopy(FIELDS.update(None, obj, manager=manager, api_version=V1, time=T0))
    return {**obj, "metadata": {**obj["metadata"], "uid": "u", "managedFields": entries}}


def apply(live, spec, manager="m", *, force=False, time=T1, version=V1, **meta):
    return FIELDS.apply(live, thing(spec, version, **meta), manager=manager, api_version=version, time=time, force=force)


def owners(obj_or_entries):
    managed = obj_or_entries["metadata"].get("managedFields", []) if isinstance(obj_or_entries, dict) else obj_or_entries
    return {(e["manager"], e["operation"]): e["fieldsV1"] for e in managed}


def test_a_write_without_change_leaves_the_entries_as_they_are():
    live = created({"size": 1})
    entries = FIELDS.update(live, copy.deepcopy(live), manager="other", api_version=V1, time=T1)
    assert entries == live["metadata"]["managedFields"]


def test_the_time_moves_with_what_is_written_not_with_what_is_removed():
    live = created({"size": 1, "color": "red"})
    removed = {**thing({"size": 1}), "metadata": live["metadata"]}
    (entry,) = FIELDS.update(live, removed, manager="creator", api_version=V1, time=T1)
    assert (entry["time"], entry["fieldsV1"]) == (T0, {"f:spec": {".": {}, "f:size": {}}})
    written = {**thing({"size": 2, "color": "red"}), "metadata": live["metadata"]}
    (entry,) = FIELDS.update(live, written, manager="creator", api_version=V1, time=T1)
    assert (entry["time"], entry["fieldsV1"]) == (T1, live["metadata"]["managedFields"][0]["fieldsV1"])


def test_an_updater_that_loses_everything_has_no_entry():
    live = apply(created({"size": 1}), {"color": "red"}).obj
    new = {**live, "spec": {"size": 1, "color": "blue"}}
    entries = FIELDS.update(live, new, manager="u", api_version=V1, time=T1)
    assert owners(entries).keys() == {("creator", "Update"), ("u", "Update")}


def test_absent_keeps_managers_and_an_empty_list_forgets_them():
    live = created({"size": 1})
    new = thing({"size": 2}, uid="u")
    kept = FIELDS.update(live, new, manager="creator", api_version=V1, time=T1)
    assert owners(kept) == {("creator", "Update"): {"f:spec": {".": {}, "f:size": {}}}}
    for empty in ([], [{}]):
        new = thing({"size": 2}, uid="u", managedFields=empty)
        assert FIELDS.update(live, new, manager="creator", api_version=V1, time=T1) == []
    # Through a subresource nobody clears them.
    assert FIELDS.update(live, new, manager="c", api_version=V1, time=T1, subresource="status")


def test_bad_managed_fields_of_a_client_count_as_none():
    live = created({"size": 1})
    bad = [{"manager": "x", "operation": "Nope"}]
    new = {**live, "metadata": {**live["metadata"], "managedFields": bad}}
    assert FIELDS.update(live, new, manager="m", api_version=V1, time=T1) == live["metadata"]["managedFields"]


def test_managed_fields_of_a_client_count_where_they_can_be_read():
    live = created({"size": 1, "color": "red"})
    entry = live["metadata"]["managedFields"][0]
    mine = [{**entry, "manager": "renamed", "time": "2026-01-01T01:00:00+01:00"}]
    new = {**live, "metadata": {**live["metadata"], "managedFields": mine}}
    assert FIELDS.update(live, new, manager="m", api_version=V1, time=T1) == [{**entry, "manager": "renamed"}]


def test_an_object_without_managers_is_not_tracked_until_it_is_applied_to():
    live = thing({"size": 1}, uid="u")
    assert FIELDS.update(live, thing({"size": 2}, uid="u"), manager="m", api_version=V1, time=T1) == []
    got = owners(apply(live, {"color": "red"}).obj)
    assert got[BEFORE_FIRST_APPLY, "Update"] == {"f:spec": {".": {}, "f:size": {}}}
    assert got["m", "Apply"] == {"f:spec": {"f:color": {}}}


def test_a_boolean_in_place_of_a_number_is_a_change():
    live = created({"any": {"x": 1, "y": [1, {"z": 1}]}})
    new = {**live, "spec": {"any": {"x": True, "y": [1, {"z": True}]}}}
    got = owners(FIELDS.update(live, new, manager="m", api_version=V1, time=T1))
    assert got["m", "Update"] == {"f:spec": {"f:any": {"f:x": {}, "f:y": {}}}}
    same = {**live, "spec": {"any": {"y": [1.0, {"z": 1}], "x": 1.0}}}
    assert FIELDS.update(live, same, manager="m", api_version=V1, time=T1) == live["metadata"]["managedFields"]


def test_conflicts_name_managers_operations_and_paths():
    live = apply(created({"size": 1, "tags": ["a"]}), {"color": "red"}, "applier").obj
    with pytest.raises(ApplyConflict) as caught:
        apply(live, {"size": 2, "color": "blue"}, "late")
    assert str(caught.value) == (
        'Apply failed with 2 conflicts: conflicts with "applier":\n- .spec.color\n'
        f'conflicts with "creator" using {V1}:\n- .spec.size'
    )
    assert caught.value.to_status().to_object() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": str(caught.value),
        "reason": "Conflict",
        "details": {
            "causes": [
                {"reason": "FieldManagerConflict", "message": 'conflict with "applier"', "field": ".spec.color"},
                {"reason": "FieldManagerConflict", "message": f'conflict with "creator" using {V1}', "field": ".spec.size"},
            ]
        },
        "code": 409,
    }


def test_versions_are_compared_each_in_its_own_words():
    live = created({"size": 1})
    at_v2 = convert(live, V2)
    with pytest.raises(ApplyConflict, match=rf'"creator" using {V1}: \.spec\.size'):
        apply(at_v2, {"width": 2}, version=V2)
    forced = apply(at_v2, {"width": 2}, version=V2, force=True)
    assert forced.obj["spec"] == {"width": 2}
    assert owners(forced.obj) == {("creator", "Update"): {"f:spec": {}}, ("m", "Apply"): {"f:spec": {"f:width": {}}}}
    # The applier's own set of v2 is pruned although it applies at v1 now.
    back = apply(convert(forced.obj, V1), {"color": "red"})
    assert back.obj["spec"] == {"color": "red"}


def test_entries_of_versions_that_are_gone_are_dropped():
    live = created({"size": 1})
    stale = {**live["metadata"]["managedFields"][0], "manager": "old", "apiVersion": GONE}
    live["metadata"]["managedFields"].append(stale)
    new = {**live, "spec": {"size": 2}}
    assert owners(FIELDS.update(live, new, manager="m", api_version=V1, time=T1)).keys() == {
        ("creator", "Update"),
        ("m", "Update"),
    }


def test_no_name_is_the_unknown_manager():
    got = FIELDS.update(None, thing({"size": 1}), manager="", api_version=V1, time=T0)
    assert got[0]["manager"] == "unknown"


@pytest.mark.parametrize(
    ("applied", "error", "message"),
    [
        (thing({}, V2), BadApply, f"invalid object type: {V2}, Kind=Thing"),
        ({**thing({}), "kind": "Other"}, BadApply, f"invalid object type: {V1}, Kind=Other"),
        ({**thing({}), "apiVersion": "v1"}, BadApply, "invalid object type: /v1, Kind=Thing"),
        (thing({}, managedFields=[]), BadApply, "metadata.managedFields must be nil"),
        (
            thing({"nope": 1}, namespace="n"),
            TypeProblem,
            f"failed to create typed patch object (n/a; {V1}, Kind=Thing): .spec.nope: field not declared in schema",
        ),
        (
            thing({"color": 5}),
            TypeProblem,
            f"failed to create typed patch object (/a; {V1}, Kind=Thing): .spec.color: expected string, got {WRONG_STRING}",
        ),
        (
            thing({"tags": ["a", "a"]}),
            TypeProblem,
            f'failed to create typed patch object (/a; {V1}, Kind=Thing): .spec.tags: duplicate entries for key [="a"]',
        ),
    ],
)
def test_what_cannot_be_applied_is_refused_in_the_reference_s_words(applied, error, message):
    with pytest.raises(error) as caught:
        FIELDS.apply(created({}), applied, manager="m", api_version=V1, time=T1)
    assert str(caught.value) == message
    assert caught.value.to_status().code == (400 if error is BadApply else 500)


def test_a_live_object_with_unreadable_owners_cannot_be_applied_to():
    live = created({"size": 1})
    live["metadata"]["managedFields"][0]["fieldsV1"] = {"bad": {}}
    with pytest.raises(InvalidManagedFields):
        apply(live, {"size": 1})


def test_kubectl_takes_over_what_it_applied_from_the_client():
    config = json.dumps(thing({"size": 1, "color": "red"}))
    live = created({"size": 1, "color": "red"}, "kubectl-client-side-apply", annotations={LAST_APPLIED: config})
    with pytest.raises(ApplyConflict):
        apply(live, {"size": 2}, "someone")
    got = apply(live, {"size": 2}, "kubectl").obj
    assert got["spec"] == {"size": 2, "color": "red"}
    assert got["metadata"]["annotations"][LAST_APPLIED] == (
        '{"apiVersion":"g.example.com/v1","kind":"Thing","metadata":{"name":"a"},"spec":{"size":2}}\n'
    )
    assert owners(got)["kubectl", "Apply"] == {"f:spec": {"f:size": {}}}


def test_kubectl_does_not_take_over_what_has_changed_since():
    config = json.dumps(thing({"size": 1, "color": "red"}))
    live = created({"size": 7, "color": "red"}, "editor", annotations={LAST_APPLIED: config})
    with pytest.raises(ApplyConflict, match=r"1 conflict: .* \.spec\.size") as caught:
        apply(live, {"size": 2, "color": "blue"}, "kubectl")
    assert len(caught.value.conflicts) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps(thing({"size": 1}, V2)), json.dumps(thing({"size": "x"}))])
def test_an_annotation_that_says_nothing_explains_no_conflict(text):
    live = created({"size": 1}, annotations={LAST_APPLIED: text})
    with pytest.raises(ApplyConflict):
        apply(live, {"size": 2}, "kubectl")


def test_an_annotation_that_no_longer_fits_goes():
    config = json.dumps(thing({"size": 1}))
    filler = "x" * (ANNOTATIONS_MAX - len(LAST_APPLIED) - len("fill") - len(config) - 40)
    live = created({"size": 1}, annotations={LAST_APPLIED: config, "fill": filler})
    got = apply(live, {"size": 1, "color": "c" * 200}, "kubectl").obj
    assert LAST_APPLIED not in got["metadata"]["annotations"]


def test_an_empty_list_goes_with_its_parent_as_in_the_reference():
    # Recorded from the reference: an empty set is in no set of fields, so spec is empty when size has gone.
    live = created({"tags": []}, "u")
    assert apply(apply(live, {"size": 0}).obj, {}).obj.get("spec") is None


def test_metadata_has_its_own_types():
    reference = {"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1"}
    live = created({}, finalizers=["a/b"], ownerReferences=[reference])
    second = {**reference, "uid": "2"}
    got = apply(live, {}, finalizers=["c/d"], ownerReferences=[second], labels={"l": "1"}).obj
    assert got["metadata"]["finalizers"] == ["a/b", "c/d"]
    assert [owner["uid"] for owner in got["metadata"]["ownerReferences"]] == ["1", "2"]
    assert owners(got)["m", "Apply"]["f:metadata"] == {
        "f:finalizers": {'v:"c/d"': {}},
        "f:labels": {"f:l": {}},
        "f:ownerReferences": {'k:{"uid":"2"}': {}},
    }


def test_a_kind_without_schema_has_granular_maps_and_atomic_lists():
    fields = FieldManager("Free", lambda _: DEDUCED_TYPING, lambda obj, _: obj)
    obj = {"apiVersion": V1, "kind": "Free", "metadata": {"name": "a"}, "spec": {"list": [{"a": 1}], "map": {"b": {"c": 1}}}}
    got = fields.apply(None, obj, manager="m", api_version=V1, time=T0).obj
    assert owners(got)["m", "Apply"] == {
        "f:spec": {".": {}, "f:list": {}, "f:map": {".": {}, "f:b": {".": {}, "f:c": {}}}}
    }


def test_a_built_in_kind_is_created_by_apply_over_its_empty_struct():
    typing = typing_of_whole(schemas.whole("io.k8s.api.coordination.v1.Lease"))
    fields = FieldManager("Lease", lambda _: typing, lambda obj, _: obj)
    version = "coordination.k8s.io/v1"
    lease = {"apiVersion": version, "kind": "Lease", "metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}}
    got = fields.apply(None, lease, manager="m", api_version=version, time=T0).obj
    assert got["spec"] == {"holderIdentity": "x"}
    lease["metadata"] = {"name": "a"}
    (entry,) = fields.update(None, lease, manager="u", api_version=version, time=T0)
    assert FieldSet.from_fields(entry["fieldsV1"]).to_fields() == {"f:spec": {"f:holderIdentity": {}}}


def test_an_object_that_does_not_fit_its_types_keeps_the_entries_of_before():
    live = created({"size": 1})
    for spec in ({"size": "x"}, {"size": {"a": 1}}, {"tags": [["a"]]}, {"nope": 1}, {"color": True}):
        new = {**live, "spec": spec}
        assert FIELDS.update(live, new, manager="m", api_version=V1, time=T1) == live["metadata"]["managedFields"]


def test_a_status_that_is_put_back_has_to_fit_its_type_all_the_same():
    conditions = {"type": "array", "items": {"type": "object", "properties": {"reason": {"type": "string"}}}}
    typing = typing_of_schema({"properties": {"status": {"type": "object", "properties": {"conditions": conditions}}}})
    fields = FieldManager("Thing", lambda _: typing, lambda obj, _: obj)

    def owned(reason):
        obj = {"apiVersion": V1, "kind": "Thing", "metadata": {"labels": {"a": "b"}}, "status": {"conditions": [{"reason": reason}]}}
        return fields.update(None, obj, manager="m", api_version=V1, time=T0, reset_fields={V1: paths("status")})

    assert [entry["fieldsV1"] for entry in owned("a")] == [{"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}]
    assert owned(1) == []


def test_an_object_nested_too_deep_is_refused_in_words():
    deep = {}
    for _ in range(900):
        deep = {"a": deep}
    live = created({"size": 1})
    with pytest.raises(TypeProblem, match="cannot be walked"):
        apply(live, {"any": deep})
    new = {**live, "spec": {"any": deep}}
    assert FIELDS.update(live, new, manager="m", api_version=V1, time=T1) == live["metadata"]["managedFields"]
