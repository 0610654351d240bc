"""JSONPath as printer columns write it."""

from __future__ import annotations

import pytest

from watchd.registry.jsonpath import JsonPath, JsonPathError

OBJECT = {
    "metadata": {"labels": {"a.b/c": "x", "plain": "y"}},
    "spec": {"list": [1, 2, 3], "map": {"k": "v"}},
    "status": {"conditions": [{"type": "Synced", "n": 1}, {"type": "Ready", "status": "True", "n": 5}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.map.k", ["v"]),
        ("spec.map.k", ["v"]),
        ("{.spec.map.k}", ["v"]),
        ("$.spec.map.k", ["v"]),
        (".spec.list[1]", [2]),
        (".spec.list[-1]", [3]),
        (".spec.list[7]", []),
        (".spec.list[*]", [1, 2, 3]),
        (".spec.list[0:2]", [1, 2]),
        (".spec.nope.deeper", []),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".metadata.labels['a.b/c']", ["x"]),
        ('.metadata.labels["plain"]', ["y"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Ready')].n", [5]),
        (".status.conditions[?(@.n>1)].type", ["Ready"]),
        (".status.conditions[?(@.status)].type", ["Ready"]),
        (".status.conditions[?(@.type==5)].n", []),
        (".spec.map.*", ["v"]),
    ],
)
def test_find(path, found):
    assert JsonPath(path).find(OBJECT) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(nonsense ==)]", "..a", ".a[?(@.b==c d)]"])
def test_unreadable(path):
    with pytest.raises(JsonPathError):
        JsonPath(path)
