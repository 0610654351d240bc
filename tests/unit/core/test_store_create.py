"""Creating objects: names, what the server sets, dry runs, preconditions of the namespace."""

from __future__ import annotations

import re

import pytest

from watchd.status import Reason, StatusError


async def test_server_sets_what_it_owns(core, samples):
    given = samples.config_map("a", uid="mine", creationTimestamp="2001-01-01T00:00:00Z", deletionTimestamp="2001-01-01T00:00:00Z")
    created = (await core.call("POST", samples.config_maps, given)).json
    assert created["metadata"]["namespace"] == "default"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", created["metadata"]["uid"])
    assert created["metadata"]["creationTimestamp"] == "2025-06-15T15:06:40Z"
    assert "deletionTimestamp" not in created["metadata"]
    assert created["metadata"]["resourceVersion"] == str(core.log.head)
    assert (await core.call("GET", f"{samples.config_maps}/a")).json == created


async def test_existing_name_is_refused_and_changes_nothing(core, samples):
    await core.config_map("a")
    head = core.log.head
    again = await core.call("POST", samples.config_maps, samples.config_map("a", data={"other": "1"}))
    assert (again.status, again.json["reason"]) == (409, "AlreadyExists")
    assert again.json["message"] == 'configmaps "a" already exists'
    assert core.log.head == head


async def test_taken_generated_name_is_made_anew(core, samples):
    await core.config_map("web-aaaaa")
    core.entropy.suffixes = ["aaaaa", "aaaaa", "bbbbb"]
    created = (await core.call("POST", samples.config_maps, samples.config_map(generateName="web-"))).json
    assert created["metadata"]["name"] == "web-bbbbb"
    assert created["metadata"]["generateName"] == "web-"


async def test_generated_names_are_given_up_after_eight(core, samples):
    await core.config_map("web-aaaaa")
    core.entropy.suffixes = ["aaaaa"] * 20
    answer = await core.call("POST", samples.config_maps, samples.config_map(generateName="web-"))
    assert (answer.status, answer.json["reason"]) == (409, "AlreadyExists")
    assert len(core.entropy.suffixes) == 12
    # errors.NewGenerateNameConflict: the client may try again.
    assert answer.json["message"] == (
        'configmaps "web-aaaaa" already exists, the server was not able to generate a unique name for the object'
    )
    assert answer.json["details"] == {"name": "web-aaaaa", "kind": "configmaps", "retryAfterSeconds": 1}


async def test_name_that_was_given_is_not_replaced(core, samples):
    await core.config_map("fixed")
    core.entropy.suffixes = ["aaaaa"]
    answer = await core.call("POST", samples.config_maps, samples.config_map("fixed", generateName="web-"))
    assert answer.status == 409
    assert core.entropy.suffixes == ["aaaaa"]


async def test_generated_name_in_a_dry_run_avoids_taken_ones(core, samples):
    await core.config_map("web-aaaaa")
    core.entropy.suffixes = ["aaaaa", "bbbbb"]
    answer = await core.call("POST", samples.config_maps, samples.config_map(generateName="web-"), "dryRun=All")
    assert answer.json["metadata"]["name"] == "web-bbbbb"


async def test_dry_run_stores_nothing(core, samples):
    head = core.log.head
    answer = await core.call("POST", samples.config_maps, samples.config_map("a"), "dryRun=All")
    assert answer.status == 201
    assert answer.json["metadata"]["uid"]
    assert "resourceVersion" not in answer.json["metadata"]
    assert core.log.head == head
    assert not await core.exists(f"{samples.config_maps}/a")
    await core.config_map("a")
    assert (await core.call("POST", samples.config_maps, samples.config_map("a"), "dryRun=All")).status == 409


async def test_revision_in_a_create_is_refused(core, samples):
    answer = await core.call("POST", samples.config_maps, samples.config_map("a", resourceVersion="5"))
    assert answer.status == 500
    assert answer.json["message"] == "resourceVersion should not be set on objects to be created"


async def test_namespace_must_exist(core, samples):
    answer = await core.call("POST", "/api/v1/namespaces/nope/configmaps", samples.config_map("a"))
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "nope" not found')


async def test_post_to_a_name_creates_nothing(core, samples):
    answer = await core.call("POST", f"{samples.config_maps}/a", samples.config_map("b"))
    assert (answer.status, answer.json["reason"]) == (405, "MethodNotAllowed")
    assert not await core.exists(f"{samples.config_maps}/b")


async def test_too_long_a_key_is_invalid(core):
    endpoint = core.endpoint("events")
    with pytest.raises(StatusError) as caught:
        await core.create("events", {"metadata": {"name": "e" * 600}, "involvedObject": {}, "source": {}})
    assert caught.value.reason is Reason.INVALID
    assert await core.store.walk(endpoint) == []


async def test_generation_begins_only_where_the_kind_has_one(core, cluster_kinds, samples):
    assert "generation" not in (await core.config_map("a"))["metadata"]
    assert (await core.call("POST", samples.things, samples.thing())).json["metadata"]["generation"] == 1


async def test_status_is_dropped_where_it_is_a_subresource(core, cluster_kinds, samples):
    plain = (await core.call("POST", samples.things, samples.thing(status={"x": 1}))).json
    assert plain["status"] == {"x": 1}
    split = (await core.call("POST", cluster_kinds, samples.thing(kind="Split", status={"x": 1}))).json
    assert "status" not in split
    namespace = await core.call("POST", samples.namespaces, {"metadata": {"name": "n"}, "status": {"phase": "Terminating"}})
    assert namespace.json["status"] == {"phase": "Active"}


@pytest.fixture
async def cluster_kinds(core, samples):
    """A custom kind with a status subresource and one without; gives the path of the first."""
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    await core.define(samples.definition("splits", "Split", versions=[samples.version(status=True)]))
    return "/apis/example.com/v1/namespaces/default/splits"
