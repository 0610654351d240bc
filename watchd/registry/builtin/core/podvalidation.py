"""What a PodSpec may say (pkg/apis/core/validation of the reference), in its order and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.names import dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.addresses import address_problems, duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, one_of, required
from watchd.registry.builtin.common.selectors import label_problems
from watchd.registry.builtin.common.values import (
    INT32_MAX,
    label,
    not_found,
    subdomain,
    too_long,
    underscored_subdomain,
    within,
)
from watchd.registry.builtin.core.affinity import affinity_problems, spread_problems, toleration_problems
from watchd.registry.builtin.core.containers import (
    Surroundings,
    container_problems,
    ephemeral_container_problems,
    init_container_problems,
)
from watchd.registry.builtin.core.internalspec import told
from watchd.registry.builtin.core.podannotations import MIRROR, agreement_problems, annotation_problems
from watchd.registry.builtin.core.podresources import pod_resource_problems
from watchd.registry.builtin.core.podsecurity import host_process_problems, pod_security_problems, system_problems
from watchd.registry.builtin.core.resources import requirements_problems
from watchd.registry.builtin.core.volumes import volume_problems
from watchd.status import FieldError

Object = dict[str, Any]

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION_POLICIES = ("PreemptLowerPriority", "Never")

NAMESERVERS_MAX, SEARCHES_MAX, SEARCH_CHARACTERS_MAX = 3, 32, 2048
"""What the C library of Linux reads of a resolv.conf."""

HOSTNAME_MAX = 64
"""Bytes of a host's name that Linux keeps."""


