"""RuntimeClass: by which handler of a node's container runtime pods are run."""

from __future__ import annotations

from watchd.names import dns1123_label
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.quantities import round_up_all
from watchd.registry.builtin.common.selectors import label_problems
from watchd.registry.builtin.core.affinity import toleration_problems
from watchd.registry.builtin.core.resources import requirements_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

TOLERATION_KEY = ("key", "operator", "value", "effect")
"""By which fields a toleration stands once."""


class RuntimeClassStrategy(Strategy):
    """The rules of RuntimeClass."""

    def default(self, obj: Object) -> None:
        """Round amounts up to thousandths."""
        round_up_all((obj.get("overhead") or {}).get("podFixed"))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check overhead, scheduling and handler."""
        return _problems(obj) + _handler(obj)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, whose handler stands still."""
        del subresource
        changed = obj.get("handler", "") != old.get("handler", "")
        held = [invalid("handler", None, IMMUTABLE)] if changed else []
        if changed and obj.get("handler"):
            return _problems(obj) + held
        return _problems(obj) + held + _handler(obj)


def _problems(obj: Object) -> list[FieldError]:
    overhead, scheduling = obj.get("overhead"), obj.get("scheduling")
    out: list[FieldError] = []
    if overhead is not None:
        out += requirements_problems({"limits": overhead.get("podFixed")}, "overhead")
    if scheduling is not None:
        out += label_problems(scheduling.get("nodeSelector") or {}, "scheduling.nodeSelector")
        out += _tolerations(scheduling.get("tolerations") or [], "scheduling.tolerations")
    return out


def _handler(obj: Object) -> list[FieldError]:
    handler = obj.get("handler", "")
    return [invalid("handler", handler, text) for text in dns1123_label(handler)] if handler else [required("handler")]


def _tolerations(tolerations: list[Object], path: str) -> list[FieldError]:
    out = toleration_problems(tolerations, path)
    seen: set[tuple[str, ...]] = set()
    for index, toleration in enumerate(tolerations):
        key = tuple(toleration.get(name, "") for name in TOLERATION_KEY)
        if key in seen:
            out.append(duplicate(f"{path}[{index}]", internal(toleration, "io.k8s.api.core.v1.Toleration")))
        seen.add(key)
    return out


STRATEGY = RuntimeClassStrategy()

COLUMNS = (
    NAME,
    Column("Handler", lambda obj, _: obj.get("handler", ""), field=("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "handler")),
    AGE,
)
