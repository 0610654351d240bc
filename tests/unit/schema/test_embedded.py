"""Embedded resources in what is read from storage, where older schemas let anything in."""

from __future__ import annotations

import pytest

from watchd.registry.embedded import RULES
from watchd.schema.embedded import repair
from watchd.schema.structural import Node

EMBEDDED = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
SCHEMA = {
    "type": "object",
    "properties": {"one": EMBEDDED, "many": {"type": "array", "items": EMBEDDED}},
    "additionalProperties": EMBEDDED,
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"apiVersion": 1, "kind": "A"}, {"kind": "A"}),
        ({"metadata": None}, {"metadata": {}}),
        ({"metadata": {"name": "a", "labels": {"a": 1}, "generation": "x"}}, {"metadata": {"name": "a"}}),
        ({"metadata": {"unheard": 1, "annotations": {"a": "b"}}}, {"metadata": {"annotations": {"a": "b"}}}),
        ({"metadata": "x"}, {"metadata": "x"}),
        ({"spec": {"metadata": {"labels": 1}}}, {"spec": {"metadata": {"labels": 1}}}),
    ],
)
@pytest.mark.parametrize(
    "place", [lambda value: {"one": value}, lambda value: {"many": [value]}, lambda value: {"any": value}]
)
def test_what_has_a_wrong_type_goes(before, after, place):
    value = place(dict(before))
    repair(value, Node(SCHEMA), RULES)
    assert value == place(after)
