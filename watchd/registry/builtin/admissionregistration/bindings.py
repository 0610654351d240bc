"""ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding: where a policy holds, and with which parameters."""

from __future__ import annotations

from watchd.registry.builtin.admissionregistration.rules import (
    default_match,
    match_problems,
    mutating_problems,
    param_ref_problems,
)
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

ACTIONS = ("Audit", "Deny", "Warn")

NOT_TWICE = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no "
    "purpose)"
)


class BindingStrategy(Strategy):
    """What both kinds have in common."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in selectors and scopes."""
        default_match(obj["spec"].get("matchResources"))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the policy's name, the parameters and where it holds."""
        spec = obj["spec"]
        out = self.policy_problems(spec.get("policyName", "")) + param_ref_problems(spec.get("paramRef"), "spec.paramRef")
        return out + match_problems(spec.get("matchResources"), "spec.matchResources") + self.more_problems(spec)

    def policy_problems(self, name: str) -> list[FieldError]:
        """Check the name of the policy."""
        return subdomain(name, "spec.policyName") if name else [required("spec.policyName")]

    def more_problems(self, spec: Object) -> list[FieldError]:
        """Return what is wrong beside that."""
        return mutating_problems(spec.get("matchResources"), "spec.matchResources")


class ValidatingBindingStrategy(BindingStrategy):
    """The rules of ValidatingAdmissionPolicyBinding."""

    def policy_problems(self, name: str) -> list[FieldError]:
        """Check the name of the policy; that it is missing is told last."""
        return subdomain(name, "spec.policyName") if name else []

    def more_problems(self, spec: Object) -> list[FieldError]:
        """Check what is done."""
        path, actions = "spec.validationActions", spec.get("validationActions") or []
        out: list[FieldError] = []
        for index, action in enumerate(actions):
            out += one_of(action, ACTIONS, f"{path}[{index}]")
            if action in actions[:index]:
                out.append(duplicate(f"{path}[{index}]", action))
        if {"Deny", "Warn"} <= set(actions):
            out.append(invalid(path, actions, NOT_TWICE))
        if not spec.get("policyName"):
            out.append(required("spec.policyName"))
        return out if actions else [*out, required(path)]


STRATEGY = {"mutatingadmissionpolicybindings": BindingStrategy(), "validatingadmissionpolicybindings": ValidatingBindingStrategy()}


def _parameters(obj: Object, _: int) -> str:
    ref = obj.get("spec", {}).get("paramRef") or {}
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return "<unset>" if ref.get("selector") is None else _go_text(ref["selector"])


def _go_text(selector: Object) -> str:
    """Write a selector as the reference does here: as its Go type is printed."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    requirements = "".join(
        f"LabelSelectorRequirement{{Key:{each.get('key', '')},Operator:{each.get('operator', '')},Values:[{' '.join(each.get('values') or ())}],}},"
        for each in selector.get("matchExpressions") or ()
    )
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{requirements}}},}}"


_COLUMNS = (
    NAME,
    Column(
        "PolicyName",
        lambda obj, _: obj.get("spec", {}).get("policyName", ""),
        description="PolicyName indicates the policy definition which the policy binding binded to",
    ),
    Column("ParamRef", _parameters, description="ParamRef indicates the param resource which sets the configuration param"),
    AGE,
)

COLUMNS = dict.fromkeys(STRATEGY, _COLUMNS)
