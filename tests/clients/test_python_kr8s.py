"""kr8s: its objects, its lookup of kinds by discovery, its watches and waits."""

from __future__ import annotations

import asyncio

import pytest

from tests.clients.conftest import TOO_BIG

DEADLINE = 30
"""Seconds that one scenario may take."""


@pytest.fixture(scope="module")
def kr8s(need):
    need.module("kr8s.asyncio")
    need.module("kr8s.asyncio.objects")
    return need.module("kr8s")


@pytest.fixture
def run(kr8s, server, namespace):
    """Run `scenario(api)` on asyncio with an API object, before the deadline."""

    def runner(scenario):
        async def main():
            async with asyncio.timeout(DEADLINE):
                await scenario(await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig), namespace=namespace))

        asyncio.run(main())

    return runner


def test_objects(kr8s, run, namespace):
    config_map = kr8s.asyncio.objects.ConfigMap

    async def scenario(api):
        manifest = {"metadata": {"name": "one", "namespace": namespace}, "data": {"k": "1"}}
        one = await config_map(manifest, api=api)
        await one.create()
        assert await one.exists()
        await one.patch({"data": {"k": "2"}})
        assert one.data == {"k": "2"}
        await one.patch([{"op": "replace", "path": "/data/k", "value": "3"}], type="json")
        await one.label({"tier": "front"})
        await one.annotate({"note": "for you"})
        listed = [item async for item in api.get("configmaps", namespace=namespace, label_selector={"tier": "front"})]
        assert [(item.name, item.data) for item in listed] == [("one", {"k": "3"})]
        same = await config_map.get("one", namespace=namespace, api=api)
        assert same.annotations["note"] == "for you"
        await one.delete()
        assert not await one.exists()
        with pytest.raises(kr8s.NotFoundError):
            await config_map.get("one", namespace=namespace, api=api)
        assert (await api.version())["major"] == "1"

    run(scenario)


def test_custom(kr8s, run, namespace, custom):
    """A custom kind is found by discovery; a watch on it tells each change."""

    async def scenario(api):
        widget = kr8s.asyncio.objects.new_class(custom.kind, custom.api_version, plural=custom.plural)
        one = await widget(custom.object("one", namespace=namespace), api=api)
        await one.create()
        assert one.spec == {"size": 1}
        assert custom.plural in {resource["name"] for resource in await api.api_resources()}
        found = [item async for item in api.get(f"{custom.plural}.{custom.group}", namespace=namespace)]
        assert [item.name for item in found] == ["one"]

        async def change():
            await one.patch({"spec": {"size": 2}})
            await one.patch({"status": {"phase": "Good"}}, subresource="status")
            await one.delete()

        got, changing = [], None
        async for verb, seen in api.watch(f"{custom.plural}.{custom.group}", namespace=namespace):
            got.append((verb, seen.spec.size))
            changing = changing or asyncio.create_task(change())
            if verb == "DELETED":
                break
        assert got == [("ADDED", 1), ("MODIFIED", 2), ("MODIFIED", 2), ("DELETED", 2)]
        await changing

    run(scenario)


def test_wait(run, kr8s, namespace, custom):
    async def scenario(api):
        widget = kr8s.asyncio.objects.new_class(custom.kind, custom.api_version, plural=custom.plural)
        one = await widget(custom.object("one", namespace=namespace), api=api)
        await one.create()
        await one.patch({"status": {"phase": "New"}}, subresource="status")
        waiting = asyncio.create_task(one.wait("jsonpath='{.status.phase}'=Good", timeout=DEADLINE))
        same = await widget.get("one", namespace=namespace, api=api)
        await same.patch({"status": {"phase": "Good"}}, subresource="status")
        await waiting

    run(scenario)


def test_scale(run, kr8s, namespace, rich):
    """A kind that defaults what is left out, refuses what its rule refuses, and scales."""

    async def scenario(api):
        widget = kr8s.asyncio.objects.new_class(
            rich.kind, rich.api_version, plural=rich.plural, scalable=True, scalable_spec="size"
        )
        manifest = rich.object("one", namespace=namespace) | {"spec": {"parts": [{"name": "lid"}]}}
        one = await widget(manifest, api=api)
        await one.create()
        assert one.spec == {"size": 1, "color": "grey", "parts": [{"name": "lid", "count": 1}]}
        await one.scale(4)
        assert one.replicas == 4
        with pytest.raises(kr8s.ServerError, match=TOO_BIG):
            await one.patch({"spec": {"size": 20, "color": "red"}})
        await one.refresh()
        assert one.spec.size == 4

    run(scenario)


def test_kinds(kr8s, run, namespace):
    """Pods, Deployments, Services and Jobs by kr8s' own classes of them; a watch tells of the pods."""
    objects = kr8s.asyncio.objects
    container = {"name": "web", "image": "nginx"}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
    head = {"metadata": {"name": "web", "namespace": namespace}}

    async def scenario(api):
        web = await objects.Deployment({**head, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}}, api=api)
        await web.create()
        assert web.replicas == 1
        assert web.spec.strategy.type == "RollingUpdate"
        await web.scale(3)
        await web.refresh()
        assert (web.replicas, web.metadata.generation) == (3, 2)
        stated = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
        await web.patch({"status": stated}, subresource="status")
        assert await web.ready()

        service = await objects.Service({**head, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}, api=api)
        await service.create()
        assert service.spec.clusterIP == service.spec.clusterIPs[0]
        pod = await objects.Pod({"metadata": {**head["metadata"], "labels": {"app": "web"}}, "spec": {"containers": [container]}}, api=api)
        await pod.create()
        assert pod.spec.containers[0].imagePullPolicy == "Always"
        assert [found.name for found in await web.pods()] == ["web"]
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]
        await pod.patch({"status": {"phase": "Running", "conditions": ready}}, subresource="status")
        assert await pod.ready()
        assert [found.name for found in await service.ready_pods()] == ["web"]

        job = await objects.Job({**head, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}}}, api=api)
        await job.create()
        assert (job.spec.backoffLimit, job.spec.completions) == (6, 1)
        conditions = [{"type": kind, "status": "True"} for kind in ("SuccessCriteriaMet", "Complete")]
        ended = {"startTime": "2024-03-01T10:00:00Z", "completionTime": "2024-03-01T10:01:00Z", "succeeded": 1, "conditions": conditions}
        await job.patch({"status": ended}, subresource="status")
        await job.wait("condition=Complete", timeout=DEADLINE)

        async def change():
            await pod.annotate({"note": "changed"})
            await pod.delete(grace_period=0)

        got, changing = [], None
        async for verb, seen in api.watch("pods", namespace=namespace, label_selector={"app": "web"}):
            got.append((verb, seen.annotations.get("note")))
            changing = changing or asyncio.create_task(change())
            if verb == "DELETED":
                break
        assert [got[0], got[1], got[-1]] == [("ADDED", None), ("MODIFIED", "changed"), ("DELETED", "changed")]
        await changing
        for one in (web, service, job):
            await one.delete(propagation_policy="Background")
            assert not await one.exists()

    run(scenario)
