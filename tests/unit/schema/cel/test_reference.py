"""Expressions and rules against what the reference made of them: reference/main.go wrote expected.json."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from watchd.schema.cel.checker import Environment, check
from watchd.schema.cel.data import converter
from watchd.schema.cel.declared import Structures, declare
from watchd.schema.cel.errors import CelError, CompileError
from watchd.schema.cel.estimate import Estimator
from watchd.schema.cel.program import Program
from watchd.schema.cel.rules import check_rules, compile_rules
from watchd.schema.cel.times import timestamp_text
from watchd.schema.cel.types import Kind, Type
from watchd.schema.cel.values import MISSING, Duration, Optional, Struct, Timestamp, TypeValue, Uint
from watchd.schema.ratcheting import Correlated
from watchd.schema.structural import Node
from watchd.status import go_number

REFERENCE = Path(__file__).parent / "reference"
EXPECTED = json.loads((REFERENCE / "expected.json").read_text())
PATH = "spec.versions[0].schema.openAPIV3Schema"


@pytest.fixture(scope="module")
def cases():
    sys.path.insert(0, str(REFERENCE))
    try:
        from cases import cases as made  # noqa: PLC0415 - stands beside the program that plays it
    finally:
        sys.path.remove(str(REFERENCE))
    return made()


def show(value: Any) -> str:  # noqa: C901, PLR0911, PLR0912 - a table of cases
    """Write a value as main.go does."""
    match value:
        case bool():
            return str(value).lower()
        case Uint():
            return f"{int(value)}u"
        case int():
            return str(value)
        case float():
            return ("NaN" if math.isnan(value) else go_number(value)) + "d"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bytes():
            return f"b{value.hex()}"
        case None:
            return "null"
        case Timestamp():
            return f"timestamp({json.dumps(timestamp_text(value))})"
        case Duration():
            return f"duration({value.nanoseconds})"
        case Optional():
            return f"optional({show(value.value)})" if value.present else "none"
        case TypeValue():
            return f"type({value.name})"
        case list():
            return f"[{', '.join(map(show, value))}]"
        case Struct():
            return "{" + ", ".join(sorted(f"{show(name)}: {show(value.find(name))}" for name in value.names())) + "}"
        case dict():
            return "{" + ", ".join(sorted(f"{show(key)}: {show(inner)}" for key, inner in value.items())) + "}"
    return "nothing" if value is MISSING else value.type_name


RUNTIME_NAMES = {
    Kind.NULL: "null_type",
    Kind.TIMESTAMP: "google.protobuf.Timestamp",
    Kind.DURATION: "google.protobuf.Duration",
}


def type_text(value: Type) -> str:
    name = RUNTIME_NAMES.get(value.kind, value.name)
    return f"{name}({', '.join(map(type_text, value.parameters))})" if value.parameters else name


def test_expressions_compile_cost_and_evaluate_as_in_the_reference(cases):
    wrong = []
    for group, expected in zip(cases["groups"], EXPECTED["groups"], strict=True):
        declared = declare(group["schema"], resource=group["root"])
        environment = Environment({"self": declared.type, "oldSelf": declared.type}, Structures(declared))
        convert = converter(group["schema"], resource=group["root"])
        for case, wanted in zip(group["cases"], expected, strict=True):
            for what, found, expectation in differences(case, wanted, environment, declared, convert):
                wrong.append(f"{case['expression']}\n  {what}: {found}\n  expected: {expectation}")
    assert not wrong, "\n".join(wrong)


def differences(case, wanted, environment, declared, convert):
    try:
        checked = check(case["expression"], environment)
    except CompileError as error:
        if str(error) != wanted.get("error"):
            yield "error", error, wanted.get("error", "none")
        return
    if type_text(checked.type) != wanted.get("type"):
        yield "type", type_text(checked.type), wanted.get("type", wanted.get("error"))
        return
    estimate = Estimator(declared).cost(checked.tree)
    if estimate != (wanted["min"], wanted["max"]):
        yield "estimate", estimate, (wanted["min"], wanted["max"])
    try:
        program = Program(checked)
    except CelError as error:
        if f"program instantiation failed: {error}" != wanted.get("error"):
            yield "program", error, wanted.get("error", "none")
        return
    for pair, result in zip(case["objects"], wanted["objects"], strict=True):
        outcome = program.evaluate(convert(pair["self"]), convert(pair["old"]))
        found = str(outcome.error) if outcome.error else show(outcome.value)
        expectation = result.get("error") or result.get("value")
        if found != expectation:
            yield "value", found, expectation
        # What an evaluation costs that fails is not worked out to the unit.
        elif not outcome.error and outcome.cost != result["cost"]:
            yield "cost", outcome.cost, result["cost"]


def told(errors):
    """Return errors without the order of fields, which Go takes as it comes."""
    return sorted((str(error.problem), error.field or "<nil>", error.body()) for error in errors)


def listed(problems):
    return sorted((one["reason"], one["field"], one["message"]) for one in problems or ())


@pytest.mark.parametrize("number", range(len(EXPECTED["definitions"])))
def test_definitions_are_checked_as_in_the_reference(cases, number):
    schema, expected = cases["definitions"][number]["schema"], EXPECTED["definitions"][number]
    if any("to be structural" in error["message"] for error in expected["errors"] or ()):
        pytest.skip("the rules of what is not structural are not looked at")
    assert told(check_rules(schema, PATH)) == listed(expected["errors"])


@pytest.mark.parametrize("number", range(len(EXPECTED["definitions"])))
def test_objects_are_held_against_rules_as_in_the_reference(cases, number):
    definition, expected = cases["definitions"][number], EXPECTED["definitions"][number]
    rules = compile_rules(definition["schema"])
    for pair, wanted in zip(definition["objects"], expected["objects"], strict=True):
        new, old = pair["self"], pair["old"]
        correlated = None if old is None else Correlated(new, old, Node(definition["schema"]))
        assert told(rules.validate(new, old=old, pair=correlated)) == listed(wanted["errors"]), pair
