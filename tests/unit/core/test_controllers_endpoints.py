"""EndpointSlices and Endpoints of Services with a selector."""

from __future__ import annotations

import pytest
import trio

from watchd.controllers.service_pods import Pod
from watchd.controllers.slices import Slice, plan

N = "/api/v1/namespaces/default"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
LABELS = {"app": "web"}


async def service(core, name="web", address="10.96.0.7", **spec):
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    body = {
        "metadata": {"name": name, "labels": {"team": "a"}},
        "spec": {"selector": LABELS, "ports": ports, "ipFamilies": ["IPv4"], "clusterIP": address, "clusterIPs": [address], **spec},
    }
    answer = await core.call("POST", f"{N}/services", body)
    assert answer.status == 201, answer.body
    return answer.json


async def node(core, name="n1", **labels):
    answer = await core.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})
    assert answer.status == 201, answer.body


async def pod(core, name, ip, *, ready=True, port=8080, on="n1", phase="Running", labels=LABELS, **spec):
    containers = [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": port}]}]
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": on, "containers": containers, **spec}}
    answer = await core.call("POST", f"{N}/pods", body)
    assert answer.status == 201, answer.body
    status = {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": str(ready)}]}
    assert (await core.patch(f"{N}/pods/{name}/status", {"status": status})).status == 200
    return answer.json


async def slices(core):
    """Return the slices once everything has settled."""
    await trio.sleep(2)
    return (await core.call("GET", SLICES)).json["items"]


async def told(core):
    """Return what the slices tell: address -> (ready, serving, terminating)."""
    out = {}
    for item in await slices(core):
        for endpoint in item["endpoints"] or []:
            conditions = endpoint["conditions"]
            (address,) = endpoint["addresses"]
            out[address] = (conditions["ready"], conditions["serving"], conditions["terminating"])
    return out


async def endpoints(core, name="web"):
    await trio.sleep(2)
    return (await core.call("GET", f"{N}/endpoints/{name}")).json


async def test_a_slice_tells_of_the_pods_behind_a_service(cluster, autojump_clock):
    made = await service(cluster)
    await node(cluster, **{"topology.kubernetes.io/zone": "z"})
    target = await pod(cluster, "a", "10.0.0.1")
    await pod(cluster, "other", "10.0.0.9", labels={"app": "db"})
    (found,) = await slices(cluster)
    assert found["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert found["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1", "kind": "Service", "name": "web", "uid": made["metadata"]["uid"], "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert found["addressType"] == "IPv4"
    assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert found["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": target["metadata"]["uid"]},
            "nodeName": "n1",
            "zone": "z",
        }
    ]


async def test_conditions_follow_the_pod(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1", ready=False)
    assert await told(cluster) == {"10.0.0.1": (False, False, False)}
    (before,) = await slices(cluster)
    await cluster.patch(f"{N}/pods/a/status", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert await told(cluster) == {"10.0.0.1": (True, True, False)}
    await cluster.call("DELETE", f"{N}/pods/a")
    assert await told(cluster) == {"10.0.0.1": (False, True, True)}
    (after,) = await slices(cluster)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    await cluster.call("DELETE", f"{N}/pods/a", query="gracePeriodSeconds=0")
    assert await told(cluster) == {}


async def test_unready_pods_are_published_where_that_is_asked_for(cluster, autojump_clock):
    await service(cluster, publishNotReadyAddresses=True)
    # Its node need not be there either.
    await pod(cluster, "a", "10.0.0.1", ready=False)
    assert await told(cluster) == {"10.0.0.1": (True, False, False)}


async def test_pods_wait_for_their_node_to_be_there(cluster, autojump_clock):
    await service(cluster)
    await pod(cluster, "a", "10.0.0.1")
    assert await told(cluster) == {}
    await node(cluster)
    assert await told(cluster) == {"10.0.0.1": (True, True, False)}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
async def test_pods_at_their_end_are_left_out(cluster, autojump_clock, phase):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1", phase=phase)
    assert await told(cluster) == {}


async def test_pods_that_have_a_port_elsewhere_are_told_in_a_slice_of_their_own(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1")
    await pod(cluster, "b", "10.0.0.2", port=9090)
    found = {item["ports"][0]["port"]: item["endpoints"][0]["addresses"] for item in await slices(cluster)}
    assert found == {8080: ["10.0.0.1"], 9090: ["10.0.0.2"]}
    await cluster.call("DELETE", f"{N}/pods/b", query="gracePeriodSeconds=0")
    assert [item["ports"][0]["port"] for item in await slices(cluster)] == [8080]


async def test_a_service_without_pods_has_an_empty_slice_that_is_filled_later(cluster, autojump_clock):
    await service(cluster, address="None")
    (empty,) = await slices(cluster)
    assert not empty["endpoints"]
    assert empty["metadata"]["labels"]["service.kubernetes.io/headless"] == ""
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1", hostname="one", subdomain="web")
    (filled,) = await slices(cluster)
    assert filled["metadata"]["name"] == empty["metadata"]["name"]
    assert filled["endpoints"][0]["hostname"] == "one"


async def test_a_slice_has_a_hundred_endpoints_at_most(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    for number in range(205):
        await pod(cluster, f"p{number:03}", f"10.0.{number // 200}.{number % 200 + 1}")
    sizes = [len(item["endpoints"]) for item in await slices(cluster)]
    assert sum(sizes) == 205
    # As with the reference, what is written in one go is not spread over slices that need no write.
    assert max(sizes) <= 100
    assert len(sizes) <= 4
    assert len((await endpoints(cluster))["subsets"][0]["addresses"]) == 205


async def test_slices_that_somebody_spoils_are_made_good(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1")
    (found,) = await slices(cluster)
    path = f"{SLICES}/{found['metadata']['name']}"
    await cluster.patch(path, {"endpoints": []})
    assert await told(cluster) == {"10.0.0.1": (True, True, False)}
    await cluster.call("DELETE", path)
    assert await told(cluster) == {"10.0.0.1": (True, True, False)}


async def test_nothing_is_written_while_nothing_changes(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1")
    await slices(cluster)
    head = cluster.log.head
    await cluster.patch(f"{N}/pods/a/status", {"status": {"message": "still there"}})
    await trio.sleep(100)
    assert cluster.log.head == head + 1


async def test_they_go_with_the_service(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1")
    await cluster.there(f"{N}/endpoints/web")
    await cluster.call("DELETE", f"{N}/services/web")
    assert await slices(cluster) == []
    assert not await cluster.exists(f"{N}/endpoints/web")


async def test_a_service_without_a_selector_is_left_to_others(cluster, autojump_clock):
    await service(cluster, selector=None)
    mine = {
        "metadata": {"name": "mine", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "ports": [],
        "endpoints": [{"addresses": ["10.1.1.1"]}],
    }
    assert (await cluster.call("POST", SLICES, mine)).status == 201
    await cluster.call("POST", f"{N}/endpoints", {"metadata": {"name": "web"}, "subsets": [{"addresses": [{"ip": "10.1.1.1"}]}]})
    assert [item["metadata"]["name"] for item in await slices(cluster)] == ["mine"]
    assert (await endpoints(cluster))["subsets"] == [{"addresses": [{"ip": "10.1.1.1"}]}]


async def test_endpoints_say_the_same_in_the_older_form(cluster, autojump_clock):
    await service(cluster)
    await node(cluster)
    a = await pod(cluster, "a", "10.0.0.2")
    await pod(cluster, "b", "10.0.0.1", ready=False)
    found = await endpoints(cluster)
    assert found["metadata"]["labels"] == {"team": "a", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    (subset,) = found["subsets"]
    assert subset["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert subset["addresses"] == [
        {
            "ip": "10.0.0.2", "nodeName": "n1",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "a", "uid": a["metadata"]["uid"]},
        }
    ]
    assert [address["ip"] for address in subset["notReadyAddresses"]] == ["10.0.0.1"]


async def test_what_happened_while_the_server_was_down_is_told_after_the_start(start, autojump_clock):
    before = await start(controllers=True)
    await service(before)
    await node(before)
    await pod(before, "a", "10.0.0.1")
    await slices(before)
    down = await start(before.log.log.fork())
    await down.call("DELETE", f"{N}/pods/a", query="gracePeriodSeconds=0")
    await pod(down, "b", "10.0.0.2")
    after = await start(down.log.log.fork(), controllers=True)
    assert await told(after) == {"10.0.0.2": (True, True, False)}


async def test_endpoints_that_somebody_deletes_come_again(cluster, autojump_clock):
    await service(cluster)
    first = await endpoints(cluster)
    await cluster.call("DELETE", f"{N}/endpoints/web")
    assert (await endpoints(cluster))["metadata"]["uid"] != first["metadata"]["uid"]


async def test_each_family_of_a_service_has_slices_of_its_own(cluster, autojump_clock):
    families = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack", "clusterIPs": ["fd00::7", "10.96.0.7"]}
    await service(cluster, address="fd00::7", **families)
    await node(cluster)
    await pod(cluster, "a", "10.0.0.1")
    await cluster.patch(f"{N}/pods/a/status", {"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::0:1"}]}})
    found = {item["addressType"]: item["endpoints"][0]["addresses"] for item in await slices(cluster)}
    assert found == {"IPv4": ["10.0.0.1"], "IPv6": ["fd00::1"]}
    # The older form knows one family, the first.
    assert (await endpoints(cluster))["subsets"][0]["addresses"][0]["ip"] == "fd00::1"


async def test_a_service_that_waits_in_a_namespace_that_goes_gets_nothing_new(cluster, autojump_clock, caplog):
    await cluster.namespace("n")
    body = {
        "metadata": {"name": "web", "finalizers": ["e.com/x"]},
        "spec": {"selector": LABELS, "ports": [{"port": 80}], "ipFamilies": ["IPv4"], "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"]},
    }
    assert (await cluster.call("POST", "/api/v1/namespaces/n/services", body)).status == 201
    await cluster.there("/api/v1/namespaces/n/endpoints/web")
    await cluster.call("DELETE", "/api/v1/namespaces/n")
    await trio.sleep(300)
    assert (await cluster.call("GET", "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices")).json["items"] == []
    assert "will look at" not in caplog.text


async def test_a_refused_slice_is_tried_again_ever_more_rarely(cluster, autojump_clock, caplog):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"count/endpointslices.discovery.k8s.io": "0"}}}
    await cluster.call("POST", f"{N}/resourcequotas", quota)
    await trio.sleep(1)
    await service(cluster)
    await trio.sleep(600)
    assert 5 < caplog.text.count("will look at ('default', 'web') again") < 25
    await cluster.call("DELETE", f"{N}/resourcequotas/q")
    await trio.sleep(120)
    assert len(await slices(cluster)) == 1


def test_endpoints_are_packed_with_few_writes():
    service = {"metadata": {"name": "s", "namespace": "n", "uid": "u"}, "spec": {"ipFamilies": ["IPv4"], "ports": []}}

    def pods(*ranges):
        return [
            Pod(f"p{number}", f"uid{number}", {}, (f"10.0.{number // 250}.{number % 250 + 1}",), "n1", "", "", True, False, False, ())
            for start, end in ranges
            for number in range(start, end)
        ]

    def stored(*parts):
        """Return slices as they are stored, of some pods each."""
        out = []
        for name, part in parts:
            (made,) = plan(service, part, {}, []).slices
            obj = made.rendered(service)
            obj["metadata"] |= {"name": name, "uid": name}
            out.append(Slice.of(obj))
        return out

    def named(found):
        return [((slice_.object or {"metadata": {}})["metadata"].get("name", "new"), len(slice_.endpoints)) for slice_ in found.slices]

    # Nothing new.
    present = stored(("a", pods((0, 60))), ("b", pods((60, 100))))
    assert named(plan(service, pods((0, 100)), {}, present)) == [("a", 60), ("b", 40)]
    # A few more go where they leave the least room.
    present = stored(("a", pods((0, 60))), ("b", pods((60, 100))))
    assert named(plan(service, pods((0, 110)), {}, present)) == [("a", 70), ("b", 40)]
    # What fits nowhere gets slices of its own.
    present = stored(("a", pods((0, 60))), ("b", pods((60, 100))))
    assert named(plan(service, pods((0, 290)), {}, present)) == [("a", 60), ("b", 40), ("new", 100), ("new", 90)]
    # A slice that loses endpoints is filled before others.
    present = stored(("a", pods((0, 60))), ("b", pods((60, 100))))
    assert named(plan(service, pods((0, 60), (70, 115)), {}, present)) == [("a", 60), ("b", 45)]
    # One that loses all of them goes.
    present = stored(("a", pods((0, 60))), ("b", pods((60, 100))))
    left = plan(service, pods((0, 60)), {}, present)
    assert named(left) == [("a", 60)]
    assert [slice_.object["metadata"]["name"] for slice_ in left.surplus] == ["b"]
