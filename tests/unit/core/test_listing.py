"""Lists: pages, snapshots, revisions of every sort (PROTOCOL.md section 2)."""

from __future__ import annotations

import base64

import msgspec
import orjson
import pytest
import trio

from conversion.cbor_codec import CborCodec
from conversion.yaml_codec import YamlCodec
from storage import memory_log
from storage.types import Op, Write
from watchd.api import listing
from watchd.registry.value import header_of


async def pages(core, path, query, limit):
    """Follow `continue` to the end."""
    out, token = [], ""
    while True:
        answer = await core.call("GET", path, query=f"limit={limit}&{query}" + (f"&continue={token}" if token else ""))
        assert answer.status == 200, answer.body
        out.append(answer.json)
        token = out[-1]["metadata"].get("continue", "")
        if not token:
            return out


def names(*listed):
    return [item["metadata"]["name"] for page in listed for item in page["items"]]


@pytest.fixture
async def ten(core):
    for number in range(10):
        await core.config_map(f"c{number}", labels={"odd": str(number % 2)})
    return core.log.head


@pytest.mark.parametrize("limit", [1, 3, 5, 9, 10, 11])
async def test_pages_add_up_to_one_snapshot(core, samples, ten, limit):
    got = await pages(core, samples.config_maps, "", limit)
    assert names(*got) == [f"c{n}" for n in range(10)]
    assert {page["metadata"]["resourceVersion"] for page in got} == {str(ten)}
    left = 10
    for page in got:
        left -= len(page["items"])
        assert page["metadata"].get("remainingItemCount", 0) == left


async def test_pages_show_the_state_of_the_first(core, samples, ten):
    first = (await core.call("GET", samples.config_maps, query="limit=4")).json
    await core.call("DELETE", f"{samples.config_maps}/c7")
    await core.config_map("c55")
    await core.patch(f"{samples.config_maps}/c8", {"data": {"key": "new"}})
    rest = (await core.call("GET", samples.config_maps, query=f"limit=100&continue={first['metadata']['continue']}")).json
    assert names(first, rest) == [f"c{n}" for n in range(10)]
    assert rest["items"][-2]["data"] == {"key": "value"}
    assert rest["metadata"] == {"resourceVersion": str(ten)}


async def test_pages_of_a_selection(core, samples, ten):
    got = await pages(core, samples.config_maps, "labelSelector=odd%3D1", 2)
    assert names(*got) == ["c1", "c3", "c5", "c7", "c9"]
    assert all("remainingItemCount" not in page["metadata"] for page in got)
    assert [len(page["items"]) for page in got] == [2, 2, 1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=odd%3D1", "13579"),
        ("labelSelector=odd!%3D1", "02468"),
        ("labelSelector=odd%3D1&fieldSelector=metadata.name!%3Dc5", "1379"),
        ("fieldSelector=metadata.namespace%3Ddefault,metadata.name%3Dc4", "4"),
        ("fieldSelector=metadata.namespace!%3Ddefault", ""),
        ("labelSelector=none", ""),
    ],
)
@pytest.mark.parametrize("page_keys", [2, 3, 500])
async def test_selection_is_the_same_however_it_is_read(core, samples, ten, monkeypatch, query, expected, page_keys):
    monkeypatch.setattr(listing, "PAGE_KEYS", page_keys)
    for path in (samples.config_maps, "/api/v1/configmaps"):
        for more in ("", "&pretty=true", "&limit=3", f"&resourceVersion={ten}&resourceVersionMatch=Exact"):
            listed = (await core.call("GET", path, query=query + more)).json
            assert names(listed) == [f"c{digit}" for digit in expected][: 3 if "limit" in more else None]


async def test_continue_without_a_limit_is_all_the_rest(core, samples, ten):
    first = (await core.call("GET", samples.config_maps, query="limit=4")).json
    rest = (await core.call("GET", samples.config_maps, query=f"continue={first['metadata']['continue']}")).json
    assert names(rest) == [f"c{n}" for n in range(4, 10)]
    assert "continue" not in rest["metadata"]


async def test_names_that_sort_around_the_separator(core, samples):
    for name in ("a", "a-b", "a.b", "ab", "a0"):
        await core.config_map(name)
    await core.namespace("default-2")
    await core.config_map("a", namespace="default-2")
    got = await pages(core, "/api/v1/configmaps", "", 1)
    assert [(i["metadata"]["namespace"], i["metadata"]["name"]) for p in got for i in p["items"]] == [
        ("default-2", "a"), ("default", "a"), ("default", "a-b"), ("default", "a.b"), ("default", "a0"), ("default", "ab"),
    ]
    assert names(*(await pages(core, samples.config_maps, "", 2))) == ["a", "a-b", "a.b", "a0", "ab"]


