"""What a Service has to be (the reference's ValidateService and its kin), and what clients are warned of."""

from __future__ import annotations

from typing import Any

from watchd.names import dns1123_label, dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.addresses import (
    IPV4,
    IPV6,
    address_problems,
    address_warnings,
    duplicate,
    endpoint_problems,
    family_of,
    parse,
    port_or_name_problems,
    port_problems,
    range_problems,
    range_warnings,
)
from watchd.registry.builtin.common.fields import forbidden, invalid, one_of, required
from watchd.registry.builtin.common.selectors import label_problems
from watchd.status import FieldError, Written, go_json, go_quote

Object = dict[str, Any]

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
FAMILIES = (IPV4, IPV6)
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
TRAFFIC_POLICIES = ("Cluster", "Local")
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
PROTOCOLS = ("SCTP", "TCP", "UDP")

AFFINITY_SECONDS_MAX = 86400
"""A day."""

HINTS = "service.kubernetes.io/topology-aware-hints"
MODE = "service.kubernetes.io/topology-mode"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"

ONLY_BALANCERS = "may only be used when `type` is 'LoadBalancer'"
SET_ONCE = "may not change once set"


def headless(spec: Object) -> bool:
    """Tell whether a Service wants no address."""
    return next(iter(spec.get("clusterIPs", ())), "") == "None"


