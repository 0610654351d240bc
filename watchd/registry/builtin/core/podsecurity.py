"""Under whom and how confined containers run: security contexts of pods and containers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, one_of, required
from watchd.registry.builtin.common.values import descending_path, too_long, user_or_group
from watchd.registry.builtin.core.internalspec import told
from watchd.status import FieldError

Object = dict[str, Any]

LOCALHOST = "Localhost"
PROFILES = (LOCALHOST, "RuntimeDefault", "Unconfined")

PROFILE_MAX = 4095
"""Bytes of the path of a profile: PATH_MAX less its end."""

SYSCTL_MAX = 253

GMSA_KIB = 64
"""KiB of the specification of a group managed service account."""

WINDOWS_DOMAIN_MAX, WINDOWS_USER_MAX = 256, 104
"""Characters of the parts of a Windows user's name."""

_SYSCTL_PART = r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SYSCTL_PART}[\./])*{_SYSCTL_PART}"
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_PART}(?:\.{_DNS_PART})*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

IPC_SYSCTLS = ("fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm")
"""How parameters of the kernel begin that belong to the ipc namespace; those of the net namespace begin with net."""

NOT_FOR_WINDOWS = "cannot be set for a windows pod"
NOT_FOR_LINUX = "windows options cannot be set for a linux pod"

PER_CONTAINER = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged"),
    *("allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
)
PER_POD = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser", "runAsGroup"),
    *("supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy"),
)
PER_SPEC = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
"""What pods on Windows cannot have, in the reference's order."""


def security_problems(context: Object | None, path: str, *, host_users: bool) -> list[FieldError]:
    """Return what is wrong with a container's security context; `host_users` tells that it has the host's users."""
    if context is None:
        return []
    out = user_or_group(context.get("runAsUser"), f"{path}.runAsUser") + user_or_group(context.get("runAsGroup"), f"{path}.runAsGroup")
    mount = context.get("procMount")
    if mount is not None:
        out += one_of(mount, ("Default", "Unmasked"), f"{path}.procMount")
        if host_users and mount == "Unmasked":
            out.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    out += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        why = "cannot set `allowPrivilegeEscalation` to false and "
        quoted = told(context, "SecurityContext")
        if context.get("privileged"):
            out.append(invalid(path, quoted, f"{why}`privileged` to true"))
        added = (context.get("capabilities") or {}).get("add") or ()
        out += [invalid(path, quoted, f"{why}`capabilities.Add` CAP_SYS_ADMIN") for name in added if name == "CAP_SYS_ADMIN"]
    out += _windows_options(context.get("windowsOptions"), f"{path}.windowsOptions")
    return out + _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")


