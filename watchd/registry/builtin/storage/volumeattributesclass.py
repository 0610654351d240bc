"""VolumeAttributesClass: attributes of volumes that can be changed while they are used (KEP-3751)."""

from __future__ import annotations

from watchd.registry.builtin.common.fields import forbidden, required
from watchd.registry.builtin.storage.storageclass import parameter_problems, provisioner_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError


class VolumeAttributesClassStrategy(Strategy):
    """The rules of VolumeAttributesClass."""

    returns_deleted = True
    unknown_field = KNOWN_FIELDS

    def validate(self, obj: Object) -> list[FieldError]:
        """Check driver and parameters, of which there is one at least."""
        name, parameters = obj.get("driverName", ""), obj.get("parameters", {})
        out = provisioner_problems(name, "driverName") if name else [required("driverName")]
        out += parameter_problems(parameters, "parameters")
        return out if parameters else [*out, required("parameters", "must contain at least one key/value pair")]

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold everything."""
        del subresource
        changed = [field for field in ("driverName", "parameters") if obj.get(field) != old.get(field)]
        return [forbidden(field, f"updates to {field} are forbidden.") for field in changed] + self.validate(obj)


STRATEGY = VolumeAttributesClassStrategy()

COLUMNS = (
    NAME,
    Column("DriverName", lambda obj, _: obj.get("driverName", ""), field=("io.k8s.api.storage.v1.VolumeAttributesClass", "driverName")),
    AGE,
)
