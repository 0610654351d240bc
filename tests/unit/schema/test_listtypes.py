import pytest

from watchd.registry.embedded import RULES
from watchd.schema.compiled import CompiledSchema
from watchd.schema.listtypes import compile_distinct, duplicates
from watchd.schema.structural import Node
from watchd.status import FieldProblem

ENTRIES = {"type": "object", "properties": {"name": {"type": "string"}}}
KEYED = Node({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": ENTRIES})


def test_a_single_entry_that_is_no_object_is_told():
    assert [str(error) for error in duplicates(["a"], KEYED, "list")] == [
        'list[0]: Invalid value: "a": must be an object for an array of list-type map'
    ]
    assert list(duplicates([None], KEYED, "list")) == []


PORTS = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}


@pytest.mark.parametrize(
    ("schema", "value", "fields"),
    [
        (PORTS, [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}], []),
        (PORTS, [{"port": 1, "protocol": "TCP"}] * 2, ["a[1]"]),
        # Equal to Python only.
        (PORTS, [{"port": 1, "protocol": "TCP"}, {"port": True, "protocol": "TCP"}], []),
        (PORTS, [{"port": 1}, {"port": 1}], ["a[1]"]),
        (PORTS, [{"port": {}, "protocol": "TCP"}], []),
        ({"type": "array", "x-kubernetes-list-type": "set"}, [{"b": 1}, {"b": 1}], ["a[1]"]),
    ],
)
def test_the_quick_look_is_as_strict_as_the_close_one(schema, value, fields):
    node = Node({"type": "object", "properties": {"a": schema}})
    obj = {"a": value}
    assert [error.field for error in duplicates(obj, node)] == fields
    assert not (fields and compile_distinct(node)(obj))
    whole = CompiledSchema(node.raw, RULES)
    assert [error.field for error in whole.validate(obj) if error.problem is FieldProblem.DUPLICATE] == fields
