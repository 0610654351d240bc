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
        ("$.spec.map.k", ["v"]),
        (".spec.list[1]", [2]),
        (".spec.list[-1]", [3]),
        (".spec.list[0,2]", [1, 3]),
        (".spec.list[::2]", [1, 3]),
        (".spec.list[1:]", [2, 3]),
        (".spec.list[1:1]", []),
        (".spec.map['k']", ["v"]),
        ("$.spec..k", ["v"]),
        (".spec.list.0", []),
        (".", []),
        ("", [OBJECT]),
        (".status.conditions[?(@.n!=1)].type", ["Ready"]),
        (".status.conditions[?(@.n>=1)].type", ["Synced", "Ready"]),
        (".status.conditions[-1:].type", ["Ready"]),
        (".spec.list[*]", [1, 2, 3]),
        (".spec.list[0:2]", [1, 2]),
        (".spec.nope.deeper", []),
        (r".metadata.labels.a\.b/c", ["x"]),
        (r".metadata.labels['a\.b/c']", ["x"]),
        (".metadata.labels['a.b/c']", []),
        (".metadata.labels['plain']", ["y"]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type == 'Ready')].n", [5]),
        (".status.conditions[?(@.n>1)].type", ["Ready"]),
        (".status.conditions[?(@.status)].type", ["Ready"]),
        (".spec.map.*", ["v"]),
    ],
)
def test_find(path, found):
    assert JsonPath(path).find(OBJECT) == found


@pytest.mark.parametrize(
    "path",
    [
        "spec.map.k",
        ".spec.list[7]",
        ".spec.list[2:1]",
        ".spec.list[0:7]",
        ".spec.map[0]",
        ".spec.map[?(@.x)]",
        ".spec.map.k b",
        ".status.conditions[?(@.type==5)].n",
        ".status.conditions[?(@.n==1.0)].n",
        ".status.conditions[?(@.n<true)].n",
    ],
)
def test_what_cannot_be_followed_leads_nowhere(path):
    with pytest.raises(JsonPathError):
        JsonPath(path).find(OBJECT)
    assert JsonPath(path).first(OBJECT) == ()


@pytest.mark.parametrize("path", [".a[", ".a[b]", '.a["b"]', "{.a}", ".a....b", ".a[?(@.b)", ".a[?(@.b=='x]", "1.2.3", ".a#}"])
def test_unreadable(path):
    with pytest.raises(JsonPathError):
        JsonPath(path)
