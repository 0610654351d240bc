from __future__ import annotations

import asyncio
import json
import ssl
import threading
import urllib.error
import urllib.request

import httpx
import pytest
import trio
import yaml

from watchd.auth.authentication import TokenFileError
from watchd.testing import serve_in_thread, start

pytest_plugins = ["pytester"]

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def get(server, url, path):
    context = ssl.create_default_context(cafile=server.ca_file) if url.startswith("https") else None
    request = urllib.request.Request(url + path, headers=server.headers)
    with urllib.request.urlopen(request, context=context, timeout=20) as response:
        return json.loads(response.read())


def test_the_fixture_serves_a_synchronous_test(watchd_server):
    for url in (watchd_server.url, watchd_server.http_url):
        assert get(watchd_server, url, CONFIG_MAPS)["kind"] == "ConfigMapList"
    assert yaml.safe_load(watchd_server.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == watchd_server.url
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(watchd_server.http_url + CONFIG_MAPS, timeout=20)


def test_the_fixture_serves_an_asyncio_test(watchd_server):
    async def main():
        async with httpx.AsyncClient(base_url=watchd_server.http_url, headers=watchd_server.headers) as client:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
            return (await client.post(CONFIG_MAPS, json=body)).status_code

    assert asyncio.run(main()) == 201


def test_servers_share_nothing_and_leave_nothing():
    with serve_in_thread() as one, serve_in_thread() as other:
        assert one.token != other.token
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}).encode()
        headers = {**one.headers, "Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(one.http_url + CONFIG_MAPS, body, headers), timeout=20).close()
        names = [
            {item["metadata"]["name"] for item in get(server, server.http_url, CONFIG_MAPS)["items"]} for server in (one, other)
        ]
        assert names[0] - names[1] == {"a"}
    assert not one.kubeconfig.parent.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "watchd"]


def test_a_server_in_a_thread_raises_what_it_fails_with(tmp_path):
    (tmp_path / "tokens").write_text("bad\n")
    with pytest.raises(TokenFileError, match="has 1 columns"), serve_in_thread(token_auth_file=tmp_path / "tokens"):
        pytest.fail("it started")


async def test_a_server_in_the_callers_nursery(nursery):
    async with start(nursery) as server, httpx.AsyncClient(base_url=server.http_url, headers=server.headers) as client:
        assert (await client.get("/readyz")).text == "ok"
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", httpx.URL(server.http_url).port)


async def test_a_clock_of_the_tests_own(nursery):
    class Frozen:
        def now_ms(self):
            return 1_900_000_000_000

    async with (
        start(nursery, clock=Frozen()) as server,
        httpx.AsyncClient(base_url=server.http_url, headers=server.headers) as client,
    ):
        found = (await client.get("/api/v1/namespaces/default")).json()
        assert found["metadata"]["creationTimestamp"] == "2030-03-17T17:46:40Z"


async def test_the_end_of_a_server_ends_its_watches_with_a_bookmark(nursery):
    events = []
    watching = trio.Event()

    async def watch(server):
        async with (
            httpx.AsyncClient(base_url=server.http_url, headers=server.headers, timeout=20) as client,
            client.stream("GET", f"{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion=1") as response,
        ):
            watching.set()
            events.extend([json.loads(line) async for line in response.aiter_lines()])
        done.set()

    done = trio.Event()
    async with start(nursery) as server:
        nursery.start_soon(watch, server)
        await watching.wait()
    await done.wait()
    assert events[-1]["type"] == "BOOKMARK"


def test_the_plugin_is_there_for_anybodys_tests(pytester):
    pytester.makepyfile(
        """
        def test_it(watchd_server):
            assert watchd_server.url.startswith("https://127.0.0.1:")
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
