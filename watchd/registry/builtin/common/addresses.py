"""IP addresses, ranges of them and ports, as fields of several kinds have them (apimachinery's validation of IPs and ports)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from watchd.registry.builtin.common.fields import invalid
from watchd.status import FieldError, FieldProblem

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

IPV4, IPV6 = "IPv4", "IPv6"

PORT_MAX = 65535
PORT_RANGE = f"must be between 1 and {PORT_MAX}, inclusive"
PORT_NAME_MAX = 15
"""Characters of a service name (RFC 6335 section 5.1)."""

NO_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
NO_RANGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
ZEROS = "must not have leading 0s"
ZEROS_IN_RANGE = "must not have leading 0s in IP or prefix length"
MAPPED = "must not be an IPv4-mapped IPv6 address"

_IPV4 = re.compile(r"\d+(\.\d+){3}", re.ASCII)
_PORT_NAME = re.compile(r"[-a-z0-9]+", re.ASCII)


def parse(text: str) -> IP | None:
    """Read an address as older clients wrote it: zeros in front of its numbers are passed over. None for what is none."""
    if _IPV4.fullmatch(text):
        text = ".".join(str(int(part)) for part in text.split("."))
    if "%" in text:
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def parse_range(text: str) -> Network | None:
    """Read a range like `parse` does. None for what is none."""
    address, slash, bits = text.partition("/")
    found = parse(address)
    if found is None or not slash or not bits.isascii() or not bits.isdigit():
        return None
    try:
        return ipaddress.ip_network((found, int(bits)), strict=False)
    except ValueError:
        return None


def family_of(text: str) -> str:
    """Return the IPFamily of an address that can be read."""
    return IPV6 if isinstance(parse(text), ipaddress.IPv6Address) else IPV4


def address_problems(value: str, path: str, known: Iterable[str] = ()) -> list[FieldError]:
    """Check an address in a field that has taken sloppy ones; those that are `known` from before pass."""
    if value in known:
        return []
    if parse(value) is None:
        return [invalid(path, value, NO_ADDRESS)]
    try:
        exact = ipaddress.ip_address(value)
    except ValueError:
        return [invalid(path, value, ZEROS)]
    if isinstance(exact, ipaddress.IPv6Address) and exact.ipv4_mapped:
        return [invalid(path, value, MAPPED)]
    return []


def canonical_address_problems(value: str, path: str) -> list[FieldError]:
    """Check an address in a field that has always asked for the canonical form."""
    out = address_problems(value, path)
    canonical = str(parse(value))
    return out if out or canonical == value else [invalid(path, value, f'must be in canonical form ("{canonical}")')]


def range_problems(value: str, path: str, known: Iterable[str] = ()) -> list[FieldError]:
    """Check a range in a field that has taken sloppy ones; those that are `known` from before pass."""
    if value in known:
        return []
    if parse_range(value) is None:
        return [invalid(path, value, NO_RANGE)]
    address, _, bits = value.partition("/")
    try:
        exact = ipaddress.ip_interface(value)
    except ValueError:
        return [invalid(path, value, ZEROS_IN_RANGE)]
    if len(bits) > 1 and bits.startswith("0"):
        why = ZEROS_IN_RANGE
    elif isinstance(exact, ipaddress.IPv6Interface) and ipaddress.IPv6Address(address).ipv4_mapped:
        why = "must not have an IPv4-mapped IPv6 address"
    elif exact.ip != exact.network.network_address:
        why = "must not have bits set beyond the prefix length"
    else:
        return []
    return [invalid(path, value, why)]


def canonical_range_problems(value: str, path: str) -> list[FieldError]:
    """Check a range in a field that has always asked for the canonical form."""
    out = range_problems(value, path)
    canonical = str(parse_range(value))
    return out if out or canonical == value else [invalid(path, value, f'must be in canonical form ("{canonical}")')]


_SPECIAL: tuple[tuple[str, str], ...] = (
    ("is_loopback", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
)

_LINK_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def endpoint_problems(value: str, path: str) -> list[FieldError]:
    """Check that an address is one that an endpoint can have: no special one."""
    found = parse(value)
    if found is None:
        return [invalid(path, value, "must be a valid IP address")]
    out = [invalid(path, value, f"may not be unspecified ({value})")] if found.is_unspecified else []
    out += [invalid(path, value, text) for name, text in _SPECIAL if getattr(found, name)]
    if any(found in network for network in _LINK_LOCAL_MULTICAST):
        out.append(invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"))
    return out


def port_problems(value: int, path: str) -> list[FieldError]:
    """Check the number of a port."""
    return [] if 1 <= value <= PORT_MAX else [invalid(path, value, PORT_RANGE)]


def port_name(value: str) -> list[str]:
    """Return what is wrong with the name of a port (RFC 6335 section 5.1, in lower case)."""
    out = [f"must be no more than {PORT_NAME_MAX} characters"] if len(value.encode()) > PORT_NAME_MAX else []
    if not _PORT_NAME.fullmatch(value):
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= char <= "z" for char in value):
        out.append("must contain at least one letter (a-z)")
    if "--" in value:
        out.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        out.append("must not begin or end with a hyphen")
    return out


def port_or_name_problems(value: int | str, path: str) -> list[FieldError]:
    """Check a port that is told by number or by name."""
    return port_problems(value, path) if isinstance(value, int) else [invalid(path, value, text) for text in port_name(value)]


def duplicate(path: str, value: Any) -> FieldError:
    """Return the error of a value that stands twice."""
    return FieldError(FieldProblem.DUPLICATE, path, value)


def address_warnings(value: str, path: str) -> list[str]:
    """Return what a client is told of an address in a form that is not the usual one."""
    found = parse(value)
    if found is None:
        return []
    try:
        exact = ipaddress.ip_address(value)
    except ValueError:
        exact = None
    if exact is None or (isinstance(exact, ipaddress.IPv6Address) and exact.ipv4_mapped):
        return [f'{path}: non-standard IP address "{value}" is invalid: use "{found}"']
    if isinstance(exact, ipaddress.IPv6Address) and str(exact) != value:
        return [f'{path}: IPv6 address "{value}" should be in RFC 5952 canonical format ("{exact}")']
    return []


def range_warnings(value: str, path: str) -> list[str]:
    """Return what a client is told of a range in a form that is not the usual one."""
    found = parse_range(value)
    if found is None or str(found) == value:
        return []
    out: list[str] = []
    address = parse(value.partition("/")[0])
    if address is not None and address != found.network_address:
        single = f"{address}/{found.max_prefixlen}"
        out.append(f'{path}: CIDR value "{value}" is ambiguous in this context (should be "{found}" or "{single}"?)')
    if any(error.detail == ZEROS_IN_RANGE or "mapped" in error.detail for error in range_problems(value, path)):
        out.append(f'{path}: non-standard CIDR value "{value}" is invalid: use "{found}"')
    if not out:
        out.append(f'{path}: IPv6 CIDR value "{value}" should be in RFC 5952 canonical format ("{found}")')
    return out
