"""PersistentVolumeClaim: storage that somebody wants. Who may grow is decided by watchd.admission.volumes."""

from __future__ import annotations

import orjson

from watchd.registry.builtin.common.fields import forbidden, immutable, one_of, required
from watchd.registry.builtin.common.quantities import amount, round_up_all
from watchd.registry.builtin.core.claimspec import CLAIM, claim_spec_problems
from watchd.registry.builtin.core.persistentvolume import (
    CLASS_ANNOTATION,
    basic_resource_problems,
    class_of,
    difference,
    modes_text,
    phase_of,
)
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.registry.value import equal
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

COMPONENT = "io.k8s.api.core.v1.PersistentVolumeClaimSpec"
STATUS = "io.k8s.api.core.v1.PersistentVolumeClaimStatus"

SNAPSHOT = ("snapshot.storage.k8s.io", "VolumeSnapshot")

RESIZE_STATES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
)

IMMUTABLE_SPEC = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


class PersistentVolumeClaimStrategy(Strategy):
    """The rules of PersistentVolumeClaim."""

    returns_deleted = True
    selectable_fields = ("name",)

    def default(self, obj: Object) -> None:
        """Fill in mode and phase; amounts are at whole thousandths."""
        spec = obj.setdefault("spec", {})
        spec.setdefault("volumeMode", "Filesystem")
        resources = spec.setdefault("resources", {})
        status = obj.setdefault("status", {})
        status["phase"] = status.get("phase") or "Pending"
        for amounts in (resources.get("limits"), resources.get("requests"), status.get("capacity"), status.get("allocatedResources")):
            round_up_all(amounts)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin pending; both fields of the source say the same."""
        del clock, entropy
        obj["status"] = {"phase": "Pending"}
        _settle_sources(obj["spec"], None)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Fill in what clients of old leave out."""
        if subresource != "status":
            _settle_sources(obj["spec"], old["spec"])

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the spec."""
        return claim_spec_problems(obj["spec"], "spec")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, and that what is claimed stays, but for its amount and attributes once it is bound."""
        return _status(obj) if subresource == "status" else self.validate(obj) + _changes(obj, old)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the name, which has a second way of being selected."""
        return {"name": obj["metadata"].get("name", "")}


def _settle_sources(spec: Object, old: Object | None) -> None:
    """Drop a dataSource that older versions ignored, and copy one of dataSource and dataSourceRef to the other (KEP-1495)."""
    source = spec.get("dataSource")
    in_use = old is not None and ("dataSource" in old or "dataSourceRef" in old)
    if source is not None and not in_use:
        group = source.get("apiGroup") or ""
        if (group, source.get("kind")) not in (("", CLAIM), SNAPSHOT):
            del spec["dataSource"]
            source = None
    ref = spec.get("dataSourceRef")
    if (ref or {}).get("namespace"):
        return
    given = ref if source is None else source
    if given is not None and (source is None or ref is None):
        copied = {"apiGroup": given.get("apiGroup"), "kind": given.get("kind", ""), "name": given.get("name", "")}
        spec["dataSource" if source is None else "dataSourceRef"] = copied


def _changes(obj: Object, old: Object) -> list[FieldError]:
    new, before = (orjson.loads(orjson.dumps(one["spec"])) for one in (obj, old))
    bound = obj["status"].get("phase") == "Bound"
    if not before.get("volumeName"):
        before["volumeName"] = new.get("volumeName", "")
    annotated = old["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    if "storageClassName" in new and "storageClassName" not in before and annotated in (None, new["storageClassName"]):
        del new["storageClassName"]
    if bound:
        requests = new.get("resources", {}).get("requests")
        asked = before.get("resources", {}).get("requests", {}).get("storage")
        if requests is not None and asked is not None:
            requests["storage"] = asked
        new.pop("volumeAttributesClassName", None)
        if "volumeAttributesClassName" in before:
            new["volumeAttributesClassName"] = before["volumeAttributesClassName"]
    out: list[FieldError] = []
    for one in (new, before):
        one["volumeName"] = one.get("volumeName", "")
    if not equal(new, before):
        out.append(forbidden("spec", f"{IMMUTABLE_SPEC}\n{difference(before, new, 'PersistentVolumeClaimSpec')}"))
    size, size_before = (amount(one["spec"].get("resources", {}).get("requests", {}).get("storage")) for one in (obj, old))
    if size < size_before and size <= amount(old.get("status", {}).get("capacity", {}).get("storage")):
        out.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    out += immutable(obj["spec"]["volumeMode"], old["spec"]["volumeMode"], "volumeMode")
    return out + _attributes_change(obj, old)


def _attributes_change(obj: Object, old: Object) -> list[FieldError]:
    field, path = "volumeAttributesClassName", "spec.volumeAttributesClassName"
    name = obj["spec"].get(field)
    if "currentVolumeAttributesClassName" not in old.get("status", {}) or name or name == old["spec"].get(field):
        return []
    what = "nil" if name is None else "empty string"
    return [forbidden(path, f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil")]


def _status(obj: Object) -> list[FieldError]:
    status = obj.get("status", {})
    out = [] if obj["spec"].get("accessModes") else [required("Spec.accessModes")]
    for resource, value in status.get("capacity", {}).items():
        out += basic_resource_problems(value, f"status.capacity[{resource}]")
    for state in status.get("allocatedResourceStatuses", {}).values():
        out += one_of(state, RESIZE_STATES, "status.allocatedResourceStatuses")
    for resource, value in status.get("allocatedResources", {}).items():
        out += basic_resource_problems(value, f"status.allocatedResources[{resource}]")
    return out


def _capacity(obj: Object, _: int) -> str:
    return str(obj.get("status", {}).get("capacity", {}).get("storage", "0")) if obj.get("spec", {}).get("volumeName") else ""


def _modes(obj: Object, _: int) -> str:
    return modes_text(obj.get("status", {}).get("accessModes", [])) if obj.get("spec", {}).get("volumeName") else ""


STRATEGY = PersistentVolumeClaimStrategy()

COLUMNS = (
    NAME,
    Column("Status", phase_of, field=(STATUS, "phase")),
    Column("Volume", lambda obj, _: obj.get("spec", {}).get("volumeName", ""), field=(COMPONENT, "volumeName")),
    Column("Capacity", _capacity, field=(STATUS, "capacity")),
    Column("Access Modes", _modes, field=(STATUS, "accessModes")),
    Column("StorageClass", lambda obj, _: class_of(obj), description="StorageClass of the pvc"),
    Column(
        "VolumeAttributesClass",
        lambda obj, _: obj.get("spec", {}).get("volumeAttributesClassName", "<unset>"),
        description="VolumeAttributesClass of the pvc",
    ),
    AGE,
    Column("VolumeMode", lambda obj, _: obj.get("spec", {}).get("volumeMode", "<unset>"), priority=1, field=(COMPONENT, "volumeMode")),
)
