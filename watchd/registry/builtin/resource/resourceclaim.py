"""ResourceClaim and ResourceClaimTemplate: devices that pods ask for."""

from __future__ import annotations

from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.selectors import label_problems
from watchd.registry.builtin.common.statuses import KEEPS, keep_metadata
from watchd.registry.builtin.resource.claims import (
    caseless_driver_problems,
    claim_problems,
    default_claim,
    pool_problems,
    reference_problems,
    request_names,
    too_many,
)
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError, Written, go_json

RESERVED_MAX = 256
"""Those who may use one claim."""

COMPONENT = "io.k8s.api.resource.v1"


class ResourceClaimStrategy(Strategy):
    """The rules of ResourceClaim."""

    status_keeps = KEEPS

    def default(self, obj: Object) -> None:
        """Fill in how many devices are asked for."""
        default_claim(obj["spec"]["devices"])

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the metadata from a write of the status."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check what is asked for."""
        return claim_problems(obj["spec"]["devices"], "spec.devices")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the spec as it is, or check who got what."""
        if subresource == "status":
            return _status(obj, old)
        same = obj["spec"] == old["spec"]
        return [] if same else [invalid("spec", None, IMMUTABLE)]


class ResourceClaimTemplateStrategy(Strategy):
    """The rules of ResourceClaimTemplate."""

    def default(self, obj: Object) -> None:
        """Fill in how many devices are asked for."""
        default_claim(obj["spec"]["spec"]["devices"])

    def validate(self, obj: Object) -> list[FieldError]:
        """Check what is asked for, and the labels of the claims."""
        meta = obj["spec"].get("metadata") or {}
        out = label_problems(meta.get("labels") or {}, "spec.metadata.labels")
        return out + claim_problems(obj["spec"]["spec"]["devices"], "spec.spec.devices")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the spec as it is."""
        del subresource
        same = obj["spec"] == old["spec"]
        return [] if same else [invalid("spec", _template(obj["spec"]), IMMUTABLE)]


def _template(spec: Object) -> Written:
    """Return a template's spec as the reference quotes it: its metadata has no name of its own inside."""
    meta = go_json(spec.get("metadata") or {})[1:-1]
    text = f'"Spec":{internal(spec["spec"], f"{COMPONENT}.ResourceClaimSpec")}'
    return Written(f"{{{meta},{text}}}" if meta else f"{{{text}}}")


def _status(obj: Object, old: Object) -> list[FieldError]:
    status, before = obj.get("status") or {}, old.get("status") or {}
    allocation, reserved = status.get("allocation"), status.get("reservedFor") or []
    out: list[FieldError] = []
    last: list[FieldError] = []
    if len(reserved) > RESERVED_MAX:
        last.append(too_many("status.reservedFor", len(reserved), RESERVED_MAX))
    for index, consumer in enumerate(reserved):
        path = f"status.reservedFor[{index}]"
        out += [required(f"{path}.{field}") for field in ("resource", "name", "uid") if not consumer.get(field)]
        if any(consumer.get("uid", "") == other.get("uid", "") for other in reserved[:index]):
            last.append(duplicate(path, {"uid": consumer.get("uid", "")}))
    if reserved and allocation is None:
        out.append(forbidden("status.reservedFor", "may not be specified when `allocated` is not set"))
    elif obj["metadata"].get("deletionTimestamp") and any(each not in (before.get("reservedFor") or ()) for each in reserved):
        why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        out.append(forbidden("status.reservedFor", why))
    if allocation is not None and before.get("allocation") is not None:
        if allocation != before["allocation"]:
            last.append(invalid("status.allocation", None, "field cannot be modified once set"))
    elif allocation is not None:
        names = request_names(obj["spec"]["devices"])
        for index, result in enumerate((allocation.get("devices") or {}).get("results") or ()):
            path = f"status.allocation.devices.results[{index}]"
            out += reference_problems(result.get("request", ""), f"{path}.request", names)
            last += caseless_driver_problems(result.get("driver", ""), f"{path}.driver") + pool_problems(result.get("pool", ""), f"{path}.pool")
    return out + last


STRATEGY = {"resourceclaims": ResourceClaimStrategy(), "resourceclaimtemplates": ResourceClaimTemplateStrategy()}


def _state(obj: Object, _: int) -> str:
    status, deleted = obj.get("status") or {}, bool(obj["metadata"].get("deletionTimestamp"))
    states = ["deleted"] if deleted else []
    if status.get("allocation") is None:
        states += [] if deleted else ["pending"]
    else:
        states += ["allocated", "reserved"] if status.get("reservedFor") else ["allocated"]
    return ",".join(states)


COLUMNS = {
    "resourceclaims": (
        NAME,
        Column("State", _state, description="A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    ),
    "resourceclaimtemplates": (NAME, AGE),
}
