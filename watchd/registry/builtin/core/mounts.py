"""Where containers find their volumes: volumeMounts and volumeDevices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watchd.registry.builtin.common.fields import forbidden, invalid, one_of, required
from watchd.registry.builtin.common.values import descending_path, no_backsteps, not_found
from watchd.status import FieldError

Object = dict[str, Any]

BIDIRECTIONAL = "Bidirectional"
PROPAGATIONS = (BIDIRECTIONAL, "HostToContainer", "None")
DISABLED = "Disabled"
RECURSIVE = (DISABLED, "Enabled", "IfPossible")

UNIQUE = "must be unique"


def mount_problems(
    mounts: Sequence[Object], devices: Sequence[Object], volumes: Mapping[str, Object], container: Object, path: str
) -> list[FieldError]:
    """Return what is wrong with a container's volumeMounts; `volumes` are those of the pod that are right."""
    out: list[FieldError] = []
    taken: set[str] = set()
    # Of what stands twice the reference remembers the last.
    device_paths = {device.get("name", ""): device.get("devicePath", "") for device in devices}
    for index, mount in enumerate(mounts):
        at, name, where = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        out += [] if name else [required(f"{at}.name")]
        if name not in volumes:
            out.append(not_found(f"{at}.name", name))
        out += [] if where else [required(f"{at}.mountPath")]
        if where in taken:
            out.append(invalid(f"{at}.mountPath", where, UNIQUE))
        taken.add(where)
        if name in device_paths:
            out.append(invalid(f"{at}.name", name, "must not already exist in volumeDevices"))
        if where in device_paths.values():
            out.append(invalid(f"{at}.mountPath", where, "must not already exist as a path in volumeDevices"))
        out += _below(mount, at, path)
        out += _propagation(mount, container, f"{path}.mountPropagation") + _read_only(mount, f"{path}.recursiveReadOnly")
    return out


def _below(mount: Object, at: str, path: str) -> list[FieldError]:
    """Check the paths within the volume; the reference tells most of what is wrong with them of the list."""
    plain, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    out = descending_path(plain, f"{path}.subPath") if plain else []
    if expression and plain:
        out.append(invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive"))
    return out + (descending_path(expression, f"{path}.subPathExpr") if expression else [])


def _propagation(mount: Object, container: Object, path: str) -> list[FieldError]:
    mode = mount.get("mountPropagation")
    if mode is None:
        return []
    out = one_of(mode, PROPAGATIONS, path)
    if mode == BIDIRECTIONAL and not (container.get("securityContext") or {}).get("privileged"):
        out.append(forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))
    return out


def _read_only(mount: Object, path: str) -> list[FieldError]:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == DISABLED:
        return []
    if mode not in RECURSIVE:
        return one_of(mode, RECURSIVE, path)
    out: list[FieldError] = []
    if not mount.get("readOnly"):
        out.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation", "None") != "None":
        out.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))
    return out


def device_problems(devices: Sequence[Object], mounts: Sequence[Object], volumes: Mapping[str, Object], path: str) -> list[FieldError]:
    """Return what is wrong with a container's volumeDevices; `volumes` are those of the pod that are right."""
    out: list[FieldError] = []
    names: set[str] = set()
    paths: set[str] = set()
    mount_paths = {mount.get("name", ""): mount.get("mountPath", "") for mount in mounts}
    for index, device in enumerate(devices):
        at, name, where = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        volume = volumes.get(name)
        out += [] if name else [required(f"{at}.name")]
        if name in names:
            out.append(invalid(f"{at}.name", name, UNIQUE))
        if volume is None:
            out.append(not_found(f"{at}.name", name))
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            out.append(invalid(f"{at}.name", name, why))
        out += [] if where else [required(f"{at}.devicePath")]
        if where in paths:
            out.append(invalid(f"{at}.devicePath", where, UNIQUE))
        if no_backsteps(where, path):
            out.append(invalid(f"{at}.devicePath", where, "can not contain backsteps ('..')"))
        else:
            paths.add(where)
        if name in mount_paths:
            out.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if where in mount_paths.values():
            out.append(invalid(f"{at}.devicePath", where, "must not already exist as a path in volumeMounts"))
        if name:
            names.add(name)
    return out
