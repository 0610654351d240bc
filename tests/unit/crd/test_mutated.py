"""Schemas of which one or two keywords are broken, against answers recorded from the reference.

mutated.json has a rich schema and, for each case, the changes (the node by its place in the walk of `nodes`, the
keyword, its new value or null to drop it) and the causes that the reference gave.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from tests.unit.crd.test_validation import create, errors

RECORDED = json.loads((Path(__file__).parent / "mutated.json").read_text())


def nodes(schema):
    yield schema
    for child in (schema.get("properties") or {}).values():
        yield from nodes(child)
    for name in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(name), dict):
            yield from nodes(schema[name])
    for name in ("allOf", "anyOf", "oneOf"):
        for child in schema.get(name) or ():
            yield from nodes(child)


def changed(changes):
    schema = copy.deepcopy(RECORDED["schema"])
    found = list(nodes(schema))
    for place, keyword, value in changes:
        if value is None:
            found[place].pop(keyword, None)
        else:
            found[place][keyword] = copy.deepcopy(value)
    return schema


@pytest.mark.parametrize("case", RECORDED["cases"], ids=[str(case["changes"])[:60] for case in RECORDED["cases"]])
def test_judged_as_the_reference_does(case):
    group = "crdown.example.com"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": changed(case["changes"])}}
    if case["status"]:
        version["subresources"] = {"status": {}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"}, "versions": [version]},
    }
    causes = [error.cause() for error in errors(create(definition))]
    # The reference walks over maps in no order.
    assert sorted([str(cause.reason), cause.field, cause.message] for cause in causes) == case["causes"]