def problems(obj: Object, old: Object | None) -> list[FieldError]:
    """Check a whole Service; addresses that the old one had pass as they were."""
    spec = obj["spec"]
    before = old["spec"] if old is not None else {}
    kind = spec["type"]
    out = _annotations(obj)
    ports: list[Object] = spec.get("ports", [])
    if not ports and not headless(spec) and kind != "ExternalName":
        out.append(required("spec.ports"))
    if kind in ("LoadBalancer", "NodePort") and headless(spec):
        out.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if kind == "ExternalName":
        out += _external_name(spec)
    names: set[str] = set()
    for index, port in enumerate(ports):
        out += _port(port, f"spec.ports[{index}]", names, named=len(ports) > 1)
    out += label_problems(spec.get("selector", {}), "spec.selector") + _affinity(spec)
    out += address_field_problems(spec, before)
    for index, address in enumerate(spec.get("externalIPs", ())):
        path = f"spec.externalIPs[{index}]"
        out += address_problems(address, path, before.get("externalIPs", ())) or endpoint_problems(address, path)
    out += one_of(kind, TYPES, "spec.type")
    if kind == "ClusterIP":
        used = [index for index, port in enumerate(ports) if port.get("nodePort")]
        out += [forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'") for index in used]
    return out + _twice(ports) + _source_ranges(obj, old) + _balancer(spec) + _traffic(spec)


def _annotations(obj: Object) -> list[FieldError]:
    annotations = obj["metadata"].get("annotations", {})
    mode, hints = annotations.get(MODE), annotations.get(HINTS)
    if mode is None or hints is None or mode == hints:
        return []
    return [invalid(f"metadata.annotations[{MODE}]", mode, f"must match annotations[{HINTS}] when both are specified")]


def _external_name(spec: Object) -> list[FieldError]:
    fields = ("clusterIPs", "ipFamilies", "ipFamilyPolicy")
    out = [forbidden(f"spec.{name}", "may not be set for ExternalName services") for name in fields if spec.get(name)]
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        return [*out, required("spec.externalName")]
    return out + [invalid("spec.externalName", name, text) for text in dns1123_subdomain(name)]


def _port(port: Object, path: str, names: set[str], *, named: bool) -> list[FieldError]:
    name, out = port.get("name", ""), list[FieldError]()
    if name:
        out += [invalid(f"{path}.name", name, text) for text in dns1123_label(name)]
        if name in names:
            out.append(duplicate(f"{path}.name", name))
        names.add(name)
    elif named:
        out.append(required(f"{path}.name"))
    out += port_problems(port["port"], f"{path}.port") + one_of(port["protocol"], PROTOCOLS, f"{path}.protocol")
    out += port_or_name_problems(port["targetPort"], f"{path}.targetPort")
    if (protocol := port.get("appProtocol")) is not None:
        out += [invalid(f"{path}.appProtocol", protocol, text) for text in qualified_name(protocol)]
    return out


def _twice(ports: list[Object]) -> list[FieldError]:
    """Find node ports and ports that stand twice with one protocol."""
    out: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        if number := port.get("nodePort"):
            if (port["protocol"], number) in seen:
                out.append(duplicate(f"spec.ports[{index}].nodePort", number))
            seen.add((port["protocol"], number))
    seen = set()
    for index, port in enumerate(ports):
        key = (port["protocol"], port["port"])
        if key in seen:
            told = {"Name": "", "Protocol": key[0], "AppProtocol": None, "Port": key[1], "TargetPort": 0, "NodePort": 0}
            out.append(duplicate(f"spec.ports[{index}]", Written(go_json(told, ordered=True))))
        seen.add(key)
    return out


def _affinity(spec: Object) -> list[FieldError]:
    path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    out = one_of(spec["sessionAffinity"], AFFINITIES, "spec.sessionAffinity")
    if spec["sessionAffinity"] == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 0 < seconds <= AFFINITY_SECONDS_MAX:
            out.append(invalid(path, seconds, f"must be greater than 0 and less than {AFFINITY_SECONDS_MAX}"))
    return out


def address_field_problems(spec: Object, before: Object) -> list[FieldError]:
    """Check clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy against each other; `before` is the old spec, or empty."""
    if spec["type"] == "ExternalName":
        return []
    addresses, families = list(spec.get("clusterIPs", ())), spec.get("ipFamilies", [])
    out = _first_address(spec.get("clusterIP", ""), addresses)
    for index, family in enumerate(families):
        out += one_of(family, FAMILIES, f"spec.ipFamilies[{index}]")
        if family in families[:index]:
            out.append(duplicate(f"spec.ipFamilies[{index}]", family))
    if (policy := spec.get("ipFamilyPolicy")) is not None:
        out += one_of(policy, FAMILY_POLICIES, "spec.ipFamilyPolicy")
    bad = _addresses(addresses, before)
    out += bad
    if len(addresses) > len(FAMILIES):
        out.append(invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"))
    # What cannot be read has no family to compare.
    return out if bad else out + _families(addresses, families)


def _first_address(one: str, addresses: list[str]) -> list[FieldError]:
    """Check that clusterIP and clusterIPs go together."""
    if one and not addresses:
        return [required("spec.clusterIPs")]
    if one and addresses[0] != one:
        return [invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")]
    if addresses and not one:
        return [invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")]
    return []


def _addresses(addresses: list[str], before: Object) -> list[FieldError]:
    """Check each address; None can stand alone only."""
    out: list[FieldError] = []
    for index, address in enumerate(addresses):
        if index or address != "None":
            out += address_problems(address, f"spec.clusterIPs[{index}]", before.get("clusterIPs", ()))
        elif len(addresses) > 1:
            out.append(invalid("spec.clusterIPs", addresses, "'None' must be the first and only value"))
    return out


def _families(addresses: list[str], families: list[str]) -> list[FieldError]:
    """Check that addresses are of the families that are given, and of one each."""
    out: list[FieldError] = []
    if len(addresses) > 1 and len({family_of(address) for address in addresses}) < len(FAMILIES):
        out.append(invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family"))
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if address != "None" and family in FAMILIES and family != family_of(address):
            why = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            out.append(invalid(f"spec.clusterIPs[{index}]", address, why))
    return out


def _source_ranges(obj: Object, old: Object | None) -> list[FieldError]:
    spec, path = obj["spec"], "spec.LoadBalancerSourceRanges"
    balancer = spec["type"] == "LoadBalancer"
    if ranges := spec.get("loadBalancerSourceRanges"):
        known = {text.strip() for text in (old or {}).get("spec", {}).get("loadBalancerSourceRanges", ())}
        out = [] if balancer else [forbidden(path, ONLY_BALANCERS)]
        return out + [error for index, text in enumerate(ranges) for error in range_problems(text.strip(), f"{path}[{index}]", known)]
    annotated = obj["metadata"].get("annotations", {}).get(SOURCE_RANGES)
    if annotated is None:
        return []
    path = f"metadata.annotations[{SOURCE_RANGES}]"
    out = [] if balancer else [forbidden(path, ONLY_BALANCERS)]
    if annotated.strip() and (old or {}).get("metadata", {}).get("annotations", {}).get(SOURCE_RANGES) != annotated:
        out += [error for text in annotated.split(",") for error in range_problems(text.strip(), path)]
    return out


def _balancer(spec: Object) -> list[FieldError]:
    balancer, out = spec["type"] == "LoadBalancer", list[FieldError]()
    if not balancer and "allocateLoadBalancerNodePorts" in spec:
        out.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCERS))
    return out + _balancer_class(spec)


def _balancer_class(spec: Object) -> list[FieldError]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return []
    if spec["type"] != "LoadBalancer":
        return [forbidden("spec.loadBalancerClass", ONLY_BALANCERS)]
    return [invalid("spec.loadBalancerClass", name, text) for text in qualified_name(name)]


def _traffic(spec: Object) -> list[FieldError]:
    kind, policy, out = spec["type"], spec.get("externalTrafficPolicy", ""), list[FieldError]()
    outside = kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    if outside:
        out += one_of(policy, TRAFFIC_POLICIES, "spec.externalTrafficPolicy") if policy else [required("spec.externalTrafficPolicy")]
    elif policy:
        out.append(invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services"))
    number, path = spec.get("healthCheckNodePort", 0), "spec.healthCheckNodePort"
    if kind == "LoadBalancer" and policy == "Local":
        out += port_problems(number, path) if number else [required(path)]
    elif number:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        out.append(invalid(path, number, why))
    if (inside := spec.get("internalTrafficPolicy")) is not None:
        out += one_of(inside, TRAFFIC_POLICIES, "spec.internalTrafficPolicy")
    if (distribution := spec.get("trafficDistribution")) is not None:
        out += one_of(distribution, DISTRIBUTIONS, "spec.trafficDistribution")
    return out


def changes(spec: Object, old: Object) -> list[FieldError]:
    """Check what an update may not change: addresses, families, the class of the balancer, the port of its health checks."""
    out: list[FieldError] = []
    if "ExternalName" not in (spec["type"], old["type"]):
        if not (headless(spec) and headless(old)):
            out += _list_changes(spec, old, "clusterIPs", "clusterIP")
        if not headless(spec) and not headless(old):
            out += _list_changes(spec, old, "ipFamilies", "ipFamily")
    if spec["type"] == old["type"] == "LoadBalancer" and spec.get("loadBalancerClass") != old.get("loadBalancerClass"):
        out.append(invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), SET_ONCE))
    out += _balancer_class(spec)
    asked = all(one["type"] == "LoadBalancer" and one.get("externalTrafficPolicy") == "Local" for one in (spec, old))
    if asked and spec.get("healthCheckNodePort") != old.get("healthCheckNodePort"):
        out.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return out


def _list_changes(spec: Object, old: Object, name: str, single: str) -> list[FieldError]:
    """Check a list whose first item stays and whose second one may come and go."""
    new, before, path = list(spec.get(name, ())), list(old.get(name, ())), f"spec.{name}"
    if len(new) == len(before):
        changed = [index for index, item in enumerate(before) if item != new[index]]
        return [invalid(f"{path}[{index if name == 'clusterIPs' else 0}]", new, SET_ONCE) for index in changed]
    out: list[FieldError] = []
    released = len(before) > len(new)
    # What is quoted of changed families are the addresses, in the reference too.
    if released and not spec.get("clusterIPs"):
        out.append(invalid(f"{path}[0]", new or None, f"primary {single} can not be unset"))
    if before and new and before[0] != new[0]:
        out.append(invalid(f"{path}[0]", list(spec.get("clusterIPs", ())), SET_ONCE))
    if released and len(new) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        why = f"must be set to 'SingleStack' when releasing the secondary {single}"
        out.append(invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), why))
    return out


