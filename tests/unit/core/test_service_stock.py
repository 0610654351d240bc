"""Addresses and node ports of Services: each is somebody's once, whatever happens to the write that takes it."""

from __future__ import annotations

import ipaddress

import pytest
import trio

from storage.errors import LogFull
from storage.types import Op
from watchd.admission.pools import AddressPool, PortPool, ip_address
from watchd.admission.service_stock import UNHELD_SECONDS, restock

SERVICES = "/api/v1/namespaces/default/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"

RANGE = "10.9.0.0/26"
HOSTS = 62
PORTS = (30000, 30099)


def service(name="", **spec):
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name} if name else {"generateName": "s-"}}
    return {**body, "spec": {"ports": [{"port": 80}], **spec}}


async def stocked(core, ranges=RANGE, ports=PORTS, *, shared=False):
    """Give a core a stock of its own, made of what is stored, as at a start."""
    networks = tuple(ipaddress.ip_network(text) for text in ranges.split(","))
    addresses = AddressPool(core.store, networks, core.entropy, shared=shared)
    core.store.stocks["", "services"] = await restock(core.store, addresses, PortPool(*ports, core.entropy))
    return core


@pytest.fixture
async def shop(core):
    return await stocked(core)


async def held(core):
    """Return the addresses that IPAddress objects hold."""
    return {item["metadata"]["name"] for item in (await core.call("GET", ADDRESSES)).json["items"]}


async def test_many_at_once_get_different_addresses_and_ports(shop):
    made = []

    async def make():
        made.append((await shop.call("POST", SERVICES, service(type="NodePort"))).json)

    async with trio.open_nursery() as nursery:
        for _ in range(HOSTS - 1):
            nursery.start_soon(make)
    addresses = [obj["spec"]["clusterIP"] for obj in made]
    ports = [obj["spec"]["ports"][0]["nodePort"] for obj in made]
    assert len(set(addresses)) == len(set(ports)) == HOSTS - 1
    assert set(addresses) == await held(shop)


async def test_addresses_asked_for_at_once_go_to_one(shop):
    answers = []

    async def make(name):
        answers.append((await shop.call("POST", SERVICES, service(name, clusterIP="10.9.0.9"))).status)

    async with trio.open_nursery() as nursery:
        for index in range(5):
            nursery.start_soon(make, f"s{index}")
    assert sorted(answers) == [201, 422, 422, 422, 422]


async def test_a_range_that_is_full(core):
    await stocked(core, "10.9.0.0/29")
    for index in range(6):
        assert (await core.call("POST", SERVICES, service(f"s{index}"))).status == 201
    answer = await core.call("POST", SERVICES, service("more"))
    assert (answer.status, answer.json["message"]) == (
        500,
        'Internal error occurred: failed to allocate a serviceIP for Service "more": range is full',
    )
    await core.call("DELETE", f"{SERVICES}/s3")
    assert (await core.call("POST", SERVICES, service("more"))).status == 201


async def test_ports_that_are_all_taken(core):
    await stocked(core, ports=(30000, 30001))
    assert (await core.call("POST", SERVICES, service("a", type="LoadBalancer", externalTrafficPolicy="Local"))).status == 201
    answer = await core.call("POST", SERVICES, service("b", type="NodePort"))
    assert (answer.status, answer.json["message"]) == (500, "Internal error occurred: failed to allocate a nodePort: range is full")
    # Its address has been given back.
    assert len(await held(core)) == 1


async def test_a_name_that_is_taken_costs_nothing(shop):
    await shop.call("POST", SERVICES, service("a", type="NodePort"))
    before = await held(shop)
    again = await shop.call("POST", SERVICES, service("a", type="NodePort", clusterIP="10.9.0.7"))
    assert again.status == 409
    assert await held(shop) == before
    assert (await shop.call("POST", SERVICES, service("b", clusterIP="10.9.0.7"))).status == 201


async def test_a_write_that_the_log_refuses_costs_nothing(shop):
    async def full(write):
        if b"default/a" in write.key and write.op is Op.PUT:
            raise LogFull("no room")

    shop.log.before_append = full
    answer = await shop.call("POST", SERVICES, service("a", type="NodePort", ports=[{"port": 80, "nodePort": 30007}]))
    shop.log.before_append = None
    assert answer.status == 507
    assert await held(shop) == set()
    assert (await shop.call("POST", SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30007}]))).status == 201


async def test_a_lost_race_takes_once(shop):
    async def interfere():
        shop.log.before_append = None
        namespaces = shop.registry.hub("", "namespaces")

        async def labelled(obj):
            await trio.lowlevel.checkpoint()
            obj["metadata"].setdefault("labels", {})["raced"] = "yes"
            return obj

        await shop.store.update(namespaces, "", "default", labelled)

    shop.log.race_once(interfere, only=b"default/a")
    made = (await shop.call("POST", SERVICES, service("a", type="NodePort"))).json
    assert await held(shop) == {made["spec"]["clusterIP"]}


async def test_a_caller_who_gives_up_leaves_no_doubt(shop):
    with trio.CancelScope() as scope:

        async def give_up(write):
            if b"default/a" in write.key:
                scope.cancel()

        shop.log.before_append = give_up
        await shop.call("POST", SERVICES, service("a"))
    shop.log.before_append = None
    items = (await shop.call("GET", SERVICES)).json["items"]
    assert {item["spec"]["clusterIP"] for item in items} == await held(shop)


