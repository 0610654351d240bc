"""x-kubernetes-validations of a definition, checked when it is written (the reference's texts and limits).

What is wrong with the fields of rules is found by the walk over the schema. After it, where the schema is structural,
all rules are compiled and what they can cost is estimated:

    errors += check_rules(schema, "spec.versions[0].schema.openAPIV3Schema", found=errors)

"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import orjson

from watchd.schema.cel.compiled import CompiledRule, Rule, Scope
from watchd.schema.cel.declared import with_metadata
from watchd.schema.cel.sizes import cap
from watchd.status import FieldError, FieldProblem, Written, go_json

RULES = "x-kubernetes-validations"

EXPRESSION_LIMIT = 10_000_000
"""What one rule may cost by its estimate (StaticEstimatedCostLimit)."""

TOTAL_LIMIT = 100_000_000
"""What all rules of a schema together may cost by their estimates (StaticEstimatedCRDCostLimit)."""

_TOLD = 4
"""The most expensive rules that are named where the total is too much."""

_ADVICE = (
    "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared"
)


def check_rules(
    schema: Mapping[str, Any], path: str, *, found: Iterable[FieldError] = (), suppress_cost: bool = False
) -> list[FieldError]:
    """Return what is wrong with the expressions of a structural schema, and with what they can cost.

    Args:
        schema: of a version, raw; it must be structural, with valid defaults.
        path: of the schema in the definition.
        found: the errors that the walk over the schema found: the rules at and above them are not compiled.
        suppress_cost: whether single rules may cost what they will (a schema that an update does not change).

    """
    if orjson.dumps(schema).find(b'"x-kubernetes-validations"') < 0:
        return []
    check = _Check(frozenset(_above(found)), limited=not suppress_cost)
    check.visit(_Place(schema, path, cardinality=1, resource=True, scoped=False))
    return check.errors + check.total(path)


def _above(found: Iterable[FieldError]) -> Iterator[str]:
    """Yield the paths at and above errors."""
    for error in found:
        yield error.field
        for match in re.finditer(r"[.\[]", error.field):
            yield error.field[: match.start()]


@attrs.frozen
class _Place:
    """A node on the way."""

    schema: Mapping[str, Any]
    path: str
    cardinality: int | None
    """How often its values can be in an object, None where nothing bounds that."""
    resource: bool
    scoped: bool
    """Whether there are rules above, which see it as part of what they see."""
    uncorrelatable: str = ""
    """The path of the list above whose entries have no old values."""

    def below(self, schema: Mapping[str, Any], step: str, **changes: Any) -> _Place:
        elements = _most_elements(self.schema)
        unbounded = self.cardinality is None or elements is None
        return attrs.evolve(
            self,
            schema=schema,
            path=f"{self.path}{step}",
            cardinality=None if unbounded else cap((self.cardinality or 0) * (elements or 0)),
            resource=schema.get("x-kubernetes-embedded-resource") is True,
            scoped=self.scoped or bool(self.schema.get(RULES)),
            **changes,
        )


def _most_elements(schema: Mapping[str, Any]) -> int | None:
    """Return how many values a node's value can hold, None where nothing bounds that."""
    match schema.get("type"):
        case "object" if schema.get("additionalProperties") is not None:
            most = schema.get("maxProperties")
        case "array":
            most = schema.get("maxItems")
        case _:
            return 1
    return None if most is None else max(0, most)


