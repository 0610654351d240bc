"""Strategic merge patch: answers of apimachinery's own examples, and each directive."""

from __future__ import annotations

import copy

import pytest

from watchd.api.strategic import StrategicMergePatch
from watchd.registry.schemas import whole
from watchd.status import StatusError

SCHEMA = {
    "properties": {
        "map": {"additionalProperties": {"type": "string"}},
        "replaced": {"x-kubernetes-patch-strategy": "replace", "properties": {"a": {}, "b": {}}},
        "atomic": {"type": "array"},
        "set": {"type": "array", "x-kubernetes-patch-strategy": "merge"},
        "items": {
            "type": "array",
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name",
            "items": {
                "properties": {
                    "name": {},
                    "value": {},
                    "ports": {
                        "type": "array",
                        "x-kubernetes-patch-strategy": "merge",
                        "x-kubernetes-patch-merge-key": "port",
                        "items": {},
                    },
                }
            },
        },
        "deep": {"$ref": "#/$defs/Deep"},
    },
    "$defs": {"Deep": {"properties": {"set": {"x-kubernetes-patch-strategy": "merge"}, "deep": {"$ref": "#/$defs/Deep"}}}},
}


def named(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ({"a": 1, "b": 2}, {"a": 3, "b": None, "c": 4, "d": None}, {"a": 3, "c": 4}),
        ({"map": {"x": "1", "y": "2"}}, {"map": {"x": None, "z": "3"}}, {"map": {"y": "2", "z": "3"}}),
        ({}, {"map": {"x": None, "y": "1"}}, {"map": {"y": "1"}}),
        ({"map": {"x": "1"}}, {"map": {"$patch": "replace", "y": "2"}}, {"map": {"y": "2"}}),
        ({"map": {"x": "1"}}, {"map": {"$patch": "delete"}}, {"map": {}}),
        ({}, {"map": {"$patch": "delete"}}, {}),
        ({"replaced": {"a": 1}}, {"replaced": {"b": 2}}, {"replaced": {"b": 2}}),
        ({"atomic": [1, 2]}, {"atomic": [3]}, {"atomic": [3]}),
        ({"set": ["a", "b"]}, {"set": ["b", "c"]}, {"set": ["a", "b", "c"]}),
        ({"set": ["a", "b", "c"]}, {"$deleteFromPrimitiveList/set": ["b"]}, {"set": ["a", "c"]}),
        ({"set": ["a", "b"]}, {"$setElementOrder/set": ["b", "a"]}, {"set": ["b", "a"]}),
        ({"set": ["a"]}, {"$setElementOrder/set": ["c", "a"], "set": ["c"]}, {"set": ["c", "a"]}),
        (
            {"items": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]},
            {"items": [{"name": "b", "value": 3}, {"name": "c", "value": 4}]},
            {"items": [{"name": "a", "value": 1}, {"name": "b", "value": 3}, {"name": "c", "value": 4}]},
        ),
        ({"items": named("a", "b")}, {"items": [{"name": "a", "$patch": "delete"}]}, {"items": named("b")}),
        ({"items": named("a")}, {"items": [{"$patch": "replace"}, {"name": "z"}]}, {"items": named("z")}),
        ({"items": named("a")}, {"items": [{"name": "b", "$patch": "delete"}]}, {"items": named("a")}),
        (
            {"items": named("a", "b", "c")},
            {"$setElementOrder/items": named("c", "a"), "items": [{"name": "c", "value": 1}]},
            {"items": [{"name": "b"}, {"name": "c", "value": 1}, {"name": "a"}]},
        ),
        (
            {"items": [{"name": "a", "ports": [{"port": 1, "p": "x"}]}]},
            {"items": [{"name": "a", "ports": [{"port": 2}, {"port": 1, "p": "y"}]}]},
            {"items": [{"name": "a", "ports": [{"port": 2}, {"port": 1, "p": "y"}]}]},
        ),
        ({"map": {"x": "1", "y": "2"}}, {"map": {"$retainKeys": ["y", "z"], "z": "3"}}, {"map": {"y": "2", "z": "3"}}),
        ({"deep": {"deep": {"set": [1]}}}, {"deep": {"deep": {"set": [2]}}}, {"deep": {"deep": {"set": [2, 1]}}}),
        ({"a": {"b": 1}}, {"a": [1]}, {"a": [1]}),
        ({"a": 1}, {"$patch": "replace", "b": 2}, {"b": 2}),
        ({"unknown": [1]}, {"unknown": [2]}, {"unknown": [2]}),
    ],
)
def test_merge(original, patch, result):
    before = copy.deepcopy((original, patch))
    assert StrategicMergePatch(patch, SCHEMA).apply(original) == result
    assert (original, patch) == before


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"map": {"$patch": "explode"}}, 500),
        ({"items": [{"value": 1}]}, 500),
        ({"items": [{"name": "a", "$patch": "explode"}]}, 500),
        ({"map": {"$retainKeys": "x"}}, 400),
        ({"map": {"$retainKeys": ["y"], "x": "1"}}, 400),
        ({"$setElementOrder": []}, 400),
        ({"$setElementOrder/set": "x"}, 500),
        ({"$deleteFromPrimitiveList": ["x"]}, 400),
        ({"$setElementOrder/set": ["a", "b"], "set": ["b", "a"]}, 500),
        ({"set": [["x"]]}, 500),
    ],
)
def test_refusals(patch, code):
    original = {"map": {"x": "1"}, "items": named("a"), "set": ["a"]}
    with pytest.raises(StatusError) as caught:
        StrategicMergePatch(patch, SCHEMA).apply(original)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"items": [{"value": None, "a": {"z": [1.5, True], "b": "x"}}]}, "map: map[a:map[b:x z:[1.5 true]] value:<nil>] does not contain declared merge key: name"),
        ({"map": {"$patch": "explode", "a": 1}}, "unknown patch type: explode in map: map[$patch:explode a:1]"),
        ({"items": [{"$patch": "merge"}]}, "merging lists cannot yet be specified in the patch"),
        ({"set": [None]}, "list element types are not identical: [[a] [<nil>]]"),
        ({"$setElementOrder/map": []}, "expected a []interface {}, but received a map[string]interface {}"),
        ({"$setElementOrder/set": None}, "expected a []interface {}, but received a %!s(<nil>)"),
        ({"$setElementOrder/set": ["a", "b"], "set": ["b", "a"]}, "The order in patch list:\n[b a]\n doesn't match $setElementOrder list:\n[a b]\n"),
    ],
)
def test_refusals_are_in_gos_words(patch, why):
    original = {"map": {"x": "1"}, "items": named("a"), "set": ["a"]}
    with pytest.raises(StatusError) as caught:
        StrategicMergePatch(patch, SCHEMA).apply(original)
    assert caught.value.message == why


