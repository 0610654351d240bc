"""Node: a machine that pods run on."""

from __future__ import annotations

from watchd.names import label_value, qualified_name
from watchd.registry.builtin.common.addresses import parse_range, range_problems
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.quantities import round_up_all
from watchd.registry.builtin.core.affinity import EFFECTS
from watchd.registry.builtin.core.resources import quantity_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError, FieldProblem, Written, go_json

INFO = "io.k8s.api.core.v1.NodeSystemInfo"
STATUS = "io.k8s.api.core.v1.NodeStatus"

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"

UNKNOWN = "<unknown>"


class NodeStrategy(Strategy):
    """The rules of Node. Whoever creates one may tell its status, as kubelets do."""

    status_reset = False
    selectable_fields = ("spec.unschedulable",)

    def default(self, obj: Object) -> None:
        """Fill in what is allocatable, and podCIDRs of the field that was there before it."""
        spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
        for amounts in (status.get("capacity"), status.get("allocatable")):
            round_up_all(amounts)
        if "capacity" in status and "allocatable" not in status:
            status["allocatable"] = dict(status["capacity"])
        one, many = spec.get("podCIDR", ""), spec.get("podCIDRs", [])
        # The field of old decides where both are given and disagree.
        if one and (not many or many[0] != one):
            spec["podCIDRs"] = [one]
        elif many and not one:
            spec["podCIDR"] = many[0]

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the spec and the status apart."""
        part = "spec" if subresource == "status" else "status"
        obj.pop(part, None)
        if part in old:
            obj[part] = old[part]

    def validate(self, obj: Object) -> list[FieldError]:
        """Check taints, amounts and ranges."""
        spec = obj["spec"]
        out = _taints(spec.get("taints", ())) + _amounts(obj)
        ranges = spec.get("podCIDRs", [])
        for index, text in enumerate(ranges):
            out += range_problems(text, f"spec.podCIDRs[{index}]")
        families = {network.version for network in map(parse_range, ranges) if network is not None}
        if len(ranges) > 1 and (len(families) < len(ranges)):
            out.append(invalid("spec.podCIDRs", ranges, "may specify no more than one CIDR for each IP family"))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, and that ranges and provider stay once they are set."""
        out = [] if subresource == "status" else self.validate(obj)
        out += _amounts(obj)
        addresses = obj.get("status", {}).get("addresses", [])
        for index, address in enumerate(addresses):
            if address in addresses[:index]:
                told = {"Type": address.get("type", ""), "Address": address.get("address", "")}
                out.append(FieldError(FieldProblem.DUPLICATE, f"status.addresses[{index}]", Written(go_json(told, ordered=True))))
        new, before = obj["spec"], old["spec"]
        ranges, ranges_before = new.get("podCIDRs", []), before.get("podCIDRs", [])
        if ranges_before:
            same_length = len(ranges) == len(ranges_before)
            changed = sum(one != other for one, other in zip(ranges, ranges_before, strict=False)) if same_length else 1
            out += [forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')] * changed
        if new.get("taints"):
            out += _taints(new["taints"])
        if new.get("externalID", "") != before.get("externalID", ""):
            out.append(forbidden("spec.externalID", "may not be updated"))
        if before.get("providerID") and new.get("providerID") != before["providerID"]:
            what = "modified" if new.get("providerID") else "cleared"
            out.append(invalid("spec.providerID", None, f"field cannot be {what} once set"))
        return out

    def fields(self, obj: Object) -> dict[str, str]:
        """Return whether pods are kept away."""
        return {"spec.unschedulable": "true" if obj.get("spec", {}).get("unschedulable") else "false"}


def _amounts(obj: Object) -> list[FieldError]:
    status = obj.get("status", {})
    return [
        error
        for field in ("capacity", "allocatable")
        for name, value in status.get(field, {}).items()
        for error in quantity_problems(name, value, f"status.{field}.{name}")
    ]


def _taints(taints: list[Object]) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        path, key, value, effect = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("value", ""), taint.get("effect", "")
        out += [invalid(f"{path}.key", key, text) for text in qualified_name(key)]
        if texts := label_value(value):
            out.append(invalid(f"{path}.value", value, ";".join(texts)))
        if not effect:
            out.append(required(f"{path}.effect"))
        elif effect not in EFFECTS:
            out.append(not_supported(f"{path}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            told = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            why = "taints must be unique by key and effect pair"
            out.append(FieldError(FieldProblem.DUPLICATE, path, Written(go_json(told, ordered=True)), why))
        seen.add((key, effect))
    return out


def _ready(obj: Object, _: int) -> str:
    ready = [one for one in obj.get("status", {}).get("conditions", ()) if one.get("type") == "Ready"]
    text = ("Ready" if ready[-1].get("status") == "True" else "NotReady") if ready else "Unknown"
    return f"{text},SchedulingDisabled" if obj.get("spec", {}).get("unschedulable") else text


def _roles(obj: Object, _: int) -> str:
    labels = obj["metadata"].get("labels", {})
    roles = {key.removeprefix(ROLE_PREFIX) for key in labels if key.startswith(ROLE_PREFIX)} | {labels.get(ROLE_LABEL, "")}
    return ",".join(sorted(roles - {""})) or "<none>"


def _address(obj: Object, kind: str) -> str:
    found = (one.get("address", "") for one in obj.get("status", {}).get("addresses", ()) if one.get("type") == kind)
    return next(found, "<none>")


def _info(obj: Object, field: str) -> str:
    return str(obj.get("status", {}).get("nodeInfo", {}).get(field, ""))


def _kernel(obj: Object, _: int) -> str:
    architecture = _info(obj, "architecture")
    return (_info(obj, "kernelVersion") or UNKNOWN) + (f" ({architecture})" if architecture else "")


STRATEGY = NodeStrategy()

COLUMNS = (
    NAME,
    Column("Status", _ready, description="The status of the node"),
    Column("Roles", _roles, description="The roles of the node"),
    AGE,
    Column("Version", lambda obj, _: _info(obj, "kubeletVersion"), field=(INFO, "kubeletVersion")),
    Column("Internal-IP", lambda obj, _: _address(obj, "InternalIP"), priority=1, field=(STATUS, "addresses")),
    Column("External-IP", lambda obj, _: _address(obj, "ExternalIP"), priority=1, field=(STATUS, "addresses")),
    Column("OS-Image", lambda obj, _: _info(obj, "osImage") or UNKNOWN, priority=1, field=(INFO, "osImage")),
    Column("Kernel-Version", _kernel, priority=1, field=(INFO, "kernelVersion")),
    Column("Container-Runtime", lambda obj, _: _info(obj, "containerRuntimeVersion") or UNKNOWN, priority=1, field=(INFO, "containerRuntimeVersion")),
)
