"""Frames: each event encoded once for all who see it alike; selector transitions; bounds."""

from __future__ import annotations

import orjson
import pytest

from conversion.json_codec import JsonCodec
from storage.errors import Compacted
from storage.types import Scope
from watchd.api.selection import Selection
from watchd.api.selectors import FieldSelector, LabelSelector
from watchd.registry.frames import FRAME_OVERHEAD, NO_FRAMES, FrameCache
from watchd.registry.view import View


class CountingCodec(JsonCodec):
    """Counts what is framed and encoded."""

    def __init__(self) -> None:
        self.framed = self.encoded = 0

    def event(self, event_type, body):
        self.framed += 1
        return super().event(event_type, body)

    def encode(self, value):
        self.encoded += 1
        return super().encode(value)


async def records_of(core, after, resource="configmaps"):
    batch = await core.log.read(after, scope=core.endpoint(resource).scope(), limit=1000, max_bytes=1 << 20)
    return batch.records


def seen(data):
    events = [orjson.loads(line) for line in data.splitlines()]
    return [(e["type"], e["object"]["metadata"]["name"], int(e["object"]["metadata"]["resourceVersion"])) for e in events]


async def test_two_watchers_of_one_view_share_one_encoding(core, samples):
    codec = CountingCodec()
    kind = core.endpoint("configmaps").kind
    first = core.watching.frames.watched("view", View(kind, "v1", codec))
    second = core.watching.frames.watched("view", View(kind, "v1", CountingCodec()))
    assert first is second
    before = core.log.head
    for name in "abc":
        await core.config_map(name)
    records = await records_of(core, before)
    joined = await core.watching.frames.join(first, records)
    assert await core.watching.frames.join(second, records) is joined
    one = joined.data
    assert joined.events == 3
    assert codec.framed == 3
    assert codec.encoded == 0, "stored bytes are copied"
    assert (await core.watching.frames.join(first, records[1:])).data == one[one.index(b"\n") + 1 :]
    assert codec.framed == 3
    assert [event[:2] for event in seen(one)] == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c")]


async def test_watches_of_one_collection_share_through_the_api(core, samples):
    watches = [await core.watch(samples.config_maps, f"resourceVersion={core.log.head}") for _ in range(3)]
    other = await core.watch("/api/v1/configmaps", f"resourceVersion={core.log.head}&labelSelector=app")
    await core.config_map("a")
    for watch in watches:
        await watch.until(1)
    assert watches[0].sink.chunks[-1] is watches[1].sink.chunks[-1] is watches[2].sink.chunks[-1]
    assert other.events == []


@pytest.fixture
async def transitions(core, samples):
    """An object that enters, stays in, leaves and goes outside a selection, and one that goes inside it."""
    before = core.log.head
    path = f"{samples.config_maps}/a"
    await core.config_map("a", labels={"app": "no"}, data={"v": "1"})
    await core.patch(path, {"metadata": {"labels": {"app": "yes"}}})
    await core.patch(path, {"data": {"v": "2"}})
    await core.patch(path, {"metadata": {"labels": {"app": "no"}}, "data": {"v": "3"}})
    await core.patch(path, {"data": {"v": "4"}})
    await core.call("DELETE", path)
    await core.config_map("b", labels={"app": "yes"})
    await core.call("DELETE", f"{samples.config_maps}/b")
    return before


async def test_selector_transitions(core, samples, transitions):
    watch = await core.watch(samples.config_maps, f"resourceVersion={transitions}&labelSelector=app%3Dyes")
    await watch.until(5)
    await core.settle()
    r = transitions
    assert watch.brief == [
        ("ADDED", "a", r + 2), ("MODIFIED", "a", r + 3), ("DELETED", "a", r + 4), ("ADDED", "b", r + 7), ("DELETED", "b", r + 8),
    ]
    left = watch.events[2]["object"]
    assert (left["data"], left["metadata"]["labels"]) == ({"v": "2"}, {"app": "yes"})


async def test_left_object_is_the_old_one_under_the_new_revision_to_the_byte(core, samples, transitions):
    key = core.endpoint("configmaps").key("default", "a")
    old = await core.log.get(key, at=transitions + 3)
    view = View(core.endpoint("configmaps").kind, "v1", JsonCodec(), selector=Selection(labels=LabelSelector.parse("app=yes")))
    frames = FrameCache(core.log)
    watched = frames.watched("x", view)
    data = (await frames.join(watched, (await records_of(core, transitions))[3:4])).data
    expected = old.body.replace(b'"resourceVersion":"%d"' % old.revision, b'"resourceVersion":"%d"' % (transitions + 4))
    assert data == b'{"type":"DELETED","object":' + expected + b"}\n"