def balancer_problems(obj: Object, old: Object) -> list[FieldError]:
    """Check the addresses that a status tells of balancers."""
    path = "status.loadBalancer.ingress"
    ingresses = obj.get("status", {}).get("loadBalancer", {}).get("ingress", [])
    if ingresses and obj["spec"]["type"] != "LoadBalancer":
        return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
    known = {ingress.get("ip") for ingress in old.get("status", {}).get("loadBalancer", {}).get("ingress", ())}
    return [error for index, ingress in enumerate(ingresses) for error in _ingress(ingress, f"{path}[{index}]", known)]


def _ingress(ingress: Object, path: str, known: set[str]) -> list[FieldError]:
    address, mode, host, out = ingress.get("ip", ""), ingress.get("ipMode"), ingress.get("hostname", ""), list[FieldError]()
    if address:
        out += address_problems(address, f"{path}.ip", known)
    if mode is None:
        out += [required(f"{path}.ipMode", "must be specified when `ip` is set")] if address else []
    elif not address:
        out.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    else:
        out += one_of(mode, ("Proxy", "VIP"), f"{path}.ipMode")
    return out + hostname_problems(host, f"{path}.hostname")


def hostname_problems(host: str, path: str) -> list[FieldError]:
    """Check the name of a balancer, which is no address; one that is absent is fine."""
    if not host:
        return []
    out = [invalid(path, host, text) for text in dns1123_subdomain(host)]
    return out if parse(host) is None else [*out, invalid(path, host, "must be a DNS name, not an IP address")]


