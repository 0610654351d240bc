"""PersistentVolumeClaimSpec, wherever one stands: what a claim for storage may say."""

from __future__ import annotations

from typing import Any

from watchd.names import dns1123_label, dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, one_of, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.selectors import label_problems, selector_problems
from watchd.registry.builtin.common.values import subdomain
from watchd.status import FieldError, Written

Object = dict[str, Any]

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
ONE_POD = "ReadWriteOncePod"
VOLUME_MODES = ("Block", "Filesystem")
CLAIM = "PersistentVolumeClaim"

NOT_POSITIVE = "must be greater than zero"

NOT_IN_TEMPLATES = (
    *("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers", "managedFields"),
)
"""Metadata that is for whoever makes claims of a template."""


def claim_template_problems(template: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a PersistentVolumeClaimTemplate."""
    meta = template.get("metadata") or {}
    at = f"{path}.metadata"
    out = [invalid(f"{at}.annotations", key, text) for key in meta.get("annotations") or {} for text in qualified_name(key.lower())]
    out += label_problems(meta.get("labels") or {}, f"{at}.labels")
    out += [forbidden(f"{at}.{field}", "cannot be set") for field in NOT_IN_TEMPLATES if meta.get(field)]
    return out + claim_spec_problems(template.get("spec") or {}, f"{path}.spec")


def claim_spec_problems(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a PersistentVolumeClaimSpec, whose defaults are filled in."""
    modes = spec.get("accessModes") or ()
    out = [] if modes else [required(f"{path}.accessModes", "at least 1 access mode is required")]
    out += selector_problems(spec.get("selector"), f"{path}.selector")
    out += [not_supported(f"{path}.accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if ONE_POD in modes and any(mode in ACCESS_MODES and mode != ONE_POD for mode in modes):
        out.append(forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes"))
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if storage is None:
        out.append(required(f"{path}.resources[storage]"))
    elif amount(storage) <= ZERO:
        out.append(invalid(f"{path}.resources[storage]", storage, NOT_POSITIVE))
    mode = spec.get("volumeMode")
    out += _class(spec, "storageClassName", path)
    out += [] if mode is None else one_of(mode, VOLUME_MODES, f"{path}.volumeMode")
    return out + _sources(spec, path) + _class(spec, "volumeAttributesClassName", path)


def _class(spec: Object, field: str, path: str) -> list[FieldError]:
    return subdomain(spec[field], f"{path}.{field}") if spec.get(field) else []


def _sources(spec: Object, path: str) -> list[FieldError]:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    out = [] if source is None else _source(source, f"{path}.dataSource")
    out += [] if ref is None else _source(ref, f"{path}.dataSourceRef")
    quoted = Written(f"{path}.dataSource")
    if source is None or ref is None:
        return out
    if ref.get("namespace"):
        return [*out, invalid(path, quoted, "may not be specified when dataSourceRef.namespace is specified")]
    if any(source.get(field) != ref.get(field) for field in ("apiGroup", "kind", "name")):
        out.append(invalid(path, quoted, "must match dataSourceRef"))
    return out


def _source(source: Object, path: str) -> list[FieldError]:
    out = [required(f"{path}.{field}") for field in ("name", "kind") if not source.get(field)]
    group, kind, namespace = source.get("apiGroup") or "", source.get("kind", ""), source.get("namespace")
    if not group and kind != CLAIM:
        out.append(invalid(path, kind, f"must be '{CLAIM}' when referencing the default apiGroup"))
    out += [invalid(f"{path}.apiGroup", group, text) for text in dns1123_subdomain(group)] if group else []
    return out + ([invalid(f"{path}.namespace", namespace, text) for text in dns1123_label(namespace)] if namespace else [])
