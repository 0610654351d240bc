"""What webhooks and policies of admission are for: rules over operations and resources, selectors, conditions, parameters.

Expressions are looked at no further than whether there is one: nothing here evaluates them.
"""

from __future__ import annotations

from collections.abc import Sequence

from watchd.names import dns1035_label, dns1123_subdomain, path_segment, qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, one_of, required
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.registry.strategy import Object
from watchd.status import FieldError, FieldProblem

FAIL, EQUIVALENT, NEVER = "Fail", "Equivalent", "Never"

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTATING_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
MISSING_PARAMETERS = ("Deny", "Allow")
"""What is done where a policy's parameters are not found."""

CONDITIONS_MAX = 64


def default_selectors(obj: Object) -> None:
    """Fill in what a webhook or a policy matches, in place: everything."""
    obj.setdefault("matchPolicy", EQUIVALENT)
    obj.setdefault("namespaceSelector", {})
    obj.setdefault("objectSelector", {})


def default_scopes(rules: Sequence[Object] | None) -> None:
    """Fill in the scopes of rules, in place."""
    for rule in rules or ():
        rule.setdefault("scope", "*")


def default_match(match: Object | None) -> None:
    """Fill in what MatchResources leave out, in place."""
    if match is not None:
        default_selectors(match)
        default_scopes(match.get("resourceRules"))
        default_scopes(match.get("excludeResourceRules"))


def rule_problems(rule: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a rule over operations and resources."""
    operations = rule.get("operations") or []
    out = [] if operations else [required(f"{path}.operations")]
    if len(operations) > 1 and "*" in operations:
        out.append(invalid(f"{path}.operations", operations, "if '*' is present, must not specify other operations"))
    for index, operation in enumerate(operations):
        out += one_of(operation, OPERATIONS, f"{path}.operations[{index}]")
    for field, word in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(field) or []
        if not values:
            out.append(required(f"{path}.{field}"))
        if len(values) > 1 and "*" in values:
            out.append(invalid(f"{path}.{field}", values, f"if '*' is present, must not specify other {word}"))
    versions = enumerate(rule.get("apiVersions") or ())
    out += [required(f"{path}.apiVersions[{index}]") for index, version in versions if not version]
    out += _resources(rule.get("resources") or [], f"{path}.resources")
    scope = rule.get("scope")
    return out if scope is None else out + one_of(scope, SCOPES, f"{path}.scope")


def _resources(resources: list[str], path: str) -> list[FieldError]:
    out = [] if resources else [required(path)]
    whole: set[str] = set()
    everywhere: set[str] = set()
    plain = False
    for index, each in enumerate(resources):
        at = f"{path}[{index}]"
        if not each:
            out.append(required(at))
            continue
        resource, slash, sub = each.partition("/")
        if not slash:
            plain = each != "*"
            continue
        if resource in whole:
            out.append(invalid(at, each, f"if '{resource}/*' is present, must not specify {each}"))
        if sub in everywhere:
            out.append(invalid(at, each, f"if '*/{sub}' is present, must not specify {each}"))
        whole |= {resource} if sub == "*" else set()
        everywhere |= {sub} if resource == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        out.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and plain:
        out.append(invalid(path, resources, "if '*' is present, must not specify other resources without subresources"))
    return out


def _named_rule(rule: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    names = rule.get("resourceNames") or []
    for index, name in enumerate(names):
        at = f"{path}.resourceNames[{index}]"
        out += [invalid(at, name, text) for text in path_segment(name)]
        if name in names[:index]:
            out.append(duplicate(at, name))
    return out + rule_problems(rule, path)


def match_problems(match: Object | None, path: str) -> list[FieldError]:
    """Return what is wrong with MatchResources; none are fine."""
    if match is None:
        return []
    out = one_of(match["matchPolicy"], MATCH_POLICIES, f"{path}.matchPolicy")
    for field in ("namespaceSelector", "objectSelector"):
        out += selector_problems(match[field], f"{path}.{field}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(field) or ()):
            out += _named_rule(rule, f"{path}.{field}[{index}]")
    return out


def mutating_problems(match: Object | None, path: str) -> list[FieldError]:
    """Check that rules are for operations that have something to mutate."""
    operations = [each for rule in (match or {}).get("resourceRules") or () for each in rule.get("operations") or ()]
    found = [each for each in operations if each not in MUTATING_OPERATIONS]
    return [not_supported(f"{path}.resourceRules.operations", each, MUTATING_OPERATIONS) for each in found]


def condition_problems(conditions: Sequence[Object], path: str) -> list[FieldError]:
    """Return what is wrong with match conditions."""
    out: list[FieldError] = []
    if len(conditions) > CONDITIONS_MAX:
        why = f"must have at most {CONDITIONS_MAX} items"
        out.append(FieldError(FieldProblem.TOO_MANY, path, len(conditions), why))
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition.get("name", "")
        if not condition.get("expression", "").strip():
            out.append(required(f"{at}.expression"))
        out += [invalid(f"{at}.name", name, text) for text in qualified_name(name)] if name else [required(f"{at}.name")]
        if name and name in seen:
            out.append(duplicate(f"{at}.name", name))
        seen.add(name)
    return out


def param_kind_problems(kind: Object, path: str) -> list[FieldError]:
    """Return what is wrong with the kind of a policy's parameters."""
    version, name = kind.get("apiVersion", ""), kind.get("kind", "")
    out = _api_version(version, f"{path}.apiVersion") if version else [required(f"{path}.apiVersion")]
    if not name:
        return [*out, required(f"{path}.kind")]
    texts = dns1035_label(name.lower())
    why = f"may have mixed case, but should otherwise match: {','.join(texts)}"
    return [*out, invalid(f"{path}.kind", name, why)] if texts else out


def _api_version(text: str, path: str) -> list[FieldError]:
    group, _, version = text.rpartition("/")
    if "/" in group:
        return [invalid(path, text, f"unexpected GroupVersion string: {text}")]
    texts = dns1123_subdomain(group) if group else []
    out = [invalid(path, group, ",".join(texts))] if texts else []
    if not version:
        return [*out, invalid(path, text, "version must be specified")]
    texts = dns1035_label(version)
    return [*out, invalid(path, version, ",".join(texts))] if texts else out


def param_ref_problems(ref: Object | None, path: str) -> list[FieldError]:
    """Return what is wrong with a binding's parameters; none are fine."""
    if ref is None:
        return []
    name, selector, missing = ref.get("name", ""), ref.get("selector"), ref.get("parameterNotFoundAction", "")
    apart = "name and selector are mutually exclusive"
    out = [invalid(f"{path}.name", name, text) for text in path_segment(name)] if name else []
    if name and selector is not None:
        out.append(forbidden(f"{path}.name", apart))
    out += selector_problems(selector, f"{path}.selector")
    if name and selector is not None:
        out.append(forbidden(f"{path}.selector", apart))
    if not name and selector is None:
        out.append(required(path, "one of name or selector must be specified"))
    at = f"{path}.parameterNotFoundAction"
    return out + (one_of(missing, MISSING_PARAMETERS, at) if missing else [required(at)])
