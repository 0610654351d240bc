"""Endpoints: the addresses behind a Service, as they were told before EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator

from watchd.names import dns1123_label, dns1123_subdomain, qualified_name
from watchd.registry.builtin.common.addresses import (
    address_problems,
    address_warnings,
    endpoint_problems,
    port_problems,
)
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.core.service_rules import PROTOCOLS
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.status import FieldError

SHOWN = 3
"""Addresses in a Table."""

LISTS = ("addresses", "notReadyAddresses")


class EndpointsStrategy(Strategy):
    """The rules of Endpoints."""

    create_on_update = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Fill in protocols."""
        for subset in obj.get("subsets", ()):
            for port in subset.get("ports", ()):
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, obj: Object) -> list[FieldError]:
        """Check addresses and ports."""
        out: list[FieldError] = []
        for index, subset in enumerate(obj.get("subsets", ())):
            path = f"subsets[{index}]"
            if not any(subset.get(name) for name in LISTS):
                out.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
            for name in LISTS:
                for at, address in enumerate(subset.get(name, ())):
                    out += _address(address, f"{path}.{name}[{at}]")
            ports = subset.get("ports", [])
            for at, port in enumerate(ports):
                out += _port(port, f"{path}.ports[{at}]", named=len(ports) > 1)
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check, unless nothing has changed."""
        del subresource
        return [] if obj.get("subsets") == old.get("subsets") else self.validate(obj)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of addresses in unusual forms."""
        for address, path in _addresses(obj):
            for text in address_warnings(address, path):
                warn(text)
        return super().judge(obj, old, subresource, warn)


def _addresses(obj: Object) -> Iterator[tuple[str, str]]:
    for index, subset in enumerate(obj.get("subsets", ())):
        for name in LISTS:
            for at, address in enumerate(subset.get(name, ())):
                yield address.get("ip", ""), f"subsets[{index}].{name}[{at}].ip"


def _address(address: Object, path: str) -> list[FieldError]:
    text = address.get("ip", "")
    out = address_problems(text, f"{path}.ip")
    if host := address.get("hostname"):
        out += [invalid(f"{path}.hostname", host, why) for why in dns1123_label(host)]
    if (node := address.get("nodeName")) is not None:
        out += [invalid(f"{path}.nodeName", node, why) for why in dns1123_subdomain(node)]
    return out + endpoint_problems(text, f"{path}.ip")


def _port(port: Object, path: str, *, named: bool) -> list[FieldError]:
    name, out = port.get("name", ""), list[FieldError]()
    if name:
        out += [invalid(f"{path}.name", name, why) for why in dns1123_label(name)]
    elif named:
        out.append(required(f"{path}.name"))
    out += port_problems(port["port"], f"{path}.port") + one_of(port["protocol"], PROTOCOLS, f"{path}.protocol")
    if (protocol := port.get("appProtocol")) is not None:
        out += [invalid(f"{path}.appProtocol", protocol, why) for why in qualified_name(protocol)]
    return out


def _text(obj: Object, _: int) -> str:
    if not obj.get("subsets"):
        return "<none>"
    found: list[str] = []
    for subset in obj["subsets"]:
        addresses = [address["ip"] for address in subset.get("addresses", ())]
        ports = subset.get("ports")
        found += [_joined(address, port["port"]) for port in ports for address in addresses] if ports else addresses
    more = f" + {len(found) - SHOWN} more..." if len(found) > SHOWN else ""
    return ",".join(found[:SHOWN]) + more


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


STRATEGY = EndpointsStrategy()

COLUMNS = (NAME, Column("Endpoints", _text, field=("io.k8s.api.core.v1.Endpoints", "subsets")), AGE)
