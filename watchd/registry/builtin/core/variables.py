"""Environment variables of containers and the downward API: where values may come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchd.names import config_key, dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.values import label, no_backsteps, variable_name
from watchd.status import FieldError

Object = dict[str, Any]

FOR_VARIABLES = frozenset(
    {
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)
"""Fields of the pod that variables can be taken from."""

FOR_FILES = frozenset({"metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"})
"""Fields of the pod that files of the downward API can be taken from."""

READABLE = FOR_VARIABLES | FOR_FILES | {"spec.restartPolicy", "spec.schedulerName", "status.phase"}
"""Fields of the pod that have a text at all."""

MAPS = ("metadata.annotations", "metadata.labels")
"""Fields of which one value can be asked for by its key."""

_AMOUNTS = tuple(sorted(f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")))
_HUGE_PAGES = ("requests.hugepages-", "limits.hugepages-")
_BYTES = ("1", *(f"1{unit}" for unit in "kMGTPE"), *(f"1{unit}i" for unit in "KMGTPE"))
_DIVISORS: dict[str, tuple[tuple[str, ...], str]] = {
    "cpu": (("1m", "1"), "only divisor's values 1m and 1 are supported with the cpu resource"),
    "memory": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the memory resource"),
    "ephemeral-storage": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the local ephemeral storage resource"),
    "hugepages": (_BYTES, f"only divisor's values {', '.join(_BYTES)} are supported with the hugepages resource"),
}
_SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_ONE_ONLY = "may not have more than one field specified at a time"


def variable_problems(variables: Iterable[Object], path: str) -> list[FieldError]:
    """Return what is wrong with a container's env."""
    out: list[FieldError] = []
    for index, variable in enumerate(variables):
        at, name = f"{path}[{index}]", variable.get("name", "")
        out += variable_name(name, f"{at}.name") if name else [required(f"{at}.name")]
        source = variable.get("valueFrom")
        if source is not None:
            out += _source(source, variable.get("value", ""), f"{at}.valueFrom")
    return out


def _source(source: Object, value: str, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if (ref := source.get("fieldRef")) is not None:
        out += field_ref_problems(ref, FOR_VARIABLES, f"{path}.fieldRef")
    if (ref := source.get("resourceFieldRef")) is not None:
        out += resource_ref_problems(ref, f"{path}.resourceFieldRef", in_volume=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if (ref := source.get(kind)) is not None:
            out += _key_ref(ref, f"{path}.{kind}")
    if (ref := source.get("fileKeyRef")) is not None:
        out += _file_ref(ref, f"{path}.fileKeyRef")
    given = sum(ref is not None for ref in source.values())
    if not given:
        out.append(invalid(path, "", f"must specify one of: {_SOURCES}"))
    elif value:
        out.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        out.append(invalid(path, "", _ONE_ONLY))
    return out


def _key_ref(ref: Object, path: str) -> list[FieldError]:
    name, key = ref.get("name", ""), ref.get("key", "")
    out = [invalid(f"{path}.name", name, text) for text in dns1123_subdomain(name)]
    if not key:
        return [*out, required(f"{path}.key")]
    return out + [invalid(f"{path}.key", key, text) for text in config_key(key)]


def _file_ref(ref: Object, path: str) -> list[FieldError]:
    key, volume, file = ref.get("key", ""), ref.get("volumeName", ""), ref.get("path", "")
    out = variable_name(key, f"{path}.key") if key else [required(f"{path}.key")]
    out += label(volume, f"{path}.volumeName") if volume else [required(f"{path}.volumeName")]
    return out + (no_backsteps(file, f"{path}.path") if file else [required(f"{path}.path")])


def variables_from_problems(sources: Iterable[Object], path: str) -> list[FieldError]:
    """Return what is wrong with a container's envFrom; what is wrong with a source as a whole is told of the list."""
    out: list[FieldError] = []
    for index, source in enumerate(sources):
        at, prefix = f"{path}[{index}]", source.get("prefix", "")
        out += variable_name(prefix, f"{at}.prefix") if prefix else []
        given = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in given:
            name = source[kind].get("name", "")
            if not name:
                out.append(required(f"{at}.{kind}.name"))
            else:
                checked = f"{name[:-2]}a" if len(name) > 1 and name.endswith("-") else name
                out += [invalid(f"{at}.{kind}.name", name, text) for text in dns1123_subdomain(checked)]
        if not given:
            out.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            out.append(invalid(path, "", _ONE_ONLY))
    return out


def field_ref_problems(ref: Object, known: frozenset[str], path: str) -> list[FieldError]:
    """Return what is wrong with the name of a field of the pod; `known` are those that are of use there."""
    version, field = ref.get("apiVersion", ""), ref.get("fieldPath", "")
    if not version:
        return [required(f"{path}.apiVersion")]
    if not field:
        return [required(f"{path}.fieldPath")]
    name, key = _subscript(field)
    why = ""
    if version != "v1":
        why = f"unsupported pod version: {version}"
    elif key is not None and name not in MAPS:
        why = f"field label does not support subscript: {field}"
    elif key is None and field not in READABLE and field != "spec.host":
        why = f"field label not supported: {field}"
    if why:
        return [invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {why}")]
    if key is not None:
        key = key.lower() if name == "metadata.annotations" else key
        return [invalid(path, key, text) for text in qualified_name(key)]
    name = "spec.nodeName" if field == "spec.host" else field
    return [] if name in known else [not_supported(f"{path}.fieldPath", name, sorted(known))]


def _subscript(field: str) -> tuple[str, str | None]:
    """Split `metadata.labels['key']`; the key is None where there is none."""
    name, bracket, rest = field.partition("['")
    if not field.endswith("']") or not bracket or not name:
        return field, None
    return name, rest.removesuffix("']")


def resource_ref_problems(ref: Object, path: str, *, in_volume: bool) -> list[FieldError]:
    """Return what is wrong with a reference to what a container asks for."""
    name = ref.get("resource", "")
    out: list[FieldError] = []
    if in_volume and not ref.get("containerName"):
        out.append(required(f"{path}.containerName"))
    elif not name:
        out.append(required(f"{path}.resource"))
    elif name not in _AMOUNTS and not name.startswith(_HUGE_PAGES):
        out.append(not_supported(f"{path}.resource", name, _AMOUNTS))
    divisor = str(ref.get("divisor") or "0")
    if amount(divisor) != ZERO:
        kind = "hugepages" if name.startswith(_HUGE_PAGES) else name.partition(".")[2]
        good, why = _DIVISORS.get(kind, ((divisor,), ""))
        if divisor not in good:
            out.append(invalid(f"{path}.divisor", name, why))
    return out
