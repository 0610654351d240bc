"""EndpointSlice: some of the addresses behind a Service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from watchd.names import dns1123_label, dns1123_subdomain, label_value, qualified_name
from watchd.registry.builtin.common.addresses import (
    IPV4,
    IPV6,
    address_problems,
    address_warnings,
    canonical_address_problems,
    duplicate,
    endpoint_problems,
    family_of,
)
from watchd.registry.builtin.common.fields import invalid, not_supported, one_of, required
from watchd.registry.builtin.common.selectors import label_problems
from watchd.registry.builtin.core.service_rules import PROTOCOLS
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import OMITTED, FieldError, FieldProblem

COMPONENT = "io.k8s.api.discovery.v1.EndpointSlice"

FQDN = "FQDN"
TYPES = (FQDN, IPV4, IPV6)

ENDPOINTS_MAX, PORTS_MAX, ADDRESSES_MAX, HINTS_MAX = 1000, 20000, 100, 8

SHOWN = 3
"""Ports and addresses in a Table."""

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")
"""Who writes addresses in no unusual form."""


class EndpointSliceStrategy(Strategy):
    """The rules of EndpointSlice."""

    generation = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Fill in names and protocols of ports."""
        for port in obj.get("ports") or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Drop what only versions of old could write."""
        del clock, entropy
        _drop_topology(obj)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Count changes of labels too, as no other kind does."""
        del subresource
        if obj.get("endpoints") != old.get("endpoints"):
            _drop_topology(obj)
        if obj["metadata"].get("labels", {}) != old["metadata"].get("labels", {}):
            # What else changes is counted by everybody's rule, to the same number.
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the type of addresses, ports and endpoints."""
        late: list[FieldError] = []
        kind = obj.get("addressType", "")
        out = _ports(obj.get("ports") or ()) + _endpoints(obj.get("endpoints") or (), kind, late)
        # What other rules of the reference tell comes last there.
        return out + _type(kind) + late

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the type; endpoints that have not changed pass."""
        del subresource
        kind = obj.get("addressType", "")
        late: list[FieldError] = []
        out = _ports(obj.get("ports") or ())
        if obj.get("endpoints") != old.get("endpoints"):
            out += _endpoints(obj.get("endpoints") or (), kind, late)
        out += _type(kind) + late
        return out if kind == old.get("addressType", "") else [*out, invalid("addressType", None, IMMUTABLE)]

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of names and of addresses in unusual forms."""
        if old is None and obj.get("addressType") == FQDN:
            warn("spec.addressType: FQDN endpoints are deprecated")
        if obj["metadata"].get("labels", {}).get(MANAGED_BY) not in CONTROLLERS:
            for index, endpoint in enumerate(obj.get("endpoints") or ()):
                for at, address in enumerate(endpoint.get("addresses") or ()):
                    for text in address_warnings(address, f"endpoints[{index}].addresses[{at}]"):
                        warn(text)
        return super().judge(obj, old, subresource, warn)


def _drop_topology(obj: Object) -> None:
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _type(kind: str) -> list[FieldError]:
    return one_of(kind, TYPES, "addressType") if kind else [required("addressType")]


def _too_many(path: str, found: int, limit: int) -> FieldError:
    return FieldError(FieldProblem.TOO_MANY, path, found or OMITTED, f"must have at most {limit} items")


def _ports(ports: Sequence[Object]) -> list[FieldError]:
    if len(ports) > PORTS_MAX:
        return [_too_many("ports", len(ports), PORTS_MAX)]
    out: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port["name"]
        out += [invalid(f"{path}.name", name, text) for text in dns1123_label(name)] if name else []
        if name in names:
            out.append(duplicate(f"{path}.name", name))
        names.add(name)
        if port["protocol"] not in PROTOCOLS:
            out.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
        if (protocol := port.get("appProtocol")) is not None:
            out += [invalid(f"{path}.appProtocol", protocol, text) for text in qualified_name(protocol)]
    return out


def _endpoints(endpoints: Sequence[Object], kind: str, late: list[FieldError]) -> list[FieldError]:
    if len(endpoints) > ENDPOINTS_MAX:
        return [_too_many("endpoints", len(endpoints), ENDPOINTS_MAX)]
    out: list[FieldError] = []
    for index, endpoint in enumerate(endpoints):
        path, addresses = f"endpoints[{index}]", endpoint.get("addresses") or []
        if not addresses:
            late.append(required(f"{path}.addresses"))
        elif len(addresses) > ADDRESSES_MAX:
            late.append(_too_many(f"{path}.addresses", len(addresses), ADDRESSES_MAX))
        for at, address in enumerate(addresses):
            out += _address(address, kind, f"{path}.addresses", at)
        if (node := endpoint.get("nodeName")) is not None:
            out += [invalid(f"{path}.nodeName", node, text) for text in dns1123_subdomain(node)]
        out += label_problems(endpoint.get("deprecatedTopology", {}), f"{path}.deprecatedTopology")
        if (host := endpoint.get("hostname")) is not None:
            out += [invalid(f"{path}.hostname", host, text) for text in dns1123_label(host)]
        out += _hints(endpoint.get("hints", {}), f"{path}.hints")
    return out


def _address(address: str, kind: str, path: str, index: int) -> list[FieldError]:
    at = f"{path}[{index}]"
    if kind == FQDN:
        return domain_problems(address, at)
    if kind not in (IPV4, IPV6):
        return []
    out = address_problems(address, at) if kind == IPV4 else canonical_address_problems(address, at)
    if out:
        return out
    wrong = [invalid(path, address, f"must be an {kind} address")] if family_of(address) != kind else []
    return wrong + endpoint_problems(address, at)


def domain_problems(name: str, path: str) -> list[FieldError]:
    """Check a name that is a fully qualified one (`example.com`)."""
    if not name:
        return [required(path)]
    bare = name.removesuffix(".")
    if texts := dns1123_subdomain(bare):
        return [invalid(path, bare, text) for text in texts]
    return [] if "." in bare else [invalid(path, bare, "should be a domain with at least two segments separated by dots")]


def _hints(hints: Object, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for field, check in (("forZones", label_value), ("forNodes", dns1123_subdomain)):
        found = hints.get(field, [])
        if len(found) > HINTS_MAX:
            return [*out, _too_many(f"{path}.{field}", len(found), HINTS_MAX)]
        names = [hint.get("name", "") for hint in found]
        for index, name in enumerate(names):
            at = f"{path}.{field}[{index}].name"
            out += [duplicate(at, name)] if name in names[:index] else []
            out += [invalid(at, name, text) for text in check(name)]
    return out


def shortened(found: Iterable[Any], none: str = "<unset>") -> str:
    """Write the first few of a list, and how many more there are."""
    texts = [str(item) for item in found]
    if not texts:
        return none
    more = f" + {len(texts) - SHOWN} more..." if len(texts) > SHOWN else ""
    return ",".join(texts[:SHOWN]) + more


def _shown_ports(obj: Object, _: int) -> str:
    return shortened(port.get("port", port.get("name", "*")) for port in obj.get("ports") or ())


def _shown_endpoints(obj: Object, _: int) -> str:
    return shortened(address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ())


STRATEGY = EndpointSliceStrategy()

COLUMNS = (
    NAME,
    Column("AddressType", lambda obj, _: obj.get("addressType", ""), field=(COMPONENT, "addressType")),
    Column("Ports", _shown_ports, field=(COMPONENT, "ports")),
    Column("Endpoints", _shown_endpoints, field=(COMPONENT, "endpoints")),
    AGE,
)
