"""PodDisruptionBudget: how many of some pods may be missing of those that are moved away on purpose."""

from __future__ import annotations

from watchd.registry.builtin.common.conditions import condition_problems
from watchd.registry.builtin.common.fields import at_most_all, int_or_percent, invalid, nonnegatives, one_of
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")

EMPTY_MARK = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"
"""With policy/v1beta1 an empty selector selected nothing: a requirement of this label tells the two apart, and nobody may set it."""

MARKED = [{"matchExpressions": [{"key": EMPTY_MARK, "operator": operator}]} for operator in ("Exists", "DoesNotExist")]
"""Selectors of all pods and of none that stay."""

BOTH = "minAvailable and maxUnavailable cannot be both set"


class PodDisruptionBudgetStrategy(Strategy):
    """The rules of PodDisruptionBudget."""

    generation = True

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Take the mark of empty selectors from selectors that are more than that."""
        del clock, entropy
        _unmark(obj["spec"])

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Take the mark of empty selectors from new ones that are more than that."""
        if subresource != "status" and obj["spec"].get("selector") != old["spec"].get("selector"):
            _unmark(obj["spec"])

    def validate(self, obj: Object) -> list[FieldError]:
        """Check numbers and selector."""
        spec = obj["spec"]
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        out: list[FieldError] = []
        if least is not None and most is not None:
            out.append(invalid("spec", internal(spec, "io.k8s.api.policy.v1.PodDisruptionBudgetSpec"), BOTH))
        for name, value in (("minAvailable", least), ("maxUnavailable", most)):
            if value is not None:
                out += int_or_percent(value, f"spec.{name}") + at_most_all(value, f"spec.{name}")
        out += selector_problems(spec.get("selector"), "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        return out if policy is None else out + one_of(policy, EVICTION_POLICIES, "spec.unhealthyPodEvictionPolicy")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone."""
        del old
        if subresource != "status":
            return self.validate(obj)
        status = obj.get("status", {})
        out = condition_problems(status.get("conditions") or (), "status.conditions")
        return out + nonnegatives(status, ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"), "status")


def _unmark(spec: Object) -> None:
    selector = spec.get("selector")
    if selector is None or selector in MARKED:
        return
    selector.get("matchLabels", {}).pop(EMPTY_MARK, None)
    if "matchLabels" in selector and not selector["matchLabels"]:
        del selector["matchLabels"]
    kept = [each for each in selector.get("matchExpressions", ()) if each.get("key") != EMPTY_MARK]
    if kept:
        selector["matchExpressions"] = kept
    else:
        selector.pop("matchExpressions", None)


STRATEGY = PodDisruptionBudgetStrategy()


def _number(name: str) -> Column:
    field = f"{name[:1].lower()}{name[1:].replace(' ', '')}"
    word = "available" if field == "minAvailable" else "unavailable"
    bound = "minimum number of pods that must be" if field == "minAvailable" else "maximum number of pods that may be"
    return Column(name, lambda obj, _: str(obj.get("spec", {}).get(field, "N/A")), description=f"The {bound} {word}.")


COLUMNS = (
    NAME,
    _number("Min Available"),
    _number("Max Unavailable"),
    Column(
        "Allowed Disruptions",
        lambda obj, _: obj.get("status", {}).get("disruptionsAllowed", 0),
        type="integer",
        description="Calculated number of pods that may be disrupted at this time.",
    ),
    AGE,
)
