from watchd.schema.listtypes import duplicates
from watchd.schema.structural import Node

ENTRIES = {"type": "object", "properties": {"name": {"type": "string"}}}
KEYED = Node({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": ENTRIES})


def test_a_single_entry_that_is_no_object_is_told():
    assert [str(error) for error in duplicates(["a"], KEYED, "list")] == [
        'list[0]: Invalid value: "a": must be an object for an array of list-type map'
    ]
    assert list(duplicates([None], KEYED, "list")) == []
