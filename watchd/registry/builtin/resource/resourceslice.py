"""ResourceSlice: devices that a driver has on a node, or elsewhere."""

from __future__ import annotations

from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import immutable, invalid, required
from watchd.registry.builtin.common.values import label, subdomain
from watchd.registry.builtin.core.affinity import node_selector_problems
from watchd.registry.builtin.resource.claims import driver_problems, pool_problems, too_many
from watchd.registry.builtin.resource.devicetaintrule import now, taint_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

DEVICES_MAX, DEVICES_MAX_ADVANCED = 128, 64
"""Devices of a slice; fewer where they have taints or share counters."""

PLACES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
"""The ways to say where devices are."""

COMPONENT = "io.k8s.api.resource.v1"


class ResourceSliceStrategy(Strategy):
    """The rules of ResourceSlice."""

    generation = True
    selectable_fields = ("spec.nodeName", "spec.driver", "spec.pool.name")

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Tell since when devices are tainted."""
        del entropy
        for device in obj["spec"].get("devices") or ():
            for taint in device.get("taints") or ():
                taint.setdefault("timeAdded", now(clock))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new slice."""
        return _problems(obj["spec"], None)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole; pool, driver and node stand still."""
        del subresource
        return _problems(obj["spec"], old["spec"])


def _problems(spec: Object, old: Object | None) -> list[FieldError]:
    pool = spec["pool"]
    out = driver_problems(spec.get("driver", ""), "spec.driver") + pool_problems(pool.get("name", ""), "spec.pool.name")
    count, generation = pool.get("resourceSliceCount", 0), pool.get("generation", 0)
    if count <= 0:
        out.append(invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        out.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))
    if old is not None:
        out += immutable(pool.get("name", ""), old["pool"].get("name", ""), "spec.pool.name")
        out += immutable(spec.get("driver", ""), old.get("driver", ""), "spec.driver")
        out += immutable(spec.get("nodeName"), old.get("nodeName"), "spec.nodeName")
    out += _place(spec)
    if spec.get("sharedCounters") and spec.get("devices"):
        out.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    return out + _devices(spec.get("devices") or [])


def _place(spec: Object) -> list[FieldError]:
    out: list[FieldError] = []
    node, selector = spec.get("nodeName"), spec.get("nodeSelector")
    if node == "":
        out.append(invalid("spec.nodeName", node, "must be either unset or set to a non-empty string"))
    elif node is not None:
        out += subdomain(node, "spec.nodeName")
    if selector is not None:
        out += node_selector_problems(selector, "spec.nodeSelector")
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            out.append(invalid("spec.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term"))
    for field in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(field) is False:
            out.append(invalid(f"spec.{field}", False, "must be either unset or set to true"))
    given = [f"`{name}`" for name in PLACES if spec.get(name) not in (None, "", False)]
    why = f"exactly one of {', '.join(f'`{name}`' for name in PLACES)} is required"
    if not given:
        return [*out, required("spec", why)]
    if len(given) > 1:
        out.append(invalid("spec", f"{{{', '.join(given)}}}", f"{why}, but multiple fields are set"))
    return out


def _devices(devices: list[Object]) -> list[FieldError]:
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    most = DEVICES_MAX_ADVANCED if advanced else DEVICES_MAX
    if len(devices) > most:
        return [too_many("spec.devices", len(devices), most)]
    out: list[FieldError] = []
    last: list[FieldError] = []
    twice: list[FieldError] = []
    seen: set[str] = set()
    for index, device in enumerate(devices):
        path, name = f"spec.devices[{index}]", device.get("name", "")
        out += label(name, f"{path}.name")
        for at, taint in enumerate(device.get("taints") or ()):
            out += taint_problems(taint, f"{path}.taints[{at}]", last)
        if name in seen:
            twice.append(duplicate(path, name))
        seen.add(name)
    return out + twice + last


STRATEGY = ResourceSliceStrategy()

COLUMNS = (
    NAME,
    Column("Node", lambda obj, _: obj.get("spec", {}).get("nodeName", ""), field=(f"{COMPONENT}.ResourceSliceSpec", "nodeName")),
    Column("Driver", lambda obj, _: obj.get("spec", {}).get("driver", ""), field=(f"{COMPONENT}.ResourceSliceSpec", "driver")),
    Column("Pool", lambda obj, _: obj.get("spec", {}).get("pool", {}).get("name", ""), field=(f"{COMPONENT}.ResourcePool", "name")),
    AGE,
)
