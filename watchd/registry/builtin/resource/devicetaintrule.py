"""DeviceTaintRule: devices that pods are kept away from."""

from __future__ import annotations

from collections.abc import Callable

from watchd.registry.builtin.common.conditions import condition_problems
from watchd.registry.builtin.common.fields import one_of, required
from watchd.registry.builtin.common.statuses import KEEPS, keep_metadata
from watchd.registry.builtin.common.values import label
from watchd.registry.builtin.core.affinity import label_name
from watchd.registry.builtin.resource.claims import EFFECTS, driver_problems, label_value_problems, pool_problems
from watchd.registry.columns import AGE, NAME, Column, age
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy, rfc3339
from watchd.status import FieldError

COMPONENT = "io.k8s.api.resource.v1.DeviceTaint"


class DeviceTaintRuleStrategy(Strategy):
    """The rules of DeviceTaintRule."""

    generation = True
    status_keeps = KEEPS

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Tell since when devices are tainted."""
        del entropy
        obj["spec"]["taint"].setdefault("timeAdded", now(clock))

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the metadata from a write of the status; a taint whose time is left out has the old one's."""
        if subresource == "status":
            keep_metadata(obj, old)
        elif "timeAdded" in old["spec"]["taint"]:
            obj["spec"]["taint"].setdefault("timeAdded", old["spec"]["taint"]["timeAdded"])

    def validate(self, obj: Object) -> list[FieldError]:
        """Check selector and taint."""
        spec = obj["spec"]
        selector, path = spec.get("deviceSelector") or {}, "spec.deviceSelector"
        out: list[FieldError] = []
        for field, check in (("driver", driver_problems), ("pool", pool_problems), ("device", label)):
            if selector.get(field) is not None:
                out += check(selector[field], f"{path}.{field}")
        last: list[FieldError] = []
        return out + taint_problems(spec["taint"], "spec.taint", last) + last

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone."""
        del old
        if subresource != "status":
            return self.validate(obj)
        return condition_problems((obj.get("status") or {}).get("conditions") or (), "status.conditions")


def now(clock: Clock) -> str:
    """Return the time of a taint that is added now."""
    return rfc3339(clock.now_ms())


def taint_problems(taint: Object, path: str, last: list[FieldError]) -> list[FieldError]:
    """Return what is wrong with a taint; `last` takes what the reference tells last."""
    effect = taint.get("effect", "")
    last += one_of(effect, EFFECTS, f"{path}.effect") if effect else [required(f"{path}.effect")]
    out = label_name(taint.get("key", ""), f"{path}.key")
    return out + (label_value_problems(taint["value"], f"{path}.value") if taint.get("value") else [])


STRATEGY = DeviceTaintRuleStrategy()


def _taint(name: str) -> Callable[[Object, int], str]:
    return lambda obj, _: str(obj.get("spec", {}).get("taint", {}).get(name, ""))


def _since(obj: Object, now_ms: int) -> str:
    added = obj.get("spec", {}).get("taint", {}).get("timeAdded")
    return age(added, now_ms) if added else ""


COLUMNS = (
    NAME,
    Column("Key", _taint("key"), field=(COMPONENT, "key")),
    Column("Value", _taint("value"), field=(COMPONENT, "value")),
    Column("Effect", _taint("effect"), field=(COMPONENT, "effect")),
    Column("TimeAdded", _since, field=(COMPONENT, "timeAdded")),
    AGE,
)
