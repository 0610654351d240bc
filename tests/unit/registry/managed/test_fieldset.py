"""Sets of fields and their elements: spelling, order, and what is refused."""

from __future__ import annotations

import json

import pytest

from watchd.registry.managed.errors import InvalidManagedFields
from watchd.registry.managed.fieldpath import canonical, field, key, path_text, value
from watchd.registry.managed.fieldset import FieldSet, paths

NAME = key({"name": "http"})


def test_elements_are_spelled_as_the_reference_does():
    assert field("a.b/c") == "f:a.b/c"
    assert key({"protocol": "TCP", "port": 80}) == 'k:{"port":80,"protocol":"TCP"}'
    assert value('a"<&>\n\u2028é') == 'v:"a\\"\\u003c\\u0026\\u003e\\n\\u2028é"'
    assert [value(v) for v in (1, 1.0, -2.5, 1e21, 1e-7, True, False)] == [
        "v:1", "v:1", "v:-2.5", "v:1e+21", "v:1e-7", "v:true", "v:false",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('k:{ "b":1, "a": "<" }', 'k:{"a":"\\u003c","b":1}'),
        ('v:"\\u0061"', 'v:"a"'),
        ("v:1.0", "v:1"),
        ("v:null", "v:null"),
        ("i:007", "i:7"),
        ("f:", "f:"),
        ("x:later", None),
    ],
)
def test_other_spellings_are_the_same_element(text, expected):
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"f": {}}, "key must be 2 characters long:"),
        ({"name": {}}, "missing colon: name"),
        ({"i:x": {}}, 'strconv.Atoi: parsing "x": invalid syntax'),
        ({"k:[]": {}}, '"[]" is not an object'),
        ({"v:{": {}}, "is not JSON"),
        ({"f:a": 1}, "expected an object, found int"),
        ({"f:a": {"f:b": []}}, "expected an object, found list"),
        ("text", "expected an object, found str"),
    ],
)
def test_what_is_no_fields_v1_is_refused(fields, message):
    with pytest.raises(InvalidManagedFields, match=r"^error decoding set: ") as caught:
        FieldSet.from_fields(fields)
    assert message in str(caught.value)


def test_a_node_is_a_member_by_a_dot_or_by_being_empty():
    one = FieldSet.from_fields({"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": None}, "f:e": {".": {}}, "x:y": {"f:z": {}}})
    assert [path_text(path) for path in one] == [".a", ".e", ".a.b", ".c.d"]
    assert one.to_fields() == {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}, "f:e": {}}
    assert not FieldSet.from_fields({".": {}})
    assert ("f:c",) not in one


def test_fields_come_before_keys_values_and_indices_in_their_own_orders():
    fields = {"i:10": {}, "i:9": {}, 'v:"a"': {}, "v:true": {}, "v:10": {}, "v:9.5": {}, 'k:{"n":10}': {}, 'k:{"n":9}': {},
              "f:z": {}, "f:a": {}}  # fmt: skip
    wanted = ["f:a", "f:z", 'k:{"n":9}', 'k:{"n":10}', "v:9.5", "v:10", 'v:"a"', "v:true", "i:9", "i:10"]
    tree = FieldSet.from_fields({"f:x": {**fields, ".": {}}}).to_fields()
    assert json.dumps(tree) == json.dumps({"f:x": {element: {} for element in [".", *wanted]}})


def test_paths_for_people():
    assert path_text((field("spec"), field("ports"), NAME, field("port"))) == '.spec.ports[name="http"].port'
    assert path_text((field("a"), value("x"), value(1.5), "i:3", key({"a": True, "b": 2}))) == '.a[="x"][=1.5][3][a=true,b=2]'


def test_difference_takes_members_alone_and_without_takes_what_is_below():
    parent, both = paths("a"), paths("a", "a.b", "a.b.c")
    assert both - parent == paths("a.b", "a.b.c")
    assert parent - both == FieldSet()
    assert parent - paths("a.b") == parent
    assert both.without(paths("a.b")) == parent
    assert paths("a.b").without(parent) == FieldSet()
    assert both & paths("a.b", "x") == paths("a.b")
    assert paths("a.b") | parent == paths("a", "a.b")


def test_sets_do_not_change_with_the_object_they_were_read_from():
    fields = {"f:a": {"f:b": {}}}
    one = FieldSet.from_fields(fields)
    written = one.to_fields()
    fields["f:a"]["f:c"] = {}
    written["f:a"]["f:d"] = {}
    assert one == paths("a.b")
    written["f:a"]["f:b"]["f:x"] = {}
    assert one.to_fields() == {"f:a": {"f:b": {}}}


@pytest.mark.parametrize("index", ["9223372036854775808", "-9223372036854775809", "1" * 5000])
def test_an_index_beyond_int64_is_no_element(index):
    with pytest.raises(InvalidManagedFields, match="value out of range"):
        FieldSet.from_fields({f"i:{index}": {}})


def test_zeros_before_an_index_do_not_count():
    assert canonical("i:-" + "0" * 5000 + "7") == "i:-7"
    assert canonical("i:" + "0" * 5000) == "i:0"


def test_fields_that_are_shared_are_the_sets_own_where_they_are_written_alike():
    one = FieldSet.from_fields({"f:a": {".": {}, "f:b": {}}, "f:c": {}})
    fields = one.to_fields()
    assert one.shared(fields) is one.tree
    assert one.shared(one.to_fields()) is one.tree
    turned = FieldSet.from_fields({"f:c": {}, "f:a": {}})
    fields = turned.to_fields()
    assert turned.shared(fields) is fields
    assert turned.shared(turned.to_fields()) is fields
    assert list(fields) == ["f:a", "f:c"]
