"""Laws of server-side apply and of sets of fields, on whatever Hypothesis comes up with."""

from __future__ import annotations

import copy
import json

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from watchd.registry.managed.compare import compare, field_set
from watchd.registry.managed.errors import ApplyConflict, InvalidManagedFields
from watchd.registry.managed.fieldpath import canonical, path_text, sort_key
from watchd.registry.managed.fieldset import FieldSet
from watchd.registry.managed.manager import FieldManager
from watchd.registry.managed.typed import DEDUCED_TYPING, typing_of_schema

BOUNDED = settings(
    max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)

VERSION = "fuzz.example.com/v1"
TIME = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T00:00:01Z"

STRING = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "any": {"x-kubernetes-int-or-string": True},
                "nested": {"type": "object", "properties": {"a": {"type": "integer"}, "b": STRING}},
                "labels": {"type": "object", "additionalProperties": STRING},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": STRING},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
                "order": {"type": "array", "items": STRING},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": STRING, "port": {"type": "integer"}}},
                },
            },
        }
    },
}
TYPING = typing_of_schema(SCHEMA)

names = st.sampled_from(["a", "b", "c", 'd"<&>', "é\n"])
numbers = st.integers(0, 3)
specs = st.fixed_dictionaries(
    {},
    optional={
        "size": numbers,
        "any": numbers | names,
        "nested": st.fixed_dictionaries({}, optional={"a": numbers, "b": names}),
        "labels": st.dictionaries(names, names, max_size=3),
        "whole": st.dictionaries(names, names, max_size=2),
        "tags": st.lists(names, unique=True, max_size=4),
        "order": st.lists(names, max_size=3),
        "ports": st.lists(
            st.fixed_dictionaries({"name": names}, optional={"port": numbers}), unique_by=lambda p: p["name"], max_size=3
        ),
    },
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


def thing(spec):
    return {"apiVersion": VERSION, "kind": "Thing", "metadata": {"name": "x"}, "spec": spec}


def manager(typing=TYPING):
    return FieldManager("Thing", lambda _: typing, lambda obj, _: obj)


def apply(live, spec, who, *, force=True, time=TIME):
    return manager().apply(live, thing(spec), manager=who, api_version=VERSION, time=time, force=force)


def owned(obj, who):
    entries = [e for e in obj["metadata"].get("managedFields", []) if e["manager"] == who]
    return FieldSet.from_fields(entries[0]["fieldsV1"]) if entries else FieldSet()


def without_owners(obj):
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


@BOUNDED
@given(specs, specs)
def test_sets_come_back_from_fields_v1_as_they_were(a, b):
    sets = [field_set(TYPING.root, thing(spec)) for spec in (a, b)]
    for one in (*sets, sets[0] | sets[1], sets[0] - sets[1], sets[0] & sets[1], sets[0].without(sets[1])):
        text = json.dumps(one.to_fields())
        again = FieldSet.from_fields(json.loads(text))
        assert again == one
        assert json.dumps(again.to_fields()) == text
        assert all(path in one for path in one)
        assert len(set(one)) == len(one)
        assert all(canonical(element) == element for path in one for element in path)


@BOUNDED
@given(specs, specs, specs)
def test_sets_are_sets(a, b, c):
    x, y, z = (field_set(TYPING.root, thing(spec)) for spec in (a, b, c))
    members = [set(one) for one in (x, y, z)]
    assert set(x | y) == members[0] | members[1]
    assert set(x & y) == members[0] & members[1]
    assert set(x - y) == members[0] - members[1]
    assert x | (y | z) == (x | y) | z
    below = {path for path in members[0] if any(path[: len(gone)] == gone for gone in members[1])}
    assert set(x.without(y)) == members[0] - below
    assert [path_text(path) for path in x] == [path_text(path) for path in FieldSet.from_fields(x.to_fields())]


@BOUNDED
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_bytes_that_are_no_fields_are_refused_in_words(fields):
    try:
        one = FieldSet.from_fields(fields)
    except InvalidManagedFields as e:
        told = str(e)
    else:
        told = "error decoding set: "
        assert FieldSet.from_fields(one.to_fields()) == one
    assert told.startswith("error decoding set: ")


@BOUNDED
@given(json_values, json_values)
def test_values_of_sets_keep_their_order_and_spelling(a, b):
    x, y = canonical("v:" + json.dumps(a)), canonical("v:" + json.dumps(b))
    assert canonical(x) == x
    assert (sort_key(x) == sort_key(y)) == (x == y)
    assert (sort_key(x) < sort_key(y)) != (sort_key(y) < sort_key(x)) or x == y


@BOUNDED
@given(specs, specs, st.sampled_from(["m1", "kubectl"]))
def test_apply_is_idempotent(first, second, who):
    live = apply(None, first, "other").obj
    once = apply(live, second, who).obj
    twice = apply(copy.deepcopy(once), second, who, force=False, time=LATER)
    assert twice.obj == once
    assert not twice.changed


@BOUNDED
@given(specs, specs, specs)
def test_managers_of_different_fields_may_come_in_any_order(base, a, b):
    assume(not set(a) & set(b))
    live = manager().apply(None, thing(base), manager="base", api_version=VERSION, time=TIME).obj
    try:
        ab = apply(apply(live, a, "m1", force=False).obj, b, "m2", force=False).obj
    except ApplyConflict:
        return
    ba = apply(apply(live, b, "m2", force=False).obj, a, "m1", force=False).obj
    assert without_owners(ab) == without_owners(ba)
    assert owned(ab, "m1") == owned(ba, "m1")
    assert owned(ab, "m2") == owned(ba, "m2")


@BOUNDED
@given(specs, specs, specs)
def test_what_the_applier_does_not_own_is_never_removed(theirs, before, after):
    # An empty list of type set or map is in no set of fields, so that the reference removes it with its parent.
    theirs, before, after = (
        {name: value for name, value in spec.items() if value != [] or name == "order"} for spec in (theirs, before, after)
    )
    live = thing(theirs)
    live["metadata"]["managedFields"] = manager().update(
        None, live, manager="updater", api_version=VERSION, time=TIME
    )
    live["metadata"]["uid"] = "u"
    once = apply(live, before, "m1").obj
    mine = owned(once, "m1")
    twice = apply(copy.deepcopy(once), after, "m1").obj
    gone = compare(TYPING.root, without_owners(once), without_owners(twice)).removed
    assert not gone & owned(once, "updater")
    held = [path for path in gone if not any(path[:n] in mine for n in range(1, len(path) + 1))]
    # Declared fields on the way go when nothing is left in them.
    assert [path for path in held if not any(below[: len(path)] == path for below in mine)] == []


@BOUNDED
@given(specs, specs)
def test_applied_values_are_what_the_object_holds(base, wanted):
    obj = apply(apply(None, base, "m1").obj, wanted, "m2").obj
    for path in field_set(TYPING.root, thing(wanted)):
        assert path in field_set(TYPING.root, without_owners(obj)) | FieldSet.of(*owned(obj, "m2")), path_text(path)
    for name in ("size", "any", "whole", "order"):
        if name in wanted:
            assert obj["spec"][name] == wanted[name]


@BOUNDED
@given(specs, specs)
def test_after_an_update_each_changed_field_has_its_writer_alone(before, after):
    live = apply(None, before, "m1").obj
    live["metadata"]["uid"] = "u"
    # An object without managers is not tracked before it is applied to.
    assume("managedFields" in live["metadata"])
    new = thing(after)
    new["metadata"]["uid"] = "u"
    entries = manager().update(live, new, manager="m2", api_version=VERSION, time=LATER)
    new["metadata"]["managedFields"] = entries
    differs = compare(TYPING.root, without_owners(live), without_owners(new))
    assert owned(new, "m2") == differs.changed
    assert not owned(new, "m1") & (differs.changed | differs.removed)


@BOUNDED
@given(json_values, json_values)
def test_free_form_objects_merge_without_a_schema(a, b):
    free = manager(DEDUCED_TYPING)
    live = free.apply(None, thing(a), manager="m1", api_version=VERSION, time=TIME).obj
    both = free.apply(live, thing(b), manager="m2", api_version=VERSION, time=TIME, force=True).obj
    again = free.apply(copy.deepcopy(both), thing(b), manager="m2", api_version=VERSION, time=LATER)
    assert again.obj == both
