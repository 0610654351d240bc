"""Rules: when they are compiled, what they may cost, what is let pass."""

from __future__ import annotations

import pytest

from watchd.schema.cel import compiled
from watchd.schema.cel.program import Program
from watchd.schema.cel.rules import SKIPPED, blocked, check_rules, compile_rules
from watchd.schema.ratcheting import Correlated
from watchd.schema.structural import Node
from watchd.status import FieldError, FieldProblem

PATH = "spec.versions[0].schema.openAPIV3Schema"


def structure(properties, *rules, **more):
    made = {"type": "object", "properties": properties, **more}
    return {**made, "x-kubernetes-validations": [*rules]} if rules else made


def test_nothing_is_compiled_before_the_first_value(monkeypatch):
    seen = []
    real = Program.__init__

    def spy(self, checked):
        seen.append(checked.source)
        real(self, checked)

    monkeypatch.setattr(Program, "__init__", spy)
    monkeypatch.setattr(compiled, "_cache", compiled._Cache(16))
    string = {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x' // lazily"}]}
    rules = compile_rules({"type": "object", "properties": {"a": string, "b": string}})
    assert rules is not None
    assert rules.validate({"c": 1}) == []
    assert seen == []
    assert [error.field for error in rules.validate({"a": "x", "b": "x"})] == ["a", "b"]
    assert seen == ["self != 'x' // lazily"]  # both have one type: it is compiled once


def test_a_schema_without_rules_has_none():
    assert compile_rules(structure({"a": {"type": "string"}})) is None


def test_an_evaluation_that_costs_too_much_ends_all():
    rules = compile_rules(
        structure(
            {"l": {"type": "array", "items": {"type": "integer"}}},
            {"rule": "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c > 0)))"},
            {"rule": "false"},
        )
    )
    (error,) = rules.validate({"l": [1] * 60})
    assert error.detail.startswith(
        "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost "
        "exceeds limit for rule: self.l.all"
    )


def test_the_budget_of_a_write_is_for_all_rules():
    cheap = {"rule": "self.l.all(a, a > 0)"}
    rules = compile_rules(structure({"l": {"type": "array", "items": {"type": "integer"}}}, *[cheap] * 3))
    value = {"l": [1] * 10}
    assert rules.validate(value, budget=200) == []
    (error,) = rules.validate(value, budget=120)
    assert error.value == "object"
    assert error.detail == "validation failed due to running out of cost budget, no further validation rules will be run"


def test_a_message_that_costs_too_much_ends_all():
    rules = compile_rules(
        structure({"s": {"type": "string"}}, {"rule": "self.s == ''", "messageExpression": "self.s + self.s"}, {"rule": "false"})
    )
    (error,) = rules.validate({"s": "x" * 1000}, budget=150)
    assert error.detail == (
        "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
    )


def test_what_did_not_change_is_warned_of():
    schema = structure({"a": structure({"b": {"type": "integer"}}, {"rule": "self.b > 1"}), "c": {"type": "integer"}})
    rules, warnings = compile_rules(schema), []
    old, new = {"a": {"b": 0}, "c": 1}, {"a": {"b": 0}, "c": 2}
    pair = Correlated(new, old, Node(schema))
    assert rules.validate(new, old=old, pair=pair, warn=warnings.append) == []
    assert warnings == ["a: Invalid value: failed rule: self.b > 1"]
    changed = {"a": {"b": 1}}
    (error,) = rules.validate(changed, old=old, pair=Correlated(changed, old, Node(schema)))
    assert str(error) == "a: Invalid value: failed rule: self.b > 1"


@pytest.mark.parametrize(
    ("problem", "blocks"),
    [(FieldProblem.REQUIRED, True), (FieldProblem.TYPE_INVALID, True), (FieldProblem.INVALID, False)],
)
def test_some_errors_keep_rules_from_being_asked(problem, blocks):
    assert blocked([FieldError(problem, "spec")]) is blocks
    assert str(SKIPPED).startswith("<nil>: Invalid value: null: some validation rules were not checked")


def test_rules_at_and_above_faults_are_not_compiled():
    bad = {"rule": "self.nothing"}
    schema = structure({"a": structure({"b": structure({}, bad)}, bad), "c": structure({}, bad)}, bad)
    faults = [FieldError(FieldProblem.REQUIRED, f"{PATH}.properties[a].type")]
    assert [error.field for error in check_rules(schema, PATH, found=faults)] == [
        f"{PATH}.properties[a].properties[b].x-kubernetes-validations[0].rule",
        f"{PATH}.properties[c].x-kubernetes-validations[0].rule",
    ]


def test_a_schema_that_does_not_change_may_have_costly_rules():
    schema = structure({"s": {"type": "string", "x-kubernetes-validations": [{"rule": "self.matches('(a|b)*c' + self)"}]}})
    assert any("estimated rule cost exceeds" in error.detail for error in check_rules(schema, PATH))
    unchanged = check_rules(schema, PATH, suppress_cost=True)
    assert not any("estimated rule cost exceeds" in error.detail for error in unchanged)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("(" * 400 + "true" + ")" * 400, "max recursion depth exceeded"),
        ("true ? true : " * 300 + "true", "expression recursion limit exceeded: 250"),
        (" && ".join(["1 == 1"] * 4000), ""),
        ("+".join(["1"] * 2000) + " == 2000", "max recursion depth exceeded"),
        ("'a'" + ".trim()" * 3000 + " == 'a'", "max recursion depth exceeded"),
        ("dyn(self)" + "[0]" * 250 + " == 1", "max recursion depth exceeded"),
        ("'" + "a" * 100_000 + "' == ''", "expression code point size exceeds limit: size: 100008, limit 100000"),
    ],
)
def test_deep_and_long_expressions_are_refused(text, problem):
    errors = check_rules({"type": "object", "x-kubernetes-validations": [{"rule": text, "message": "m"}]}, PATH)
    wanted = [f"compilation failed: ERROR: <input>:-1:0: {problem}"] if problem else []
    assert [error.detail for error in errors] == wanted


def test_an_index_that_no_object_can_have():
    rules = compile_rules(structure({"a": {"type": "integer"}}, {"rule": "dyn(self)[0] == 1"}))
    (error,) = rules.validate({"a": 1})
    assert error.detail.startswith("'no such overload': call arguments did not match")