async def test_transition_whose_old_object_is_compacted(core, samples, transitions):
    selector = Selection(labels=LabelSelector.parse("app=yes"))
    view = View(core.endpoint("configmaps").kind, "v1", JsonCodec(), selector=selector)
    frames = FrameCache(core.log)
    records = await records_of(core, transitions)
    # The state at the floor is kept: the revision before the change may be the floor itself.
    await core.log.compact(transitions + 3)
    assert [event[0] for event in seen((await frames.join(frames.watched("x", view), records[3:4])).data)] == ["DELETED"]
    await core.log.compact(transitions + 4)
    with pytest.raises(Compacted):
        await FrameCache(core.log).join(frames.watched("y", view), records[3:4])


async def test_cache_is_bounded_in_bytes_and_still_right(core, samples):
    before = core.log.head
    for number in range(30):
        await core.config_map(f"c{number:02}")
    records = await records_of(core, before)
    frames = FrameCache(core.log, max_bytes=3000)
    codec = CountingCodec()
    watched = frames.watched("view", View(core.endpoint("configmaps").kind, "v1", codec))
    for index in range(30):
        await frames.join(watched, records[index : index + 2])
        assert 0 < frames.cached_bytes <= 3000
    assert frames.cached_bytes >= FRAME_OVERHEAD * len(watched.frames) > 0
    assert codec.framed == 30
    data = (await frames.join(watched, records)).data
    assert [name for _, name, _ in seen(data)] == [f"c{n:02}" for n in range(30)]


async def test_empty_batch_is_no_bytes(core):
    frames = FrameCache(core.log)
    assert await frames.join(frames.watched("v", View(core.endpoint("configmaps").kind, "v1", JsonCodec())), []) == NO_FRAMES


async def test_views_that_nobody_holds_are_forgotten(core, samples):
    frames = FrameCache(core.log)
    kind = core.endpoint("configmaps").kind
    first = frames.watched("v", View(kind, "v1", JsonCodec()))
    assert frames.watched("v", View(kind, "v1", JsonCodec())) is first
    view = View(kind, "v1", JsonCodec())
    del first
    assert frames.watched("v", view).view is view


# Objects written before their kind had the field that is selected by


@pytest.fixture
async def repainted(core, samples):
    """Two red things that were written before colours could be selected by. Gives the revision behind them."""
    await core.nursery.start(core.definitions.run)
    plain = samples.version()
    await core.define(samples.definition(versions=[plain]))
    for name in "abc":
        assert (await core.call("POST", samples.things, samples.thing(name, spec={"color": "red"}))).status == 201
    color = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"spec": {"type": "object", "properties": {"color": {"type": "string"}}}}}
    selectable = {**plain, "schema": {"openAPIV3Schema": color}, "selectableFields": [{"jsonPath": ".spec.color"}]}
    answer = await core.patch(f"{samples.definitions}/things.example.com", {"spec": {"versions": [selectable]}})
    assert answer.status == 200, answer.body
    await core.settle()
    return core.log.head


@pytest.mark.parametrize("ring", [True, False])
async def test_stale_objects_leave_a_selection_by_field(core, samples, repainted, ring):
    selected = "fieldSelector=spec.color%3Dred"
    listed = (await core.call("GET", samples.things, query=selected)).json["items"]
    assert [item["metadata"]["name"] for item in listed] == ["a", "b", "c"]
    watch = await core.watch(samples.things, f"resourceVersion={repainted}&{selected}")
    if ring:
        await core.settle()
    await core.patch(f"{samples.things}/a", {"spec": {"color": "blue"}})
    await core.call("DELETE", f"{samples.things}/b")
    await core.patch(f"{samples.things}/c", {"metadata": {"labels": {"x": "y"}}})
    await watch.until(3)
    assert watch.brief == [
        ("DELETED", "a", repainted + 1), ("DELETED", "b", repainted + 2), ("MODIFIED", "c", repainted + 3),
    ]
    assert watch.events[0]["object"]["spec"] == {"color": "red"}


async def test_selection_by_name_is_read_from_the_key(core, samples):
    view = View(core.endpoint("configmaps").kind, "v1", JsonCodec(), selector=Selection(fields=FieldSelector.parse("metadata.name=a,metadata.namespace=default")))
    before = core.log.head
    await core.namespace("n")
    for namespace in ("default", "n"):
        await core.config_map("a", namespace=namespace)
    frames = FrameCache(core.log)
    data = (await frames.join(frames.watched("v", view), await records_of(core, before))).data
    assert [orjson.loads(line)["object"]["metadata"]["namespace"] for line in data.splitlines()] == ["default"]
    assert Scope(b"").covers(core.endpoint("configmaps").key("n", "a"))
