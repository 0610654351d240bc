"""Ingress: how requests from outside find a Service by host and path. The default class comes from watchd.admission.default_classes."""

from __future__ import annotations

import re
from typing import Any

from watchd.names import SUBDOMAIN_MAX, dns1123_label, dns1123_subdomain, path_segment
from watchd.registry.builtin.common.addresses import address_problems, parse, port_name, port_problems
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.builtin.core.service import balancer_text
from watchd.registry.builtin.core.service_rules import hostname_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

CLASS_ANNOTATION = "kubernetes.io/ingress.class"

PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
NOT_AT_THE_END = ("/..", "/.")

HOSTS_SHOWN = 3
"""Hosts in a Table."""

_WILDCARD = r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_wildcard = re.compile(_WILDCARD, re.ASCII).fullmatch
_NO_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric "
    f"characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '{_WILDCARD}')"
)


class IngressStrategy(Strategy):
    """The rules of Ingress."""

    generation = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Write an empty spec, as the reference does."""
        obj.setdefault("spec", {})

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin without a status."""
        del clock, entropy
        obj["status"] = {"loadBalancer": {}}

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the spec, and that the annotation of old agrees with it."""
        out = _spec(obj["spec"])
        annotated, named = obj["metadata"].get("annotations", {}).get(CLASS_ANNOTATION), obj["spec"].get("ingressClassName")
        if annotated is not None and named is not None and annotated != named:
            out.append(invalid(f"annotations.{CLASS_ANNOTATION}", annotated, "must match `ingressClassName` when both are specified"))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, or the addresses of balancers; names of secrets that were taken stay."""
        if subresource == "status":
            return _status(obj, old)
        known = any(subdomain(entry.get("secretName", ""), "") for entry in old["spec"].get("tls", ()) if entry.get("secretName"))
        return _spec(obj["spec"], secrets=not known)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of the annotation of old where it stands alone."""
        if old is None and CLASS_ANNOTATION in obj["metadata"].get("annotations", {}) and "ingressClassName" not in obj["spec"]:
            warn(f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead")
        return super().judge(obj, old, subresource, warn)


def _spec(spec: Object, *, secrets: bool = True) -> list[FieldError]:
    out: list[FieldError] = []
    rules = spec.get("rules", [])
    if not rules and "defaultBackend" not in spec:
        out.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    if "defaultBackend" in spec:
        out += _backend(spec["defaultBackend"], "spec.defaultBackend")
    for index, rule in enumerate(rules):
        out += _rule(rule, f"spec.rules[{index}]")
    for index, entry in enumerate(spec.get("tls", ())):
        path = f"spec.tls[{index}]"
        for at, host in enumerate(entry.get("hosts", ())):
            out += _host(host, f"{path}.hosts[{at}]")
        if secrets and entry.get("secretName"):
            out += subdomain(entry["secretName"], f"{path}.secretName")
    if "ingressClassName" in spec:
        out += subdomain(spec["ingressClassName"], "spec.ingressClassName")
    return out


def _host(host: str, path: str) -> list[FieldError]:
    """Check the name of a host, whose first label may be `*`."""
    if "*" not in host:
        return [invalid(path, host, text) for text in dns1123_subdomain(host)]
    out = [invalid(path, host, f"must be no more than {SUBDOMAIN_MAX} characters")] if len(host) > SUBDOMAIN_MAX else []
    return out if _wildcard(host) else [*out, invalid(path, host, _NO_WILDCARD)]


def _rule(rule: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    if host := rule.get("host"):
        if parse(host) is not None:
            out.append(invalid(f"{path}.host", host, "must be a DNS name, not an IP address"))
        out += _host(host, f"{path}.host")
    if "http" in rule:
        paths = rule["http"].get("paths") or []
        if not paths:
            out.append(required(f"{path}.http.paths"))
        for index, one in enumerate(paths):
            out += _path(one, f"{path}.http.paths[{index}]")
    return out


def _path(one: Object, path: str) -> list[FieldError]:
    kind, text, out = one.get("pathType"), one.get("path", ""), list[FieldError]()
    if kind is None:
        return [required(f"{path}.pathType", "pathType must be specified")]
    if kind not in PATH_TYPES:
        out.append(not_supported(f"{path}.pathType", kind, PATH_TYPES))
    elif (text or kind != "ImplementationSpecific") and not text.startswith("/"):
        out.append(invalid(f"{path}.path", text, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        out += [invalid(f"{path}.path", text, f"must not contain '{part}'") for part in NOT_IN_PATHS if part in text]
        out += [invalid(f"{path}.path", text, f"cannot end with '{end}'") for end in NOT_AT_THE_END if text.endswith(end)]
    return out + _backend(one["backend"], f"{path}.backend")


def _backend(backend: Object, path: str) -> list[FieldError]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        return [invalid(path, "", "cannot set both resource and service backends")]
    if resource is not None:
        return reference_problems(resource, f"{path}.resource")
    if service is None:
        return [invalid(path, "", "resource or service backend is required")]
    return _service(service, path)


def _service(service: Object, path: str) -> list[FieldError]:
    """Check a Service that is a backend; what is wrong with its port as a whole is told of the backend."""
    name, port = service.get("name", ""), service.get("port", {})
    out = [invalid(f"{path}.service.name", name, text) for text in dns1123_label(name)] if name else [required(f"{path}.service.name")]
    if port.get("name") and port.get("number"):
        return [*out, invalid(path, "", "cannot set both port name & port number")]
    if port.get("name"):
        return out + [invalid(f"{path}.service.port.name", port["name"], text) for text in port_name(port["name"])]
    if port.get("number"):
        return out + port_problems(port["number"], f"{path}.service.port.number")
    return [*out, required(path, "port name or number is required")]


def reference_problems(reference: Object, path: str, late: list[FieldError] | None = None) -> list[FieldError]:
    """Check a reference to an object of some group; what is missing goes to `late` where that is given, as for IngressClasses."""
    out: list[FieldError] = []
    missing = out if late is None else late
    if reference.get("apiGroup") is not None:
        out += subdomain(reference["apiGroup"], f"{path}.apiGroup")
    for field in ("kind", "name"):
        if value := reference.get(field):
            out += [invalid(f"{path}.{field}", value, text) for text in path_segment(value)]
        else:
            missing.append(required(f"{path}.{field}"))
    return out


def _status(obj: Object, old: Object) -> list[FieldError]:
    out: list[FieldError] = []
    before, after = (one.get("status", {}).get("loadBalancer", {}).get("ingress", ()) for one in (old, obj))
    known = {ingress.get("ip") for ingress in before}
    for index, ingress in enumerate(after):
        path = f"status.loadBalancer.ingress[{index}]"
        if ingress.get("ip"):
            out += address_problems(ingress["ip"], f"{path}.ip", known)
        out += hostname_problems(ingress.get("hostname", ""), f"{path}.hostname")
    return out


def _hosts(obj: Object, _: int) -> Any:
    rules = obj.get("spec", {}).get("rules", [])
    named = ",".join(rule["host"] for rule in rules[:HOSTS_SHOWN] if rule.get("host"))
    # Rules without a host count among the first ones only.
    more = f" + {len(rules) - HOSTS_SHOWN} more..." if named and len(rules) > HOSTS_SHOWN else ""
    return f"{named}{more}" if named else "*"


STRATEGY = IngressStrategy()

COLUMNS = (
    NAME,
    Column(
        "Class",
        lambda obj, _: obj.get("spec", {}).get("ingressClassName", "<none>"),
        description="The name of the IngressClass resource that should be used for additional configuration",
    ),
    Column("Hosts", _hosts, description="Hosts that incoming requests are matched against before the ingress rule"),
    Column(
        "Address",
        lambda obj, _: balancer_text(obj.get("status", {}).get("loadBalancer", {})),
        description="Address is a list containing ingress points for the load-balancer",
    ),
    Column("Ports", lambda obj, _: "80, 443" if obj.get("spec", {}).get("tls") else "80", description="Ports of TLS configurations that open"),
    AGE,
)