async def test_what_finalizers_hold_keeps_its_address(shop):
    body = service("a", clusterIP="10.9.0.9")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await shop.call("POST", SERVICES, body)
    await shop.call("DELETE", f"{SERVICES}/a")
    assert await held(shop) == {"10.9.0.9"}
    services = shop.registry.hub("", "services")

    async def released(obj):
        await trio.lowlevel.checkpoint()
        obj["metadata"]["finalizers"] = []
        return obj

    written = await shop.store.update(services, "default", "a", released)
    assert written.removed
    assert await held(shop) == set()
    assert (await shop.call("POST", SERVICES, service("b", clusterIP="10.9.0.9"))).status == 201


async def test_a_new_stock_knows_what_is_taken(shop):
    await shop.call("POST", SERVICES, service("a", type="NodePort", clusterIP="10.9.0.9", ports=[{"port": 80, "nodePort": 30009}]))
    await stocked(shop)
    assert (await shop.call("POST", SERVICES, service("b", clusterIP="10.9.0.9"))).status == 422
    taken = await shop.call("POST", SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 30009}]))
    assert "provided port is already allocated" in taken.json["message"]


async def test_a_new_stock_mends_what_a_killed_server_left(shop):
    await shop.call("POST", SERVICES, service("a", clusterIP="10.9.0.9"))
    addresses = shop.registry.hub("networking.k8s.io", "ipaddresses")
    labels = {"ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}
    parent = {"resource": "services", "namespace": "default", "name": "never"}
    ours = {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress", "spec": {"parentRef": parent}}
    await shop.store.create(addresses, "", {**ours, "metadata": {"name": "10.9.0.20", "labels": labels}})
    await shop.store.create(addresses, "", {**ours, "metadata": {"name": "10.9.0.21"}})
    await shop.call("DELETE", f"{ADDRESSES}/10.9.0.9")
    await stocked(shop)
    # Somebody else's stays.
    assert await held(shop) == {"10.9.0.9", "10.9.0.21"}


async def test_a_new_stock_beside_others_leaves_what_they_are_about_to_take(core):
    await stocked(core, shared=True)
    given = []

    async def give(name):
        made = await core.call("POST", SERVICES, service(name))
        given.append(made.json["spec"]["clusterIP"])

    for name in ("stays", "goes"):
        await give(name)
    # One whose Service is on its way, as yet.
    body = ip_address("10.9.0.33", {"namespace": "default", "name": "coming"})
    assert (await core.call("POST", ADDRESSES, body)).status == 201

    async def interfere(prefix):
        if prefix == core.registry.hub("networking.k8s.io", "ipaddresses").prefix():
            core.log.before_scan = None
            await give("new")
            # However long the reading has taken.
            core.clock.advance(age)
            assert (await core.call("DELETE", f"{SERVICES}/goes")).status == 200

    age = 1.0
    core.log.before_scan = interfere
    await stocked(core, shared=True)
    assert await held(core) == {given[0], given[2], "10.9.0.33"}
    age = UNHELD_SECONDS + 1
    await give("goes")
    assert (await core.call("DELETE", f"{SERVICES}/new")).status == 200
    core.log.before_scan = interfere
    await stocked(core, shared=True)
    assert await held(core) == {given[0], given[4]}


async def test_both_families(core):
    await stocked(core, "10.9.0.0/26,fd00:9::/112")
    both = (await core.call("POST", SERVICES, service("a", ipFamilyPolicy="PreferDualStack"))).json["spec"]
    assert both["ipFamilies"] == ["IPv4", "IPv6"]
    assert set(both["clusterIPs"]) == await held(core)
    services = core.registry.hub("", "services")

    async def one_family(obj):
        await trio.lowlevel.checkpoint()
        obj["spec"]["ipFamilyPolicy"] = "SingleStack"
        return obj

    one = (await core.store.update(services, "default", "a", one_family)).object["spec"]
    assert (one["ipFamilies"], one["clusterIPs"]) == (["IPv4"], both["clusterIPs"][:1])
    assert await held(core) == {both["clusterIP"]}


async def test_ranges_of_service_cidrs_that_are_ready(core):
    await stocked(core, "10.9.0.0/30")
    ranges = core.registry.hub("networking.k8s.io", "servicecidrs")
    more = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"}, "spec": {"cidrs": ["10.10.0.0/28"]}}
    await core.store.create(ranges, "", more)
    refused = await core.call("POST", SERVICES, service("a", clusterIP="10.10.0.5"))
    assert "the provided network does not match the current range" in refused.json["message"]

    async def ready(obj):
        await trio.lowlevel.checkpoint()
        moment = "2026-01-01T00:00:00Z"
        obj["status"] = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": moment, "reason": "", "message": ""}]}
        return obj

    await core.store.update(ranges, "", "more", ready, subresource="status")
    assert (await core.call("POST", SERVICES, service("a", clusterIP="10.10.0.5"))).status == 201
    # The configured range has two addresses; the third one comes of the other.
    made = [(await core.call("POST", SERVICES, service(f"s{index}"))).json["spec"]["clusterIP"] for index in range(3)]
    assert [address.startswith("10.10.") for address in made] == [False, False, True]
