"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy: expressions by which requests are judged or changed."""

from __future__ import annotations

import re
from collections.abc import Callable

from watchd.names import qualified_name
from watchd.registry.builtin.admissionregistration.rules import (
    FAIL,
    FAILURE_POLICIES,
    REINVOCATION_POLICIES,
    condition_problems,
    default_match,
    match_problems,
    mutating_problems,
    param_kind_problems,
)
from watchd.registry.builtin.common import conditions
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")

ANNOTATIONS_MAX = 20
ANNOTATION_MAX = 5 << 10
"""Bytes of the expression of an audit annotation."""

RESERVED = frozenset(
    ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"]
)
"""Words of CEL that no variable may be called."""

_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)


class PolicyStrategy(Strategy):
    """What both kinds have in common."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in the policy of failures, selectors and scopes."""
        spec = obj["spec"]
        spec.setdefault("failurePolicy", FAIL)
        default_match(spec.get("matchConstraints"))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new policy."""
        return self._problems(obj, conditions_changed=True)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone; conditions where they changed."""
        if subresource == "status":
            return _status(obj.get("status") or {})
        spec, before = obj["spec"], old["spec"]
        same = all(spec.get(name) == before.get(name) for name in ("paramKind", "matchConditions"))
        return self._problems(obj, conditions_changed=not same)

    def _problems(self, obj: Object, *, conditions_changed: bool) -> list[FieldError]:
        spec = obj["spec"]
        out = one_of(spec["failurePolicy"], FAILURE_POLICIES, "spec.failurePolicy")
        if spec.get("paramKind") is not None:
            out += param_kind_problems(spec["paramKind"], "spec.paramKind")
        match = spec.get("matchConstraints")
        if match is None:
            out.append(required("spec.matchConstraints"))
        else:
            out += match_problems(match, "spec.matchConstraints")
            if not match.get("resourceRules"):
                out.append(required("spec.matchConstraints.resourceRules"))
        out += self.match_problems(match)
        if conditions_changed:
            out += condition_problems(spec.get("matchConditions") or (), "spec.matchConditions")
        for index, variable in enumerate(spec.get("variables") or ()):
            out += _variable(variable, f"spec.variables[{index}]")
        return out + self.more_problems(obj)

    def match_problems(self, match: Object | None) -> list[FieldError]:
        """Return what more is wrong with the requests it is for."""
        del match
        return []

    def more_problems(self, obj: Object) -> list[FieldError]:
        """Return what is wrong with what it does."""
        raise NotImplementedError


class ValidatingPolicyStrategy(PolicyStrategy):
    """The rules of ValidatingAdmissionPolicy."""

    def more_problems(self, obj: Object) -> list[FieldError]:
        """Check validations and audit annotations."""
        spec = obj["spec"]
        validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or []
        out: list[FieldError] = []
        if not validations and not annotations:
            why = "validations or auditAnnotations must contain at least one item"
            return [required("spec.validations", why), required("spec.auditAnnotations", why)]
        for index, validation in enumerate(validations):
            out += _validation(validation, f"spec.validations[{index}]")
        if len(annotations) > ANNOTATIONS_MAX:
            out.append(invalid("spec.auditAnnotations", annotations, f"must not have more than {ANNOTATIONS_MAX} auditAnnotations"))
        seen: set[str] = set()
        for index, annotation in enumerate(annotations):
            path, key = f"spec.auditAnnotations[{index}]", annotation.get("key", "")
            out += _annotation(annotation, obj["metadata"].get("name", ""), path)
            if key in seen:
                out.append(duplicate(f"{path}.key", key))
            seen.add(key)
        return out


class MutatingPolicyStrategy(PolicyStrategy):
    """The rules of MutatingAdmissionPolicy."""

    def match_problems(self, match: Object | None) -> list[FieldError]:
        """Check that there is something to mutate."""
        return mutating_problems(match, "spec.matchConstraints")

    def more_problems(self, obj: Object) -> list[FieldError]:
        """Check mutations, and when they are done again."""
        spec = obj["spec"]
        mutations, again = spec.get("mutations") or (), spec.get("reinvocationPolicy", "")
        out = [] if mutations else [required("spec.mutations", "mutations must contain at least one item")]
        for index, mutation in enumerate(mutations):
            out += _mutation(mutation, f"spec.mutations[{index}]")
        at = "spec.reinvocationPolicy"
        return out + (one_of(again, REINVOCATION_POLICIES, at) if again else [required(at)])