def test_nulls_in_new_lists_stay():
    patch = {"deep": {"new": [None, {"a": None, "b": [None, {"$patch": "delete"}]}]}}
    assert StrategicMergePatch(patch, SCHEMA).apply({}) == {"deep": {"new": [None, {"b": [None]}]}}


@pytest.mark.parametrize(("original", "patch"), [({"a": ["x"]}, {"a": ["y"]}), ({"a": {"b": 1}}, {"a": {"b": 2}})])
def test_what_a_map_holds_is_not_merged(original, patch):
    schema = {"type": "object", "properties": {"map": {"type": "object", "additionalProperties": {"x-kubernetes-patch-strategy": "merge"}}}}
    with pytest.raises(StatusError, match="data type is not struct, instead is: map"):
        StrategicMergePatch({"map": patch}, schema).apply({"map": original})
    assert StrategicMergePatch({"map": patch}, schema).apply({"map": {"b": 1}}) == {"map": {"b": 1, **patch}}
    kept = {"type": "object", "properties": {"data": {"type": "object", "x-go-json": "RawExtension"}}}
    with pytest.raises(StatusError, match='struct RawExtension for the json field "a"'):
        StrategicMergePatch({"data": patch}, kept).apply({"data": original})


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"containers": [{"name": "a", "image": 5}]}, "cannot convert int64 to string"),
        ({"restartPolicy": 5}, "cannot convert int64 to v1.RestartPolicy"),
        ({"restartPolicy": True}, "unrecognized type: string"),
        ({"hostNetwork": "yes"}, "unrecognized type: bool"),
        ({"priority": "x"}, "unrecognized type: int32"),
        ({"priority": 1.5}, "cannot convert float64 to int32"),
        ({"containers": "x"}, "cannot restore slice from string"),
        ({"securityContext": []}, "cannot restore struct from: slice"),
        ({"nodeSelector": 1}, "cannot restore map from int64"),
        ({"overhead": {"cpu": "x"}}, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ],
)
def test_what_fits_no_field_is_refused_as_gos_converter_does(spec, why):
    patch = {"spec": {"hostname": None, **spec}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": []}}
    with pytest.raises(StatusError) as caught:
        StrategicMergePatch(patch, whole("io.k8s.api.core.v1.Pod")).apply(pod)
    assert caught.value.code == 422
    assert caught.value.message.startswith(' "" is invalid: patch: Invalid value: "map[spec:map[')
    assert caught.value.message.endswith(f'": {why}')
