"""What a pod's containers may say: those of its beginning, its own and the ephemeral ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import attrs

from watchd.registry.builtin.common.addresses import duplicate, port_name, port_problems
from watchd.registry.builtin.common.fields import forbidden, invalid, one_of, required
from watchd.registry.builtin.common.values import label, not_found
from watchd.registry.builtin.core.mounts import device_problems, mount_problems
from watchd.registry.builtin.core.podsecurity import security_problems
from watchd.registry.builtin.core.probes import lifecycle_problems, probe_problems
from watchd.registry.builtin.core.resources import requirements_problems
from watchd.registry.builtin.core.variables import variable_problems, variables_from_problems
from watchd.registry.builtin.core.volumes import pull_policy_problems
from watchd.status import FieldError, FieldProblem

Object = dict[str, Any]

ALWAYS = "Always"

PROTOCOLS = ("SCTP", "TCP", "UDP")

MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")

RESTART_POLICIES = ("Always", "Never", "OnFailure")

RESTART_ACTIONS = ("Restart", "RestartAllContainers")

RULES_MAX = 20
"""Rules of when a container is restarted (KEP-5307)."""

EXIT_CODES_MAX = 255

NOT_AT_BEGINNING = "may not be set for init containers without restartPolicy=Always"
NOT_EPHEMERAL = "cannot be set for an Ephemeral Container"

HELD_BACK = ("ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
"""What ephemeral containers may not have, in the order of the reference's type."""


_NOTHING: dict[str, tuple[Any, ...]] = {field: (None, [], {}) for field in ("ports", "resources", "resizePolicy", "restartPolicyRules")}
"""What the others are when they are not set; of those that are pointers an empty one is set."""


@attrs.frozen
class Surroundings:
    """What the rules of a container ask of its pod."""

    volumes: Mapping[str, Object]
    """Those that are right, by name."""
    claims: Collection[str]
    """Names of resourceClaims."""
    grace: int | None
    """Seconds."""
    system: str
    """The os.name, or empty."""
    restart_policy: str
    host_users: bool


def container_problems(containers: Sequence[Object], path: str, pod: Surroundings) -> list[FieldError]:
    """Return what is wrong with a pod's own containers."""
    if not containers:
        return [required(path)]
    out: list[FieldError] = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        out += _common(container, at, pod)
        if name in names:
            out.append(duplicate(f"{at}.name", name))
        names.add(name)
        out += lifecycle_problems(container.get("lifecycle"), pod.grace, pod.system, f"{at}.lifecycle")
        out += probe_problems(container, pod.grace, at) + _restarts(container, at)
    return out + _host_ports(containers, path)


def init_container_problems(containers: Sequence[Object], others: Sequence[Object], path: str, pod: Surroundings) -> list[FieldError]:
    """Return what is wrong with the containers of a pod's beginning; `others` are its own."""
    out: list[FieldError] = []
    names = {container.get("name", "") for container in others}
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        out += _common(container, at, pod) + _restarts(container, at)
        if name in names:
            out.append(duplicate(f"{at}.name", name))
        elif name:
            names.add(name)
        out += _host_ports([container], path)
        if container.get("restartPolicy") == ALWAYS:
            out += lifecycle_problems(container.get("lifecycle"), pod.grace, pod.system, f"{at}.lifecycle")
            out += probe_problems(container, pod.grace, at)
            continue
        fields = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
        out += [forbidden(f"{at}.{field}", NOT_AT_BEGINNING) for field in fields if container.get(field) is not None]
        for number, policy in enumerate(container.get("resizePolicy") or ()):
            if policy.get("restartPolicy") == "RestartContainer":
                why = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                out.append(invalid(f"{at}.resizePolicy[{number}].restartPolicy", "RestartContainer", why))
    return out


def ephemeral_container_problems(containers: Sequence[Object], others: Iterable[Object], path: str, pod: Surroundings) -> list[FieldError]:
    """Return what is wrong with ephemeral containers; `others` are all that are not."""
    out: list[FieldError] = []
    targets = {container.get("name", "") for container in others}
    names = set(targets)
    for index, container in enumerate(containers):
        at, name, target = f"{path}[{index}]", container.get("name", ""), container.get("targetContainerName", "")
        out += _common(container, at, pod) + image_padding(container, at)
        if name in names:
            out.append(duplicate(f"{at}.name", name))
        names.add(name)
        if target and target not in targets:
            out.append(not_found(f"{at}.targetContainerName", target))
        out += [forbidden(f"{at}.{field}", NOT_EPHEMERAL) for field in HELD_BACK if container.get(field) not in _NOTHING.get(field, (None,))]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            fields = [field for field in ("subPath", "subPathExpr") if mount.get(field)]
            out += [forbidden(f"{at}.volumeMounts[{number}].{field}", NOT_EPHEMERAL) for field in fields]
    return out


