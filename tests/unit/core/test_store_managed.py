"""managedFields of ordinary writes: who, through what, when, and what a client may do to them."""

from __future__ import annotations

import json

import orjson
import pytest

from watchd.registry.managed.texts import TEXTS

MANAGED = "metadata.managedFields"
AGENT = {"user-agent": "editor/1.2 (linux)"}


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=[samples.version(status=True)]))
    return samples.things


def entries(answer):
    return answer.json["metadata"].get("managedFields", [])


def owners(answer):
    return [(e["manager"], e["operation"], e.get("subresource", ""), e["fieldsV1"]) for e in entries(answer)]


async def test_writer_owns_what_it_wrote(core, samples):
    made = await core.call("POST", samples.config_maps, samples.config_map("a"), headers=AGENT)
    assert owners(made) == [("editor", "Update", "", {"f:data": {".": {}, "f:key": {}}})]
    changed = await core.patch(f"{samples.config_maps}/a", {"data": {"other": "1"}}, "fieldManager=me")
    assert owners(changed) == [
        ("editor", "Update", "", {"f:data": {".": {}, "f:key": {}}}),
        ("me", "Update", "", {"f:data": {"f:other": {}}}),
    ]


async def test_writer_without_a_name_is_unknown_and_controllers_are_the_server(core, samples):
    assert owners(await core.call("POST", samples.config_maps, samples.config_map("a")))[0][0] == "unknown"
    await core.create("configmaps", samples.config_map("b"))
    assert owners(await core.call("GET", f"{samples.config_maps}/b"))[0][0] == "watchd"


async def test_what_changes_changes_hands(core, samples):
    await core.call("POST", samples.config_maps, samples.config_map("a", data={"k": "1", "l": "1"}), "fieldManager=one")
    changed = await core.patch(f"{samples.config_maps}/a", {"data": {"k": "2"}}, "fieldManager=two")
    assert owners(changed) == [
        ("one", "Update", "", {"f:data": {".": {}, "f:l": {}}}),
        ("two", "Update", "", {"f:data": {"f:k": {}}}),
    ]


async def test_status_is_owned_through_its_subresource(core, things, samples):
    await core.call("POST", things, samples.thing(spec={"x": 1}, status={"y": 0}), "fieldManager=one")
    change = {"spec": {"x": 2}, "metadata": {"labels": {"l": "1"}}, "status": {"y": 1}}
    written = await core.patch(f"{things}/a/status", change, "fieldManager=two")
    assert owners(written) == [
        ("one", "Update", "", {"f:spec": {".": {}, "f:x": {}}}),
        ("two", "Update", "status", {"f:status": {".": {}, "f:y": {}}}),
    ]


async def test_write_that_moves_nothing_but_times_is_none(core, samples):
    await core.call("POST", samples.config_maps, samples.config_map("a"), "fieldManager=me")
    before = await core.call("GET", f"{samples.config_maps}/a")
    head = core.log.head
    core.clock.advance(100)
    later = [{**entries(before)[0], "time": "2031-01-01T00:00:00Z"}]
    after = await core.patch(f"{samples.config_maps}/a", {"metadata": {"managedFields": later}}, "fieldManager=me")
    assert (core.log.head, after.json) == (head, before.json)


async def test_dry_run_tracks_and_stores_nothing(core, samples):
    await core.config_map("a")
    head = core.log.head
    shown = await core.patch(f"{samples.config_maps}/a", {"data": {"x": "1"}}, "dryRun=All&fieldManager=me")
    assert [owner[0] for owner in owners(shown)] == ["me", "unknown"]
    assert core.log.head == head


@pytest.mark.parametrize("reset", [[], [{}]])
async def test_client_makes_an_object_forget_its_managers(core, samples, reset):
    made = (await core.call("POST", samples.config_maps, samples.config_map("a"))).json
    made["metadata"]["managedFields"] = reset or [{}]
    forgotten = await core.call("PUT", f"{samples.config_maps}/a", made)
    assert entries(forgotten) == []
    changed = await core.patch(f"{samples.config_maps}/a", {"data": {"x": "1"}}, "fieldManager=me")
    assert entries(changed) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"manager": "m", "operation": "Bogus", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}},
        {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV2", "fieldsV1": {}},
        {"manager": "m", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {}},
    ],
)
async def test_managers_that_cannot_be_read_are_passed_over(core, samples, entry):
    before = await core.config_map("a")
    after = await core.patch(f"{samples.config_maps}/a", {"metadata": {"managedFields": [entry]}})
    assert (after.status, after.json) == (200, before)


async def test_object_without_managers_stays_without_until_it_is_applied_to(core, samples):
    made = await core.call("POST", samples.config_maps, samples.config_map("a"))
    await core.patch(f"{samples.config_maps}/a", {"metadata": {"managedFields": [{}]}})
    applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"mine": "1"}}
    headers = {"content-type": "application/apply-patch+yaml"}
    after = await core.call("PATCH", f"{samples.config_maps}/a", applied, "fieldManager=me", headers=headers)
    assert after.json["data"] == {**made.json["data"], "mine": "1"}
    assert {(e["manager"], e["operation"]) for e in entries(after)} == {("me", "Apply"), ("before-first-apply", "Update")}


