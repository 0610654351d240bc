"""IP addresses and networks (the libraries ip and cidr), as Go's net/netip reads them."""

from __future__ import annotations

import ipaddress
from typing import Any, ClassVar

import attrs

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import Opaque, no_overload, whole
from watchd.status import go_quote

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@attrs.frozen
class Ip(Opaque):
    """An address."""

    address: Address

    type_name: ClassVar[str] = "net.IP"

    def __str__(self) -> str:
        """Return the canonical form."""
        return str(self.address)


@attrs.frozen
class Cidr(Opaque):
    """An address and the length of its network's prefix."""

    address: Address
    bits: int

    type_name: ClassVar[str] = "net.CIDR"

    def __str__(self) -> str:
        """Return the canonical form."""
        return f"{self.address}/{self.bits}"


def _ipv4_complaint(text: str) -> str:
    parts = text.split(".")
    if not all(char.isdigit() or char == "." for char in text if char.isascii()) or not text.isascii():
        return "unexpected character"
    for part in parts:
        if part and whole(part) > 255:
            return "IPv4 field has value >255"
        if len(part) > 1 and part[0] == "0":
            return "IPv4 field has octet with leading zero"
        if not part:
            return "IPv4 field must have at least one digit"
    return "IPv4 address too short" if len(parts) < 4 else "IPv4 address too long"


def _complaint(text: str) -> str:
    """Return what netip says of a text that is no address."""
    dot, colon, percent = (text.find(char) for char in ".:%")
    known = [(place, char) for place, char in ((dot, "."), (colon, ":"), (percent, "%")) if place >= 0]
    if not known:
        return "unable to parse IP"
    first = min(known)[1]
    if first == "%":
        return "missing IPv6 address"
    if first == ".":
        complaint = _ipv4_complaint(text)
        if complaint == "unexpected character":
            at = next(index for index, char in enumerate(text) if not (char.isascii() and char.isdigit()) and char != ".")
            return f"unexpected character (at {go_quote(text[at:])})"
        return complaint
    return _ipv6_complaint(text)