def image_padding(container: Object, path: str) -> list[FieldError]:
    """Check that an image has no space around it, which only templates may have."""
    image = container.get("image", "")
    return [] if image == image.strip() else [invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]


def _common(container: Object, path: str, pod: Surroundings) -> list[FieldError]:
    name, message = container.get("name", ""), container.get("terminationMessagePolicy", "")
    mounts, devices = container.get("volumeMounts") or (), container.get("volumeDevices") or ()
    out = label(name, f"{path}.name") if name else [required(f"{path}.name")]
    out += [] if container.get("image") else [required(f"{path}.image")]
    if not message:
        out.append(required(f"{path}.terminationMessagePolicy"))
    out += one_of(message, MESSAGE_POLICIES, f"{path}.terminationMessagePolicy") if message else []
    out += _ports(container.get("ports") or (), f"{path}.ports")
    out += variable_problems(container.get("env") or (), f"{path}.env")
    out += variables_from_problems(container.get("envFrom") or (), f"{path}.envFrom")
    out += mount_problems(mounts, devices, pod.volumes, container, f"{path}.volumeMounts")
    out += device_problems(devices, mounts, pod.volumes, f"{path}.volumeDevices")
    out += pull_policy_problems(container.get("imagePullPolicy", ""), f"{path}.imagePullPolicy")
    out += requirements_problems(container.get("resources") or {}, f"{path}.resources", pod.claims)
    out += _resize_policies(container.get("resizePolicy") or (), f"{path}.resizePolicy", pod.restart_policy)
    return out + security_problems(container.get("securityContext"), f"{path}.securityContext", host_users=pod.host_users)


def _ports(ports: Sequence[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name, protocol = f"{path}[{index}]", port.get("name", ""), port.get("protocol", "")
        wrong = port_name(name) if name else []
        out += [invalid(f"{at}.name", name, text) for text in wrong]
        if name in names:
            out.append(duplicate(f"{at}.name", name))
        elif name and not wrong:
            names.add(name)
        number, host = port.get("containerPort", 0), port.get("hostPort", 0)
        out += port_problems(number, f"{at}.containerPort") if number else [required(f"{at}.containerPort")]
        out += port_problems(host, f"{at}.hostPort") if host else []
        out += one_of(protocol, PROTOCOLS, f"{at}.protocol") if protocol else [required(f"{at}.protocol")]
    return out


def _host_ports(containers: Sequence[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                out.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            taken.add(key)
    return out


def _resize_policies(policies: Sequence[Object], path: str, restart_policy: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            out.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        out += one_of(name, ("cpu", "memory"), path) if name else [required(path)]
        out += one_of(restart, ("NotRequired", "RestartContainer"), path) if restart else [required(path)]
        if restart_policy == "Never" and restart != "NotRequired":
            out.append(invalid(path, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'"))
    return out


def _restarts(container: Object, path: str) -> list[FieldError]:
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    out: list[FieldError] = []
    if policy is None:
        if not rules:
            return out
        out.append(required(f"{path}.restartPolicy", "must specify restartPolicy when restart rules are used"))
    else:
        out += one_of(policy, RESTART_POLICIES, f"{path}.restartPolicy")
    if len(rules) > RULES_MAX:
        out.append(_too_many(f"{path}.restartPolicyRules", len(rules), RULES_MAX))
    for index, rule in enumerate(rules):
        at, codes = f"{path}.restartPolicyRules[{index}]", rule.get("exitCodes")
        out += one_of(rule.get("action", ""), RESTART_ACTIONS, f"{at}.action")
        if codes is None:
            out.append(required(f"{at}.exitCodes", "must be specified"))
            continue
        out += one_of(codes.get("operator", ""), ("In", "NotIn"), f"{at}.exitCodes.operator")
        values = codes.get("values") or ()
        if len(values) > EXIT_CODES_MAX:
            out.append(_too_many(f"{at}.exitCodes.values", len(values), EXIT_CODES_MAX))
    return out


def _too_many(path: str, found: int, most: int) -> FieldError:
    return FieldError(FieldProblem.TOO_MANY, path, found, f"must have at most {most} items")
