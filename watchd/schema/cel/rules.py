"""x-kubernetes-validations held against objects (FEATURES rows on CEL, KEP-2876, KEP-4008).

    rules = compile_rules(schema)              # None where the schema has no rules; compiles nothing yet
    errors = rules.validate(new, old=old, pair=Correlated(new, old, node), warn=warnings.append)

Rules are compiled when the first value comes to them. `check_rules` checks the rules of a definition before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from watchd.schema.cel.compiled import CompiledRule, Rule, Scope, blamed
from watchd.schema.cel.costs import BUDGET
from watchd.schema.cel.data import converter
from watchd.schema.cel.declared import declare, with_metadata
from watchd.schema.cel.errors import CelError, CostExceeded, EvaluationError
from watchd.schema.cel.escaping import escape
from watchd.schema.cel.program import Outcome, Program
from watchd.schema.cel.rule_checks import check_rules
from watchd.schema.cel.values import NO_OVERLOAD, NONE, Optional
from watchd.schema.jsonvalue import identity
from watchd.schema.ratcheting import Correlated
from watchd.schema.ruled import SKIPPED, Warn, blocked
from watchd.status import OMITTED, FieldError, FieldProblem, go_quote

__all__ = ["SKIPPED", "Rules", "blocked", "check_rules", "compile_rules"]

MESSAGE_SIZE = 5 * 1024
"""Bytes that a message from an expression may have."""

_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"
_NO_TYPE = "rule compiler initialization error: failed to convert to declType for CEL validation rules"


def compile_rules(schema: Mapping[str, Any], *, resource: bool = True) -> Rules | None:
    """Return what validates values by the rules of a structural schema, None where it has none.

    Args:
        schema: the raw OpenAPI v3 schema of a version.
        resource: whether it is the schema of a whole object.

    """
    if not _has_rules(schema):
        return None
    marked: set[int] = set()
    _mark(schema, marked)
    return Rules(_build(schema, schema, marked, resource=resource))


class Rules:
    """The rules of one schema."""

    def __init__(self, root: _Node | None) -> None:
        self._root = root

    def validate(
        self,
        value: Any,
        *,
        old: Any = None,
        path: str = "",
        pair: Correlated | None = None,
        warn: Warn | None = None,
        budget: int = BUDGET,
    ) -> list[FieldError]:
        """Hold a value against the rules.

        Args:
            value: the new object, defaulted; it is not changed.
            old: the stored one at the same version; None on create.
            path: of the value.
            pair: new and old side by side, where unchanged parts may break rules (an update); None on create.
            warn: takes what is let pass for that.
            budget: what all evaluations together may cost.

        """
        if self._root is None or value is None:
            return []
        run = _Run(budget, warn or _ignore)
        run.visit(self._root, path, value, old, _Ratchet(pair, None))
        return run.errors


def _ignore(_: str) -> None:
    """Drop a warning."""


def _has_rules(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    if schema.get("x-kubernetes-validations"):
        return True
    if any(_has_rules(schema.get(below)) for below in ("items", "additionalProperties")):
        return True
    return any(_has_rules(below) for below in (schema.get("properties") or {}).values())


class _Node:
    """The rules of one value and of what is below it."""

    def __init__(self, rules: list[Rule], schema: Mapping[str, Any], *, resource: bool) -> None:
        self.rules = rules
        self.schema = schema
        self.resource = resource
        self.type: str = schema.get("type") or ""
        self.items: _Node | None = None
        self.properties: dict[str, _Node] = {}
        self.additional: _Node | None = None
        self.all_of: list[_Node] = []
        self.correlates = schema.get("x-kubernetes-map-type") in {None, "granular", "atomic"}
        keyed = self.type == "array" and schema.get("x-kubernetes-list-type") == "map"
        self.keys: tuple[str, ...] = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if keyed else ()
        self._compiled: list[tuple[CompiledRule, str]] | None = None
        self._untyped = False
        self.convert = converter(schema, resource=resource)

    @property
    def compiled(self) -> list[tuple[CompiledRule, str]] | None:
        """The compiled rules and the paths that they blame; None where there is no type to compile them for."""
        if self._compiled is None and not self._untyped:
            scope = Scope(self.schema, resource=self.resource)
            self._untyped = scope.declared is None
            if not self._untyped:
                self._compiled = [(scope.compile(rule), blamed(rule, self.schema)) for rule in self.rules]
        return self._compiled

    @cached_property
    def is_leaf(self) -> bool:
        """Whether nothing below the value has rules; to be asked when the node is complete."""
        return not (self.items or self.properties or self.additional or self.all_of)


def _build(rules: Mapping[str, Any], schema: Mapping[str, Any], marked: set[int], *, resource: bool) -> _Node | None:
    """Return the rules of a schema, or those of one within allOf; None where there are none."""
    if id(rules) not in marked:
        return None
    declared = [Rule.read(rule) for rule in rules.get("x-kubernetes-validations") or ()]
    node = _Node(declared, schema, resource=resource)
    items, item_schema = rules.get("items"), schema.get("items")
    if isinstance(items, Mapping) and isinstance(item_schema, Mapping):
        node.items = _build(items, item_schema, marked, resource=_embedded(item_schema))
    spine = with_metadata(schema)["properties"] if resource else schema.get("properties") or {}
    for name, below in (rules.get("properties") or {}).items():
        below_schema = spine.get(name)
        if id(below) not in marked or below_schema is None or name not in (schema.get("properties") or {}):
            continue
        # What cannot be named has no rules, except for a name that only cannot be written.
        if escape(name) is not None and declare(below_schema, resource=_embedded(below_schema)) is None:
            continue
        found = _build(below, below_schema, marked, resource=_embedded(below_schema))
        if found is not None:
            node.properties[name] = found
    additional, additional_schema = rules.get("additionalProperties"), schema.get("additionalProperties")
    if isinstance(additional, Mapping) and isinstance(additional_schema, Mapping):
        node.additional = _build(additional, additional_schema, marked, resource=_embedded(additional_schema))
    for part in rules.get("allOf") or ():
        found = _build(part, schema, marked, resource=resource)
        if found is not None:
            node.all_of.append(found)
    return node if node.rules or not node.is_leaf else None


def _mark(schema: Mapping[str, Any], marked: set[int]) -> bool:
    """Note the schemas that have rules, or have some below them or within allOf."""
    found = bool(schema.get("x-kubernetes-validations"))
    below = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in (*below, *(schema.get("allOf") or ())):
        if isinstance(part, Mapping) and _mark(part, marked):
            found = True
    if found:
        marked.add(id(schema))
    return found


def _embedded(schema: Mapping[str, Any]) -> bool:
    return schema.get("x-kubernetes-embedded-resource") is True


@attrs.frozen
class _Ratchet:
    """Where a value stands in an update."""

    pair: Correlated | None
    """The value and the old one in its place, if there is one."""
    parent: Correlated | None
    """The nearest pair above it."""

    def lets_pass(self) -> bool:
        """Tell whether an error of the value existed before."""
        pair = self.pair or self.parent
        return pair is not None and pair.equal()

    def key(self, name: str) -> _Ratchet:
        if self.pair is None:
            return self
        if self.parent is None and name in {"apiVersion", "kind"}:
            # Old and new were converted to the same type: a change would not be seen.
            return _NO_RATCHET
        return _Ratchet(self.pair.field(name), self.pair)

    def index(self, place: int) -> _Ratchet:
        return self if self.pair is None else _Ratchet(self.pair.entry(place), self.pair)


_NO_RATCHET = _Ratchet(None, None)


class _Spent(Exception):
    """No further rule may be evaluated."""


class _Run:
    """One validation."""

    def __init__(self, budget: int, warn: Warn) -> None:
        self.budget = budget
        self.warn = warn
        self.errors: list[FieldError] = []

    def visit(self, node: _Node, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        """Validate a value and what is below it, until the budget is spent."""
        try:
            self._visit(node, path, value, old, ratchet)
        except _Spent:
            return

    def _visit(self, node: _Node, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        if value is None:
            return
        if node.rules:
            self._evaluate(node, path, value, old, ratchet)
        if node.is_leaf:
            return
        for part in node.all_of:
            self._visit(part, path, value, old, _Ratchet(None, ratchet.parent))
        if isinstance(value, list):
            if node.items is not None:
                self._visit_list(node, node.items, path, value, old, ratchet)
        elif isinstance(value, dict):
            self._visit_map(node, path, value, old if isinstance(old, dict) else {}, ratchet)

    def _visit_map(self, node: _Node, path: str, value: dict[str, Any], old: dict[str, Any], ratchet: _Ratchet) -> None:
        if not node.correlates:
            old = {}
        if node.additional is not None:
            for name, inner in value.items():
                self._visit(node.additional, f"{path}[{name}]", inner, old.get(name), ratchet.key(name))
        for name, below in node.properties.items():
            if name in value:
                self._visit(below, _child(path, name), value[name], old.get(name), ratchet.key(name))

    def _visit_list(
        self, node: _Node, items: _Node, path: str, value: list[Any], old: Any, ratchet: _Ratchet
    ) -> None:
        olds: dict[Any, Any] = {}
        if node.keys and isinstance(old, list):
            for entry in reversed(old):
                key = _key(entry, node.keys)
                if key is not None:
                    olds[key] = entry
        for place, entry in enumerate(value):
            key = _key(entry, node.keys) if olds else None
            self._visit(items, f"{path}[{place}]", entry, olds.get(key), ratchet.index(place))

    def _evaluate(self, node: _Node, path: str, value: Any, old: Any, ratchet: _Ratchet) -> None:
        compiled = node.compiled
        if compiled is None:
            self._complain(path, node, _NO_TYPE)
            return
        if self.budget <= 0:
            self._complain(path, node, _SPENT)
            raise _Spent
        variables = _Variables(node, value, old)
        for rule, below in compiled:
            if rule.error:
                self._complain(path, node, f"rule compile error: {rule.error}")
            elif rule.program is not None and (
                old is not None or not rule.uses_old or rule.rule.optional_old_self
            ):
                outcome = variables.run(rule.program, optional=bool(rule.rule.optional_old_self), uses_old=rule.uses_old)
                if outcome.cost > self.budget:
                    self._complain(path, node, _SPENT)
                    raise _Spent
                self.budget -= outcome.cost
                if outcome.error is not None:
                    self._failed(rule, outcome.error, node, path)
                elif outcome.value is not True:
                    self._say(rule, variables, path, below, ratchet)

    def _say(self, rule: CompiledRule, variables: _Variables, path: str, below: str, ratchet: _Ratchet) -> None:
        """Say that a rule does not hold: as an error, or as a warning where it did not hold before."""
        error, is_last = self._broken(rule, variables, _child(path, below) if below else path)
        if not rule.uses_old and ratchet.lets_pass():
            self.warn(str(error))
        else:
            self.errors.append(error)
        if is_last:
            raise _Spent

    def _failed(self, rule: CompiledRule, error: Exception, node: _Node, path: str) -> None:
        """Say why a rule has no value."""
        told = (rule.rule.message or rule.rule.rule).strip()
        if isinstance(error, CostExceeded):
            why = "no further validation rules will be run due to call cost exceeds limit for rule"
            self._complain(path, node, f"'{error}': {why}: {told}")
            raise _Spent
        if str(error).startswith(NO_OVERLOAD):
            why = "call arguments did not match a supported operator, function or macro signature for rule"
            self._complain(path, node, f"'{error}': {why}: {told}")
        else:
            self._complain(path, node, f"{error} evaluating rule: {told}")

    def _broken(self, rule: CompiledRule, variables: _Variables, path: str) -> tuple[FieldError, bool]:
        """Return the error of a rule that does not hold, and whether no further rule may be evaluated."""
        node, declared = variables.node, rule.rule
        detail: str | None = None
        if rule.message is not None:
            outcome = variables.run(rule.message, optional=False, uses_old=True)
            why = ""
            if outcome.cost > self.budget:
                why = _MESSAGE_SPENT
            elif isinstance(outcome.error, CostExceeded):
                why = f"{_MESSAGE_COSTLY}{go_quote(declared.message_expression)}"
            if why:
                return FieldError(FieldProblem.INVALID, path, node.type, why), True
            self.budget -= outcome.cost
            detail = _message(outcome)
        if detail is None:
            detail = declared.message.strip() if declared.message else f"failed rule: {declared.rule.strip()}"
        value = OMITTED if node.type in {"object", "array"} else variables.value
        problem = _PROBLEMS.get(declared.reason or "", FieldProblem.INVALID)
        return FieldError(problem, path, value, "" if problem is FieldProblem.DUPLICATE else detail), False

    def _complain(self, path: str, node: _Node, why: str) -> None:
        self.errors.append(FieldError(FieldProblem.INVALID, path, node.type, why))


_MESSAGE_SPENT = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
_MESSAGE_COSTLY = "no further validation rules will be run due to call cost exceeds limit for messageExpression: "
_PROBLEMS = {
    problem.value: problem for problem in (FieldProblem.FORBIDDEN, FieldProblem.REQUIRED, FieldProblem.DUPLICATE)
}
"""What a rule may say by its reason that it breaks."""


def _message(outcome: Outcome) -> str | None:
    """Return a message that an expression made, None where the rule's own is told instead."""
    if outcome.error is not None or not isinstance(outcome.value, str):
        return None
    text = outcome.value.strip()
    return text if text and "\n" not in text and len(text.encode()) <= MESSAGE_SIZE else None