async def test_exact_revision(core, samples, ten):
    await core.call("DELETE", f"{samples.config_maps}/c0")
    query = f"resourceVersion={ten - 5}&resourceVersionMatch=Exact"
    exact = (await core.call("GET", samples.config_maps, query=query)).json
    assert names(exact) == ["c0", "c1", "c2", "c3", "c4"]
    assert exact["metadata"]["resourceVersion"] == str(ten - 5)
    page = (await core.call("GET", samples.config_maps, query=f"{query}&limit=2")).json
    rest = (await core.call("GET", samples.config_maps, query=f"continue={page['metadata']['continue']}")).json
    assert names(page, rest) == ["c0", "c1", "c2", "c3", "c4"]
    at_one = (await core.call("GET", samples.config_maps, query="resourceVersion=1&resourceVersionMatch=Exact")).json
    assert at_one["items"] == []
    assert at_one["metadata"]["resourceVersion"] == "1"


async def test_limit_and_revision_alone_mean_that_revision(core, samples, ten):
    answer = (await core.call("GET", samples.config_maps, query=f"limit=100&resourceVersion={ten - 5}")).json
    assert (len(answer["items"]), answer["metadata"]["resourceVersion"]) == (5, str(ten - 5))
    newer = (await core.call("GET", samples.config_maps, query=f"limit=3&resourceVersion={ten - 5}&resourceVersionMatch=NotOlderThan")).json
    assert (len(newer["items"]), newer["metadata"]["resourceVersion"]) == (3, str(ten))
    assert newer["metadata"]["remainingItemCount"] == 7
    newest = (await core.call("GET", samples.config_maps, query=f"resourceVersion={ten - 5}")).json
    assert len(newest["items"]) == 10


async def test_revision_nought_ignores_the_limit(core, samples, ten):
    answer = (await core.call("GET", samples.config_maps, query="limit=3&resourceVersion=0")).json
    assert len(answer["items"]) == 10
    assert "continue" not in answer["metadata"]


async def test_compacted_revision_is_too_old(core, samples, ten):
    await core.log.compact(ten)
    for query in ("resourceVersion=1&resourceVersionMatch=Exact", "resourceVersion=1&limit=5"):
        answer = await core.call("GET", samples.config_maps, query=query)
        assert (answer.status, answer.json["reason"]) == (410, "Expired")
        assert answer.json["message"] == "The resourceVersion for the provided list is too old."
    assert (await core.call("GET", samples.config_maps, query="resourceVersion=1")).status == 200


async def test_expired_token_offers_one_that_works(core, samples, ten):
    first = (await core.call("GET", samples.config_maps, query="limit=4")).json
    await core.call("DELETE", f"{samples.config_maps}/c5")
    await core.config_map("c99")
    await core.log.compact(core.log.head)
    gone = await core.call("GET", samples.config_maps, query=f"limit=4&continue={first['metadata']['continue']}")
    assert (gone.status, gone.json["reason"]) == (410, "Expired")
    assert gone.json["message"].startswith("The provided continue parameter is too old to display a consistent list result.")
    token = gone.json["metadata"]["continue"]
    assert orjson.loads(base64.urlsafe_b64decode(token + "=="))["rv"] == -1
    second = (await core.call("GET", samples.config_maps, query=f"limit=4&continue={token}")).json
    assert names(second) == ["c4", "c6", "c7", "c8"]
    assert second["metadata"]["resourceVersion"] == str(core.log.head)
    assert second["metadata"]["remainingItemCount"] == 2
    third = (await core.call("GET", samples.config_maps, query=f"limit=4&continue={second['metadata']['continue']}")).json
    assert names(third) == ["c9", "c99"]


