"""Objects as Tables and as their metadata alone, in get, list and watch."""

from __future__ import annotations

import orjson
import pytest

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
PARTIAL = {"accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}
PARTIALS = {"accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}
PATH = "/api/v1/namespaces/default/configmaps"


async def make(core, name, **data):
    response = await core.call("POST", PATH, {"metadata": {"name": name}, "data": data})
    assert response.status == 201


async def test_a_long_list_streams_as_a_table(core):
    for number in range(700):
        await make(core, f"a{number:03}", k="v")
    assert not isinstance((await core.respond("GET", PATH, None, "", headers=TABLE)).body, bytes)
    table = orjson.loads((await core.call("GET", PATH, headers=TABLE)).body)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [[f"a{number:03}", 1] for number in range(700)]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_a_page_of_a_table_goes_on(core):
    for name in "abc":
        await make(core, name)
    response = await core.call("GET", PATH, headers=TABLE, query="limit=2&includeObject=None")
    table = orjson.loads(response.body)
    assert table["metadata"]["remainingItemCount"] == 1
    assert [row["object"] for row in table["rows"]] == [None, None]
    token = table["metadata"]["continue"]
    response = await core.call("GET", PATH, headers=TABLE, query=f"limit=2&continue={token}")
    assert [row["cells"][0] for row in orjson.loads(response.body)["rows"]] == ["c"]


@pytest.mark.parametrize("accept", ["application/yaml", "application/json"])
async def test_a_table_in_each_format(core, accept):
    await make(core, "a")
    headers = {"accept": f"{accept};as=Table;v=v1;g=meta.k8s.io"}
    response = await core.call("GET", PATH, headers=headers)
    assert response.status == 200
    assert b"columnDefinitions" in response.body


async def test_metadata_alone(core):
    await make(core, "a", k="v")
    response = await core.call("GET", f"{PATH}/a", headers=PARTIAL)
    partial = orjson.loads(response.body)
    assert set(partial) == {"kind", "apiVersion", "metadata"}
    assert partial["metadata"]["name"] == "a"
    response = await core.call("GET", PATH, headers=PARTIALS)
    partials = orjson.loads(response.body)
    assert partials["kind"] == "PartialObjectMetadataList"
    assert [set(item) for item in partials["items"]] == [{"kind", "apiVersion", "metadata"}]


async def test_a_list_is_no_object_and_an_object_no_list(core):
    await make(core, "a")
    assert (await core.call("GET", PATH, headers=PARTIAL)).status == 406
    assert (await core.call("GET", f"{PATH}/a", headers=PARTIALS)).status == 500


async def test_the_first_event_alone_has_the_columns(core, autojump_clock):
    await make(core, "a")
    response = await core.call("GET", PATH, query="watch=1&timeoutSeconds=1&allowWatchBookmarks=true", headers=TABLE)
    events = [orjson.loads(line) for line in response.body.splitlines()]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    assert [event["object"]["columnDefinitions"] is None for event in events] == [False, True, True]
    assert events[0]["object"]["rows"][0]["cells"][:2] == ["a", 0]
    end = events[1]["object"]["rows"][0]["object"]["metadata"]
    assert end["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_the_first_change_has_the_columns_where_no_state_came_before(core, nursery):
    watch = await core.watch(PATH, f"resourceVersion={core.log.head}", **TABLE)
    await make(core, "a")
    await make(core, "b")
    events = await watch.until(2)
    assert [event["object"]["columnDefinitions"] is None for event in events] == [False, True]
    assert [event["object"]["rows"][0]["cells"][0] for event in events] == ["a", "b"]


async def test_a_watch_of_metadata_alone(core):
    watch = await core.watch(PATH, f"resourceVersion={core.log.head}&labelSelector=x", **PARTIAL)
    made = await core.call("POST", PATH, {"metadata": {"name": "a", "labels": {"x": "1"}}, "data": {"k": "v"}})
    assert made.status == 201
    (event,) = await watch.until(1)
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]