def _variable(variable: Object, path: str) -> list[FieldError]:
    name = variable.get("name", "")
    out: list[FieldError] = []
    if not name.strip():
        out.append(required(f"{path}.name", "name is not specified"))
    elif not _IDENTIFIER.fullmatch(name) or name in RESERVED:
        out.append(invalid(f"{path}.name", name, "must be a valid CEL identifier"))
    if not variable.get("expression", "").strip():
        out.append(required(f"{path}.expression", "expression is not specified"))
    return out


def _validation(validation: Object, path: str) -> list[FieldError]:
    message, expression = validation.get("message", ""), validation.get("messageExpression", "")
    out: list[FieldError] = []
    if not validation.get("expression", "").strip():
        out.append(required(f"{path}.expression", "expression is not specified"))
    if expression and not expression.strip():
        out.append(invalid(f"{path}.messageExpression", expression, "must be non-empty if specified"))
    if message and not message.strip():
        out.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        out.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    reason = validation.get("reason")
    return out if reason is None else out + one_of(reason, REASONS, f"{path}.reason")


def _annotation(annotation: Object, policy: str, path: str) -> list[FieldError]:
    key, expression = f"{policy}/{annotation.get('key', '')}", annotation.get("valueExpression", "").strip()
    out = [invalid(f"{path}.key", key, text) for text in qualified_name(key)]
    if not expression:
        out.append(required(f"{path}.valueExpression", "valueExpression is not specified"))
    elif len(expression.encode()) > ANNOTATION_MAX:
        out.append(required(f"{path}.valueExpression", f"must not exceed {ANNOTATION_MAX} bytes in length"))
    return out


def _mutation(mutation: Object, path: str) -> list[FieldError]:
    kind = mutation.get("patchType", "")
    if not kind:
        return [required(f"{path}.patchType")]
    if kind not in PATCH_TYPES:
        return one_of(kind, PATCH_TYPES, f"{path}.patchType")
    field, other = ("jsonPatch", "applyConfiguration") if kind == "JSONPatch" else ("applyConfiguration", "jsonPatch")
    out: list[FieldError] = []
    if mutation.get(field) is None:
        out.append(required(f"{path}.{field}", f"must be specified when patchType is {kind}"))
    elif not mutation[field].get("expression", "").strip():
        out.append(required(f"{path}.{field}.expression"))
    if mutation.get(other) is not None:
        out.append(invalid(f"{path}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}"))
    return out


def _status(status: Object) -> list[FieldError]:
    out: list[FieldError] = []
    for index, warning in enumerate((status.get("typeChecking") or {}).get("expressionWarnings") or ()):
        path = f"status.typeChecking.expressionWarnings[{index}]"
        out += [required(f"{path}.{field}") for field in ("warning", "fieldRef") if not warning.get(field, "").strip()]
    return out + conditions.condition_problems(status.get("conditions") or (), "status.conditions")


STRATEGY = {"mutatingadmissionpolicies": MutatingPolicyStrategy(), "validatingadmissionpolicies": ValidatingPolicyStrategy()}


def _count(field: str) -> Callable[[Object, int], int]:
    return lambda obj, _: len(obj.get("spec", {}).get(field) or ())


def _param_kind(obj: Object, _: int) -> str:
    kind = obj.get("spec", {}).get("paramKind")
    return "<unset>" if kind is None else f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}"


def _columns(name: str, field: str, text: str) -> tuple[Column, ...]:
    return (
        NAME,
        Column(name, _count(field), type="integer", description=text),
        Column("ParamKind", _param_kind, description="ParamKind specifies the kind of resources used to parameterize this policy"),
        AGE,
    )


COLUMNS = {
    "mutatingadmissionpolicies": _columns(
        "Mutations", "mutations", "Mutation indicates the number of mutations rules defined in this configuration"
    ),
    "validatingadmissionpolicies": _columns(
        "Validations", "validations", "Validations indicates the number of validation rules defined in this configuration"
    ),
}
