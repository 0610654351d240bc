"""PersistentVolume: storage that somebody has, and which claim it is for."""

from __future__ import annotations

import difflib
import posixpath

from watchd.registry.builtin.common.fields import forbidden, immutable, invalid, one_of, required
from watchd.registry.builtin.common.quantities import ZERO, amount, round_up_all
from watchd.registry.builtin.common.values import no_backsteps, subdomain
from watchd.registry.builtin.core.affinity import node_selector_problems
from watchd.registry.builtin.core.claimspec import ACCESS_MODES, NOT_POSITIVE, ONE_POD, VOLUME_MODES
from watchd.registry.builtin.core.internalspec import written
from watchd.registry.builtin.core.poddefaults import VOLUME_FIELDS, VOLUME_TEXTS
from watchd.registry.builtin.core.volumesources import RULES, Rule, csi_driver_name, needs
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.registry.value import equal
from watchd.seams import Clock, Entropy, rfc3339
from watchd.status import FieldError, FieldProblem, go_quote

COMPONENT = "io.k8s.api.core.v1.PersistentVolumeSpec"
STATUS = "io.k8s.api.core.v1.PersistentVolumeStatus"

POLICIES = ("Delete", "Recycle", "Retain")

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
"""Where the class stood before it had a field."""

ISCSI_MAX = 64
"""Characters of a volume's name and its portal."""

MODE_LETTERS = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
"""How Tables write access modes, in this order."""


def _csi(source: Object, path: str) -> list[FieldError]:
    out = csi_driver_name(source.get("driver", ""), f"{path}.driver") + needs("volumeHandle")(source, path)
    for field in ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"):
        if (secret := source.get(field)) is not None:
            for part in ("name", "namespace"):
                value, at = secret.get(part, ""), f"{path}.{field}.{part}"
                out += subdomain(value, at) if value else [required(at)]
    return out


def _local(source: Object, path: str) -> list[FieldError]:
    where = source.get("path", "")
    return no_backsteps(where, f"{path}.path") if where else [required(f"{path}.path")]


def _azure_file(source: Object, path: str) -> list[FieldError]:
    out = needs("secretName", "shareName")(source, path)
    return [*out, required(f"{path}.secretNamespace")] if source.get("secretNamespace") == "" else out


SOURCES: dict[str, Rule] = {
    **{
        name: RULES[name]
        for name in ("hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs", "iscsi")
    },
    **{name: RULES[name] for name in ("cinder", "fc", "flexVolume")},
    "azureFile": _azure_file,
    **{name: RULES[name] for name in ("vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO")},
    "local": _local,
    "storageos": RULES["storageos"],
    "csi": _csi,
}
"""By kind of storage, in the reference's order."""


DEPRECATED_SOURCES = {
    "cephfs": "cephfs: deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "photonPersistentDisk: deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "scaleIO: deprecated in v1.16, non-functional in v1.22+",
    "storageos": "storageOS: deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "glusterfs: deprecated in v1.25, non-functional in v1.26+",
    "rbd": "rbd: deprecated in v1.28, non-functional in v1.31+",
}
"""What clients are warned of who use storage of kinds that are no more."""


