"""PodDisruptionBudgets at policy/v1beta1, where an empty selector selects no pod; at v1 it selects all of them.

Each version says what the other's empty selector means by a requirement of a label that no pod has. (Facts: kube-apiserver's
`pkg/apis/policy/v1beta1`.)
"""

from __future__ import annotations

from typing import Any

from watchd.registry.builtin.policy.poddisruptionbudget import EMPTY_MARK
from watchd.registry.builtin.spokes import Shape

Object = dict[str, Any]


def budget_to_v1(obj: Object) -> Object:
    """Convert a PodDisruptionBudget to policy/v1."""
    selector = (obj.get("spec") or {}).get("selector")
    if selector is None:
        return obj
    if _is_empty(selector):
        return _selecting(obj, _marked("Exists"))
    if _is(selector, "DoesNotExist"):
        return _selecting(obj, {})
    kept = [term for term in selector.get("matchExpressions") or () if term.get("key") != EMPTY_MARK]
    rest = {name: value for name, value in selector.items() if name != "matchExpressions"}
    return _selecting(obj, {**rest, "matchExpressions": kept} if kept else rest)


def budget_from_v1(obj: Object) -> Object:
    """Convert a PodDisruptionBudget of policy/v1."""
    selector = (obj.get("spec") or {}).get("selector")
    if selector is None:
        return obj
    if _is_empty(selector):
        return _selecting(obj, _marked("DoesNotExist"))
    return _selecting(obj, {}) if _is(selector, "Exists") else obj


def _selecting(obj: Object, selector: Object) -> Object:
    return {**obj, "spec": {**obj["spec"], "selector": selector}}


def _marked(operator: str) -> Object:
    return {"matchExpressions": [{"key": EMPTY_MARK, "operator": operator}]}


def _is_empty(selector: Object) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def _is(selector: Object, operator: str) -> bool:
    """Tell whether a selector asks for the mark and for nothing else."""
    terms = selector.get("matchExpressions") or []
    if selector.get("matchLabels") or len(terms) != 1:
        return False
    term = terms[0]
    return bool(term.get("key") == EMPTY_MARK and term.get("operator") == operator and not term.get("values"))


BUDGET = Shape(budget_to_v1, budget_from_v1)
