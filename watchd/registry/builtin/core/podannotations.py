"""Annotations of pods that mean something to the API server, most of them older than the fields that replaced them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watchd.registry.builtin.common.fields import forbidden, invalid
from watchd.registry.builtin.common.values import INT32_MAX, descending_path
from watchd.status import FieldError, go_quote

Object = dict[str, Any]

MIRROR = "kubernetes.io/config.mirror"
"""Of pods that stand for one that a kubelet has of its own."""

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
"""Which of its pods a ReplicaSet gives up first (KEP-2255)."""

SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"

SECCOMP_PROFILES = ("runtime/default", "docker/default", "unconfined")
APP_ARMOR_PROFILES = ("", "runtime/default", "unconfined")
LOCALHOST = "localhost/"

_COST = re.compile(r"0|-?[0-9]+", re.ASCII)


def annotation_problems(annotations: Mapping[str, str], spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with the annotations of a pod or a template that the server knows."""
    out: list[FieldError] = []
    if MIRROR in annotations and not spec.get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        out.append(invalid(f"{path}[{MIRROR}]", annotations[MIRROR], why))
    cost = annotations.get(DELETION_COST)
    if cost is not None and not _is_cost(cost):
        out.append(invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key, profile in annotations.items():
        if key == SECCOMP_POD or key.startswith(SECCOMP_CONTAINER):
            out += _seccomp(profile, f"{path}.{key}")
    names = {container.get("name", "") for field in ("initContainers", "containers", "ephemeralContainers") for container in spec.get(field) or ()}
    for key, profile in annotations.items():
        if key.startswith(APP_ARMOR):
            name = key.removeprefix(APP_ARMOR)
            out += [] if name in names else [invalid(f"{path}[{key}]", name, "container not found")]
            if profile not in APP_ARMOR_PROFILES and not profile.startswith(LOCALHOST):
                out.append(invalid(f"{path}[{key}]", profile, f"invalid AppArmor profile name: {go_quote(profile)}"))
    return out


def _is_cost(text: str) -> bool:
    if not _COST.fullmatch(text) or (text.startswith("0") and text != "0"):
        return False
    return -INT32_MAX - 1 <= int(text) <= INT32_MAX


def _seccomp(profile: str, path: str) -> list[FieldError]:
    if profile in SECCOMP_PROFILES:
        return []
    if profile.startswith(LOCALHOST):
        return descending_path(profile.removeprefix(LOCALHOST), path)
    return [invalid(path, profile, "must be a valid seccomp profile")]


def agreement_problems(annotations: Mapping[str, str], spec: Object, containers: list[tuple[str, Object]], path: str) -> list[FieldError]:
    """Return where profiles are told by annotation and by field, and not alike. `containers` come with their paths."""
    out: list[FieldError] = []
    whole = spec.get("securityContext") or {}
    if SECCOMP_POD in annotations and whole.get("seccompProfile"):
        out += _agrees("seccomp", annotations[SECCOMP_POD], whole["seccompProfile"], f"{path}.securityContext.seccompProfile")
    for at, container in containers:
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        key = f"{SECCOMP_CONTAINER}{container.get('name', '')}"
        if profile and key in annotations:
            out += _agrees("seccomp", annotations[key], profile, f"{at}.securityContext.seccompProfile")
    if (spec.get("os") or {}).get("name") == "windows":
        return out
    for at, container in containers:
        profile = (container.get("securityContext") or {}).get("appArmorProfile") or whole.get("appArmorProfile")
        key = f"{APP_ARMOR}{container.get('name', '')}"
        if profile and key in annotations:
            out += _agrees("apparmor", annotations[key], profile, f"{at}.securityContext.appArmorProfile")
    return out


def _agrees(what: str, told: str, profile: Object, path: str) -> list[FieldError]:
    kind = profile.get("type", "")
    known: dict[str, tuple[str, ...]] = {"Unconfined": ("unconfined",), "RuntimeDefault": ("runtime/default",)}
    if what == "seccomp":
        known["RuntimeDefault"] = ("runtime/default", "docker/default")
    type_differs = [forbidden(f"{path}.type", f"{what} type in annotation and field must match")]
    if kind in known:
        return [] if told in known[kind] else type_differs
    if kind != "Localhost":
        return []
    if not told.startswith(LOCALHOST):
        return type_differs
    if told.removeprefix(LOCALHOST) != profile.get("localhostProfile"):
        return [forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")]
    return []


def annotation_changes(annotations: Mapping[str, str], old: Mapping[str, str], spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with changed annotations of a pod."""
    out: list[FieldError] = []
    for key, value in old.items():
        if annotations.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            out.append(forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
        if key == MIRROR:
            out.append(forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in annotations.keys() - old.keys():
        if key.startswith(APP_ARMOR):
            out.append(forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        if key == MIRROR:
            out.append(forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))
    return out + annotation_problems(annotations, spec, path)
