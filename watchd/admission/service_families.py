"""Families: which IP families and which of its old values a Service gets, before addresses are taken for it.

The reference's initIPFamilyFields, patchAllocatedValues and normalizeClusterIPs (pkg/registry/core/service/storage).
"""

from __future__ import annotations

from typing import Any

from watchd.registry.builtin.common.addresses import IPV4, IPV6, family_of
from watchd.registry.builtin.common.fields import invalid
from watchd.registry.builtin.core.service import LOAD_BALANCER, NODE_PORT, needs_address, needs_health_port
from watchd.registry.builtin.core.service_rules import address_field_problems
from watchd.status import FieldError, StatusError
from watchd.status import invalid as invalid_object

Object = dict[str, Any]

SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"

OTHER = {IPV4: IPV6, IPV6: IPV4}

POLICY = "spec.ipFamilyPolicy"


def refusal(name: str, errors: list[FieldError]) -> StatusError:
    """Return the 422 for a Service whose wishes cannot be met."""
    return invalid_object("", "Service", name, errors)


def _needs_node_ports(spec: Object) -> bool:
    kind = spec["type"]
    return bool(kind == NODE_PORT or (kind == LOAD_BALANCER and spec.get("allocateLoadBalancerNodePorts", True)))


def carry_over(spec: Object, old: Object) -> None:
    """Put in, in place, what was handed out to the old Service and the client left out of the new one."""
    if needs_address(old) and needs_address(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and old.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    if _needs_node_ports(old) and _needs_node_ports(spec):
        _carry_ports(spec, old)
    if needs_health_port(old) and needs_health_port(spec) and not spec.get("healthCheckNodePort") and old.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = old["healthCheckNodePort"]


def _carry_ports(spec: Object, old: Object) -> None:
    used, before = (
        {port["nodePort"] for port in one.get("ports", ()) if port.get("nodePort")} for one in (spec, old)
    )
    by_name = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports", ())}
    for port in spec.get("ports", ()):
        number = by_name.get(port.get("name", ""), 0)
        if not port.get("nodePort") and number and number not in used & before:
            port["nodePort"] = number


def normalize(spec: Object, old: Object | None) -> None:
    """Bring clusterIPs to what clusterIP says, in place, for clients that know one of them only."""
    one, many = spec.get("clusterIP", ""), spec.get("clusterIPs", [])
    if old is None:
        if one and not many:
            spec["clusterIPs"] = [one]
        return
    before, all_before = old.get("clusterIP", ""), old.get("clusterIPs", [])
    if all_before and not many and one == before:
        spec["clusterIPs"] = many = list(all_before)
    if one == before or many != all_before:
        return
    if before and not one:
        spec.pop("clusterIPs", None)
    else:
        spec["clusterIPs"] = [one]


def same_dual_stack(spec: Object, old: Object | None) -> bool:
    """Tell whether nothing is asked of a Service that prefers two families: it keeps those it has."""
    if old is None or "ipFamilyPolicy" not in spec or old["type"] != spec["type"] or not needs_address(spec):
        return False
    if spec["ipFamilyPolicy"] != PREFER or old.get("ipFamilyPolicy", PREFER) != PREFER:
        return False
    return all(spec.get(name, []) == old.get(name, []) for name in ("clusterIPs", "ipFamilies"))


def settle_families(name: str, spec: Object, old: Object | None, configured: tuple[str, ...]) -> None:
    """Fill in ipFamilyPolicy and ipFamilies, in place. `configured` are the server's, the default one first.

    Raises StatusError 422 for what does not go together or is not configured.
    """
    if not needs_address(spec) or same_dual_stack(spec, old):
        return
    bare = spec.get("clusterIP") == "None" and not spec.get("selector")
    if "ipFamilyPolicy" not in spec:
        spec["ipFamilyPolicy"] = (old or {}).get("ipFamilyPolicy") or (REQUIRE if bare else SINGLE)
    _raise(name, address_field_problems(spec, old or {}))
    errors = _against_old(spec, old) if old is not None else []
    policy = spec["ipFamilyPolicy"]
    if policy == SINGLE:
        given = (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        errors += [
            invalid(POLICY, policy, f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {text} are specified")
            for field, text in given
            if len(spec.get(field, ())) == len(OTHER)
        ]
    _raise(name, errors + _infer(spec, configured))
    if not bare:
        errors = []
        if policy == REQUIRE and len(configured) < len(OTHER):
            errors.append(invalid(POLICY, policy, "this cluster is not configured for dual-stack services"))
        for index, family in enumerate(spec.get("ipFamilies", ())):
            if family not in configured:
                errors.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))
        _raise(name, errors)
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = [configured[0]]
    # A Service without addresses and selector may have families that the server has not.
    if policy != SINGLE and len(spec["ipFamilies"]) == 1 and (bare or len(configured) == len(OTHER)):
        spec["ipFamilies"] = [*spec["ipFamilies"], OTHER[spec["ipFamilies"][0]]]


def _raise(name: str, errors: list[FieldError]) -> None:
    if errors:
        raise refusal(name, errors)


def _against_old(spec: Object, old: Object) -> list[FieldError]:
    """Let the second family go where that is clearly meant, and refuse where it is not."""
    fields = (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family"))
    policy = spec["ipFamilyPolicy"]
    if policy == SINGLE:
        for field, _ in fields:
            if len(spec.get(field, ())) > 1 and spec[field] == old.get(field):
                spec[field] = spec[field][:1]
        return []
    return [
        invalid(POLICY, policy, f"must be 'SingleStack' to release the secondary {text}")
        for field, text in fields
        if spec.get(field) and len(spec[field]) < len(old.get(field, ()))
    ]


def _infer(spec: Object, configured: tuple[str, ...]) -> list[FieldError]:
    """Take the families that are not given from the addresses that are."""
    errors: list[FieldError] = []
    families: list[str] = list(spec.get("ipFamilies", ()))
    addresses = list(spec.get("clusterIPs", ()))
    for index, address in enumerate(addresses):
        if address == "None":
            break
        if index < len(families):
            continue
        family = family_of(address)
        if family in configured:
            families.append(family)
        else:
            errors.append(invalid(f"spec.clusterIPs[{index}]", addresses, f"{family} is not configured on this cluster"))
    if families:
        spec["ipFamilies"] = families
    return errors
