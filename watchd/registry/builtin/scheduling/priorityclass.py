"""PriorityClass: a name for how important pods are."""

from __future__ import annotations

from watchd.registry.builtin.common.fields import forbidden, immutable, one_of
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

PREEMPT, NEVER = "PreemptLowerPriority", "Never"

USER_MAX = 1_000_000_000
"""The highest priority that users may name; the system's own begin at twice this."""

RESERVED = "system-"
"""How names begin that are the system's own."""

SYSTEM = {"system-node-critical": 2 * USER_MAX + 1000, "system-cluster-critical": 2 * USER_MAX}
"""The classes of the system, and their values."""

COMPONENT = "io.k8s.api.scheduling.v1.PriorityClass"


class PriorityClassStrategy(Strategy):
    """The rules of PriorityClass."""

    def default(self, obj: Object) -> None:
        """Fill in what happens to pods of lower priority."""
        obj.setdefault("preemptionPolicy", PREEMPT)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin with the first generation, which stays: what counts of the object cannot change."""
        del clock, entropy
        obj["metadata"]["generation"] = 1

    def validate(self, obj: Object) -> list[FieldError]:
        """Check value and name, of which some are the system's."""
        name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
        out: list[FieldError] = []
        if name.startswith(RESERVED):
            why = _not_systems(obj)
            if why:
                text = f"priority class names with '{RESERVED}' prefix are reserved for system use only. error: {why}"
                out.append(forbidden("metadata.name", text))
        elif value > USER_MAX:
            out.append(forbidden("value", f"maximum allowed value of a user defined priority is {USER_MAX}"))
        return out + one_of(obj["preemptionPolicy"], (PREEMPT, NEVER), "preemptionPolicy")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold value and preemption as they are."""
        del subresource
        out: list[FieldError] = []
        if obj.get("value", 0) != old.get("value", 0):
            out.append(forbidden("value", "may not be changed in an update."))
        return out + immutable(obj["preemptionPolicy"], old["preemptionPolicy"], "preemptionPolicy")


def _not_systems(obj: Object) -> str:
    name = obj["metadata"]["name"]
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if obj.get("value", 0) != SYSTEM[name]:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if obj.get("globalDefault") else ""


STRATEGY = PriorityClassStrategy()

COLUMNS = (
    NAME,
    Column("Value", lambda obj, _: obj.get("value", 0), type="integer", field=(COMPONENT, "value")),
    Column("Global-Default", lambda obj, _: obj.get("globalDefault", False), type="boolean", field=(COMPONENT, "globalDefault")),
    AGE,
    Column("PreemptionPolicy", lambda obj, _: obj.get("preemptionPolicy", ""), field=(COMPONENT, "preemptionPolicy")),
)
