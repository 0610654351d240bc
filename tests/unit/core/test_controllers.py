"""Controllers: namespaces and what is in them, garbage, the expiry of Events."""

from __future__ import annotations

import pytest
import trio

from storage.errors import LogFull
from storage.types import Op, Write
from watchd.controllers.namespaces import Namespaces

N = "/api/v1/namespaces/n"


# Namespaces


async def test_first_namespaces_are_there(core, samples):
    listed = (await core.call("GET", samples.namespaces)).json["items"]
    assert [item["metadata"]["name"] for item in listed] == ["default", "kube-node-lease", "kube-public", "kube-system"]


async def test_deleted_namespace_is_emptied(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await cluster.namespace("n")
    await cluster.namespace("n2")
    for namespace in ("n", "n2"):
        await cluster.config_map("a", namespace=namespace)
        await cluster.call("POST", f"/apis/example.com/v1/namespaces/{namespace}/things", samples.thing())
    await cluster.call("DELETE", N)
    await cluster.gone(N)
    for kind in cluster.registry.kinds:
        if kind.namespaced:
            assert await cluster.store.walk(cluster.registry.hub(kind.group, kind.names.plural), "n") == []
    assert await cluster.exists("/api/v1/namespaces/n2/configmaps/a")
    assert await cluster.exists("/apis/example.com/v1/namespaces/n2/things/a")


async def test_namespace_waits_for_finalizers_of_its_objects(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    await cluster.config_map("held", namespace="n", finalizers=["e.com/x"])
    await cluster.config_map("free", namespace="n")
    await cluster.call("DELETE", N)
    await cluster.gone(f"{N}/configmaps/free")
    await trio.sleep(300)
    namespace = (await cluster.call("GET", N)).json
    assert namespace["status"]["phase"] == "Terminating"
    (condition,) = namespace["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("NamespaceContentRemaining", "True")
    assert "configmaps has 1 resource instances" in condition["message"]
    assert "deletionTimestamp" in (await cluster.call("GET", f"{N}/configmaps/held")).json["metadata"]
    await cluster.patch(f"{N}/configmaps/held", {"metadata": {"finalizers": None}})
    await cluster.gone(N)


async def test_namespace_with_a_finalizer_of_its_own(cluster, samples, autojump_clock):
    await cluster.namespace("n", finalizers=["e.com/x"])
    await cluster.call("DELETE", N)
    await trio.sleep(10)
    assert (await cluster.call("GET", N)).json["spec"] == {}
    await cluster.patch(N, {"metadata": {"finalizers": None}})
    await cluster.gone(N)


async def test_namespace_can_be_made_again(cluster, samples, autojump_clock):
    for _ in range(3):
        await cluster.namespace("n")
        await cluster.config_map("a", namespace="n")
        await cluster.call("DELETE", N)
        await cluster.gone(N)


async def test_namespace_that_was_forced_away_and_made_again_keeps_its_objects(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    await cluster.config_map("held", namespace="n", finalizers=["e.com/x"])
    await cluster.call("DELETE", N)
    await trio.sleep(3)
    # What people do with a namespace that does not go.
    namespace = (await cluster.call("GET", N)).json
    assert (await cluster.call("PUT", f"{N}/finalize", {**namespace, "spec": {}})).status == 200
    assert not await cluster.exists(N)
    await cluster.namespace("n")
    await cluster.config_map("new", namespace="n")
    await trio.sleep(100)
    assert await cluster.exists(f"{N}/configmaps/new")
    assert (await cluster.call("GET", N)).json["status"]["phase"] == "Active"


async def test_full_log_delays_the_end_of_a_namespace_only(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    await cluster.config_map("a", namespace="n")
    await cluster.call("DELETE", N)
    cluster.log.fail_with(LogFull("no room"))
    await trio.sleep(60)
    assert await cluster.exists(N)
    cluster.log.before_append = None
    await cluster.gone(N)


async def test_namespaces_under_deletion_at_the_start_are_emptied(start, samples, autojump_clock):
    before = await start()
    await before.namespace("n")
    await before.config_map("a", namespace="n")
    await before.call("DELETE", N)
    after = await start(before.log.log.fork(), controllers=True)
    await after.gone(N)


# What every namespace has


async def test_a_kind_that_goes_while_a_namespace_is_emptied_stops_nothing(cluster, samples, autojump_clock, monkeypatch):
    await cluster.define(samples.definition())
    await cluster.namespace("n")
    await cluster.config_map("a", namespace="n")
    walk = cluster.store.walk

    async def walk_while_it_goes(endpoint, namespace=""):
        cluster.registry.uninstall("example.com", "things")
        return await walk(endpoint, namespace)

    monkeypatch.setattr(cluster.store, "walk", walk_while_it_goes)
    await cluster.call("DELETE", N)
    await cluster.gone(N)
    assert (await cluster.call("GET", samples.namespaces)).status == 200


async def test_contents_of_a_namespace_come_and_come_again(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    account = await cluster.there(f"{N}/serviceaccounts/default")
    config = await cluster.there(f"{N}/configmaps/kube-root-ca.crt")
    assert config["data"] == {"ca.crt": "CA"}
    assert "kubernetes.io/description" in config["metadata"]["annotations"]
    await cluster.call("DELETE", f"{N}/serviceaccounts/default")
    await cluster.settle()
    assert (await cluster.there(f"{N}/serviceaccounts/default"))["metadata"]["uid"] != account["metadata"]["uid"]
    await cluster.call("DELETE", f"{N}/configmaps/kube-root-ca.crt")
    await cluster.settle()
    await cluster.there(f"{N}/configmaps/kube-root-ca.crt")
    await cluster.patch(f"{N}/configmaps/kube-root-ca.crt", {"data": {"ca.crt": "forged", "more": "x"}})
    await cluster.settle()
    assert (await cluster.call("GET", f"{N}/configmaps/kube-root-ca.crt")).json["data"] == {"ca.crt": "CA"}


async def test_first_namespaces_have_them_too(cluster):
    for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        assert await cluster.exists(f"/api/v1/namespaces/{name}/serviceaccounts/default")
        assert await cluster.exists(f"/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt")


async def test_new_certificate_reaches_every_namespace(start, samples, autojump_clock):
    before = await start(controllers=True, ca_pem="OLD")
    await before.namespace("n")
    await before.settle()
    after = await start(before.log.log.fork(), controllers=True, ca_pem="NEW")
    for name in ("default", "n"):
        found = await after.call("GET", f"/api/v1/namespaces/{name}/configmaps/kube-root-ca.crt")
        assert found.json["data"] == {"ca.crt": "NEW"}


async def test_full_log_stops_no_controller(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    await cluster.settle()
    cluster.log.fail_with(LogFull("no room"), only=b"n/")
    # The delete itself is not let through either, so it is made in the log below.
    key = cluster.endpoint("serviceaccounts").key("n", "default")
    await cluster.log.log.append(Write(key, Op.DELETE))
    await trio.sleep(30)
    assert not await cluster.exists(f"{N}/serviceaccounts/default")
    cluster.log.before_append = None
    await trio.sleep(30)
    assert await cluster.exists(f"{N}/serviceaccounts/default")


# Garbage


def owned_by(*owners, block=False):
    return [
        {
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            **({"blockOwnerDeletion": True} if block else {}),
        }
        for owner in owners
    ]


async def test_dependents_go_after_their_owner(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    child = await cluster.config_map("child", ownerReferences=owned_by(owner))
    await cluster.config_map("grandchild", ownerReferences=owned_by(child))
    other = await cluster.config_map("other")
    await cluster.call("DELETE", f"{samples.config_maps}/owner")
    await cluster.gone(f"{samples.config_maps}/child")
    await cluster.gone(f"{samples.config_maps}/grandchild")
    assert (await cluster.call("GET", f"{samples.config_maps}/other")).json == other


async def test_foreground_waits_for_dependents_that_block(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    await cluster.config_map("blocking", ownerReferences=owned_by(owner, block=True), finalizers=["e.com/x"])
    await cluster.config_map("free", ownerReferences=owned_by(owner))
    answer = await cluster.call("DELETE", f"{samples.config_maps}/owner", query="propagationPolicy=Foreground")
    assert answer.json["metadata"]["finalizers"] == ["foregroundDeletion"]
    await cluster.gone(f"{samples.config_maps}/free")
    await trio.sleep(100)
    assert await cluster.exists(f"{samples.config_maps}/owner")
    assert "deletionTimestamp" in (await cluster.call("GET", f"{samples.config_maps}/blocking")).json["metadata"]
    await cluster.patch(f"{samples.config_maps}/blocking", {"metadata": {"finalizers": None}})
    await cluster.gone(f"{samples.config_maps}/owner")


async def test_foreground_does_not_wait_for_dependents_that_do_not_block(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    await cluster.config_map("held", ownerReferences=owned_by(owner), finalizers=["e.com/x"])
    await cluster.call("DELETE", f"{samples.config_maps}/owner", query="propagationPolicy=Foreground")
    await cluster.gone(f"{samples.config_maps}/owner")
    await trio.sleep(1)
    assert "deletionTimestamp" in (await cluster.call("GET", f"{samples.config_maps}/held")).json["metadata"]


@pytest.mark.parametrize("how", ["disowned", "unblocked"])
async def test_foreground_goes_on_when_a_dependent_lets_go(cluster, samples, autojump_clock, how):
    owner = await cluster.config_map("owner")
    path = f"{samples.config_maps}/child"
    await cluster.config_map("child", ownerReferences=owned_by(owner, block=True), finalizers=["e.com/x"])
    await cluster.call("DELETE", f"{samples.config_maps}/owner", query="propagationPolicy=Foreground")
    await trio.sleep(5)
    assert await cluster.exists(f"{samples.config_maps}/owner")
    references = None if how == "disowned" else owned_by(owner)
    assert (await cluster.patch(path, {"metadata": {"ownerReferences": references}})).status == 200
    await cluster.gone(f"{samples.config_maps}/owner")


async def test_foreground_lets_go_of_a_dependent_with_another_owner(cluster, samples, autojump_clock):
    one, two = await cluster.config_map("one"), await cluster.config_map("two")
    await cluster.config_map("child", ownerReferences=owned_by(one, two, block=True))
    await cluster.call("DELETE", f"{samples.config_maps}/one", query="propagationPolicy=Foreground")
    await cluster.gone(f"{samples.config_maps}/one")
    child = (await cluster.call("GET", f"{samples.config_maps}/child")).json
    assert child["metadata"]["ownerReferences"] == owned_by(two, block=True)


async def test_orphans_stay(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    await cluster.config_map("child", ownerReferences=owned_by(owner))
    await cluster.call("DELETE", f"{samples.config_maps}/owner", query="propagationPolicy=Orphan")
    await cluster.gone(f"{samples.config_maps}/owner")
    await trio.sleep(100)
    assert "ownerReferences" not in (await cluster.call("GET", f"{samples.config_maps}/child")).json["metadata"]


async def test_object_with_an_owner_that_never_was_goes(cluster, samples, autojump_clock):
    nobody = {"metadata": {"name": "nobody", "uid": "u-1"}}
    await cluster.config_map("child", ownerReferences=owned_by(nobody))
    await cluster.gone(f"{samples.config_maps}/child")


async def test_owner_of_the_same_name_is_not_the_owner(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    owner["metadata"]["uid"] = "another"
    await cluster.config_map("child", ownerReferences=owned_by(owner))
    await cluster.gone(f"{samples.config_maps}/child")
    assert await cluster.exists(f"{samples.config_maps}/owner")


async def test_owner_that_is_named_twice_counts_once(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    twice = owned_by(owner) + [{**reference, "controller": True} for reference in owned_by(owner)]
    await cluster.config_map("child", ownerReferences=twice)
    await trio.sleep(10)
    path = f"{samples.config_maps}/child"
    # What it is seen to have let go of has been two entries of one owner.
    assert (await cluster.patch(path, {"metadata": {"ownerReferences": owned_by(owner)}})).status == 200
    await trio.sleep(10)
    await cluster.call("DELETE", f"{samples.config_maps}/owner")
    await cluster.gone(path)


async def test_object_stays_while_one_owner_is_there(cluster, samples, autojump_clock):
    one, two = await cluster.config_map("one"), await cluster.config_map("two")
    await cluster.config_map("child", ownerReferences=owned_by(one, two))
    await cluster.call("DELETE", f"{samples.config_maps}/one")
    await trio.sleep(10)
    child = (await cluster.call("GET", f"{samples.config_maps}/child")).json
    assert child["metadata"]["ownerReferences"] == owned_by(two)
    await cluster.call("DELETE", f"{samples.config_maps}/two")
    await cluster.gone(f"{samples.config_maps}/child")


async def test_owner_of_an_unknown_kind_keeps_its_dependents(cluster, samples, autojump_clock):
    reference = {"apiVersion": "nowhere.com/v1", "kind": "Nothing", "name": "x", "uid": "u"}
    await cluster.config_map("child", ownerReferences=[reference])
    await trio.sleep(100)
    assert await cluster.exists(f"{samples.config_maps}/child")


async def test_dependents_of_custom_objects_go_with_their_definition(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    owner = (await cluster.call("POST", samples.things, samples.thing("owner"))).json
    reference = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "owner", "uid": owner["metadata"]["uid"]}
    for number in range(60):
        await cluster.config_map(f"child{number}", ownerReferences=[reference])
    await cluster.call("DELETE", f"{samples.definitions}/things.example.com")
    await cluster.gone(f"{samples.definitions}/things.example.com")
    await trio.sleep(100)
    assert [item["metadata"]["name"] for item in (await cluster.call("GET", samples.config_maps)).json["items"]] == ["kube-root-ca.crt"]


async def test_full_log_delays_the_collection_only(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    await cluster.config_map("child", ownerReferences=owned_by(owner))
    cluster.log.fail_with(LogFull("no room"), only=b"/child")
    await cluster.call("DELETE", f"{samples.config_maps}/owner")
    await trio.sleep(60)
    assert await cluster.exists(f"{samples.config_maps}/child")
    cluster.log.before_append = None
    await cluster.gone(f"{samples.config_maps}/child")


async def test_owner_that_goes_while_compaction_overtakes_the_collector(cluster, samples, autojump_clock):
    owner = await cluster.config_map("owner")
    await cluster.config_map("child", ownerReferences=owned_by(owner))
    await cluster.settle()
    await cluster.log.append(Write(cluster.endpoint("configmaps").key("default", "owner"), Op.DELETE))
    # Before anybody who was woken has read the change.
    cluster.log.log._drop(cluster.log.head)
    await cluster.gone(f"{samples.config_maps}/child")


async def test_garbage_that_was_there_at_the_start(start, samples, autojump_clock):
    before = await start()
    owner = await before.config_map("owner")
    await before.config_map("child", ownerReferences=owned_by(owner))
    waiting = await before.config_map("waiting")
    await before.config_map("blocking", ownerReferences=owned_by(waiting, block=True))
    await before.call("DELETE", f"{samples.config_maps}/owner")
    await before.call("DELETE", f"{samples.config_maps}/waiting", query="propagationPolicy=Foreground")
    after = await start(before.log.log.fork(), controllers=True)
    for name in ("child", "blocking", "waiting"):
        await after.gone(f"{samples.config_maps}/{name}")


# Events

EVENTS = "/api/v1/namespaces/default/events"


def event(name, **fields):
    return {"metadata": {"name": name}, "involvedObject": {"namespace": "default"}, **fields}


async def test_events_expire_an_hour_after_their_last_write(cluster, samples, autojump_clock):
    for name in ("old", "renewed"):
        assert (await cluster.call("POST", EVENTS, event(name))).status == 201
    await cluster.config_map("a")
    cluster.clock.advance(1800)
    assert (await cluster.patch(f"{EVENTS}/renewed", {"count": 2})).status == 200
    await trio.sleep(61)
    assert await cluster.exists(f"{EVENTS}/old")
    cluster.clock.advance(1801)
    await trio.sleep(61)
    assert not await cluster.exists(f"{EVENTS}/old")
    assert await cluster.exists(f"{EVENTS}/renewed")
    cluster.clock.advance(1801)
    await trio.sleep(61)
    assert not await cluster.exists(f"{EVENTS}/renewed")
    assert await cluster.exists(f"{samples.config_maps}/a")


async def test_clock_that_is_set_back_lets_every_event_expire(cluster, samples, autojump_clock):
    await cluster.call("POST", EVENTS, event("first"))
    cluster.clock.advance(3601)

    async def earlier():
        # Written at a time that lies before the one that is just expiring.
        cluster.clock.advance(-7200)
        await cluster.call("POST", EVENTS, event("second"))
        await cluster.settle()
        cluster.clock.advance(7200)

    cluster.log.race_once(earlier, only=b"/first")
    await trio.sleep(120)
    for name in ("first", "second"):
        assert not await cluster.exists(f"{EVENTS}/{name}")


async def test_full_log_delays_the_expiry_only(cluster, samples, autojump_clock):
    await cluster.call("POST", EVENTS, event("a"))
    cluster.log.fail_with(LogFull("no room"), only=b"/a")
    cluster.clock.advance(4000)
    await trio.sleep(100)
    assert await cluster.exists(f"{EVENTS}/a")
    cluster.log.before_append = None
    await trio.sleep(6)
    assert not await cluster.exists(f"{EVENTS}/a")


async def test_log_that_closes_before_a_controller_has_begun(core):
    await core.log.aclose()
    with trio.fail_after(5):
        await core.nursery.start(Namespaces(core.store, core.bus).run)


async def test_shutdown_stops_the_following(cluster, samples, autojump_clock):
    await cluster.namespace("n")
    cluster.bus.close()
    await cluster.settle()
    assert cluster.bus.statistics().cursors == 0