class PersistentVolumeStrategy(Strategy):
    """The rules of PersistentVolume."""

    returns_deleted = True
    selectable_fields = ("name", "metadata.namespace")

    def default(self, obj: Object) -> None:
        """Fill in policy, mode and what sources leave out."""
        spec = obj.setdefault("spec", {})
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        round_up_all(spec.get("capacity"))
        for name in SOURCES:
            if (source := spec.get(name)) is not None:
                for field, value in VOLUME_FIELDS.get(name, {}).items():
                    source.setdefault(field, value)
                for field, text in VOLUME_TEXTS.get(name, {}).items():
                    source[field] = source.get(field) or text
        status = obj.setdefault("status", {})
        status["phase"] = status.get("phase") or "Pending"

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin pending."""
        del entropy
        obj["status"] = {"phase": "Pending", "lastPhaseTransitionTime": rfc3339(clock.now_ms())}

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the spec."""
        spec = obj["spec"]
        out = _spec(spec, obj["metadata"].get("name", ""))
        return out + _classes(spec)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, and that it is the same storage as before."""
        if subresource == "status":
            return []
        # The reference checks the whole twice, which clients see in the causes.
        out = self.validate(obj) + self.validate(obj)
        new, before = ({name: one["spec"][name] for name in SOURCES if name in one["spec"]} for one in (obj, old))
        if "csi" in new and "csi" in before and "controllerExpandSecretRef" not in before["csi"]:
            new["csi"] = {name: part for name, part in new["csi"].items() if name != "controllerExpandSecretRef"}
        if not equal(new, before):
            why = f"spec.persistentvolumesource is immutable after creation\n{difference(before, new, 'PersistentVolumeSource')}"
            out.append(forbidden("spec.persistentvolumesource", why))
        out += immutable(obj["spec"]["volumeMode"], old["spec"]["volumeMode"], "volumeMode")
        if "volumeAttributesClassName" in old["spec"] and "volumeAttributesClassName" not in obj["spec"]:
            out.append(forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
        return out

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of what is on its way out."""
        if subresource != "status":
            if CLASS_ANNOTATION in obj["metadata"].get("annotations", {}):
                warn(f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead')
            if obj["spec"]["persistentVolumeReclaimPolicy"] == "Recycle":
                why = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning."
                warn(f"spec.persistentVolumeReclaimPolicy: {why}")
            for source, text in DEPRECATED_SOURCES.items():
                if source in obj["spec"]:
                    warn(f"spec.{text}")
        return super().judge(obj, old, subresource, warn)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the name, which has a second way of being selected, and that there is no namespace: the reference takes that too."""
        return {"name": obj["metadata"].get("name", ""), "metadata.namespace": ""}


def difference(old: Object, new: Object, name: str) -> str:
    """Write how two values of a type differ, as the reference does: a unified diff of its internal form."""
    before, after = ([f"{line}\n" for line in written(one, name).split("\n")] for one in (old, new))
    return "".join(line for line in difflib.unified_diff(before, after) if line not in ("--- \n", "+++ \n"))


def _spec(spec: Object, name: str) -> list[FieldError]:
    modes, capacity = spec.get("accessModes") or [], spec.get("capacity") or {}
    out = [] if modes else [required("spec.accessModes")]
    out += [error for mode in modes for error in one_of(mode, ACCESS_MODES, "spec.accessModes")]
    if ONE_POD in modes and any(mode in ACCESS_MODES and mode != ONE_POD for mode in modes):
        out.append(forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes"))
    if not capacity:
        out.append(required("spec.capacity"))
    if list(capacity) != ["storage"]:
        out.append(FieldError(FieldProblem.NOT_SUPPORTED, "spec.capacity", capacity or None, f"supported values: {go_quote('storage')}"))
    for resource, value in capacity.items():
        out += basic_resource_problems(value, f"spec.capacity[{resource}]")
        out += [invalid(f"spec.capacity[{resource}]", value, NOT_POSITIVE)] if amount(value) <= ZERO else []
    out += one_of(spec["persistentVolumeReclaimPolicy"], POLICIES, "spec.persistentVolumeReclaimPolicy")
    return out + _affinity(spec) + _sources(spec, name)


def basic_resource_problems(value: str, path: str) -> list[FieldError]:
    """Check that an amount is not less than nothing."""
    whole = amount(value).value()
    return [invalid(path, whole, "must be a valid resource quantity")] if whole < 0 else []


def _affinity(spec: Object) -> list[FieldError]:
    affinity = spec.get("nodeAffinity")
    if affinity is None:
        return []
    if "required" not in affinity:
        return [required("spec.nodeAffinity.required", "must specify required node constraints")]
    return node_selector_problems(affinity["required"], "spec.nodeAffinity.required")


def _sources(spec: Object, name: str) -> list[FieldError]:
    out: list[FieldError] = []
    given = [source for source in SOURCES if source in spec]
    for source in given:
        if source != given[0] and source != "flexVolume":
            out.append(forbidden(f"spec.{source}", "may not specify more than 1 volume type"))
            continue
        if source == "iscsi" and spec[source].get("initiatorName") and len(f"{name}:{spec[source].get('targetPortal', '')}") > ISCSI_MAX:
            why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
            out.append(invalid("spec.iscsi.targetportal", spec[source].get("targetPortal", ""), why))
        out += SOURCES[source](spec[source], f"spec.{'persistentDisk' if source == 'gcePersistentDisk' else source}")
        if source == "local" and "nodeAffinity" not in spec:
            out.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    if not given:
        out.append(required("spec", "must specify a volume type"))
    where = spec.get("hostPath", {}).get("path", "")
    if where and posixpath.normpath(where) == "/" and spec["persistentVolumeReclaimPolicy"] == "Recycle":
        out.append(forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"))
    return out


def _classes(spec: Object) -> list[FieldError]:
    out = subdomain(spec["storageClassName"], "spec.storageClassName") if spec.get("storageClassName") else []
    out += one_of(spec["volumeMode"], VOLUME_MODES, "spec.volumeMode")
    attributes, path = spec.get("volumeAttributesClassName"), "spec.volumeAttributesClassName"
    if attributes is not None:
        out += subdomain(attributes, path) if attributes else [required(path, "an empty string is disallowed")]
        if "csi" not in spec:
            out.append(required("spec.csi", "has to be specified when using volumeAttributesClassName"))
    return out


def modes_text(modes: list[str]) -> str:
    """Write access modes as Tables show them."""
    return ",".join(letters for mode, letters in MODE_LETTERS.items() if mode in modes)


def class_of(obj: Object) -> str:
    """Return the class of a volume or a claim."""
    annotated = obj["metadata"].get("annotations", {}).get(CLASS_ANNOTATION)
    return str(annotated if annotated is not None else obj.get("spec", {}).get("storageClassName", ""))


def phase_of(obj: Object, _: int) -> str:
    """Return the phase of a volume or a claim, or that it is on its way out."""
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else str(obj.get("status", {}).get("phase", ""))


def _claim(obj: Object, _: int) -> str:
    claim = obj.get("spec", {}).get("claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim is not None else ""


STRATEGY = PersistentVolumeStrategy()

COLUMNS = (
    NAME,
    Column("Capacity", lambda obj, _: str(obj.get("spec", {}).get("capacity", {}).get("storage", "0")), field=(COMPONENT, "capacity")),
    Column("Access Modes", lambda obj, _: modes_text(obj.get("spec", {}).get("accessModes", [])), field=(COMPONENT, "accessModes")),
    Column("Reclaim Policy", lambda obj, _: obj.get("spec", {}).get("persistentVolumeReclaimPolicy", ""), field=(COMPONENT, "persistentVolumeReclaimPolicy")),
    Column("Status", phase_of, field=(STATUS, "phase")),
    Column("Claim", _claim, field=(COMPONENT, "claimRef")),
    Column("StorageClass", lambda obj, _: class_of(obj), description="StorageClass of the pv"),
    Column(
        "VolumeAttributesClass",
        lambda obj, _: obj.get("spec", {}).get("volumeAttributesClassName", "<unset>"),
        description="VolumeAttributesClass of the pv",
    ),
    Column("Reason", lambda obj, _: obj.get("status", {}).get("reason", ""), field=(STATUS, "reason")),
    AGE,
    Column("VolumeMode", lambda obj, _: obj.get("spec", {}).get("volumeMode", "<unset>"), priority=1, field=(COMPONENT, "volumeMode")),
)
