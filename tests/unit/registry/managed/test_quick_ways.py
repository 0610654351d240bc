"""The quick ways of tracking an update come to what the slow ones come to."""

from __future__ import annotations

import copy
from unittest.mock import patch

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st

from watchd.registry.managed import manager as manager_module
from watchd.registry.managed.compare import Comparison, _Walk, compare
from watchd.registry.managed.entries import decode
from watchd.registry.managed.errors import TypeProblem
from watchd.registry.managed.fieldset import FieldSet, paths
from watchd.registry.managed.manager import NEVER_TRACKED, FieldManager
from watchd.registry.managed.texts import Known, Texts
from watchd.registry.managed.typed import typing_of_schema
from watchd.registry.managed.updater import Updater

BOUNDED = settings(max_examples=300, derandomize=True, deadline=None, database=None)
V1, V2 = "g.example.com/v1", "g.example.com/v2"
STRING = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "any": {"x-kubernetes-int-or-string": True},
                "when": {"type": "string", "format": "date-time"},
                "nested": {"type": "object", "properties": {"a": {"type": "integer"}, "b": STRING}},
                "labels": {"type": "object", "additionalProperties": STRING},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": STRING},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": STRING, "port": {"x-kubernetes-int-or-string": True}}},
                },
            },
        },
        "status": {"type": "object", "properties": {"x": {"type": "integer"}}},
        "lump": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {"x": {"x-kubernetes-int-or-string": True}},
        },
    },
}
TYPING = typing_of_schema(SCHEMA)

names = st.sampled_from(["a", "b", "c"])
numbers = st.sampled_from([0, 1, 2, 1.0, True])
integers = st.integers(0, 2)
free = st.recursive(
    numbers | names | st.none(), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2)
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "size": integers,
        "any": numbers | names,
        "when": names,
        "nested": st.fixed_dictionaries({}, optional={"a": integers, "b": names}),
        "labels": st.dictionaries(names, names, max_size=2),
        "whole": st.dictionaries(names, names, max_size=2),
        "free": st.dictionaries(names, free, max_size=2),
        "tags": st.lists(names, unique=True, max_size=3),
        "ports": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"port": numbers}), unique_by=lambda p: p["name"], max_size=2
        ),
    },
)
metadata = st.fixed_dictionaries(
    {"name": st.just("x")},
    optional={"generation": integers, "labels": st.dictionaries(names, names, max_size=2), "resourceVersion": names},
)
objects = st.builds(
    lambda meta, **parts: {"apiVersion": V1, "kind": "Thing", "metadata": meta, **parts},
    metadata,
    spec=specs,
    status=st.fixed_dictionaries({}, optional={"x": integers}),
    lump=st.fixed_dictionaries({}, optional={"x": numbers}),
)
writers = st.sampled_from(["m1", "m2", ""])
odd_sets = st.sampled_from([{}, {"f:metadata": {"f:generation": {}}}, {"f:spec": {"f:size": {}}}, {"f:status": {"f:x": {}}}])
odd_entries = st.builds(
    lambda who, operation, version, fields: {
        "manager": who,
        "operation": operation,
        "apiVersion": version,
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    },
    st.sampled_from(["m1", "m2", "m3"]),
    st.sampled_from(["Apply", "Update"]),
    st.sampled_from([V1, V2]),
    odd_sets,
)


def convert(obj, version):
    return {**obj, "apiVersion": version}


FIELDS = FieldManager("Thing", lambda _: TYPING, convert)


def with_managed(obj, entries):
    return {**obj, "metadata": {**obj["metadata"], "managedFields": entries}}