def warnings(obj: Object, subresource: str) -> list[str]:
    """Return what a client is told of a Service that is taken."""
    spec = obj["spec"]
    if subresource == "status":
        ingresses = obj.get("status", {}).get("loadBalancer", {}).get("ingress", ())
        return [
            text
            for index, ingress in enumerate(ingresses)
            for text in address_warnings(ingress.get("ip", ""), f"status.loadBalancer.ingress[{index}]")
        ]
    out: list[str] = []
    if HINTS in obj["metadata"].get("annotations", {}):
        out.append(f"annotation {HINTS} is deprecated, please use {MODE} instead")
    if not headless(spec):
        out += _each(address_warnings, spec.get("clusterIPs", ()), "spec.clusterIPs")
    external, kind = spec.get("externalIPs", ()), spec["type"]
    if kind == "ClusterIP" and headless(spec):
        ignored = {"loadBalancerIP": bool(spec.get("loadBalancerIP")), "externalIPs": bool(external)}
        ignored["SessionAffinity"] = spec["sessionAffinity"] != "None"
        out += [f"spec.{name} is ignored for headless services" for name, given in ignored.items() if given]
    out += _each(address_warnings, external, "spec.externalIPs")
    if external and not headless(spec) and kind != "ExternalName":
        out.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if address := spec.get("loadBalancerIP"):
        out += address_warnings(address, "spec.loadBalancerIP")
    out += _each(range_warnings, spec.get("loadBalancerSourceRanges", ()), "spec.loadBalancerSourceRanges")
    if kind == "ExternalName" and external:
        out.append(f"spec.externalIPs is ignored when spec.type is {go_quote('ExternalName')}")
    if kind != "ExternalName" and spec.get("externalName"):
        out.append(f"spec.externalName is ignored when spec.type is not {go_quote('ExternalName')}")
    if spec.get("trafficDistribution") == "PreferClose":
        out.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return out


def _each(warn: Any, values: Any, path: str) -> list[str]:
    return [text for index, value in enumerate(values) for text in warn(value, f"{path}[{index}]")]
