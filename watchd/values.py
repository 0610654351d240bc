"""The values that settings have as text: durations, sizes, addresses, lists."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec


class Durability(StrEnum):
    """When a write counts as stored."""

    STRICT = "strict"
    """After fsync: an answered write survives a power cut."""
    RELAXED = "relaxed"
    """After the operating system took it: a power cut may lose answered writes and reuse their revisions."""


class Address(msgspec.Struct, frozen=True):
    """An IP address or host name, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as a URL has it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def wildcard(self) -> bool:
        """Whether it stands for every address of the machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def reachable(self) -> Address:
        """Return an address that a client on this machine can connect to."""
        if not self.wildcard:
            return self
        return Address("::1" if ":" in self.host else "127.0.0.1", self.port)


_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)?", re.ASCII)
_BYTES = {
    "B": 1,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}

_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\[\]:\s]+)):(?P<port>\d{1,5})", re.ASCII)

PORT_LIMIT = 65535
"""The highest TCP port."""


def parse_duration(text: str) -> float:
    """Read a duration (`1h`, `150s`, `1h30m`, `500ms`, `0`) as seconds. Raises ValueError."""
    if text == "0":
        return 0.0
    if not _DURATION.fullmatch(text):
        raise ValueError(f'"{text}" is not a duration; write it as in 150s, 90m or 1h30m')
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))


def parse_size(text: str) -> int:
    """Read a size (`1GiB`, `512MiB`, `10MB`, `4096`) as bytes. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a size; write it as in 512MiB or 1GiB')
    return int(float(match[1]) * _BYTES[match[2] or "B"])


WORKERS_LIMIT = 64
"""More workers than any machine for this server has cores: each takes its own memory."""


def parse_workers(text: str) -> int:
    """Read a number of processes. Raises ValueError."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= WORKERS_LIMIT:
        raise ValueError(f'"{text}" is not a number from 1 to {WORKERS_LIMIT}')
    return int(text)


def parse_address(text: str) -> Address:
    """Read `ADDR:PORT` or `[ADDR]:PORT`. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not ADDR:PORT; write it as in 127.0.0.1:6443 or [::1]:6443')
    port = int(match["port"])
    if port > PORT_LIMIT:
        raise ValueError(f'"{text}": ports go up to {PORT_LIMIT}')
    return Address(match["v6"] or match["host"], port)


def parse_bool(text: str) -> bool:
    """Read true or false (also 1, 0, yes, no, on, off). Raises ValueError."""
    lowered = text.lower()
    if lowered in {"true", "1", "yes", "on"}:
        return True
    if lowered in {"false", "0", "no", "off", ""}:
        return False
    raise ValueError(f'"{text}" is not true or false')


def parse_path(text: str) -> Path:
    """Read a path; `~` is the home directory. Raises ValueError."""
    if not text:
        raise ValueError("the path is empty")
    return Path(text).expanduser().absolute()


def parse_names(text: str) -> tuple[str, ...]:
    """Read a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a parser that takes one of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f'"{text}" is not one of {", ".join(choices)}')
        return text

    return parse


def parse_durability(text: str) -> Durability:
    """Read `strict` or `relaxed`. Raises ValueError."""
    return Durability(one_of(*(str(choice) for choice in Durability))(text))


class PortRange(msgspec.Struct, frozen=True):
    """Ports from one to another, both inclusive."""

    first: int
    last: int

    def __str__(self) -> str:
        """Write it as it is given."""
        return f"{self.first}-{self.last}"


def parse_port_range(text: str) -> PortRange:
    """Read `FIRST-LAST`. Raises ValueError."""
    first, dash, last = text.partition("-")
    digits = dash and all(part.isascii() and part.isdigit() for part in (first, last))
    if not digits or not 0 < int(first) <= int(last) <= PORT_LIMIT:
        raise ValueError(f'"{text}" is not a range of ports; write it as in 30000-32767')
    return PortRange(int(first), int(last))


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HOSTS_MIN = 4
"""Addresses of the smallest range for Services: two of them can be handed out."""


def parse_service_ranges(text: str) -> tuple[Network, ...]:
    """Read one range of addresses, or one of each family, the first one being that of the default family. Raises ValueError."""
    try:
        found = tuple(ipaddress.ip_network(part) for part in parse_names(text))
    except ValueError as error:
        raise ValueError(f'"{text}" is not a range of addresses; write it as in 10.96.0.0/16 or 10.96.0.0/16,fd00:96::/112') from error
    if not found or len({network.version for network in found}) < len(found):
        raise ValueError(f'"{text}": one range is wanted, or one of IPv4 and one of IPv6')
    if any(network.num_addresses < HOSTS_MIN for network in found):
        raise ValueError(f'"{text}": a range needs {HOSTS_MIN} addresses at least')
    return found


def parse_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Read `KEY=VALUE` entries between commas; a key alone has an empty value. Of several about one key the last counts."""
    pairs = (part.partition("=") for part in text.split(",") if part)
    return tuple({key.strip(): value.strip() for key, _, value in pairs}.items())


def parse_alpn(text: str) -> tuple[str, ...]:
    """Read the order of application protocols. Raises ValueError."""
    names = parse_names(text)
    check = one_of("http/1.1", "h2")
    for name in names:
        check(name)
    if not names or len(set(names)) != len(names):
        raise ValueError(f'"{text}" does not name each protocol once; write it as in http/1.1,h2')
    return names


CONTROLLERS = (
    "definitions",
    "namespaces",
    "namespace-contents",
    "garbage",
    "event-expiry",
    "kubernetes-service",
    "resource-quotas",
    "endpoint-slices",
    "endpoints",
    "pod-garbage",
    "account-tokens",
    "finished-jobs",
    "signing-requests",
    "claim-protection",
    "volume-protection",
    "class-protection",
    "storage-migrations",
)
"""Names of the controllers."""


def parse_controllers(text: str) -> tuple[str, ...]:
    """Read which controllers run, as kube-controller-manager does: `*` for all, a name for one, `-name` for all but one.

    Of several entries about one controller the first counts. Raises ValueError.
    """
    entries = parse_names(text)
    for entry in entries:
        if entry != "*" and entry.removeprefix("-") not in CONTROLLERS:
            raise ValueError(f'"{entry}" names no controller; there are {", ".join(CONTROLLERS)}')

    def runs(name: str) -> bool:
        first = next((entry for entry in entries if entry.removeprefix("-") == name), "")
        return first == name if first else "*" in entries

    return tuple(name for name in CONTROLLERS if runs(name))
