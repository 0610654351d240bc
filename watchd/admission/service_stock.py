"""ServiceStock: what Services take - cluster addresses and node ports - while they are written, and give back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from watchd.admission.pools import (
    ALLOCATOR,
    DRY_RUN_PORT,
    MANAGED_BY_LABEL,
    NETWORKING,
    AddressPool,
    Full,
    PoolError,
    PortPool,
    ip_address,
)
from watchd.admission.service_families import carry_over, normalize, refusal, same_dual_stack, settle_families
from watchd.registry.attributes import Attributes, Operation
from watchd.registry.builtin.common.fields import invalid
from watchd.registry.builtin.core.service import (
    EXTERNAL_NAME,
    HEADLESS,
    LOAD_BALANCER,
    NODE_PORT,
    needs_address,
    needs_health_port,
)
from watchd.registry.stock import Settle
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub
from watchd.status import Cause, Reason, StatusError, internal

Object = dict[str, Any]

logger = logging.getLogger(__name__)

WITH_PORTS = (NODE_PORT, LOAD_BALANCER)

UNHELD_SECONDS = 300.0
"""How long an address may be without its Service where several processes write: longer than any write takes, webhooks included."""


class _Taken:
    """What one write has taken, and what it gives back once it is stored."""

    def __init__(self, stock: ServiceStock, *, dry_run: bool) -> None:
        self._stock = stock
        self._dry_run = dry_run
        self._addresses: list[str] = []
        self._ports: list[int] = []
        self.old_addresses: list[str] = []
        self.old_ports: list[int] = []

    async def address(self, family: str, wanted: str, owner: Object) -> str:
        """Take an address: the one that is wanted, or any. Raises PoolError, StatusError."""
        pool = self._stock.addresses
        if self._dry_run:
            if wanted and not await pool.contains(wanted):
                raise PoolError("the provided network does not match the current range")
            return wanted or str(pool.range(family).network_address)
        if wanted:
            await pool.take(wanted, owner)
        else:
            wanted = await pool.take_any(family, owner)
        self._addresses.append(wanted)
        return wanted

    def port(self, wanted: int) -> int:
        """Take a port: the one that is wanted, or any for 0. Raises PoolError."""
        pool = self._stock.ports
        if not self._dry_run or pool.refuses:
            if wanted:
                pool.take(wanted)
            else:
                wanted = pool.take_any()
        elif wanted and (pool.has(wanted) or wanted in self._ports):
            raise PoolError("provided port is already allocated")
        else:
            wanted = wanted or max([DRY_RUN_PORT - 1, *self._ports]) + 1
        self._ports.append(wanted)
        return wanted

    async def settle(self, stored: bool) -> None:  # noqa: FBT001 - the protocol's own form
        """Give back what is not needed: the old things where the write was stored, else the new ones."""
        if self._dry_run:
            return
        for port in self.old_ports if stored else self._ports:
            self._stock.ports.give_back(port)
        for address in self.old_addresses if stored else self._addresses:
            await self._stock.addresses.give_back(address)


class ServiceStock:
    """The stock of Services."""

    def __init__(self, addresses: AddressPool, ports: PortPool) -> None:
        self.addresses = addresses
        self.ports = ports

    async def take(self, attributes: Attributes) -> Settle:
        """Fill in addresses and ports, in place. Raises StatusError."""
        obj, old = attributes.object, attributes.old
        spec: Object = {} if obj is None else obj["spec"]
        before: Object | None = old["spec"] if attributes.operation is Operation.UPDATE and old is not None else None
        if before is not None:
            carry_over(spec, before)
        normalize(spec, before)
        settle_families(attributes.name, spec, before, self.addresses.families)
        taken = _Taken(self, dry_run=attributes.dry_run)
        owner = {"namespace": attributes.namespace, "name": attributes.name}
        try:
            await self._take_addresses(spec, before, taken, owner)
            self._take_ports(attributes.name, spec, before, taken)
            self._take_health_port(spec, before, taken)
        except BaseException:
            await taken.settle(stored=False)
            raise
        return taken.settle

    async def removed(self, obj: Object) -> None:
        """Take back everything that a Service had."""
        spec = obj["spec"]
        for port in held_ports(spec):
            self.ports.give_back(port)
        for address in held_addresses(spec):
            await self.addresses.give_back(address)

    async def _take_addresses(self, spec: Object, old: Object | None, taken: _Taken, owner: Object) -> None:
        if old is not None and needs_address(old):
            if same_dual_stack(spec, old) or HEADLESS in old.get("clusterIPs", ()):
                return
            if not needs_address(spec):
                taken.old_addresses += old.get("clusterIPs", ())
                return
            had, has = len(old.get("ipFamilies", ())), len(spec.get("ipFamilies", ()))
            if had > has:
                taken.old_addresses += old.get("clusterIPs", ())[has:]
            if had >= has:
                return
            first = had
        else:
            first = 0
        if not needs_address(spec) or HEADLESS in spec.get("clusterIPs", ()):
            return
        addresses = list(spec.get("clusterIPs", ()))
        for index, family in enumerate(spec["ipFamilies"]):
            if index >= len(addresses):
                addresses.append("")
            if index >= first:
                addresses[index] = await self._take_address(family, addresses, index, taken, owner)
        spec["clusterIPs"] = addresses
        spec["clusterIP"] = addresses[0]

    async def _take_address(self, family: str, addresses: list[str], index: int, taken: _Taken, owner: Object) -> str:
        wanted = addresses[index]
        try:
            return await taken.address(family, wanted, owner)
        except Full as error:
            name = owner["name"]
            raise _internal(f'failed to allocate a serviceIP for Service "{name}": {error}') from error
        except PoolError as error:
            why = f"failed to allocate IP {wanted}: {error}" if wanted else f"failed to allocate IP: {error}"
            raise refusal(owner["name"], [invalid("spec.clusterIPs", addresses, why)]) from error

    def _take_ports(self, name: str, spec: Object, old: Object | None, taken: _Taken) -> None:
        if spec["type"] in WITH_PORTS:
            anew = spec["type"] == NODE_PORT or spec.get("allocateLoadBalancerNodePorts", True)
            asking = [index for index, port in enumerate(spec.get("ports", ())) if port.get("nodePort") or anew]
            if old is None:
                self._take_new_ports(name, spec["ports"], asking, taken)
            else:
                self._take_more_ports(name, spec["ports"], asking, node_ports(old), taken)
                taken.old_ports += set(node_ports(old)) - set(node_ports(spec))
        elif old is not None and old["type"] in WITH_PORTS:
            taken.old_ports += set(node_ports(old))

    def _take_new_ports(self, name: str, ports: list[Object], asking: list[int], taken: _Taken) -> None:
        """Take node ports for a new Service. A port that several protocols share has one node port for all of them."""
        shared: dict[int, int] = {}
        for index in asking:
            port, number = ports[index], ports[index]["port"]
            if number not in shared:
                wanted = next((other["nodePort"] for other in ports if other["port"] == number and other.get("nodePort")), 0)
                shared[number] = port["nodePort"] = self._take_port(name, wanted, index, taken)
            elif not port.get("nodePort"):
                port["nodePort"] = shared[number]
            elif port["nodePort"] != shared[number]:
                self._take_port(name, port["nodePort"], index, taken)

    def _take_more_ports(self, name: str, ports: list[Object], asking: list[int], had: list[int], taken: _Taken) -> None:
        """Take the node ports that a Service has not had."""
        mine = set(had)
        seen: set[tuple[str, int]] = set()
        for index in asking:
            port = ports[index]
            if not port.get("nodePort") or port["nodePort"] not in mine:
                port["nodePort"] = self._take_port(name, port.get("nodePort", 0), index, taken)
                mine.add(port["nodePort"])
            pair = (port["protocol"], port["nodePort"])
            if pair in seen:
                raise internal(f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
            seen.add(pair)

    def _take_port(self, name: str, wanted: int, index: int, taken: _Taken) -> int:
        try:
            return taken.port(wanted)
        except Full as error:
            raise _internal(f"failed to allocate a nodePort: {error}") from error
        except PoolError as error:
            raise refusal(name, [invalid(f"spec.ports[{index}].nodePort", wanted, str(error))]) from error

    @staticmethod
    def _take_health_port(spec: Object, old: Object | None, taken: _Taken) -> None:
        had = old is not None and needs_health_port(old)
        if needs_health_port(spec) and not had:
            wanted = spec.get("healthCheckNodePort", 0)
            try:
                spec["healthCheckNodePort"] = taken.port(wanted)
            except PoolError as error:
                what = f"requested HealthCheck NodePort {wanted}" if wanted else "a HealthCheck NodePort 0"
                raise _internal(f"failed to allocate {what}: {error}") from error
        elif had and old is not None and not needs_health_port(spec):
            taken.old_ports += [old["healthCheckNodePort"]] if old.get("healthCheckNodePort") else []


def _internal(why: str) -> StatusError:
    return StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {why}", causes=[Cause("", why)])


def node_ports(spec: Object) -> list[int]:
    """Return the node ports of a Service."""
    return [port["nodePort"] for port in spec.get("ports", ()) if port.get("nodePort")]


def held_ports(spec: Object) -> list[int]:
    """Return all ports of nodes that a Service holds."""
    health = spec.get("healthCheckNodePort", 0) if needs_health_port(spec) else 0
    return node_ports(spec) + ([health] if health else [])


def held_addresses(spec: Object) -> list[str]:
    """Return the addresses that a Service holds."""
    if spec.get("type") == EXTERNAL_NAME or HEADLESS in spec.get("clusterIPs", ()):
        return []
    return list(spec.get("clusterIPs", ()))


async def restock(store: Store, addresses: AddressPool, ports: PortPool, *, repair: bool = True) -> ServiceStock:
    """Make the stock of what the stored Services hold, and with `repair` bring the IPAddress objects to that.

    A server that was killed between the two objects leaves an address without its Service, or (by other hands) the reverse.
    """
    services = store.registry.hub("", "services")
    holders: dict[str, Object] = {}
    for stored in await store.walk(services):
        obj = load_hub(services.kind, stored)
        for address in held_addresses(obj["spec"]):
            holders[address] = obj["metadata"]
            addresses.remember(address)
        for port in held_ports(obj["spec"]):
            ports.remember(port)
    if repair:
        await _repair(store, addresses, holders)
    return ServiceStock(addresses, ports)


async def _repair(store: Store, addresses: AddressPool, holders: Mapping[str, Object]) -> None:
    """Bring the IPAddress objects to what Services hold; `holders` are their metadata, by address."""
    objects = store.registry.hub(NETWORKING, "ipaddresses")
    found = await store.walk(objects)
    # Others that write take an address before they store its Service, and have gone on since the Services were read.
    ripe_ms = store.clock.now_ms() - round(UNHELD_SECONDS * 1000)
    for stored in found:
        header = header_of(stored.header)
        if header.labels.get(MANAGED_BY_LABEL) != ALLOCATOR or header.name in holders:
            continue
        owner = load_hub(objects.kind, stored)["spec"]["parentRef"]
        if addresses.shared and (header.time_ms > ripe_ms or await _holds(store, owner, header.name)):
            continue
        await addresses.give_back(header.name, uid=header.uid)
    for address in holders.keys() - {header_of(stored.header).name for stored in found}:
        if addresses.shared and not await _holds(store, holders[address], address):
            continue
        try:
            await store.create(objects, "", ip_address(address, holders[address]))
        except StatusError as error:
            # The address is remembered all the same: reads go on where a disk is full, and so does the server.
            logger.warning("the IPAddress %s cannot be made again: %s", address, error)


async def _holds(store: Store, owner: Object, address: str) -> bool:
    """Tell whether a Service, whose namespace and name are in `owner`, holds an address now."""
    try:
        service = await store.find("", "services", owner["namespace"], owner["name"])
    except StatusError:
        return False
    return address in held_addresses(service["spec"])
