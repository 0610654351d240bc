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
