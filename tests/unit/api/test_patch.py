from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchd.api import patch
from watchd.status import StatusError

JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"
REJECTED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "the server rejected our request due to an error in our request",
    "reason": "Invalid",
    "details": {},
    "code": 422,
}


def load(kind, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return patch.parse(kind, custom=True).load(data, {})


def apply(operations, obj):
    before = copy.deepcopy(obj)
    out = load(JSON_PATCH, operations).apply(obj)
    assert obj == before, "the argument was changed"
    return out


def test_all_operations():
    obj = {"spec": {"size": 1, "color": "red", "list": ["a", "b", "c"], "map": {"k": "v"}}}
    operations = [
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "replace", "path": "/spec/size", "value": 2},
        {"op": "add", "path": "/spec/list/1", "value": "x"},
        {"op": "add", "path": "/spec/list/-", "value": "last"},
        {"op": "remove", "path": "/spec/list/0"},
        {"op": "copy", "from": "/spec/map/k", "path": "/spec/map/k2"},
        {"op": "move", "from": "/spec/map/k", "path": "/spec/map/k3"},
    ]
    spec = {"size": 2, "color": "red", "list": ["x", "b", "c", "last"], "map": {"k2": "v", "k3": "v"}}
    assert apply(operations, obj) == {"spec": spec}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/a~1b~0c~01", "value": 1}, {"a/b~c~1": 1, "l": [1, 2]}),
        ({"op": "add", "path": "/n"}, {"n": None, "l": [1, 2]}),
        ({"op": "replace", "path": "/new", "value": 1}, {"new": 1, "l": [1, 2]}),
        ({"op": "replace", "path": "/l/-1", "value": 9}, {"l": [1, 9]}),
        ({"op": "remove", "path": "/l/-2"}, {"l": [2]}),
        ({"op": "add", "path": "/l/2", "value": 3}, {"l": [1, 2, 3]}),
        ({"op": "add", "path": "/l/-1", "value": 3}, {"l": [1, 2, 3]}),
        ({"op": "replace", "path": "", "value": {"x": 1}}, {"x": 1}),
        ({"op": "test", "path": "", "value": {"l": [1, 2]}}, {"l": [1, 2]}),
        ({"op": "test", "path": "/absent", "value": None}, {"l": [1, 2]}),
        ({"op": "test", "path": "/l/0", "value": 1}, {"l": [1, 2]}),
    ],
)
def test_details_of_operations(operation, expected):
    assert apply([operation], {"l": [1, 2]}) == expected


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "replace", "path": "/spec/new", "value": 1}, {"op": "test", "path": "/spec/size", "value": 2}],
        [{"op": "test", "path": "/spec/size", "value": True}],
        [{"op": "test", "path": "/spec/size", "value": "1"}],
        [{"op": "test", "path": "/spec/absent", "value": 1}],
        [{"op": "remove", "path": "/spec/absent"}],
        [{"op": "add", "path": "/spec/map/k", "value": "v"}],
        [{"op": "add", "path": "/spec/size/k", "value": "v"}],
        [{"op": "add", "path": "", "value": {}}],
        [{"op": "replace", "path": "", "value": 5}],
        [{"op": "remove", "path": ""}],
        [{"op": "add", "path": "spec/x", "value": 1}],
        [{"op": "add", "value": 1}],
        [{"op": "frobnicate", "path": "/spec"}],
        [{"path": "/spec"}],
        [None],
        [{"op": "copy", "path": "/spec/x"}],
        [{"op": "move", "from": "/spec/absent", "path": "/spec/x"}],
        [{"op": "move", "from": "/spec", "path": "/spec/x"}],
        [{"op": "add", "path": "/list/3", "value": 1}],
        [{"op": "add", "path": "/list/x", "value": 1}],
        [{"op": "replace", "path": "/list/-", "value": 1}],
        [{"op": "replace", "path": "/list/2", "value": 1}],
        [{"op": "remove", "path": "/list/-3"}],
        [{"op": "remove", "path": "/list/" + "9" * 5000}],
    ],
)
def test_what_does_not_apply_changes_nothing(operations):
    obj = {"spec": {"size": 1}, "list": [1, 2]}
    document = load(JSON_PATCH, operations)
    with pytest.raises(StatusError) as e:
        document.apply(obj)
    assert e.value.to_object() == REJECTED
    assert obj == {"spec": {"size": 1}, "list": [1, 2]}