class _Check:
    def __init__(self, above: frozenset[str], *, limited: bool) -> None:
        self._above = above
        self._limited = limited
        self._cost = 0
        self._expensive: list[tuple[int, str]] = []
        self.errors: list[FieldError] = []

    def visit(self, place: _Place) -> None:
        """Check the rules below a node, then its own."""
        schema = place.schema
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            self.visit(place.below(additional, ".additionalProperties"))
        properties = schema.get("properties") or {}
        seen = with_metadata(schema)["properties"] if place.resource and place.scoped else properties
        for name, below in properties.items():
            self.visit(place.below(seen[name] if name == "metadata" else below, f".properties[{name}]"))
        items = schema.get("items")
        if isinstance(items, Mapping):
            keyed = schema.get("x-kubernetes-list-type") == "map"
            cause = place.uncorrelatable or ("" if keyed else place.path)
            self.visit(place.below(items, ".items", uncorrelatable=cause))
        if schema.get(RULES) and place.path not in self._above:
            self._check(place)

    def _check(self, place: _Place) -> None:
        scope = Scope(place.schema, resource=place.resource)
        path = f"{place.path}.{RULES}"
        if scope.declared is None:
            why = "failed to construct type information for x-kubernetes-validations rules"
            what = "unable to convert structural schema to CEL declarations"
            self.errors.append(FieldError(FieldProblem.INTERNAL, path, None, f"internal error: {why}: {what}"))
            return
        cardinality = scope.cardinality if place.cardinality is None else place.cardinality
        for number, raw in enumerate(place.schema[RULES]):
            compiled = scope.compile(Rule.read(raw))
            self._check_one(compiled, f"{path}[{number}]", cap(compiled.cost * cardinality), place.uncorrelatable)

    def _check_one(self, compiled: CompiledRule, path: str, cost: int, uncorrelatable: str) -> None:
        rule = compiled.rule
        self._observe(f"{path}.rule", "estimated rule cost", cost)
        if compiled.error:
            self._invalid(f"{path}.rule", _written(rule), compiled.error)
        if compiled.message_error:
            self._invalid(f"{path}.messageExpression", _written(rule), compiled.message_error)
        elif compiled.message is not None:
            self._observe(f"{path}.messageExpression", "estimated messageExpression cost", compiled.message_cost)
        if compiled.uses_old:
            if uncorrelatable:
                why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {uncorrelatable}"
                self._invalid(f"{path}.rule", rule.rule, why)
        elif rule.optional_old_self is not None:
            why = "may not be set if oldSelf is not used in rule"
            self._invalid(f"{path}.optionalOldSelf", rule.optional_old_self, why)

    def _invalid(self, path: str, value: Any, why: str) -> None:
        self.errors.append(FieldError(FieldProblem.INVALID, path, value, why))

    def _observe(self, path: str, what: str, cost: int) -> None:
        if self._limited and cost > EXPRESSION_LIMIT:
            self.errors.append(FieldError(FieldProblem.FORBIDDEN, path, "", _exceeds(what, cost, EXPRESSION_LIMIT)))
        self._cost = cap(self._cost + cost)
        if cost >= TOTAL_LIMIT // 100:
            self._expensive.append((cost, path))
            self._expensive.sort(key=lambda one: -one[0])
            del self._expensive[_TOLD:]

    def total(self, path: str) -> list[FieldError]:
        """Return the errors of a schema whose rules together can cost too much."""
        if self._cost <= TOTAL_LIMIT:
            return []
        why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        errors = [FieldError(FieldProblem.FORBIDDEN, one, "", why) for _, one in self._expensive]
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [*errors, FieldError(FieldProblem.FORBIDDEN, path, "", _exceeds(what, self._cost, TOTAL_LIMIT))]


def _exceeds(what: str, cost: int, limit: int) -> str:
    times = float(cost) / float(limit)
    factor = "more than 100x" if times > 100 else f"{times:f}x" if times < 1.5 else f"{times:.1f}x"
    return f"{what} exceeds budget by factor of {factor} ({_ADVICE})"


def _written(rule: Rule) -> Written:
    """Write a rule as the reference quotes one."""
    fields = {
        "Rule": rule.rule,
        "Message": rule.message,
        "MessageExpression": rule.message_expression,
        "Reason": rule.reason,
        "FieldPath": rule.field_path,
        "OptionalOldSelf": rule.optional_old_self,
    }
    return Written("{" + ",".join(f'"{name}":{go_json(value)}' for name, value in fields.items()) + "}")




