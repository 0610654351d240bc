"""Validation with every cause: what is wrong with a value, in the reference's order and words.

An object that is valid never comes here: `watchd.schema.checks` says so at a fraction of the cost. The walk is
kube-openapi's (pkg/validation/validate): type, combinations, string, format, number, list, enumeration, object. Of a
combination that fails (anyOf, oneOf) the alternative with the most passed checks is told, so checks are counted as the
reference counts them. With an old value beside the new one, problems of what did not change are let pass (ratcheting,
KEP-4008).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchd.schema import limits
from watchd.schema.jsonvalue import identity
from watchd.schema.limits import Problem
from watchd.schema.ratcheting import Correlated
from watchd.schema.structural import Node
from watchd.status import FieldProblem, go_quote


class Result:
    """The problems of one value, each once, and how many checks it passed."""

    __slots__ = ("count", "problems")

    def __init__(self) -> None:
        self.problems: dict[str, Problem] = {}
        self.count = 0

    def add(self, *problems: Problem) -> None:
        """Take in problems."""
        for problem in problems:
            self.problems.setdefault(problem.text, problem)

    def merge(self, other: Result) -> None:
        """Take in the result of a part."""
        self.add(*other.problems.values())
        self.count += other.count


def examine(value: Any, node: Node, path: str = "", pair: Correlated | None = None) -> Result:
    """Hold a value against its schema.

    Args:
        value: to be held.
        node: the schema.
        path: of the value, `spec.ports[0]`; empty for the object itself.
        pair: the value beside its old one, where unchanged parts may be invalid.

    """
    result = Result()
    if value is None:
        _take(result, _typed(value, node, path))
        if not result.problems:
            result.count += 1
        _take(result, limits.of_enum(value, node, path))
        return result
    _examine_scalar(value, node, path, result)
    if value.__class__ is list:
        part = _list(value, node, path, pair)
        part.count += 1
        result.merge(part)
        result.count += 1
    result.count += 1
    _take(result, limits.of_enum(value, node, path))
    if value.__class__ is dict:
        result.merge(_object(value, node, path, pair))
        result.count += 1
    result.count += 1
    return result


def _examine_scalar(value: Any, node: Node, path: str, result: Result) -> None:
    """Check the type, the combinations and what holds for strings and numbers."""
    if node.types or node.format:
        wrong = _typed(value, node, path)
        _take(result, wrong)
        result.count += 1 if wrong is not None else 2
    result.merge(_combined(value, node, path))
    result.count += 1
    kind = value.__class__
    if kind is str:
        result.add(*limits.of_string(value, node, path))
        result.count += 1
        if node.format:
            result.add(*limits.of_format(value, node, path))
            result.count += 1
    elif kind is int or kind is float:
        result.add(*limits.of_number(value, node, path))
        result.count += 2


def _take(result: Result, problem: Problem | None) -> None:
    if problem is not None:
        result.add(problem)


def _typed(value: Any, node: Node, path: str) -> Problem | None:
    return limits.wrong_type(value, node, path) if node.types or node.format else None


def _combined(value: Any, node: Node, path: str) -> Result:
    result = Result()
    if node.any_of:
        _any_of(value, node, path, result)
    if node.one_of:
        _one_of(value, node, path, result)
    if node.all_of:
        _all_of(value, node, path, result)
    if node.not_ is not None and not examine(value, node.not_, path).problems:
        result.add(Problem(f"{go_quote(path)} must not validate the schema (not)"))
    result.count += 1
    return result


def _any_of(value: Any, node: Node, path: str, result: Result) -> None:
    best: Result | None = None
    for alternative in node.any_of:
        found = examine(value, alternative, path)
        if not found.problems:
            result.merge(found)
            return
        if best is None or found.count > best.count:
            best = found
    result.add(Problem(f"{go_quote(path)} must validate at least one schema (anyOf)"))
    if best is not None:
        result.merge(best)


def _one_of(value: Any, node: Node, path: str, result: Result) -> None:
    found = [examine(value, alternative, path) for alternative in node.one_of]
    valid = [one for one in found if not one.problems]
    if len(valid) == 1:
        result.merge(valid[0])
        return
    how = f"Found {len(valid)} valid alternatives" if valid else "Found none valid"
    result.add(Problem(f"{go_quote(path)} must validate one and only one schema (oneOf). {how}"))
    if not valid:
        result.merge(max(found, key=lambda one: one.count))


def _all_of(value: Any, node: Node, path: str, result: Result) -> None:
    found = [examine(value, each, path) for each in node.all_of]
    for one in found:
        result.merge(one)
    failed = sum(bool(one.problems) for one in found)
    if failed:
        none = ". None validated" if failed == len(found) else ""
        result.add(Problem(f"{go_quote(path)} must validate all the schemas (allOf){none}"))


def _below(value: Any, node: Node, path: str, pair: Correlated | None) -> Result:
    """Hold a field or entry against its schema; what did not change passes."""
    found = examine(value, node, path, pair)
    if found.problems and pair is not None and pair.equal():
        found.problems = {}
    return found


def _list(value: list[Any], node: Node, path: str, pair: Correlated | None) -> Result:
    result, raw, size = Result(), node.raw, len(value)
    if node.items is not None:
        for index, entry in enumerate(value):
            correlated = pair.entry(index) if pair is not None else None
            result.merge(_below(entry, node.items, f"{path}[{index}]", correlated))
    least, most = raw.get("minItems"), raw.get("maxItems")
    if least is not None and size < least:
        result.add(Problem(f"{path} in body should have at least {least} items", path=path, value=size))
    if most is not None and size > most:
        result.add(_too_many(f"{path} in body should have at most {most} items", path, size, most))
    if raw.get("uniqueItems") and len({identity(entry) for entry in value}) < size:
        result.add(Problem(f"{path} in body shouldn't contain duplicates", path=path))
    return result


def _too_many(text: str, path: str, size: int, most: int) -> Problem:
    unit = "item" if most == 1 else "items"
    told = f"must have at most {most} {unit}" if most >= 0 else "has too many items"
    return Problem(text, FieldProblem.TOO_MANY, path, size, told)


def _object(value: dict[str, Any], node: Node, path: str, pair: Correlated | None) -> Result:
    result, raw, size = Result(), node.raw, len(value)
    least, most = raw.get("minProperties"), raw.get("maxProperties")
    if least is not None and size < least:
        result.add(Problem(f"{path} in body should have at least {least} properties", path=path, value=size))
    if most is not None and size > most:
        result.add(_too_many(f"{path} in body should have at most {most} properties", path, size, most))
    additional, properties = node.additional, node.properties
    if additional is False:
        for field in (name for name in value if name not in properties):
            result.add(Problem(f"{path}.{field} in body is a forbidden property", path=path, value=field))
    elif isinstance(additional, Node):
        for field, child in value.items():
            if field not in properties:
                result.merge(_below(child, additional, f"{path}.{field}", _correlated(pair, field, path)))
    for field, below in properties.items():
        if field in value:
            at = f"{path}.{field}" if path else field
            result.merge(_below(value[field], below, at, _correlated(pair, field, path)))
    result.add(*_required(value, raw.get("required") or (), path))
    return result


def _required(value: dict[str, Any], fields: Iterable[str], path: str) -> Iterable[Problem]:
    for field in fields:
        if field not in value:
            at = f"{path}.{field}"
            yield Problem(f"{at} in body is required", FieldProblem.REQUIRED, at, detail="")


def _correlated(pair: Correlated | None, field: str, path: str) -> Correlated | None:
    if pair is None or (not path and field in {"apiVersion", "kind"}):
        # Old and new are of one version here, whatever the old one was written at: nothing can be said of a change.
        return None
    return pair.field(field)
