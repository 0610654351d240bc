"""Pools: node ports, held in memory, and cluster addresses, each held by an IPAddress object (KEP-1880)."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import trio

from storage.errors import StorageError
from watchd.registry.builtin.common.addresses import IP, IPV4, IPV6, Network, parse, parse_range
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.seams import Entropy
from watchd.status import Reason, StatusError

Object = dict[str, Any]

NETWORKING = "networking.k8s.io"

FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family"
MANAGED_BY_LABEL = "ipaddress.kubernetes.io/managed-by"
ALLOCATOR = "ipallocator.k8s.io"

BAND_MIN, BAND_MAX, BAND_STEP = 16, 256, 16
"""Addresses at the start of a range that are handed out last: those that people ask for by name (KEP-3070)."""

PORT_BAND_MIN, PORT_BAND_MAX, PORT_BAND_STEP = 16, 128, 32
"""The same for ports (KEP-3668)."""

DRY_RUN_PORT = 32768
"""The port that a dry run shows first, as the reference does: none that could be meant."""

LOOKS = 1000
"""Addresses passed over between two checkpoints: less than a millisecond of the loop."""

logger = logging.getLogger(__name__)


class PoolError(Exception):
    """What is asked for cannot be had. The message is the reference's."""


class Full(PoolError):
    """Nothing is left."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("range is full")


def _band(size: int, least: int, most: int, step: int) -> int:
    """Return how many items at the start of a range are handed out last."""
    return 0 if size <= least else max(least, min(most, size // step))


class PortPool:
    """Ports of nodes. Rebuilt from the Services at each start."""

    refuses = False
    """Whether nobody is given any: then a dry run is told so, too."""

    def __init__(self, first: int, last: int, entropy: Entropy) -> None:
        self._first, self._last = first, last
        self._entropy = entropy
        self._used: set[int] = set()

    def take(self, port: int) -> None:
        """Take one port. Raises PoolError."""
        if not self._first <= port <= self._last:
            valid = f"{self._first}-{self._last}"
            raise PoolError(f"provided port is not in the valid range. The range of valid ports is {valid}")
        if port in self._used:
            raise PoolError("provided port is already allocated")
        self._used.add(port)

    def take_any(self) -> int:
        """Take any free port. Raises Full."""
        size = self._last - self._first + 1
        band = _band(size, PORT_BAND_MIN, PORT_BAND_MAX, PORT_BAND_STEP)
        for start, length in ((self._first + band, size - band), (self._first, band)):
            offset = int(self._entropy.fraction() * length)
            for step in range(length):
                port = start + (offset + step) % length
                if port not in self._used:
                    self._used.add(port)
                    return port
        raise Full

    def remember(self, port: int) -> None:
        """Count a port as taken that a stored Service has, be it outside of the range."""
        self._used.add(port)

    def has(self, port: int) -> bool:
        """Tell whether a port is taken."""
        return port in self._used

    def give_back(self, port: int) -> None:
        """Take a port back; one that is free is fine."""
        self._used.discard(port)


class NoPorts(PortPool):
    """Ports of nodes where several processes serve: what one takes in its memory another would give away again."""

    refuses = True

    def __init__(self) -> None:
        """There is nothing to remember."""

    def take(self, port: int) -> None:
        """Refuse. Raises PoolError."""
        raise PoolError(f"node port {port} cannot be allocated: this server runs with more than one worker")

    def take_any(self) -> int:
        """Refuse. Raises PoolError."""
        raise PoolError("node ports cannot be allocated: this server runs with more than one worker")

    def remember(self, port: int) -> None:
        """Do nothing: no port is given away."""

    def has(self, port: int) -> bool:
        """Say that it is taken: nobody can have it."""
        del port
        return True

    def give_back(self, port: int) -> None:
        """Do nothing."""


class AddressPool:
    """Addresses of Services. What is taken is remembered here and kept by an IPAddress object, which outlives the process.

    `shared`: other processes take and give back too. Then nothing is remembered, and the objects are looked at each time.
    """

    def __init__(self, store: Store, ranges: tuple[Network, ...], entropy: Entropy, *, shared: bool = False) -> None:
        """`ranges` are the configured ones, one of a family at the most, the default family's first."""
        self._store = store
        self.shared = shared
        self._entropy = entropy
        self._ranges = {IPV4 if found.version == 4 else IPV6: found for found in ranges}
        self._addresses = store.registry.hub(NETWORKING, "ipaddresses")
        self._more = store.registry.hub(NETWORKING, "servicecidrs")
        self._used: set[str] = set()

    @property
    def families(self) -> tuple[str, ...]:
        """The families that Services may have, the default one first."""
        return tuple(self._ranges)

    def remember(self, address: str) -> None:
        """Count an address as taken that a stored Service has."""
        if not self.shared:
            self._used.add(address)

    def range(self, family: str) -> Network:
        """Return the configured range of a family."""
        return self._ranges[family]

    async def contains(self, address: str) -> bool:
        """Tell whether an address is one that can be handed out."""
        found = parse(address)
        return any(_Usable(network).has(found) for network in await self._networks())

    async def take(self, address: str, owner: Object) -> None:
        """Take one address for a Service, which stands in `owner` as metadata. Raises PoolError, StatusError."""
        if not await self.contains(address):
            raise PoolError("the provided network does not match the current range")
        if not await self._create(str(parse(address)), owner):
            raise PoolError("provided IP is already allocated")

    async def take_any(self, family: str, owner: Object) -> str:
        """Take any free address of a family. Raises Full, StatusError."""
        for network in await self._networks(family):
            for looked, address in enumerate(self._candidates(network)):
                if looked % LOOKS == LOOKS - 1:
                    await trio.lowlevel.checkpoint()
                if address not in self._used and await self._create(address, owner):
                    return address
        raise Full

    def _candidates(self, network: Network) -> Iterator[str]:
        usable = _Usable(network)
        size = usable.size
        band = _band(network.num_addresses, BAND_MIN, BAND_MAX, BAND_STEP)
        for start, length in ((band, size - band), (0, min(band, size))):
            if length > 0:
                offset = int(self._entropy.fraction() * length)
                for step in range(length):
                    yield usable.at(start + (offset + step) % length)

    async def _create(self, address: str, owner: Object) -> bool:
        """Make the IPAddress object; False where somebody has the address."""
        if address in self._used:
            return False
        if self.shared and await self._store.log.get(self._addresses.key("", address)) is not None:
            # Cheaper than to be refused.
            return False
        # Before the first await: whoever looks meanwhile finds it taken.
        self._used.add(address)
        try:
            await self._store.create(self._addresses, "", ip_address(address, owner))
        except StatusError as error:
            # An object of somebody else's that holds it may go without a word to us: nothing is remembered.
            self._used.discard(address)
            if error.reason is Reason.ALREADY_EXISTS:
                return False
            raise
        if self.shared:
            self._used.discard(address)
        return True

    async def give_back(self, address: str, *, uid: str = "") -> None:
        """Take an address back, with `uid` by its very object. What fails is told in the log and made good at the next start."""
        address = str(parse(address))
        try:
            await self._store.delete(self._addresses, "", address, Deletion(uid))
        except (StatusError, StorageError) as error:
            if not isinstance(error, StatusError) or error.reason not in {Reason.NOT_FOUND, Reason.CONFLICT}:
                logger.warning("the IPAddress %s cannot be removed: %s", address, error)
        self._used.discard(address)

    async def _networks(self, family: str = "") -> list[Network]:
        """Return the ranges in use: the configured ones, and those of ServiceCIDRs that are ready."""
        found = [network for name, network in self._ranges.items() if family in ("", name)]
        for stored in await self._store.walk(self._more):
            obj = load_hub(self._more.kind, stored)
            conditions = obj.get("status", {}).get("conditions", ())
            ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
            for text in obj["spec"].get("cidrs", ()) if ready and "deletionTimestamp" not in obj["metadata"] else ():
                network = parse_range(text)
                if network is not None and network not in found and family in ("", IPV4 if network.version == 4 else IPV6):
                    found.append(network)
        return found


def ip_address(address: str, owner: Object) -> Object:
    """Return the IPAddress object that holds an address for a Service."""
    family = IPV4 if ipaddress.ip_address(address).version == 4 else IPV6
    parent = {"resource": "services", "namespace": owner["namespace"], "name": owner["name"]}
    return {
        "apiVersion": f"{NETWORKING}/v1",
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": {FAMILY_LABEL: family, MANAGED_BY_LABEL: ALLOCATOR}},
        "spec": {"parentRef": parent},
    }


class _Usable(msgspec.Struct, frozen=True):
    """The addresses of a range that Services can have: all but the first one, and the last one of IPv4 (broadcast)."""

    network: Network

    @property
    def _base(self) -> int:
        return int(self.network.network_address) + 1

    @property
    def size(self) -> int:
        last = int(self.network.broadcast_address) - (1 if self.network.version == 4 else 0)
        return max(0, last - self._base + 1)

    def has(self, address: IP | None) -> bool:
        """Tell whether an address is one of them."""
        return address is not None and address.version == self.network.version and 0 <= int(address) - self._base < self.size

    def at(self, index: int) -> str:
        """Return one of them."""
        return str(type(self.network.network_address)(self._base + index))