@pytest.mark.parametrize("kind", [JSON_PATCH, "application/merge-patch+json"])
@pytest.mark.parametrize("body", [b"not json", b"", b"[", b"{"])
def test_patches_that_are_no_json(kind, body):
    with pytest.raises(StatusError, match="invalid JSON patch") as e:
        load(kind, body)
    assert e.value.code == 400


@pytest.mark.parametrize("body", [{"op": "add"}, "not json", 5, [5], [{"op": 5}], [{"op": "add", "path": []}]])
def test_malformed_json_patches(body):
    with pytest.raises(StatusError, match="error decoding patch: ") as e:
        load(JSON_PATCH, body)
    assert e.value.code == 400


def test_too_many_operations():
    one = {"op": "test", "path": "/x", "value": None}
    assert load(JSON_PATCH, [one] * 10_000).apply({}) == {}
    with pytest.raises(StatusError) as e:
        load(JSON_PATCH, [one] * 10_001)
    assert (e.value.code, e.value.message) == (
        413,
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    )


def test_copies_are_bounded():
    obj = {"a": ["x" * 1000]}
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 20
    with pytest.raises(StatusError, match="the server rejected"):
        load(JSON_PATCH, doubling).apply(obj)
    assert len(load(JSON_PATCH, doubling[:5]).apply(obj)["a"]) == 6


def test_copies_are_copies():
    operations = [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "add", "path": "/b/x", "value": 2}]
    assert apply(operations, {"a": {"x": 1}}) == {"a": {"x": 1}, "b": {"x": 2}}


def test_a_patch_can_be_applied_again():
    document = load(JSON_PATCH, [{"op": "add", "path": "/a", "value": {"l": []}}, {"op": "add", "path": "/a/l/-", "value": 1}])
    assert document.apply({}) == {"a": {"l": [1]}}
    assert document.apply({}) == {"a": {"l": [1]}}


def test_no_patch_builds_what_cannot_be_walked():
    value: object = {}
    for _ in range(200):
        value = {"a": value}
    operations = [{"op": "add", "path": "/a" * (200 * i + 1), "value": value} for i in range(5)]
    with pytest.raises(StatusError, match="the server rejected"):
        load(JSON_PATCH, operations).apply({})
    assert load(JSON_PATCH, operations[:1]).apply({}) == {"a": value}


def test_strict_errors_of_a_patch():
    document = load(JSON_PATCH, b'[{"op":"test","path":"/a","valu":1},{"op":"test","op":"test","path":"/a"}]')
    assert set(document.warnings) == {'json patch unknown field "[0].valu"', 'json patch duplicate field "[1].op"'}
    assert load(MERGE_PATCH, b'{"a":1,"a":2}').warnings == ('duplicate field "a"',)


def rfc_merge(target, change):
    """RFC 7386 section 2, but nulls within arrays are dropped from objects as the reference does."""
    if not isinstance(change, dict):
        return change
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in change.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = rfc_merge(out.get(name), value)
    return out


scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
lists = st.lists(st.integers(0, 3) | st.none(), max_size=3)
values = st.recursive(scalars | lists, lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=12)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(objects, objects)
def test_merge_patch_is_that_of_the_rfc(obj, change):
    before = copy.deepcopy(obj)
    assert load(MERGE_PATCH, change).apply(obj) == rfc_merge(before, change)
    assert obj == before


def test_merge_drops_nulls_in_what_it_adds():
    assert load(MERGE_PATCH, {"a": {"b": None, "l": [{"x": None}, None]}}).apply({}) == {"a": {"l": [{}, None]}}


@pytest.mark.parametrize("body", ["[1,2]", [1, 2], 5, None, b"{", b"", b"null"])
def test_malformed_merge_patches(body):
    with pytest.raises(StatusError) as e:
        load(MERGE_PATCH, body)
    assert e.value.code == 400


@pytest.mark.parametrize("content_type", ["application/strategic-merge-patch+json", "application/json", "", "application/xml"])
def test_unsupported_types_of_custom_kinds(content_type):
    with pytest.raises(StatusError) as e:
        patch.parse(content_type, custom=True)
    assert e.value.code == 415
    assert e.value.message == (
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, "
        "application/merge-patch+json, application/apply-patch+yaml, application/apply-patch+cbor"
    )


def test_types():
    assert patch.parse("application/merge-patch+json; charset=utf-8", custom=True).type is patch.PatchType.MERGE
    assert not patch.parse(JSON_PATCH, custom=False).apply
    with pytest.raises(StatusError, match="strategic-merge-patch"):
        patch.parse("application/json", custom=False)
