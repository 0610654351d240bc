"""NetworkPolicy: who may talk to which pods."""

from __future__ import annotations

from collections.abc import Iterator

from watchd.registry.builtin.common.addresses import (
    parse_range,
    port_name,
    port_problems,
    range_problems,
    range_warnings,
)
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.builtin.common.selectors import selector_problems, text
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.status import FieldError

PROTOCOLS = ("TCP", "UDP", "SCTP")
TYPES = ("Ingress", "Egress")

SIDES = (("ingress", "from"), ("egress", "to"))
"""The rules of a policy, and what their peers are called."""


class NetworkPolicyStrategy(Strategy):
    """The rules of NetworkPolicy."""

    generation = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Fill in protocols, and the types that the rules imply."""
        spec = obj.setdefault("spec", {"podSelector": {}})
        for side, _ in SIDES:
            for rule in spec.get(side, ()):
                for port in rule.get("ports", ()):
                    port.setdefault("protocol", "TCP")
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate(self, obj: Object) -> list[FieldError]:
        """Check selectors, ports and blocks."""
        return _spec(obj["spec"], set())

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check; ranges that were taken before pass."""
        del subresource
        blocks = [block for block, _ in _blocks(old)]
        known = {block.get("cidr", "") for block in blocks} | {text for block in blocks for text in block.get("except", ())}
        return _spec(obj["spec"], known)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of ranges in unusual forms."""
        for block, path in _blocks(obj):
            for found in range_warnings(block.get("cidr", ""), f"{path}.cidr"):
                warn(found)
            for index, exception in enumerate(block.get("except", ())):
                for found in range_warnings(exception, f"{path}.except[{index}]"):
                    warn(found)
        return super().judge(obj, old, subresource, warn)


def _blocks(obj: Object) -> Iterator[tuple[Object, str]]:
    """Go over the blocks of addresses with their paths."""
    for side, peers in SIDES:
        for index, rule in enumerate(obj["spec"].get(side, ())):
            for at, peer in enumerate(rule.get(peers, ())):
                if "ipBlock" in peer:
                    yield peer["ipBlock"], f"spec.{side}[{index}].{peers}[{at}].ipBlock"


def _spec(spec: Object, known: set[str]) -> list[FieldError]:
    out = selector_problems(spec.get("podSelector"), "spec.podSelector")
    late: list[FieldError] = []
    for side, peers in SIDES:
        for index, rule in enumerate(spec.get(side, ())):
            path = f"spec.{side}[{index}]"
            for at, port in enumerate(rule.get("ports", ())):
                out += _port(port, f"{path}.ports[{at}]")
            for at, peer in enumerate(rule.get(peers, ())):
                out += _peer(peer, f"{path}.{peers}[{at}]", known, late)
    types = spec["policyTypes"]
    if len(types) > len(TYPES):
        out.append(invalid("spec.policyTypes", types, "may not specify more than two policyTypes"))
    else:
        out += [not_supported(f"spec.policyTypes[{at}]", kind, TYPES) for at, kind in enumerate(types) if kind not in TYPES]
    return out + late


def _port(port: Object, path: str) -> list[FieldError]:
    number, last, out = port.get("port"), port.get("endPort"), list[FieldError]()
    if port["protocol"] not in PROTOCOLS:
        out.append(not_supported(f"{path}.protocol", port["protocol"], PROTOCOLS))
    if number is None:
        if last is not None:
            out.append(invalid(f"{path}.endPort", last, "may not be specified when `port` is not specified"))
    elif isinstance(number, int):
        out += port_problems(number, f"{path}.port")
        if last is not None:
            if last < number:
                out.append(invalid(f"{path}.endPort", last, "must be greater than or equal to `port`"))
            out += port_problems(last, f"{path}.endPort")
    else:
        if last is not None:
            out.append(invalid(f"{path}.endPort", last, "may not be specified when `port` is non-numeric"))
        out += [invalid(f"{path}.port", number, why) for why in port_name(number)]
    return out


def _peer(peer: Object, path: str, known: set[str], late: list[FieldError]) -> list[FieldError]:
    selectors = [name for name in ("podSelector", "namespaceSelector") if name in peer]
    out = [error for name in selectors for error in selector_problems(peer[name], f"{path}.{name}")]
    if "ipBlock" in peer:
        out += _block(peer["ipBlock"], f"{path}.ipBlock", known, late)
        if selectors:
            out.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        out.append(required(path, "must specify a peer"))
    return out


def _block(block: Object, path: str, known: set[str], late: list[FieldError]) -> list[FieldError]:
    whole = block.get("cidr", "")
    if not whole:
        late.append(required(f"{path}.cidr"))
        return []
    out, network = range_problems(whole, f"{path}.cidr", known), parse_range(whole)
    if network is None:
        return out
    for index, exception in enumerate(block.get("except", ())):
        at = f"{path}.except[{index}]"
        out += range_problems(exception, at, known)
        part = parse_range(exception)
        if part is None:
            continue
        if part.version != network.version or part.network_address not in network or part.prefixlen <= network.prefixlen:
            out.append(invalid(at, exception, "must be a strict subset of `cidr`"))
    return out


STRATEGY = NetworkPolicyStrategy()

COLUMNS = (
    NAME,
    Column(
        "Pod-Selector", lambda obj, _: text(obj.get("spec", {}).get("podSelector", {})), field=("io.k8s.api.networking.v1.NetworkPolicySpec", "podSelector")
    ),
    AGE,
)
