"""kubernetes_asyncio: calls, watches, its dynamic client, its leader election."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

DEADLINE = 30
"""Seconds that one scenario may take."""

WATCH_SECONDS = 15
"""Seconds after which a watch that brought too little ends."""


@pytest.fixture(scope="module")
def kubernetes(need):
    for part in ("client", "config", "watch", "dynamic", "leaderelection.leaderelection", "leaderelection.electionconfig"):
        need.module(f"kubernetes_asyncio.{part}")
    need.module("kubernetes_asyncio.leaderelection.resourcelock.leaselock")
    return need.module("kubernetes_asyncio")


@pytest.fixture
def run(kubernetes, server):
    """Run `scenario(api)` on asyncio with an API client, before the deadline."""

    @asynccontextmanager
    async def connect():
        configuration = kubernetes.client.Configuration()
        await kubernetes.config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
        async with kubernetes.client.ApiClient(configuration) as api:
            yield api

    def runner(scenario):
        async def main():
            async with asyncio.timeout(DEADLINE), connect() as api:
                await scenario(api)

        asyncio.run(main())

    return runner


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_objects_and_watch(kubernetes, run, namespace):
    async def scenario(api):
        core = kubernetes.client.CoreV1Api(api)
        begin = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, config_map("one", k="1"))
        with pytest.raises(kubernetes.client.ApiException) as refused:
            await core.create_namespaced_config_map(namespace, config_map("one"))
        assert refused.value.status == 409
        got = []
        async with kubernetes.watch.Watch() as watch:
            async for event in watch.stream(
                core.list_namespaced_config_map,
                namespace,
                resource_version=begin,
                field_selector="metadata.name=one",
                timeout_seconds=WATCH_SECONDS,
            ):
                got.append((event["type"], event["object"].data))
                if len(got) == 1:
                    await core.patch_namespaced_config_map("one", namespace, {"data": {"k": "2"}})
                elif len(got) == 2:
                    await core.delete_namespaced_config_map("one", namespace)
                else:
                    break
        assert got == [("ADDED", {"k": "1"}), ("MODIFIED", {"k": "2"}), ("DELETED", {"k": "2"})]

    run(scenario)


def test_many_watches_see_the_same(kubernetes, run, namespace):
    """Many watches on one loop; each sees every change, in the same order."""
    watchers, writes = 25, 10

    async def scenario(api):
        core = kubernetes.client.CoreV1Api(api)
        begin = (await core.list_namespaced_config_map(namespace)).metadata.resource_version

        async def follow():
            seen = []
            async with kubernetes.watch.Watch() as watch:
                async for event in watch.stream(
                    core.list_namespaced_config_map,
                    namespace,
                    resource_version=begin,
                    label_selector="mine=yes",
                    timeout_seconds=WATCH_SECONDS,
                ):
                    seen.append((event["type"], event["object"].metadata.resource_version))
                    if len(seen) == writes:
                        return seen
            return seen

        following = [asyncio.create_task(follow()) for _ in range(watchers)]
        expected = []
        for number in range(writes):
            body = config_map(f"c{number}")
            body["metadata"]["labels"] = {"mine": "yes"}
            made = await core.create_namespaced_config_map(namespace, body)
            expected.append(("ADDED", made.metadata.resource_version))
        for seen in await asyncio.gather(*following):
            assert seen == expected

    run(scenario)


def test_dynamic(kubernetes, run, namespace, custom):
    async def scenario(api):
        client = await kubernetes.dynamic.DynamicClient(api)
        widgets = await client.resources.get(api_version=custom.api_version, kind=custom.kind)
        begin = (await widgets.get(namespace=namespace)).metadata.resourceVersion
        await widgets.create(body=custom.object("one"), namespace=namespace)
        merge = "application/merge-patch+json"
        await widgets.patch(name="one", namespace=namespace, body={"spec": {"size": 2}}, content_type=merge)
        await widgets.delete(name="one", namespace=namespace)
        got = []
        async for event in widgets.watch(namespace=namespace, resource_version=begin, timeout=WATCH_SECONDS):
            got.append((event["type"], event["object"].spec.size))
            if event["type"] == "DELETED":
                break
        assert got == [("ADDED", 1), ("MODIFIED", 2), ("DELETED", 2)]

    run(scenario)


def test_custom_objects(kubernetes, run, namespace, rich):
    """The custom objects API on a kind that defaults, validates and scales, and an apply of it."""

    async def scenario(api):
        objects = kubernetes.client.CustomObjectsApi(api)
        place = (rich.group, rich.version, namespace, rich.plural)
        made = await objects.create_namespaced_custom_object(*place, rich.object("one") | {"spec": {}})
        assert made["spec"] == {"size": 1, "color": "grey"}
        with pytest.raises(kubernetes.client.ApiException) as refused:
            await objects.create_namespaced_custom_object(*place, rich.object("two") | {"spec": {"size": "big"}})
        assert refused.value.status == 422
        merge = {"_content_type": "application/merge-patch+json"}
        await objects.patch_namespaced_custom_object_status(*place, "one", {"status": {"size": 1}}, **merge)
        await objects.patch_namespaced_custom_object_scale(*place, "one", {"spec": {"replicas": 3}}, **merge)
        scale = await objects.get_namespaced_custom_object_scale(*place, "one")
        assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 1})
        applied = {"_content_type": "application/apply-patch+yaml", "field_manager": "mine"}
        body = rich.object("one") | {"spec": {"size": 4}}
        with pytest.raises(kubernetes.client.ApiException) as refused:
            await objects.patch_namespaced_custom_object(*place, "one", body, **applied)
        assert refused.value.status == 409
        one = await objects.patch_namespaced_custom_object(*place, "one", body, **applied, force=True)
        assert (one["spec"]["size"], one["metadata"]["generation"]) == (4, 3)

    run(scenario)


def test_leader_election(kubernetes, run, namespace):
    """Two candidates for one Lease: one leads; when it dies without a word the other takes over."""
    election = kubernetes.leaderelection

    async def scenario(api):
        leaders: asyncio.Queue[str] = asyncio.Queue()

        def candidate(identity):
            async def lead():
                await leaders.put(identity)

            async def stop():
                pass

            lock = election.resourcelock.leaselock.LeaseLock("leader", namespace, identity, api)
            config = election.electionconfig.Config(
                lock,
                lease_duration=3,
                renew_deadline=2,
                retry_period=1,
                onstarted_leading=lead,
                onstopped_leading=stop,
            )
            return asyncio.create_task(election.leaderelection.LeaderElection(config).run())

        tasks = {identity: candidate(identity) for identity in ("left", "right")}
        first = await leaders.get()
        coordination = kubernetes.client.CoordinationV1Api(api)
        lease = await coordination.read_namespaced_lease("leader", namespace)
        assert lease.spec.holder_identity == first
        assert leaders.empty()
        tasks.pop(first).cancel()
        second = await leaders.get()
        assert second != first
        lease = await coordination.read_namespaced_lease("leader", namespace)
        assert lease.spec.holder_identity == second
        tasks.pop(second).cancel()

    run(scenario)