@pytest.mark.parametrize("query", ["", "limit=5&", "resourceVersionMatch=Exact&", "resourceVersionMatch=NotOlderThan&"])
async def test_future_revision_is_waited_for(core, samples, ten, autojump_clock, query):
    begun = trio.current_time()
    answer = await core.call("GET", samples.config_maps, query=f"{query}resourceVersion={ten + 1}")
    assert trio.current_time() - begun == pytest.approx(3)
    assert (answer.status, answer.json["reason"], answer.header("retry-after")) == (504, "Timeout", "1")
    assert answer.json["message"] == f"Timeout: Too large resource version: {ten + 1}, current: {ten}"
    found = []

    async def ask(path):
        found.append(await core.call("GET", path, query=f"{query}resourceVersion={ten + 1}"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, samples.config_maps)
        await core.settle()
        await core.config_map("late")
    assert (found[0].status, found[0].json["metadata"]["resourceVersion"]) == (200, str(ten + 1))


async def test_future_revision_of_one_object(core, samples, ten, autojump_clock):
    answer = await core.call("GET", f"{samples.config_maps}/c0", query=f"resourceVersion={ten + 1}")
    assert (answer.status, answer.header("retry-after")) == (504, "1")
    assert (await core.call("GET", f"{samples.config_maps}/c0", query=f"resourceVersion={ten}")).status == 200


async def test_token_of_the_future_is_refused(core, samples, ten):
    token = base64.urlsafe_b64encode(orjson.dumps({"v": "meta.k8s.io/v1", "rv": ten + 99, "start": "/c0\0"})).decode().rstrip("=")
    assert (await core.call("GET", samples.config_maps, query=f"continue={token}")).status == 504


@pytest.mark.parametrize("query", ["", "labelSelector=!none"], ids=["joined", "looked at"])
async def test_page_is_bounded_in_bytes(core, samples, monkeypatch, query):
    monkeypatch.setattr(listing, "PAGE_BYTES", 5000)
    # What the log puts together comes in its own pages.
    monkeypatch.setattr(memory_log, "PAGE_BYTES", 5000)
    for number in range(10):
        await core.config_map(f"c{number}", data={"x": "y" * 1500})
    first = (await core.call("GET", samples.config_maps, query=f"limit=9&{query}")).json
    assert names(first) == ["c0", "c1", "c2"]
    assert first["metadata"].get("remainingItemCount") == (None if query else 7)
    got = await pages(core, samples.config_maps, query, 9)
    assert names(*got) == [f"c{n}" for n in range(10)]


async def test_page_that_ends_with_the_collection_has_no_continue(core, samples, ten):
    await core.namespace("zz")
    await core.config_map("z", namespace="zz")
    answer = (await core.call("GET", samples.config_maps, query="limit=10")).json
    assert "continue" not in answer["metadata"]


async def test_scan_that_comes_to_its_end_within_a_page(core, samples, ten, monkeypatch):
    # The log's own slices end where they please.
    monkeypatch.setattr(listing, "PAGE_KEYS", 3)
    monkeypatch.setattr(listing, "COUNT_KEYS", 2)
    for limit in (1, 2, 3, 4, 6, 9, 10):
        got = await pages(core, samples.config_maps, "", limit)
        assert names(*got) == [f"c{n}" for n in range(10)]
        assert [page["metadata"].get("remainingItemCount", 0) for page in got] == [max(10 - limit * (i + 1), 0) for i in range(len(got))]


async def test_compaction_between_two_scans_of_one_list_is_expired(core, samples, ten, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_KEYS", 3)
    monkeypatch.setattr(listing, "COUNT_KEYS", 2)
    count = core.log.log.count

    async def compacting(*args, **options):
        await core.config_map(f"x{core.log.head}")
        await core.log.compact(core.log.head)
        return await count(*args, **options)

    core.log.count = compacting
    answer = await core.call("GET", samples.config_maps, query="limit=3")
    assert (answer.status, answer.json["reason"]) == (410, "Expired")


@pytest.mark.parametrize("place", [0, 3, 9])
async def test_list_with_a_value_of_another_epoch_says_the_same(core, samples, ten, monkeypatch, place):
    before = (await core.call("GET", samples.config_maps)).json["items"]
    endpoint = core.registry.endpoint("", "v1", "configmaps")
    key = endpoint.key("default", f"c{place}")
    value = await core.log.get(key)
    header = msgspec.structs.replace(header_of(value.header), epoch=b"12345678")
    body = value.body[: value.stamp_at] + value.body[value.stamp_at + len(str(value.revision)) :]
    await core.log.append(Write(key, Op.PUT, msgspec.msgpack.encode(header), body, value.stamp_at))
    before[place]["metadata"]["resourceVersion"] = str(core.log.head)
    monkeypatch.setattr(listing, "PAGE_KEYS", 4)
    for limit in (0, 1, 3, 10):
        got = await pages(core, samples.config_maps, "", limit)
        assert [item for page in got for item in page["items"]] == before


async def test_yaml_and_cbor_lists_say_the_same(core, samples, ten):
    plain = (await core.call("GET", samples.config_maps)).json
    for media, codec in (("application/yaml", YamlCodec()), ("application/cbor", CborCodec())):
        answer = await core.call("GET", samples.config_maps, headers={"accept": media})
        assert answer.header("content-type") == media
        assert codec.decode(answer.body).value == plain


async def test_pretty_list_says_the_same(core, samples, ten):
    plain = await core.call("GET", samples.config_maps)
    pretty = await core.call("GET", samples.config_maps, query="pretty=true")
    assert pretty.body != plain.body
    assert pretty.json == plain.json
