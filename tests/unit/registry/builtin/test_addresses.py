"""Addresses, ranges and ports in the reference's words (recorded from apimachinery's validation)."""

from __future__ import annotations

import pytest

from watchd.registry.builtin.common.addresses import (
    address_problems,
    address_warnings,
    canonical_address_problems,
    canonical_range_problems,
    endpoint_problems,
    parse,
    port_name,
    range_problems,
    range_warnings,
)


def details(errors):
    return [error.detail for error in errors]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("010.001.2.3", "10.1.2.3"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("FD00::1", "fd00::1"),
        ("10.1.2", "None"),
        ("10.1.2.256", "None"),
        ("fe80::1%eth0", "None"),
        ("", "None"),
    ],
)
def test_sloppy_addresses(text, found):
    assert str(parse(text)) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.1.2.3", []),
        ("FD00::1", []),
        ("x", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
        ("010.1.2.3", ["must not have leading 0s"]),
        ("::ffff:1.2.3.4", ["must not be an IPv4-mapped IPv6 address"]),
    ],
)
def test_addresses(text, why):
    assert details(address_problems(text, "f")) == why
    assert address_problems(text, "f", [text]) == []


def test_canonical_forms():
    assert details(canonical_address_problems("FD00::1", "f")) == ['must be in canonical form ("fd00::1")']
    assert details(canonical_range_problems("FD00::/112", "f")) == ['must be in canonical form ("fd00::/112")']
    assert canonical_range_problems("10.0.0.0/8", "f") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("10.0.0.0/8", []),
        ("::/0", []),
        ("10.0.0.0", ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]),
        ("10.0.0.0/33", ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]),
        ("10.1.0.0/8", ["must not have bits set beyond the prefix length"]),
        ("10.0.0.0/08", ["must not have leading 0s in IP or prefix length"]),
        ("010.0.0.0/8", ["must not have leading 0s in IP or prefix length"]),
    ],
)
def test_ranges(text, why):
    assert details(range_problems(text, "f")) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.0.0.0", ["may not be unspecified (0.0.0.0)"]),
        ("::1", ["may not be in the loopback range (127.0.0.0/8, ::1/128)"]),
        ("169.254.0.1", ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"]),
        ("224.0.0.5", ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"]),
        ("224.0.1.5", []),
        ("8.8.8.8", []),
    ],
)
def test_addresses_of_endpoints(text, why):
    assert details(endpoint_problems(text, "f")) == why


def test_warnings():
    assert address_warnings("010.1.2.3", "f") == ['f: non-standard IP address "010.1.2.3" is invalid: use "10.1.2.3"']
    assert address_warnings("FD00::1", "f") == ['f: IPv6 address "FD00::1" should be in RFC 5952 canonical format ("fd00::1")']
    assert address_warnings("10.1.2.3", "f") == []
    assert range_warnings("10.1.0.0/8", "f") == ['f: CIDR value "10.1.0.0/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.1.0.0/32"?)']
    assert range_warnings("010.0.0.0/8", "f") == ['f: non-standard CIDR value "010.0.0.0/8" is invalid: use "10.0.0.0/8"']
    assert range_warnings("FD00::/112", "f") == ['f: IPv6 CIDR value "FD00::/112" should be in RFC 5952 canonical format ("fd00::/112")']
    assert range_warnings("10.0.0.0/8", "f") == []


@pytest.mark.parametrize(("name", "count"), [("http", 0), ("a--1", 1), ("-a", 1), ("80", 1), ("A", 2), ("sixteen-letters-", 2), ("", 2)])
def test_names_of_ports(name, count):
    assert len(port_name(name)) == count
