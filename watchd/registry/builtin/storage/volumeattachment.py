"""VolumeAttachment: that a volume is to be attached to a node, and whether it is."""

from __future__ import annotations

from watchd.names import SUBDOMAIN_MAX, dns1123_subdomain
from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.registry.builtin.common.metadata import keep_metadata
from watchd.registry.builtin.common.values import INT32_MAX, subdomain, too_long
from watchd.registry.builtin.core.volumesources import CSI_NAME_MAX
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.registry.value import equal
from watchd.status import FieldError

SPEC = "io.k8s.api.storage.v1.VolumeAttachmentSpec"

METADATA_SIZE = 256 << 10
"""Bytes."""
MESSAGE_MAX = 1024
"""Bytes."""

ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"

_NO_NAME = (
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'Example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


class VolumeAttachmentStrategy(Strategy):
    """The rules of VolumeAttachment."""

    returns_deleted = True
    unconditional_update = False
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Write what is never left out."""
        obj.setdefault("spec", {}).setdefault("source", {})

    def prepare_create(self, obj: Object, *, clock: object, entropy: object) -> None:
        """Begin unattached."""
        del clock, entropy
        obj["status"] = {"attached": False}

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave metadata alone where the status is written."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check attacher, source and node, and what is told of errors."""
        spec, attacher = obj["spec"], obj["spec"].get("attacher", "")
        out = _source(spec["source"]) + subdomain(spec.get("nodeName", ""), "spec.nodeName") + _status(obj.get("status", {}))
        if (volume := spec["source"].get("persistentVolumeName")) is not None:
            out += subdomain(volume, "spec.source.persistentVolumeName")
        # What other rules of the reference tell comes last there.
        return out + _attacher(attacher, "spec.attacher")

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the spec."""
        del subresource
        return self.validate(obj) + ([] if equal(obj["spec"], old["spec"]) else [invalid("spec", None, IMMUTABLE)])


def _attacher(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    out = [too_long(path, CSI_NAME_MAX)] if len(name.encode()) > CSI_NAME_MAX else []
    if len(name.encode()) <= SUBDOMAIN_MAX and dns1123_subdomain(name.lower()):
        out.append(invalid(path, name, _NO_NAME))
    return out


def _source(source: Object) -> list[FieldError]:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if name is None and inline is None:
        return [required("spec.source", ONE_SOURCE)]
    if name is not None and inline is not None:
        return [forbidden("spec.source", ONE_SOURCE)]
    return [required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")] if name == "" else []


def _status(status: Object) -> list[FieldError]:
    out: list[FieldError] = []
    size = sum(len(key.encode()) + len(value.encode()) for key, value in status.get("attachmentMetadata", {}).items())
    if size > METADATA_SIZE:
        out.append(too_long("status.attachmentMetadata", METADATA_SIZE))
    for field in ("attachError", "detachError"):
        error = status.get(field, {})
        if len(error.get("message", "").encode()) > MESSAGE_MAX:
            out.append(too_long(f"status.{field}.message", MESSAGE_MAX))
        if error.get("errorCode", 0) < 0:
            out.append(invalid(f"status.{field}.errorCode", error["errorCode"], f"must be between 0 and {INT32_MAX}, inclusive"))
    return out


STRATEGY = VolumeAttachmentStrategy()

COLUMNS = (
    NAME,
    Column("Attacher", lambda obj, _: obj.get("spec", {}).get("attacher", ""), format="name", field=(SPEC, "attacher")),
    Column(
        "PV",
        lambda obj, _: obj.get("spec", {}).get("source", {}).get("persistentVolumeName", ""),
        field=("io.k8s.api.storage.v1.VolumeAttachmentSource", "persistentVolumeName"),
    ),
    Column("Node", lambda obj, _: obj.get("spec", {}).get("nodeName", ""), field=(SPEC, "nodeName")),
    Column(
        "Attached",
        lambda obj, _: obj.get("status", {}).get("attached", False),
        type="boolean",
        field=("io.k8s.api.storage.v1.VolumeAttachmentStatus", "attached"),
    ),
    AGE,
)
