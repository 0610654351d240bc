"""Garbage and the end of namespaces, for all built-in kinds."""

from __future__ import annotations

import pytest
import trio

from watchd.schema.typed import prune_and_check

N = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


async def put(core, endpoint, namespace, name, *, owners=(), **metadata):
    """Write a bare object of a kind as it is stored, past all rules: what they say of it is others' business."""
    meta = {"name": name, "uid": core.entropy.uid(), "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    if endpoint.kind.namespaced:
        meta["namespace"] = namespace
    if owners:
        meta["ownerReferences"] = [
            {
                "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True,
            }
            for owner in owners
        ]
    gvk = endpoint.kind.hub_gvk
    obj = {"apiVersion": str(gvk.group_version), "kind": gvk.kind, "metadata": meta, "spec": {}}
    # As it comes in: with what Go writes of fields that are left out.
    prune_and_check(obj, endpoint.version.schema)
    key = endpoint.key(namespace if endpoint.kind.namespaced else "", name)
    await core.store._put(endpoint, key, obj, None, [])
    return obj


async def chain(core):
    """Make a Deployment, a ReplicaSet of it and two Pods of that."""
    deployment = await put(core, core.endpoint("deployments", "apps"), "default", "d")
    replica_set = await put(core, core.endpoint("replicasets", "apps"), "default", "d-1", owners=[deployment])
    for name in ("d-1-a", "d-1-b"):
        await put(core, core.endpoint("pods"), "default", name, owners=[replica_set])
    await put(core, core.endpoint("pods"), "default", "lone")


async def left(core):
    """Return the names of what is there of such a chain, once all has settled."""
    await trio.sleep(60)
    found = []
    for resource, group in (("deployments", "apps"), ("replicasets", "apps"), ("pods", "")):
        endpoint = core.endpoint(resource, group)
        found += [stored.key.decode(errors="replace").rpartition("/")[2] for stored in await core.store.walk(endpoint, "default")]
    return found


async def test_what_deployments_own_goes_after_them(cluster, autojump_clock):
    await chain(cluster)
    await cluster.call("DELETE", f"{DEPLOYMENTS}/d")
    assert not await cluster.exists(f"{DEPLOYMENTS}/d")
    assert await left(cluster) == ["lone"]


async def test_a_deployment_deleted_in_the_foreground_goes_last(cluster, autojump_clock):
    await chain(cluster)
    pods = cluster.endpoint("pods")
    await cluster.call("DELETE", f"{DEPLOYMENTS}/d", query="propagationPolicy=Foreground")
    order = []

    async def follow():
        with cluster.bus.cursor(cluster.endpoint("deployments", "apps").scope(), cluster.bus.head) as cursor:
            await cursor.next(limit=10, max_bytes=1 << 20)
            order.extend(stored.key for stored in await cluster.store.walk(pods, "default"))

    with trio.fail_after(60):
        await follow()
    assert [key.decode(errors="replace").rpartition("/")[2] for key in order] == ["lone"]
    assert await left(cluster) == ["lone"]


async def test_what_an_orphaning_deployment_owned_stays(cluster, autojump_clock):
    await chain(cluster)
    await cluster.call("DELETE", f"{DEPLOYMENTS}/d", query="propagationPolicy=Orphan")
    assert await left(cluster) == ["d-1", "d-1-a", "d-1-b", "lone"]
    assert "ownerReferences" not in (await cluster.call("GET", "/apis/apps/v1/namespaces/default/replicasets/d-1")).json["metadata"]


async def test_what_a_job_of_a_cron_job_owns_goes_with_it(cluster, autojump_clock):
    cron = await put(cluster, cluster.endpoint("cronjobs", "batch"), "default", "c")
    job = await put(cluster, cluster.endpoint("jobs", "batch"), "default", "c-1", owners=[cron])
    await put(cluster, cluster.endpoint("pods"), "default", "c-1-a", owners=[job])
    await cluster.call("DELETE", "/apis/batch/v1/namespaces/default/cronjobs/c", query="propagationPolicy=Background")
    await cluster.gone(f"{N}/pods/c-1-a")
    await cluster.gone("/apis/batch/v1/namespaces/default/jobs/c-1")


async def test_an_owner_without_a_namespace_takes_what_it_owns_along(cluster, autojump_clock):
    node = await put(cluster, cluster.endpoint("nodes"), "", "n")
    lease = cluster.endpoint("leases", "coordination.k8s.io")
    await put(cluster, lease, "kube-node-lease", "n", owners=[node])
    await cluster.call("DELETE", "/api/v1/nodes/n")
    await cluster.gone("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n")


async def test_a_built_in_object_goes_with_its_custom_owner(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    owner = (await cluster.call("POST", samples.things, samples.thing())).json
    await put(cluster, cluster.endpoint("services"), "default", "s", owners=[owner])
    await cluster.call("DELETE", f"{samples.things}/a")
    await cluster.gone(f"{N}/services/s")


async def test_objects_of_every_kind_can_be_owned(cluster, autojump_clock):
    owner = await cluster.config_map("owner")
    kinds = [kind for kind in cluster.registry.hubs if kind.kind.namespaced and kind.resource not in ("events", "pods")]
    for endpoint in kinds:
        await put(cluster, endpoint, "default", "owned", owners=[{**owner, "apiVersion": "v1", "kind": "ConfigMap"}])
    await cluster.call("DELETE", f"{N}/configmaps/owner")
    await trio.sleep(60)
    left_over = [endpoint.kind.storage_name for endpoint in kinds if await cluster.log.get(endpoint.key("default", "owned")) is not None]
    assert left_over == []


async def test_a_namespace_goes_with_objects_of_every_kind(cluster, autojump_clock):
    await cluster.namespace("n")
    kinds = [endpoint for endpoint in cluster.registry.hubs if endpoint.kind.namespaced]
    assert len(kinds) > 30
    for endpoint in kinds:
        await put(cluster, endpoint, "n", "a")
    await cluster.call("DELETE", "/api/v1/namespaces/n")
    await cluster.gone("/api/v1/namespaces/n")
    for endpoint in kinds:
        assert await cluster.store.walk(endpoint, "n") == [], endpoint.kind.storage_name


@pytest.mark.parametrize("node", ["", "n1"])
async def test_a_namespace_goes_with_pods_that_have_time_to_end(cluster, autojump_clock, node):
    await cluster.namespace("n")
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 30, **({"nodeName": node} if node else {})}
    assert (await cluster.call("POST", "/api/v1/namespaces/n/pods", {"metadata": {"name": "a"}, "spec": spec})).status == 201
    await cluster.call("DELETE", "/api/v1/namespaces/n")
    await trio.sleep(5)
    if node:
        assert "deletionTimestamp" in (await cluster.call("GET", "/api/v1/namespaces/n/pods/a")).json["metadata"]
    cluster.clock.advance(40)
    await trio.sleep(70)
    await cluster.gone("/api/v1/namespaces/n")


async def test_a_namespace_goes_with_its_quota_and_what_it_limits(cluster, autojump_clock):
    await cluster.namespace("n")
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "1", "resourcequotas": "1"}}}
    assert (await cluster.call("POST", "/api/v1/namespaces/n/resourcequotas", quota)).status == 201
    await trio.sleep(1)
    assert (await cluster.call("POST", "/api/v1/namespaces/n/secrets", {"metadata": {"name": "a"}})).status == 201
    await cluster.call("DELETE", "/api/v1/namespaces/n")
    await cluster.gone("/api/v1/namespaces/n")