@BOUNDED
@given(st.lists(odd_entries, max_size=4), st.lists(st.tuples(objects, writers, st.booleans(), st.booleans()), min_size=2, max_size=6))
def test_an_update_is_followed_alike(odd, writes):
    texts = Texts()
    first, who, _, _ = writes[0]
    with patch.object(manager_module, "TEXTS", texts):
        entries = FIELDS.update(None, first, manager=who, api_version=V1, time="2026-01-01T00:00:00Z") + odd
        live = first
        for second, (other, who, moved, through_status) in enumerate(writes[1:], 1):
            live = with_managed(live, entries)
            # Most updates change one field of a writer who had it before.
            new = other if moved else {**live, "spec": {**live["spec"], "size": second}}
            found = texts.cut(orjson.dumps(live))
            known = found[1] if found else Known(entries, decode(entries, reuse=True))
            call = {
                "manager": who,
                "api_version": V1,
                "time": f"2026-01-01T00:00:{second:02}Z",
                "subresource": "status" if through_status else "",
                "reset_fields": {V1: paths("spec" if through_status else "status")},
            }
            with patch.object(Updater, "stays", return_value=False):
                before, after = copy.deepcopy(live), copy.deepcopy(with_managed(new, entries))
                slow = FIELDS.update(before, after, **call)
            text = orjson.dumps(entries)
            quick = FIELDS.track(with_managed(live, known.entries), with_managed(new, known.entries), known, **call).entries
            assert orjson.dumps(quick) == orjson.dumps(slow)
            # What is known is shared.
            assert orjson.dumps(entries) == text
            again = texts.cut(b'{"metadata":{"managedFields":%b}}' % orjson.dumps(quick))
            if again is not None:
                assert again[1].managers == decode(slow, reuse=True)
                assert [owned.entry for owned in again[1].managers.values()] == slow
            event(f"remembered: {again is not None}")
            live, entries = new, quick


@BOUNDED
@given(objects, st.integers(3, 9), writers)
def test_a_write_of_what_one_owns_is_seen_at_a_glance(obj, size, who):
    obj["spec"]["size"] = 1
    entries = FIELDS.update(None, obj, manager=who, api_version=V1, time="2026-01-01T00:00:00Z")
    live = with_managed(obj, entries)
    new = {**live, "spec": {**live["spec"], "size": size}}
    known = Known(entries, decode(entries, reuse=True))
    with patch.object(Updater, "followed", side_effect=AssertionError):
        later = FIELDS.track(live, new, known, manager=who, api_version=V1, time="2026-01-01T00:00:01Z").entries
        assert FIELDS.track(live, new, known, manager=who, api_version=V1, time="2026-01-01T00:00:00Z") is known
    assert [e["time"] for e in later] == ["2026-01-01T00:00:01Z"]
    assert later[0]["fieldsV1"] is entries[0]["fieldsV1"]


def test_nobody_keeps_what_is_never_tracked_by_writing_it_again():
    entry = {"manager": "m", "operation": "Update", "apiVersion": V1, "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1"}
    entry["fieldsV1"] = {"f:metadata": {"f:generation": {}}, "f:spec": {"f:size": {}}}
    live = with_managed({"apiVersion": V1, "kind": "Thing", "metadata": {"generation": 1}, "spec": {"size": 1}}, [entry])
    new = {**live, "metadata": {**live["metadata"], "generation": 2}, "spec": {"size": 2}}
    known = Known([entry], decode([entry], reuse=True))
    (left,) = FIELDS.track(live, new, known, manager="m", api_version=V1, time="2026-01-01T00:00:01Z").entries
    assert left["fieldsV1"] == {"f:spec": {"f:size": {}}}
    assert ("f:metadata", "f:generation") in NEVER_TRACKED


def compared_from_within(old, new):
    """Compare as what is below the root of an object is compared: with the question first whether it differs."""
    walk = _Walk()
    walk.both(TYPING.root, old, new)
    return Comparison(FieldSet(walk.removed), FieldSet(walk.modified), FieldSet(walk.added))


@BOUNDED
@given(objects, objects, st.booleans())
def test_an_object_is_compared_as_its_parts_are(old, new, alike):
    new = copy.deepcopy(old) | {"status": new["status"]} if alike else new
    try:
        slow = compared_from_within(old, new)
    except TypeProblem:
        return
    assert compare(TYPING.root, old, new) == slow
