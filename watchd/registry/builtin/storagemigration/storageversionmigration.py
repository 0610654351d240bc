"""StorageVersionMigration: a wish to have all objects of a resource written anew."""

from __future__ import annotations

import msgspec

from watchd.names import dns1035_label, dns1123_subdomain
from watchd.registry.builtin.common.conditions import condition_problems
from watchd.registry.builtin.common.fields import immutable, invalid, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.statuses import KEEPS, keep_metadata
from watchd.registry.columns import NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

SUCCEEDED, FAILED = "Succeeded", "Failed"

STATES = ("Running", FAILED, SUCCEEDED)

COMPONENT = "io.k8s.api.storagemigration.v1"


class StorageVersionMigrationStrategy(Strategy):
    """The rules of StorageVersionMigration."""

    status_keeps = KEEPS

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the metadata from a write of the status."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the resource."""
        resource = (obj.get("spec") or {}).get("resource") or {}
        name, group, path = resource.get("resource", ""), resource.get("group", ""), "spec.resource"
        out: list[FieldError] = []
        if not name:
            out.append(required(f"{path}.resource", "resource is required to be set"))
        elif texts := dns1035_label(name):
            out.append(invalid(f"{path}.resource", name, ",".join(texts)))
        if group and (texts := dns1123_subdomain(group)):
            out.append(invalid(f"{path}.group", group, ",".join(texts)))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the spec as it is, or check how far it is."""
        if subresource == "status":
            return _status(obj.get("status") or {}, old.get("status") or {})
        out = self.validate(obj)
        if immutable(obj.get("spec"), old.get("spec"), "spec"):
            out.append(invalid("spec", internal(obj["spec"], f"{COMPONENT}.StorageVersionMigrationSpec"), IMMUTABLE))
        return out


def _is(kind: str, status: Object) -> bool:
    return any(each.get("type") == kind and each.get("status") == "True" for each in status.get("conditions") or ())


def _status(status: Object, old: Object) -> list[FieldError]:
    conditions, version = status.get("conditions"), status.get("resourceVersion", "")
    out = condition_problems(conditions or (), "status.conditions")
    if old.get("resourceVersion") and old["resourceVersion"] != version:
        out.append(invalid("status.resourceVersion", version, "field is immutable"))
    if _is(SUCCEEDED, status) and _is(FAILED, status):
        why = "Both success and failed conditions cannot be true at the same time"
        out.append(invalid("status.conditions", conditions, why))
    for kind, word in ((SUCCEEDED, "Success"), (FAILED, "Failed")):
        if _is(kind, old) and not _is(kind, status):
            out.append(invalid("status.conditions", conditions, f"{word} condition cannot be set to false once it is true"))
    return out


STRATEGY = StorageVersionMigrationStrategy()


def _resource(obj: Object, _: int) -> str:
    resource = (obj.get("spec") or {}).get("resource") or {}
    return f"{resource.get('resource', '')}.{resource.get('group', '')}".rstrip(".")


def _state(obj: Object, _: int) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found = [each["type"] for each in conditions if each.get("status") == "True" and each.get("type") in STATES]
    return found[-1] if found else "Unknown"


COLUMNS = (
    msgspec.structs.replace(NAME, format=""),
    Column("Resource", _resource, description="GroupResource to migrate"),
    Column("Status", _state, description="Status of the migration"),
)