def pod_security_problems(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a pod's security context."""
    context = spec.get("securityContext")
    if context is None:
        return []
    out: list[FieldError] = []
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        out += user_or_group(context.get(field), f"{path}.{field}")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        out += user_or_group(group, f"{path}.supplementalGroups[{index}]")
    out += _sysctls(context.get("sysctls") or (), spec, f"{path}.sysctls")
    change = context.get("fsGroupChangePolicy")
    out += [] if change is None else one_of(change, ("Always", "OnRootMismatch"), f"{path}.fsGroupChangePolicy")
    out += _seccomp(context.get("seccompProfile"), f"{path}.seccompProfile")
    out += _windows_options(context.get("windowsOptions"), f"{path}.windowsOptions")
    out += _app_armor(context.get("appArmorProfile"), f"{path}.appArmorProfile")
    for field, known in (("supplementalGroupsPolicy", ("Merge", "Strict")), ("seLinuxChangePolicy", ("MountOption", "Recursive"))):
        value = context.get(field)
        out += [] if value is None else one_of(value, known, f"{path}.{field}")
    return out


def _sysctls(sysctls: Any, spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        at, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            out.append(required(at))
        elif len(name) > SYSCTL_MAX or not re.fullmatch(_SYSCTL, name, re.ASCII):
            out.append(invalid(at, name, f"must have at most {SYSCTL_MAX} characters and match regex ^{_SYSCTL}$"))
        elif name in names:
            out.append(duplicate(at, name))
        dotted = name.replace("/", ".")
        if spec.get("hostNetwork") and dotted.startswith("net."):
            out.append(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
        elif spec.get("hostIPC") and dotted.startswith(IPC_SYSCTLS):
            out.append(invalid(at, name, "may not be specified when 'hostIPC' is true"))
        names.add(name)
    return out


def _seccomp(profile: Object | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, file = profile.get("type", ""), profile.get("localhostProfile")
    out: list[FieldError] = []
    if not kind:
        out.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif kind not in PROFILES:
        out.append(not_supported(f"{path}.type", kind, PROFILES))
    at = f"{path}.localhostProfile"
    if kind != LOCALHOST:
        return out if file is None else [*out, invalid(at, told(profile, "SeccompProfile"), "can only be set when seccomp type is Localhost")]
    return out + ([required(at, "must be set when seccomp type is Localhost")] if file is None else descending_path(file, at))


def _app_armor(profile: Object | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, file, at = profile.get("type", ""), profile.get("localhostProfile"), f"{path}.localhostProfile"
    if not kind:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if kind not in PROFILES:
        return [not_supported(f"{path}.type", kind, PROFILES)]
    if kind != LOCALHOST:
        return [] if file is None else [invalid(at, file, "can only be set when AppArmor type is Localhost")]
    if file is not None and file != file.strip():
        out = [invalid(at, file, "must not be padded with whitespace")]
    else:
        out = [] if file else [required(at, "must be set when AppArmor type is Localhost")]
    return [*out, too_long(at, PROFILE_MAX)] if file and len(file.encode()) > PROFILE_MAX else out


def _windows_options(options: Object | None, path: str) -> list[FieldError]:
    if options is None:
        return []
    name, spec, user = (options.get(field) for field in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
    out = [] if name is None else [invalid(f"{path}.gmsaCredentialSpecName", name, text) for text in dns1123_subdomain(name)]
    at = f"{path}.gmsaCredentialSpec"
    if spec == "":
        out.append(invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"))
    elif spec is not None and len(spec.encode()) > GMSA_KIB << 10:
        out.append(invalid(at, spec, f"gmsaCredentialSpec size must be under {GMSA_KIB} KiB"))
    return out if user is None else out + [invalid(f"{path}.runAsUserName", user, f"runAsUserName{text}") for text in _windows_user(user)]


def _windows_user(name: str) -> Iterator[str]:
    parts = name.split("\\")
    if not name:
        yield " cannot be an empty string"
    elif _CONTROL.search(name):
        yield " cannot contain control characters"
    elif len(parts) > 2:
        yield " cannot contain more than one backslash"
    else:
        domain, user = parts if len(parts) == 2 else ("", name)
        if len(domain) >= WINDOWS_DOMAIN_MAX:
            yield f"'s Domain length must be under {WINDOWS_DOMAIN_MAX} characters"
        if len(parts) == 2 and not _NETBIOS.fullmatch(domain) and not _DNS.fullmatch(domain):
            yield "'s Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "'s User cannot be empty"
        elif len(user) > WINDOWS_USER_MAX:
            yield f"'s User length must not be longer than {WINDOWS_USER_MAX} characters"
        if user and not user.strip(". "):
            yield "'s User cannot contain only periods or spaces"
        if any(char in '"/\\:;|=,+*?<>@[]' for char in user):
            yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def system_problems(spec: Object, containers: list[tuple[str, Object]], path: str) -> list[FieldError]:
    """Return what a pod asks for that the operating system it names does not have; `containers` come with their paths."""
    name = spec["os"].get("name", "")
    if not name:
        return [required(f"{path}.os.name")]
    if name == "linux":
        places = [(path, spec), *containers]
        return [
            forbidden(f"{at}.securityContext.windowsOptions", NOT_FOR_LINUX)
            for at, holder in places
            if (holder.get("securityContext") or {}).get("windowsOptions") is not None
        ]
    if name != "windows":
        return [not_supported(f"{path}.os", name, ("linux", "windows"))]
    context = spec.get("securityContext") or {}
    out = [forbidden(f"{path}.securityContext.{field}", NOT_FOR_WINDOWS) for field in PER_POD if context.get(field) not in (None, [])]
    out += [forbidden(f"{path}.{field}", NOT_FOR_WINDOWS) for field in PER_SPEC if _is_set(spec, field)]
    for at, container in containers:
        context = container.get("securityContext") or {}
        out += [forbidden(f"{at}.securityContext.{field}", NOT_FOR_WINDOWS) for field in PER_CONTAINER if context.get(field) is not None]
    return out


def _is_set(spec: Object, field: str) -> bool:
    return bool(spec.get(field)) if field in ("hostPID", "hostIPC") else spec.get(field) is not None


def host_process_problems(spec: Object, containers: list[tuple[str, Object]], path: str) -> list[FieldError]:
    """Return what is wrong with a pod's HostProcess containers (KEP-1981): all or none, in the host's network."""
    whole = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    out: list[FieldError] = []
    count = 0
    for at, container in containers:
        own = ((container.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if whole is not None and own is not None and whole != own:
            why = f"pod hostProcess value must be identical if both are specified, was {'true' if whole else 'false'}"
            out.append(invalid(f"{at}.securityContext.windowsOptions.hostProcess", own, why))
        count += bool(whole if own is None else own)
    if count and count != len(containers):
        out.append(invalid(path, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers"))
    if count and not spec.get("hostNetwork"):
        out.append(invalid(f"{path}.hostNetwork", False, "hostNetwork must be true if pod contains any hostProcess containers"))
    return out