def _ipv6_complaint(text: str) -> str:  # noqa: C901, PLR0911, PLR0912 - a table of cases
    rest, ellipsis, fields = text, -1, 0
    if rest.startswith("::"):
        ellipsis, rest = 0, rest[2:]
    while fields < 8:
        size = 0
        while size < len(rest) and rest[size] in "0123456789abcdefABCDEF":
            size += 1
            if size > 4:
                return f"each group must have 4 or less digits (at {go_quote(rest)})"
        if size == 0:
            return f"each colon-separated field must have at least one digit (at {go_quote(rest)})"
        if size < len(rest) and rest[size] == ".":
            return _ipv4_complaint(rest)
        fields += 1
        rest = rest[size:]
        if not rest:
            break
        if rest[0] != ":":
            return f"unexpected character, want colon (at {go_quote(rest)})"
        if len(rest) == 1:
            return f"colon must be followed by more characters (at {go_quote(rest)})"
        rest = rest[1:]
        if rest[0] == ":":
            if ellipsis >= 0:
                return f"multiple :: in address (at {go_quote(rest)})"
            ellipsis, rest = fields, rest[1:]
            if not rest:
                break
    if rest:
        return f"trailing garbage after address (at {go_quote(rest)})"
    return "address string too short" if ellipsis < 0 else "the :: must expand to at least one field of zeros"


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def parse_ip(text: Any) -> Ip:
    """Parse an address.

    Raises:
        EvaluationError: it is none, or one with a zone, or an IPv4 address in IPv6's form.

    """
    if type(text) is not str:
        raise no_overload()
    address = _parse(text)
    if address is None:
        why = f"ParseAddr({go_quote(text)}): {_complaint(text)}"
        raise EvaluationError(f"IP Address {go_quote(text)} parse error during conversion from string: {why}")
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise EvaluationError(f"IP address {go_quote(text)} with zone value is not allowed")
        if address.ipv4_mapped is not None:
            raise EvaluationError(f"IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return Ip(address)


def is_ip(text: Any) -> bool:
    """Tell whether a text is an address."""
    if type(text) is not str:
        raise no_overload()
    try:
        parse_ip(text)
    except EvaluationError:
        return False
    return True


def is_canonical(text: Any) -> bool:
    """Tell whether an address is written in its canonical form."""
    return str(parse_ip(text)) == str(text)


def _prefix_error(text: str, why: str) -> EvaluationError:
    once = "network address parse error during conversion from string: "
    return EvaluationError(f"{once}{once}netip.ParsePrefix({go_quote(text)}): {why}")


def parse_cidr(text: Any) -> Cidr:
    """Parse a network.

    Raises:
        EvaluationError: it is none.

    """
    if type(text) is not str:
        raise no_overload()
    host, slash, bits = text.rpartition("/")
    if not slash:
        raise _prefix_error(text, "no '/'")
    address = _parse(host)
    if address is None:
        raise _prefix_error(text, f"ParseAddr({go_quote(host)}): {_complaint(host)}")
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise _prefix_error(text, "IPv6 zones cannot be present in a prefix")
    if not (bits.isascii() and bits.isdigit()) or (len(bits) > 1 and bits[0] == "0"):
        raise _prefix_error(text, f"bad bits after slash: {go_quote(bits)}")
    if whole(bits) > address.max_prefixlen:
        raise _prefix_error(text, "prefix length out of range")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        once = "network address parse error during conversion from string: "
        raise EvaluationError(f"{once}IPv4-mapped IPv6 address {go_quote(text)} is not allowed")
    return Cidr(address, int(bits))


def is_cidr(text: Any) -> bool:
    """Tell whether a text is a network."""
    if type(text) is not str:
        raise no_overload()
    try:
        parse_cidr(text)
    except EvaluationError:
        return False
    return True


def _ip(value: Any) -> Address:
    if not isinstance(value, Ip):
        raise no_overload()
    return value.address


def _cidr(value: Any) -> Cidr:
    if not isinstance(value, Cidr):
        raise no_overload()
    return value


def family(value: Any) -> int:
    """Return 4 or 6."""
    return _ip(value).version


def is_unspecified(value: Any) -> bool:
    """Tell whether it is the address of no host."""
    return _ip(value).is_unspecified


def is_loopback(value: Any) -> bool:
    """Tell whether it is an address of the host itself."""
    return _ip(value).is_loopback


_LINK_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))
_BROADCAST = ipaddress.ip_address("255.255.255.255")


def is_link_local_multicast(value: Any) -> bool:
    """Tell whether it is a multicast address of one link."""
    address = _ip(value)
    if isinstance(address, ipaddress.IPv6Address):
        return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 2
    return address in _LINK_LOCAL_MULTICAST[0]


def is_link_local_unicast(value: Any) -> bool:
    """Tell whether it is an address of one link."""
    return bool(_ip(value).is_link_local)


def is_global_unicast(value: Any) -> bool:
    """Tell whether it is an address of one host that is not bound to a link."""
    address = _ip(value)
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and address != _BROADCAST


def _masked(address: Address, bits: int) -> Address:
    below = address.max_prefixlen - bits
    return type(address)(int(address) >> below << below)


def contains_ip(network: Any, value: Any) -> bool:
    """Tell whether an address is in a network."""
    net = _cidr(network)
    if type(value) is str and not is_ip(value):
        raise no_overload()
    address = parse_ip(value).address if type(value) is str else _ip(value)
    return address.version == net.address.version and _masked(address, net.bits) == _masked(net.address, net.bits)


def contains_cidr(network: Any, value: Any) -> bool:
    """Tell whether a network is within another."""
    net = _cidr(network)
    other = parse_cidr(value) if type(value) is str else _cidr(value)
    return net.bits <= other.bits and contains_ip(net, Ip(other.address))


def address_of(network: Any) -> Ip:
    """Return the address of a network as it was written."""
    return Ip(_cidr(network).address)


def prefix_length(network: Any) -> int:
    """Return how many bits the network has."""
    return _cidr(network).bits


def masked(network: Any) -> Cidr:
    """Return the network with the bits of the host cleared."""
    net = _cidr(network)
    return Cidr(_masked(net.address, net.bits), net.bits)
