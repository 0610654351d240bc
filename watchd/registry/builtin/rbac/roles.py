"""Role and ClusterRole: which verbs are allowed on which resources or paths."""

from __future__ import annotations

from watchd.registry.builtin.common.fields import invalid, required
from watchd.registry.builtin.common.selectors import readable, selector_problems
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.status import FieldError


class RoleStrategy(Strategy):
    """The rules of Role."""

    name_format = NameFormat.PATH_SEGMENT
    namespaced = True
    """Whether the rules are those of one namespace, and so no paths."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Check each rule."""
        return self.problems(obj) + [
            required(f"rules[{index}].verbs") for index, rule in enumerate(obj.get("rules") or ()) if not rule.get("verbs")
        ]

    def problems(self, obj: Object) -> list[FieldError]:
        """Return what is wrong beside fields that are missing, which the reference tells last."""
        rules = enumerate(obj.get("rules") or ())
        return [error for index, rule in rules for error in rule_problems(rule, f"rules[{index}]", namespaced=self.namespaced)]


class ClusterRoleStrategy(RoleStrategy):
    """The rules of ClusterRole."""

    namespaced = False

    def problems(self, obj: Object) -> list[FieldError]:
        """Check also which roles are put together in this one."""
        out = super().problems(obj)
        aggregation = obj.get("aggregationRule")
        if aggregation is None:
            return out
        path, selectors = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors") or ()
        if not selectors:
            out.append(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        for index, selector in enumerate(selectors):
            out += selector_problems(selector, f"{path}[{index}]")
            if not readable(selector):
                # What is quoted is the selector that could not be made.
                out.append(invalid(f"{path}[{index}]", None, "invalid label selector."))
        return out


def rule_problems(rule: Object, path: str, *, namespaced: bool) -> list[FieldError]:
    """Return what is wrong with a PolicyRule, beside the verbs."""
    out: list[FieldError] = []
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            out.append(invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            out.append(invalid(f"{path}.nonResourceURLs", urls, "rules cannot apply to both regular resources and non-resource URLs"))
        return out
    if not rule.get("apiGroups"):
        out.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        out.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return out


STRATEGY = {"roles": RoleStrategy(), "clusterroles": ClusterRoleStrategy()}
