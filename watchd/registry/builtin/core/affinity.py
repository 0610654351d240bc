"""Where pods want to run: node selectors, affinities, topology spread and tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watchd.names import dns1123_label, dns1123_subdomain, label_value, qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, one_of, required
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.status import FieldError

Object = dict[str, Any]

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"

WEIGHT_MAX = 100

NO_OPERATOR = "not a valid selector operator"

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
"""What a taint may do, in the order in which they are told."""

NO_EXECUTE = "NoExecute"

DO_NOT_SCHEDULE = "DoNotSchedule"
UNSATISFIABLE = (DO_NOT_SCHEDULE, "ScheduleAnyway")
NODE_POLICIES = ("Honor", "Ignore")

NOT_POSITIVE = "must be greater than zero"


def label_name(key: str, path: str) -> list[FieldError]:
    """Check the key of a label."""
    return [invalid(path, key, text) for text in qualified_name(key)]


def node_selector_problems(selector: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a NodeSelector whose terms must be met."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    out: list[FieldError] = []
    for index, term in enumerate(terms):
        out += _term(term, f"{path}.nodeSelectorTerms[{index}]", values=True)
    return out


def _term(term: Object, path: str, *, values: bool) -> list[FieldError]:
    """Check one term; `values` tells whether its values must be such that a label can have."""
    out: list[FieldError] = []
    for index, requirement in enumerate(term.get("matchExpressions") or ()):
        out += _requirement(requirement, f"{path}.matchExpressions[{index}]", values=values)
    for index, requirement in enumerate(term.get("matchFields") or ()):
        out += _field_requirement(requirement, f"{path}.matchFields[{index}]")
    return out


def _requirement(requirement: Object, path: str, *, values: bool) -> list[FieldError]:
    operator, wanted = requirement.get("operator", ""), requirement.get("values") or ()
    out: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not wanted:
            out.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if wanted:
            out.append(forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
    elif operator in ("Gt", "Lt"):
        if len(wanted) != 1:
            out.append(required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'"))
    else:
        out.append(invalid(f"{path}.operator", operator, NO_OPERATOR))
    out += label_name(requirement.get("key", ""), f"{path}.key")
    for index, value in enumerate(wanted if values else ()):
        out += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return out


def _field_requirement(requirement: Object, path: str) -> list[FieldError]:
    operator, key, wanted = requirement.get("operator", ""), requirement.get("key", ""), requirement.get("values") or ()
    out: list[FieldError] = []
    if operator not in ("In", "NotIn"):
        out.append(invalid(f"{path}.operator", operator, NO_OPERATOR))
    elif len(wanted) != 1:
        out.append(required(f"{path}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"))
    if key != "metadata.name":
        return [*out, invalid(f"{path}.key", key, "not a valid field selector key")]
    for index, value in enumerate(wanted):
        out += [invalid(f"{path}.values[{index}]", value, text) for text in dns1123_subdomain(value)]
    return out


def affinity_problems(affinity: Object | None, path: str) -> list[FieldError]:
    """Return what is wrong with an Affinity; none is fine."""
    affinity = affinity or {}
    out: list[FieldError] = []
    if (nodes := affinity.get("nodeAffinity")) is not None:
        if nodes.get(REQUIRED) is not None:
            out += node_selector_problems(nodes[REQUIRED], f"{path}.nodeAffinity.{REQUIRED}")
        for index, term in enumerate(nodes.get(PREFERRED) or ()):
            at = f"{path}.nodeAffinity.{PREFERRED}[{index}]"
            out += _weight(term, at) + _term(term.get("preference") or {}, f"{at}.preference", values=False)
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind) or {}
        for index, term in enumerate(pods.get(REQUIRED) or ()):
            out += _pod_term(term, f"{path}.{kind}.{REQUIRED}[{index}]")
        for index, term in enumerate(pods.get(PREFERRED) or ()):
            at = f"{path}.{kind}.{PREFERRED}[{index}]"
            out += _weight(term, at) + _pod_term(term.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")
    return out


def _weight(term: Object, path: str) -> list[FieldError]:
    weight = term.get("weight", 0)
    return [] if 0 < weight <= WEIGHT_MAX else [invalid(f"{path}.weight", weight, f"must be in the range 1-{WEIGHT_MAX}")]


def _pod_term(term: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field in ("labelSelector", "namespaceSelector"):
        out += selector_problems(term.get(field), f"{path}.{field}")
    for name in term.get("namespaces") or ():
        out += [invalid(f"{path}.namespace", name, text) for text in dns1123_label(name)]
    out += _label_keys(term, path)
    topology = term.get("topologyKey", "")
    out += [] if topology else [required(f"{path}.topologyKey", "can not be empty")]
    return out + label_name(topology, f"{path}.topologyKey")


def _label_keys(term: Object, path: str) -> list[FieldError]:
    """Check matchLabelKeys and mismatchLabelKeys: keys whose values come from the pod itself (KEP-3633)."""
    selector = term.get("labelSelector")
    match, mismatch = (term.get(field) or () for field in ("matchLabelKeys", "mismatchLabelKeys"))
    out = _keys(match, selector, f"{path}.matchLabelKeys") + _keys(mismatch, selector, f"{path}.mismatchLabelKeys")
    seen = set((selector or {}).get("matchLabels") or ())
    for expression in (selector or {}).get("matchExpressions") or ():
        key = expression.get("key", "")
        if key in match and key in seen:
            index = max(place for place, name in enumerate(match) if name == key)
            out.append(invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector"))
        seen.add(key)
    both = [(index, key) for index, key in enumerate(match) if key in mismatch]
    return out + [invalid(f"{path}.matchLabelKeys[{index}]", key, "exists in both matchLabelKeys and mismatchLabelKeys") for index, key in both]


def _keys(keys: Sequence[str], selector: Object | None, path: str) -> list[FieldError]:
    if keys and selector is None:
        return [forbidden(path, "must not be specified when labelSelector is not set")]
    return [error for index, key in enumerate(keys) for error in label_name(key, f"{path}[{index}]")]


def add_label_keys(term: Object, labels: Mapping[str, str]) -> None:
    """Add to a term's labelSelector, in place, what its keys come to with a pod's labels (KEP-3633, KEP-3243)."""
    selector = term.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                selector.setdefault("matchExpressions", []).append({"key": key, "operator": operator, "values": [labels[key]]})


def pod_terms(affinity: Object | None) -> Iterable[Object]:
    """Return all terms of an Affinity that are about pods."""
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = (affinity or {}).get(kind) or {}
        for term in pods.get(PREFERRED) or ():
            if "podAffinityTerm" in term:
                yield term["podAffinityTerm"]
        yield from pods.get(REQUIRED) or ()


def spread_problems(constraints: Sequence[Object], path: str) -> list[FieldError]:
    """Return what is wrong with topologySpreadConstraints."""
    out: list[FieldError] = []
    for index, constraint in enumerate(constraints):
        at = f"{path}[{index}]"
        skew, topology, action = (constraint.get(field, zero) for field, zero in (("maxSkew", 0), ("topologyKey", ""), ("whenUnsatisfiable", "")))
        out += [] if skew > 0 else [invalid(f"{at}.maxSkew", skew, NOT_POSITIVE)]
        out += [] if topology else [required(f"{at}.topologyKey", "can not be empty")]
        out += one_of(action, UNSATISFIABLE, f"{at}.whenUnsatisfiable")
        rest = [(other.get("topologyKey", ""), other.get("whenUnsatisfiable", "")) for other in constraints[index + 1 :]]
        if (topology, action) in rest:
            out.append(duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{topology}, {action}}}"))
        out += _domains(constraint.get("minDomains"), action, f"{at}.minDomains")
        for field in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            policy = constraint.get(field)
            out += [] if policy is None else one_of(policy, NODE_POLICIES, f"{at}.{field}")
        out += _label_keys(constraint, at) + selector_problems(constraint.get("labelSelector"), f"{at}.labelSelector")
    return out


def _domains(least: int | None, action: str, path: str) -> list[FieldError]:
    if least is None:
        return []
    out = [] if least > 0 else [invalid(path, least, NOT_POSITIVE)]
    if action != DO_NOT_SCHEDULE:
        out.append(invalid(path, least, f"can only use minDomains if whenUnsatisfiable={DO_NOT_SCHEDULE}, not {action}"))
    return out


def toleration_problems(tolerations: Sequence[Object], path: str) -> list[FieldError]:
    """Return what is wrong with tolerations."""
    out: list[FieldError] = []
    for index, toleration in enumerate(tolerations):
        at = f"{path}[{index}]"
        key, operator, effect, value = (toleration.get(field, "") for field in ("key", "operator", "effect", "value"))
        out += label_name(key, f"{at}.key") if key else []
        if not key and operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            out.append(invalid(f"{at}.operator", operator, why))
        if toleration.get("tolerationSeconds") is not None and effect != NO_EXECUTE:
            out.append(invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"))
        out += _operator(operator, value, f"{at}.operator")
        out += one_of(effect, EFFECTS, f"{at}.effect") if effect else []
    return out


def _operator(operator: str, value: str, path: str) -> list[FieldError]:
    if operator in ("", "Equal"):
        texts = label_value(value)
        return [invalid(path, value, ";".join(texts))] if texts else []
    if operator == "Exists":
        return [invalid(path, value, "value must be empty when `operator` is 'Exists'")] if value else []
    gated = ("Equal", "Exists", "Lt", "Gt") if operator in ("Lt", "Gt") else ("Equal", "Exists")
    return [not_supported(path, operator, gated)]
