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


def big(copies=200):
    """A definition of about half a megabyte, whose parts are all of the recorded schema."""
    spec = RECORDED["schema"]["properties"]["spec"]
    parts = {f"part{index}": {**copy.deepcopy(spec), "description": "What a part is for. " * 60} for index in range(copies)}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": parts}}}
    for part in parts.values():
        # A rule of each would be too much for one schema.
        del part["x-kubernetes-validations"]
    return defined({"schema": {"openAPIV3Schema": schema}})


def defined(version):
    group = "crdown.example.com"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, **version}],
        },
    }


def test_one_fault_of_a_big_definition_is_found_alone():
    definition = big()
    assert len(json.dumps(definition)) > 400_000
    assert errors(create(definition)) == []
    parts = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del parts["part77"]["properties"]["ports"]["items"]["properties"]["proto"]["default"]
    [error] = errors(create(definition))
    where = "spec.validation.openAPIV3Schema.properties[spec].properties[part77].properties[ports]"
    assert error.field == f"{where}.items.properties[proto].default"


@pytest.mark.parametrize("case", RECORDED["cases"], ids=[str(case["changes"])[:60] for case in RECORDED["cases"]])
def test_judged_as_the_reference_does(case):
    version = {"schema": {"openAPIV3Schema": changed(case["changes"])}}
    if case["status"]:
        version["subresources"] = {"status": {}}
    definition = defined(version)
    causes = [error.cause() for error in errors(create(definition))]
    # The reference walks over maps in no order.
    assert sorted([str(cause.reason), cause.field, cause.message] for cause in causes) == case["causes"]