class _Variables:
    """What `self` and `oldSelf` are for the rules of one value."""

    def __init__(self, node: _Node, value: Any, old: Any) -> None:
        self.node = node
        self.value = value
        self._old = old
        self._self: Any = None
        self._old_self: Any = None

    def run(self, program: Program, *, optional: bool, uses_old: bool) -> Outcome:
        """Evaluate an expression."""
        try:
            if self._self is None:
                self._self = self.node.convert(self.value)
            if not uses_old and not optional:
                return program.evaluate(self._self)
            if self._old is None:
                return program.evaluate(self._self, NONE) if optional else program.evaluate(self._self)
            if self._old_self is None:
                self._old_self = self.node.convert(self._old)
        except CelError as error:
            return Outcome(None, 0, error if isinstance(error, EvaluationError) else EvaluationError(str(error)))
        old = Optional(self._old_self, present=True) if optional else self._old_self
        return program.evaluate(self._self, old)


def _child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _key(entry: Any, names: tuple[str, ...]) -> Any:
    """Return what tells an entry of a list of type map apart, None where it lacks that."""
    if not isinstance(entry, dict) or not names:
        return None
    values = [entry.get(name) for name in names]
    if any(value is None or isinstance(value, list | dict) for value in values):
        return None
    return tuple(identity(value) for value in values)
