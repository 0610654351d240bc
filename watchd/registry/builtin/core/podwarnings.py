"""What writers of pods and templates are warned of: things that are let pass and do not do what they seem to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchd.names import label_value
from watchd.registry.builtin.common.addresses import address_warnings
from watchd.registry.builtin.common.quantities import amount
from watchd.registry.builtin.core.affinity import PREFERRED, REQUIRED
from watchd.registry.builtin.core.podannotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from watchd.status import go_quote

Object = dict[str, Any]

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
"""Labels of nodes that others have replaced."""

ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}

VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
"""Kinds of volumes that nodes know no more, in the order in which they are told."""

VOLUME_PATHS = {"storageos": "storageOS"}

SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
APP_ARMOR_FIELD = 'deprecated since v1.30; use the "appArmorProfile" field instead'
MATCHES_NOTHING = "a null labelSelector results in matching no pod"


def pod_warnings(meta: Object, spec: Object, path: str = "") -> Iterator[str]:
    """Return what is to be warned of in a pod, or in a template that stands at `path`."""
    at = f"{path}." if path else ""
    annotations = meta.get("annotations") or {}
    yield from _nodes(spec, f"{at}spec")
    yield from (f"{at}metadata.annotations[{key}]: {text}" for key, text in ANNOTATIONS.items() if key in annotations)
    yield from _volumes(spec.get("volumes") or (), f"{at}spec.volumes")
    yield from _twice(spec.get("hostAliases") or (), "ip", f"{at}spec.hostAliases")
    yield from _twice(spec.get("imagePullSecrets") or (), "name", f"{at}spec.imagePullSecrets")
    secrets = enumerate(spec.get("imagePullSecrets") or ())
    yield from (f'{at}spec.imagePullSecrets[{index}].name: invalid empty name ""' for index, one in secrets if not one.get("name"))
    yield from _fractions(spec.get("overhead") or {}, f"{at}spec.overhead")
    whole = spec.get("securityContext") or {}
    if SECCOMP_POD in annotations and not whole.get("seccompProfile"):
        yield f"{at}metadata.annotations[{SECCOMP_POD}]: {SECCOMP}"
    containers = [
        (f"{at}spec.{field}[{index}]", container)
        for field in ("initContainers", "containers", "ephemeralContainers")
        for index, container in enumerate(spec.get(field) or ())
    ]
    for where, container in containers:
        yield from _container(container, where, annotations, at, template=bool(path), whole=whole)
    yield from _ports(containers)
    yield from _port_names(containers)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        yield f"{at}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
    yield from _terms(spec.get("affinity") or {}, f"{at}spec.affinity")
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from address_warnings(server, f"{at}spec.dnsConfig.nameservers[{index}]")
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from address_warnings(alias.get("ip", ""), f"{at}spec.hostAliases[{index}].ip")


def _nodes(spec: Object, path: str) -> Iterator[str]:
    yield from (f"{path}.nodeSelector[{key}]: {NODE_LABELS[key]}" for key in spec.get("nodeSelector") or {} if key in NODE_LABELS)
    nodes = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    at = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((nodes.get(REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from _term(term, f"{at}.{REQUIRED}.nodeSelectorTerms[{index}]", values=False)
    for index, term in enumerate(nodes.get(PREFERRED) or ()):
        yield from _term(term.get("preference") or {}, f"{at}.{PREFERRED}[{index}].preference", values=True)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        at, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in NODE_LABELS:
            yield f"{at}.topologyKey: {key} is {NODE_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{at}.labelSelector: {MATCHES_NOTHING}"


def _term(term: Object, path: str, *, values: bool) -> Iterator[str]:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        at, key = f"{path}.matchExpressions[{index}]", expression.get("key", "")
        if key in NODE_LABELS:
            yield f"{at}.key: {key} is {NODE_LABELS[key]}"
        for number, value in enumerate(expression.get("values") or () if values else ()):
            yield from (f"{at}.values[{number}]: {value} is invalid, {text}" for text in label_value(value))


def _volumes(volumes: Any, path: str) -> Iterator[str]:
    for index, volume in enumerate(volumes):
        for kind, text in VOLUMES.items():
            if volume.get(kind) is not None:
                yield f"{path}[{index}].{VOLUME_PATHS.get(kind, kind)}: {text}"
        claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
        yield from claim_warnings(claim, f"{path}[{index}].ephemeral.volumeClaimTemplate.spec")
    for volume in volumes:
        yield from _overlaps(volume)


def claim_warnings(spec: Object, path: str) -> Iterator[str]:
    """Return what is to be warned of in a PersistentVolumeClaimSpec."""
    for part in ("requests", "limits"):
        storage = ((spec.get("resources") or {}).get(part) or {}).get("storage")
        if not amount(storage).is_integer():
            yield f"{path}.resources.{part}[storage]: fractional byte value {go_quote(str(storage))} is invalid, must be an integer"


def _overlaps(volume: Object) -> Iterator[str]:
    """Tell of files of one volume that stand in each other's way."""
    name = go_quote(volume.get("name", ""))
    kinds = (("configMap", "name", "ConfigMap"), ("secret", "secretName", "Secret"), ("downwardAPI", "", "DownwardAPI"))
    for kind, field, shown in kinds:
        source = volume.get(kind) or {}
        about = f"{shown} {go_quote(source.get(field, ''))}" if field else shown
        for one, other in _collisions([(item.get("path", ""), "") for item in source.get("items") or ()]):
            yield f"volume {name} ({about}): overlapping paths: {one} with {other}"
    files: list[tuple[str, str]] = []
    for part in (volume.get("projected") or {}).get("sources") or ():
        if not any(value is not None for value in part.values()):
            yield f"volume {name} (Projected) has no sources provided"
        files += _files(part)
    for one, other in _collisions(files):
        yield f"volume {name} (Projected): overlapping paths: {one} with {other}"