async def test_versions_of_one_kind_share_their_managers(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=[samples.version("v2", storage=False), samples.version("v1")]))
    await core.call("POST", samples.things, samples.thing(spec={"x": 1, "y": 1}), "fieldManager=one")
    changed = await core.patch(f"{samples.things.replace('/v1/', '/v2/')}/a", {"spec": {"x": 2}}, "fieldManager=two")
    assert [(e["manager"], e["apiVersion"], e["fieldsV1"]) for e in entries(changed)] == [
        ("one", "example.com/v1", {"f:spec": {".": {}, "f:y": {}}}),
        ("two", "example.com/v2", {"f:spec": {"f:x": {}}}),
    ]


async def test_nobody_owns_what_the_server_puts_back(core, samples):
    made = samples.config_map("a", deletionTimestamp="2001-01-01T00:00:00Z", selfLink="/x", uid="u", generation=3)
    made = await core.call("POST", samples.config_maps, made)
    assert [owner[3] for owner in owners(made)] == [{"f:data": {".": {}, "f:key": {}}}]


async def test_owners_that_another_version_hides_stay_as_they_are(core, samples):
    def schema(*fields):
        spec = {"type": "object", "properties": {field: {"type": "string"} for field in fields}}
        return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}

    versions = [samples.version("v1", schema=schema("a", "b")), samples.version("v2", storage=False, schema=schema("a"))]
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=versions))
    v2 = samples.things.replace("/v1/", "/v2/")
    made = await core.call("POST", v2, samples.thing(api_version="example.com/v2", spec={"a": "x"}))
    changed = await core.patch(f"{samples.things}/a", {"spec": {"b": "y"}}, "fieldManager=me")
    assert entries(changed) == entries(made)
    applied = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"b": "z"}}
    headers = {"content-type": "application/apply-patch+yaml"}
    refused = await core.call("PATCH", f"{samples.things}/a", applied, "fieldManager=me", headers=headers)
    assert (refused.status, refused.json["message"]) == (500, "failed to convert new object: .spec.b: field not declared in schema")


def sent_back(answer, **data):
    """Return the bytes of an object that a client changes, with what stands in it as it read it."""
    obj = answer.json
    obj["data"] |= data
    return orjson.dumps(obj)


async def test_managers_that_come_back_are_the_same_in_whatever_spelling(core, samples):
    results = []
    for name, spell in (
        ("a", lambda body: body),
        ("b", lambda body: json.dumps(json.loads(body)).encode()),
        ("c", lambda body: json.dumps(json.loads(body), sort_keys=True).encode()),
        ("d", lambda body: body.replace(b"managedFields", rb"managed\u0046ields")),
    ):
        answer = await core.call("POST", samples.config_maps, samples.config_map(name), "fieldManager=one")
        for turn in range(3):
            core.clock.advance(1)
            path = f"{samples.config_maps}/{name}"
            answer = await core.call("PUT", path, spell(sent_back(answer, key=str(turn))), f"fieldManager=w{turn % 2}")
            assert answer.status == 200, answer.body
        assert (await core.call("GET", path)).json == answer.json
        results.append([(who, fields) for who, _, _, fields in owners(answer)])
        if name == "a":
            assert [e["time"] for e in entries(answer)] == sorted(e["time"] for e in entries(answer))
            # What is known by its text is as the log has it, and a patch sees the same.
            assert entries(await core.patch(path, {"metadata": {"labels": {"x": "y"}}}, "fieldManager=w0")) != entries(answer)
            assert entries(await core.call("GET", path))[-1]["fieldsV1"]["f:metadata"] == {"f:labels": {".": {}, "f:x": {}}}
    assert results[0] == [("one", {"f:data": {}}), ("w0", {"f:data": {"f:key": {}}})]
    assert all(result == results[0] for result in results)


async def test_clients_cannot_reach_what_is_known(core, samples):
    made = await core.call("POST", samples.config_maps, samples.config_map("a"), "fieldManager=one")
    text = orjson.dumps(entries(made))
    known = TEXTS.cut(b'{"metadata":{"managedFields":%b}}' % text)[1]
    first = [{"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "thief"}]
    path = f"{samples.config_maps}/a"
    patched = await core.patch(path, first, "fieldManager=two&dryRun=All", "json")
    assert entries(patched)[0]["manager"] == "thief"
    assert orjson.dumps(known.entries) == text
    put = await core.call("PUT", path, sent_back(made, key="1"), "fieldManager=two")
    assert [owner[0] for owner in owners(put)] == ["one", "two"]
    assert orjson.dumps(known.entries) == text


async def test_put_that_lost_a_race_writes_what_was_sent(core, samples):
    made = await core.call("POST", samples.config_maps, samples.config_map("a", labels={"x": "1"}), "fieldManager=one")
    path = f"{samples.config_maps}/a"
    body = made.json
    del body["metadata"]["resourceVersion"]
    body["data"] = {"mine": "1"}
    core.log.race(lambda: core.patch(path, {"data": {"other": "1"}}, "fieldManager=two"), times=1, only=b"/a")
    put = await core.call("PUT", path, body, "fieldManager=three")
    assert (put.status, put.json["data"], put.json["metadata"]["labels"]) == (200, {"mine": "1"}, {"x": "1"})
    assert [owner[0] for owner in owners(put)] == ["one", "three"]