def validate_pod_template(template: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a PodTemplateSpec, whose defaults are filled in; `path` is where it stands (`spec.template`)."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    out = label_problems(meta.get("labels") or {}, f"{path}.labels")
    out += _annotation_keys(meta.get("annotations") or {}, f"{path}.annotations")
    out += annotation_problems(meta.get("annotations") or {}, spec, f"{path}.annotations")
    out += validate_pod_spec(spec, f"{path}.spec")
    out += agreement_problems(meta.get("annotations") or {}, spec, containers_with_paths(spec, f"{path}.spec"), f"{path}.spec")
    if spec.get("ephemeralContainers"):
        out.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return out


def _annotation_keys(annotations: Mapping[str, str], path: str) -> list[FieldError]:
    return [invalid(path, key, text) for key in annotations for text in qualified_name(key.lower())]


def validate_pod_spec(spec: Object, path: str, *, pod: Object | None = None) -> list[FieldError]:
    """Return what is wrong with a PodSpec, whose defaults are filled in.

    Args:
        spec: the PodSpec.
        path: where it stands (`spec`, `spec.template.spec`).
        pod: the metadata of the pod whose spec it is; None for templates.

    """
    grace = spec.get("terminationGracePeriodSeconds")
    out = [] if grace is not None else [required(f"{path}.terminationGracePeriodSeconds")]
    volumes, wrong = volume_problems(spec.get("volumes") or (), f"{path}.volumes", (pod or {}).get("name", ""))
    claims = spec.get("resourceClaims") or ()
    out += wrong + _claims(claims, pod, f"{path}.resourceClaims")
    around = Surroundings(
        volumes=volumes,
        claims={claim["name"] for claim in claims if claim.get("name")},
        grace=grace,
        system=(spec.get("os") or {}).get("name", ""),
        restart_policy=spec.get("restartPolicy", ""),
        host_users=spec.get("hostUsers") is not False,
    )
    first, own, late = (spec.get(field) or [] for field in ("initContainers", "containers", "ephemeralContainers"))
    out += container_problems(own, f"{path}.containers", around)
    out += init_container_problems(first, own, f"{path}.initContainers", around)
    out += ephemeral_container_problems(late, [*own, *first], f"{path}.ephemeralContainers", around)
    out += pod_resource_problems(spec, path)
    if spec.get("hostNetwork"):
        out += _host_network(own, f"{path}.containers", strict=pod is not None)
    containers = containers_with_paths(spec, path)
    out += _policies(spec, path)
    out += label_problems(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    out += pod_security_problems(spec, f"{path}.securityContext")
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        out.append(invalid(f"{path}.shareProcessNamespace", True, why))
    out += affinity_problems(spec.get("affinity"), f"{path}.affinity")
    out += _dns_config(spec.get("dnsConfig"), spec.get("dnsPolicy"), f"{path}.dnsConfig")
    out += _gates(spec, path)
    out += spread_problems(spec.get("topologySpreadConstraints") or (), f"{path}.topologySpreadConstraints")
    out += host_process_problems(spec, containers, path) + _host_users(spec, containers, path) + _hostname_override(spec, path)
    out += _names(spec, path) + _rest(spec, path)
    if spec.get("os") is not None:
        out += system_problems(spec, containers, path)
    return out + _file_volumes(spec, containers)


def containers_with_paths(spec: Object, path: str) -> list[tuple[str, Object]]:
    """Return all containers of a PodSpec with where they stand, in the order in which the reference visits them."""
    return [
        (f"{path}.{field}[{index}]", container)
        for field in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(field) or ())
    ]


def _claims(claims: Any, pod: Object | None, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at, name = f"{path}[{index}]", claim.get("name", "")
        if MIRROR in ((pod or {}).get("annotations") or {}):
            out.append(forbidden("", "static pods do not support resource claims"))
            continue
        if not name:
            out.append(required(f"{at}.name"))
        elif name in seen:
            out.append(duplicate(f"{at}.name", name))
        else:
            out += label(name, f"{at}.name")
            seen.add(name)
        given = [field for field in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(field) is not None]
        quoted = told(claim, "PodResourceClaim")
        if len(given) > 1:
            out.append(invalid(at, quoted, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"))
        elif not given:
            out.append(invalid(at, quoted, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"))
        for field in given:
            out += subdomain(claim[field], f"{at}.{field}")
    return out


def _host_network(containers: Any, path: str, *, strict: bool) -> list[FieldError]:
    why = "must match `containerPort` when `hostNetwork` is true"
    out: list[FieldError] = []
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            host, inside = port.get("hostPort", 0), port.get("containerPort", 0)
            if (strict or host) and host != inside:
                out.append(invalid(f"{path}[{index}].ports[{number}].hostPort", host, why))
    return out


def _policies(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, known in (("restartPolicy", RESTART_POLICIES), ("dnsPolicy", DNS_POLICIES)):
        value = spec.get(field, "")
        out += one_of(value, known, f"{path}.{field}") if value else [required(f"{path}.{field}")]
    return out


def _dns_config(config: Object | None, policy: str | None, path: str) -> list[FieldError]:
    if policy == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            return [required(f"{path}.nameservers", "must provide at least one DNS nameserver when `dnsPolicy` is None")]
    servers, searches, options = ((config or {}).get(field) or [] for field in ("nameservers", "searches", "options"))
    out: list[FieldError] = []
    if len(servers) > NAMESERVERS_MAX:
        out.append(invalid(f"{path}.nameservers", servers, f"must not have more than {NAMESERVERS_MAX} nameservers"))
    for index, server in enumerate(servers):
        out += address_problems(server, f"{path}.nameservers[{index}]")
    if len(searches) > SEARCHES_MAX:
        out.append(invalid(f"{path}.searches", searches, f"must not have more than {SEARCHES_MAX} search paths"))
    if len(" ".join(searches)) > SEARCH_CHARACTERS_MAX:
        why = f"must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list"
        out.append(invalid(f"{path}.searches", searches, why))
    for index, search in enumerate(searches):
        out += [] if search == "." else underscored_subdomain(search.removesuffix("."), f"{path}.searches[{index}]")
    return out + [required(f"{path}.options[{index}]", "must not be empty") for index, option in enumerate(options) if not option.get("name")]


def _gates(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        kind = gate.get("conditionType", "")
        out += [invalid(f"{path}.readinessGates[{index}].conditionType", kind, text) for text in qualified_name(kind)]
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = f"{path}.schedulingGates[{index}]", gate.get("name", "")
        out += [invalid(at, name, text) for text in qualified_name(name)]
        if name in seen:
            out.append(duplicate(at, name))
        seen.add(name)
    return out


def _host_users(spec: Object, containers: list[tuple[str, Object]], path: str) -> list[FieldError]:
    if spec.get("hostUsers") is not False:
        return []
    why = "when `hostUsers` is false"
    fields = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    out = [forbidden(f"{path}.{name}", why) for field, name in fields if spec.get(field)]
    return out + [forbidden(f"{at}.volumeDevices", why) for at, container in containers if container.get("volumeDevices")]


def _hostname_override(spec: Object, path: str) -> list[FieldError]:
    name, at = spec.get("hostnameOverride"), f"{path}.hostnameOverride"
    if name is None:
        return []
    fields = ("setHostnameAsFQDN", "hostNetwork")
    out = [forbidden(at, f"may not be specified when {field} is true") for field in fields if spec.get(field)]
    out += [too_long(at, HOSTNAME_MAX)] if len(name.encode()) > HOSTNAME_MAX else []
    return out + subdomain(name, at)


def _names(spec: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field in ("serviceAccountName", "nodeName"):
        name = spec.get(field, "")
        out += [invalid(f"{path}.{field}", name, text) for text in dns1123_subdomain(name)] if name else []
    deadline = spec.get("activeDeadlineSeconds")
    out += [] if deadline is None else within(deadline, 1, INT32_MAX, f"{path}.activeDeadlineSeconds")
    for field in ("hostname", "subdomain"):
        name = spec.get(field, "")
        out += label(name, f"{path}.{field}") if name else []
    return out


def _rest(spec: Object, path: str) -> list[FieldError]:
    out = toleration_problems(spec.get("tolerations") or (), f"{path}.tolerations")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        at = f"{path}.hostAliases[{index}]"
        out += address_problems(alias.get("ip", ""), f"{at}.ip")
        for number, name in enumerate(alias.get("hostnames") or ()):
            out += subdomain(name, f"{at}.hostnames[{number}]")
    priority_class, runtime, preemption = (spec.get(field) for field in ("priorityClassName", "runtimeClassName", "preemptionPolicy"))
    out += subdomain(priority_class, f"{path}.priorityClassName") if priority_class else []
    out += [] if runtime is None else subdomain(runtime, f"{path}.runtimeClassName")
    if preemption is not None:
        at = f"{path}.preemptionPolicy"
        out += one_of(preemption, PREEMPTION_POLICIES, at) if preemption else [required(at)]
    overhead = spec.get("overhead")
    return out + (requirements_problems({"limits": overhead}, f"{path}.overhead") if overhead else [])


def _file_volumes(spec: Object, containers: list[tuple[str, Object]]) -> list[FieldError]:
    """Check that variables that come from files come from volumes of a pod's own (KEP-3721)."""
    volumes = {volume.get("name", ""): volume for volume in spec.get("volumes") or ()}
    out: list[FieldError] = []
    for at, container in containers:
        for index, variable in enumerate(container.get("env") or ()):
            ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if ref is None:
                continue
            where, name = f"{at}.env[{index}].valueFrom.fileKeyRef.volumeName", ref.get("volumeName", "")
            if name not in volumes:
                out.append(not_found(where, name))
            elif volumes[name].get("emptyDir") is None:
                out.append(invalid(where, name, "referenced volume must be of type emptyDir"))
    return out