def _files(part: Object) -> list[tuple[str, str]]:
    """Return the paths of one source of a projected volume, and what they come from."""
    for kind, shown in (("configMap", "ConfigMap"), ("secret", "Secret"), ("downwardAPI", "DownwardAPI")):
        source = part.get(kind)
        if source is not None:
            about = shown if kind == "downwardAPI" else f"{shown} {go_quote(source.get('name', ''))}"
            return [(item.get("path", ""), about) for item in source.get("items") or ()]
    if (token := part.get("serviceAccountToken")) is not None:
        return [(token.get("path", ""), "ServiceAccountToken")]
    if (bundle := part.get("clusterTrustBundle")) is not None:
        named = bundle.get("name") or bundle.get("signerName") or ""
        return [(bundle.get("path", ""), f"ClusterTrustBundle {go_quote(named)}")]
    fields = (("certificateChainPath", "chain"), ("keyPath", "key"), ("credentialBundlePath", "credential bundle"))
    certificate = part.get("podCertificate") or {}
    return [(certificate[field], f"PodCertificate {what}") for field, what in fields if certificate.get(field)]


def _collisions(files: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: list[tuple[str, str]] = []
    for path, about in files:
        where = path.rstrip("/")
        for other, other_about in seen:
            if where and other and (f"{other}/".startswith(f"{where}/") or f"{where}/".startswith(f"{other}/")):
                yield _told(where, about), _told(other, other_about)
        seen.append((where, about))


def _told(path: str, about: str) -> str:
    return f"{go_quote(path)} ({about})" if about else go_quote(path)


def _twice(items: Any, field: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(field, "")
        if value in seen:
            yield f"{path}[{index}].{field}: duplicate {field} {go_quote(value)}"
        seen.add(value)


def _fractions(amounts: Object, path: str) -> Iterator[str]:
    for name in ("memory", "ephemeral-storage"):
        value = amounts.get(name)
        if value is not None and not amount(value).is_integer():
            yield f"{path}[{name}]: fractional byte value {go_quote(str(value))} is invalid, must be an integer"


def _container(container: Object, path: str, annotations: Object, at: str, *, template: bool, whole: Object) -> Iterator[str]:
    context, name = container.get("securityContext") or {}, container.get("name", "")
    key = f"{SECCOMP_CONTAINER}{name}"
    if key in annotations and not context.get("seccompProfile"):
        yield f"{at}metadata.annotations[{key}]: {SECCOMP}"
    key = f"{APP_ARMOR}{name}"
    if template and key in annotations and not context.get("appArmorProfile") and not whole.get("appArmorProfile"):
        yield f"{at}metadata.annotations[{key}]: {APP_ARMOR_FIELD}"
    resources = container.get("resources") or {}
    for resource in ("memory", "ephemeral-storage"):
        for part in ("limits", "requests"):
            amounts = resources.get(part) or {}
            yield from _fractions({resource: amounts.get(resource)}, f"{path}.resources.{part}")
    seen: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name, value = variable.get("name", ""), variable.get("value", "")
        ref = f"$({name})"
        if name in seen and (variable.get("valueFrom") is not None or value == ref or ref not in value):
            yield f"{path}.env[{index}]: hides previous definition of {go_quote(name)}, which may be dropped when using apply"
        seen.add(name)


def _ports(containers: list[tuple[str, Object]]) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, int, str]]] = {}
    for where, container in containers:
        for index, port in enumerate(container.get("ports") or ()):
            at, host, address = f"{where}.ports[{index}]", port.get("hostPort", 0), port.get("hostIP", "")
            number, protocol = port.get("containerPort", 0), port.get("protocol", "")
            if address and not host:
                shown = f"Name:{port.get('name', '')} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{address}"
                yield f"{at}: hostIP set without hostPort: {{{shown}}}"
            others = known.setdefault((number, protocol), [])
            for other_at, other_host, other_address in others:
                if address == other_address and host == other_host:
                    yield f"{at}: duplicate port definition with {other_at}"
                elif not host or not other_host:
                    yield f"{at}: overlapping port definition with {other_at}"
                elif host == other_host and bool(address) != bool(other_address):
                    yield f"{at}: dangerously ambiguous port definition with {other_at}"
            others.append((at, host, address))


def _port_names(containers: list[tuple[str, Object]]) -> Iterator[str]:
    known: dict[str, str] = {}
    for where, container in containers:
        for index, port in enumerate(container.get("ports") or ()):
            at, name = f"{where}.ports[{index}]", port.get("name", "")
            other = known.setdefault(name, at) if name else at
            if other != at:
                yield f"{at}: duplicate port name {go_quote(name)} with {other}, services and probes that select ports by name will use {other}"


def _terms(affinity: Object, path: str) -> Iterator[str]:
    for kind in ("podAffinity", "podAntiAffinity"):
        pods = affinity.get(kind) or {}
        for index, term in enumerate(pods.get(REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{kind}.{REQUIRED}[{index}].labelSelector: {MATCHES_NOTHING}"
        for index, term in enumerate(pods.get(PREFERRED) or ()):
            if (term.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{kind}.{PREFERRED}[{index}].podAffinityTerm.labelSelector: {MATCHES_NOTHING}"
