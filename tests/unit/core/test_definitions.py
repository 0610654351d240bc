"""CustomResourceDefinitions at work: names, versions, restarts, and the way out."""

from __future__ import annotations

import pytest
import trio

from storage.errors import LogFull
from watchd.controllers import definitions
from watchd.crd import install, names, reading
from watchd.crd.definitions import CLEANUP_FINALIZER

THINGS = "things.example.com"


def condition(definition, kind):
    return next((c for c in definition["status"]["conditions"] if c["type"] == kind), {})


async def test_definition_is_accepted_established_and_served(cluster, samples):
    assert not await cluster.exists(samples.things)
    made = await cluster.define(samples.definition())
    assert condition(made, "NamesAccepted")["reason"] == "NoConflicts"
    assert (condition(made, "Established")["status"], condition(made, "Established")["reason"]) == ("True", "InitialNamesAccepted")
    assert made["status"]["acceptedNames"] == {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    assert made["status"]["storedVersions"] == ["v1"]
    assert (await cluster.call("POST", samples.things, samples.thing())).status == 201
    listed = (await cluster.call("GET", samples.things)).json
    assert (listed["kind"], listed["metadata"]["continue"], len(listed["items"])) == ("ThingList", "", 1)


async def test_names_that_are_taken_are_not_served_until_they_are_free(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    second = await cluster.define(samples.definition("others", names={"plural": "others", "kind": "Thing", "listKind": "OtherList"}))
    assert condition(second, "NamesAccepted")["reason"] == "KindConflict"
    assert condition(second, "NamesAccepted")["message"] == '"Thing" is already in use'
    assert condition(second, "Established")["reason"] == "NotAccepted"
    others = samples.things.replace("things", "others")
    assert not await cluster.exists(others)
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await cluster.gone(f"{samples.definitions}/{THINGS}")
    await cluster.settle()
    second = await cluster.definition("others.example.com")
    assert condition(second, "Established")["status"] == "True"
    assert (await cluster.call("POST", others, samples.thing())).status == 201


async def test_name_that_is_given_up_goes_to_who_waits_for_it(cluster, samples):
    names = {"plural": "things", "kind": "Thing", "shortNames": ["th"]}
    await cluster.define(samples.definition(names=names))
    second = await cluster.define(samples.definition("others", "Other", names={"plural": "others", "kind": "Other", "shortNames": ["th"]}))
    assert condition(second, "NamesAccepted")["reason"] == "ShortNamesConflict"
    await cluster.patch(f"{samples.definitions}/{THINGS}", {"spec": {"names": {"shortNames": None}}})
    second = await cluster.definition("others.example.com")
    assert condition(second, "NamesAccepted")["status"] == "True"
    assert second["status"]["acceptedNames"]["shortNames"] == ["th"]
    assert condition(second, "Established")["status"] == "True"


async def test_a_definition_is_held_against_those_of_its_group_alone(cluster, samples, monkeypatch):
    seen, accept = [], names.accept
    await cluster.define(samples.definition("others", "Other", group="example.org"))

    def noted(definition, others):
        others = list(others)
        seen.extend(other["spec"]["group"] for other in others)
        return accept(definition, others)

    monkeypatch.setattr(names, "accept", noted)
    await cluster.define(samples.definition())
    assert set(seen) == {"example.com"}


async def test_new_version_is_added(cluster, samples):
    await cluster.define(samples.definition())
    await cluster.call("POST", samples.things, samples.thing(spec={"x": 1}))
    v1, v2 = samples.version("v1"), samples.version("v2", storage=False)
    await cluster.patch(f"{samples.definitions}/{THINGS}", {"spec": {"versions": [v1, v2]}})
    await cluster.settle()
    read = (await cluster.call("GET", samples.things.replace("v1", "v2") + "/a")).json
    assert (read["apiVersion"], read["spec"]) == ("example.com/v2", {"x": 1})
    written = await cluster.call("POST", samples.things.replace("v1", "v2"), samples.thing("b", api_version="example.com/v2"))
    assert written.json["apiVersion"] == "example.com/v2"
    assert (await cluster.call("GET", f"{samples.things}/b")).json["apiVersion"] == "example.com/v1"


async def test_version_that_is_not_served_is_not_there(cluster, samples):
    v1, v2 = samples.version("v1", storage=False), samples.version("v2", served=False)
    await cluster.define(samples.definition(versions=[v1, v2]))
    assert (await cluster.call("POST", samples.things, samples.thing())).status == 201
    assert (await cluster.call("GET", samples.things.replace("v1", "v2"))).status == 404
    key = cluster.registry.hub("example.com", "things").key("default", "a")
    assert b'"example.com/v2"' in (await cluster.log.get(key)).body


@pytest.mark.parametrize("end", ["namespace", "definition", "owner"])
async def test_kind_of_which_nothing_is_served_stops_nothing(cluster, samples, autojump_clock, end):
    await cluster.define(samples.definition())
    await cluster.namespace("n")
    things = samples.things.replace("default", "n")
    owner = (await cluster.call("POST", things, samples.thing())).json
    reference = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "a", "uid": owner["metadata"]["uid"]}
    await cluster.patch(f"{samples.definitions}/{THINGS}", {"spec": {"versions": [samples.version(served=False)]}})
    await cluster.settle()
    assert not await cluster.exists(f"{things}/a")
    match end:
        case "namespace":
            await cluster.call("DELETE", "/api/v1/namespaces/n")
            await cluster.gone("/api/v1/namespaces/n")
            assert await cluster.store.walk(cluster.registry.hub("example.com", "things")) == []
        case "definition":
            await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
            await cluster.gone(f"{samples.definitions}/{THINGS}")
        case _:
            await cluster.config_map("child", namespace="n", ownerReferences=[reference])
            await trio.sleep(100)
            assert await cluster.exists("/api/v1/namespaces/n/configmaps/child")
    assert (await cluster.store.counts())["configmaps"] > 0


async def test_deletion_takes_the_objects_along(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await cluster.namespace("n")
    for namespace in ("default", "n"):
        await cluster.call("POST", samples.things.replace("default", namespace), samples.thing())
    marked = (await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")).json
    assert marked["metadata"]["finalizers"] == [CLEANUP_FINALIZER]
    assert condition(marked, "Terminating")["reason"] == "InstanceDeletionPending"
    await cluster.gone(f"{samples.definitions}/{THINGS}")
    await cluster.settle()
    assert (await cluster.call("GET", samples.things)).status == 404
    await cluster.define(samples.definition())
    assert (await cluster.call("GET", samples.things)).json["items"] == []


async def test_deletion_waits_for_finalizers_and_creates_nothing_new(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await cluster.call("POST", samples.things, samples.thing(metadata={"finalizers": ["e.com/x"]}))
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await trio.sleep(60)
    going = await cluster.definition(THINGS)
    assert condition(going, "Terminating")["reason"] == "InstanceDeletionInProgress"
    refused = await cluster.call("POST", samples.things, samples.thing("b"))
    assert (refused.status, refused.json["message"]) == (
        403,
        'things.example.com "b" is forbidden: create not allowed while custom resource definition is terminating',
    )
    assert "deletionTimestamp" in (await cluster.call("GET", f"{samples.things}/a")).json["metadata"]
    assert (await cluster.patch(f"{samples.things}/a", {"metadata": {"finalizers": None}})).status == 200
    await cluster.gone(f"{samples.definitions}/{THINGS}")


async def test_create_that_races_the_deletion_of_its_kind_loses(cluster, samples):
    await cluster.define(samples.definition())
    cluster.log.race_once(lambda: cluster.call("DELETE", f"{samples.definitions}/{THINGS}"), only=b"default/a")
    answer = await cluster.call("POST", samples.things, samples.thing())
    assert answer.status in (403, 404)
    await cluster.settle()
    assert not await cluster.exists(f"{samples.definitions}/{THINGS}")
    await cluster.define(samples.definition())
    assert (await cluster.call("GET", samples.things)).json["items"] == []


async def test_create_under_a_definition_that_was_made_anew_loses(cluster, samples):
    await cluster.define(samples.definition())
    old = cluster.endpoint("things", "example.com")

    async def again():
        await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
        await cluster.settle()
        await cluster.define(samples.definition(scope="Cluster"))

    cluster.log.race_once(again, only=b"default/a")
    answer = await cluster.call("POST", samples.things, samples.thing())
    assert answer.status == 404
    assert await cluster.log.get(old.key("default", "a")) is None


async def test_definition_that_was_forced_away_and_made_again_keeps_its_objects(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await cluster.call("POST", samples.things, samples.thing("held", metadata={"finalizers": ["e.com/x"]}))
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await trio.sleep(3)
    # What people do with a definition that does not go.
    await cluster.patch(f"{samples.definitions}/{THINGS}", {"metadata": {"finalizers": None}})
    assert not await cluster.exists(f"{samples.definitions}/{THINGS}")
    await cluster.settle()
    await cluster.define(samples.definition())
    assert (await cluster.call("POST", samples.things, samples.thing("new"))).status == 201
    await trio.sleep(100)
    assert await cluster.exists(f"{samples.things}/new")
    again = await cluster.definition(THINGS)
    assert condition(again, "Terminating") == {}
    # And this one can go as well.
    await cluster.patch(f"{samples.things}/held", {"metadata": {"finalizers": None}})
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await cluster.gone(f"{samples.definitions}/{THINGS}")


async def test_full_log_delays_definitions_only(cluster, samples, autojump_clock):
    cluster.log.fail_with(LogFull("no room"), only=b"others")
    await cluster.define(samples.definition())
    await cluster.call("POST", samples.things, samples.thing())
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    cluster.log.fail_with(LogFull("no room"))
    await trio.sleep(60)
    assert await cluster.exists(f"{samples.definitions}/{THINGS}")
    cluster.log.before_append = None
    await trio.sleep(10)
    assert not await cluster.exists(f"{samples.definitions}/{THINGS}")


async def test_status_that_could_not_be_written_is_written_later(cluster, samples, autojump_clock):
    answers = []

    async def define():
        answers.append(await cluster.call("POST", samples.definitions, samples.definition()))

    writes = 0

    async def second_write_fails(write):
        nonlocal writes
        await trio.lowlevel.checkpoint()
        if b"things" in write.key:
            writes += 1
            if writes == 2:
                raise LogFull("no room")

    cluster.log.before_append = second_write_fails
    await define()
    assert answers[0].status == 201
    await trio.sleep(10)
    assert writes >= 3
    assert condition(await cluster.definition(THINGS), "Established")["status"] == "True"


async def test_kind_that_the_log_cannot_name_now_is_installed_later(cluster, samples, autojump_clock):
    allot, failing = cluster.log.log.allot, True

    async def allot_others(names):
        if failing and THINGS in names:
            raise LogFull("no room")
        await allot(names)

    cluster.log.allot = allot_others
    assert (await cluster.call("POST", samples.definitions, samples.definition())).status == 201
    await trio.sleep(10)
    assert not await cluster.exists(samples.things)
    failing = False
    await trio.sleep(10)
    assert (await cluster.call("POST", samples.things, samples.thing())).status == 201


async def test_definition_of_a_built_in_kind_replaces_nothing(cluster, samples, autojump_clock):
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    await cluster.call("POST", lease, {"metadata": {"name": "l"}})
    forged = samples.definition("leases", "Lease", "coordination.k8s.io")
    forged["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com/approved"}
    assert (await cluster.call("POST", samples.definitions, forged)).status == 201
    await cluster.settle()
    assert not cluster.registry.kind("coordination.k8s.io", "leases").custom
    name = "leases.coordination.k8s.io"
    await cluster.call("DELETE", f"{samples.definitions}/{name}")
    await cluster.gone(f"{samples.definitions}/{name}")
    assert await cluster.exists(f"{lease}/l")
    assert not cluster.registry.kind("coordination.k8s.io", "leases").custom


async def test_established_kinds_are_served_before_controllers_run(start, samples, autojump_clock):
    before = await start(controllers=True)
    await before.define(samples.definition())
    await before.define(samples.definition("others", "Thing"))
    await before.call("POST", samples.things, samples.thing())
    head = before.log.head
    after = await start(before.log.log.fork())
    assert (await after.call("GET", f"{samples.things}/a")).status == 200
    assert (await after.call("POST", samples.things, samples.thing("b"))).status == 201
    # What was not established is not served.
    assert (await after.call("GET", samples.things.replace("things", "others"))).status == 404
    again = await start(before.log.log.fork(), controllers=True)
    assert again.log.head == head, "a restart writes nothing"


async def test_a_start_reads_each_definition_once_and_no_schema(start, samples, monkeypatch):
    before = await start(controllers=True)
    await before.define(samples.definition())
    await before.call("POST", samples.things, samples.thing())
    seen, kinds = [], []
    monkeypatch.setattr(definitions, "read", lambda kind, version, stored: seen.append(stored.key) or reading.read(kind, version, stored))
    monkeypatch.setattr(definitions, "kind_of", lambda *found: kinds.append(install.kind_of(*found)) or kinds[-1])
    after = await start(before.log.log.fork(), controllers=True)
    (made,) = kinds
    assert len(seen) == 1
    schema = made.versions[0].custom
    assert not {"raw", "compiled"} & vars(schema).keys()
    assert (await after.call("GET", f"{samples.things}/a")).status == 200
    assert "compiled" not in vars(schema), "reads need none of it"
    assert (await after.call("POST", samples.things, samples.thing("b"))).status == 201
    assert "compiled" in vars(schema)


async def test_a_definition_whose_schema_is_written_in_another_order_makes_the_same_kind(cluster, samples, monkeypatch):
    installed = []
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}}}
    await cluster.define(samples.definition(versions=[samples.version(schema={"openAPIV3Schema": schema})]))
    monkeypatch.setattr(definitions, "kind_of", lambda *found: installed.append(found) or install.kind_of(*found))
    written = await cluster.definition(THINGS)
    properties = written["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["a"] = properties.pop("a")
    written["metadata"]["labels"] = {"a": "b"}
    assert (await cluster.call("PUT", f"{samples.definitions}/{THINGS}", written)).status == 200
    await cluster.settle()
    assert not installed
    properties["c"] = {"type": "string"}
    assert (await cluster.patch(f"{samples.definitions}/{THINGS}", {"spec": written["spec"]})).status == 200
    await cluster.settle()
    assert len(installed) == 1


async def test_interrupted_deletion_goes_on_after_a_restart(start, samples, autojump_clock):
    before = await start(controllers=True)
    await before.define(samples.definition())
    await before.call("POST", samples.things, samples.thing(metadata={"finalizers": ["e.com/x"]}))
    await before.call("DELETE", f"{samples.definitions}/{THINGS}")
    await before.settle()
    after = await start(before.log.log.fork(), controllers=True)
    assert await after.exists(f"{samples.things}/a")
    await after.patch(f"{samples.things}/a", {"metadata": {"finalizers": None}})
    await trio.sleep(10)
    assert not await after.exists(f"{samples.definitions}/{THINGS}")


async def test_deprecated_version_warns_on_success_and_on_refusal(cluster, samples):
    old = samples.version("v1", deprecated=True)
    await cluster.define(samples.definition(versions=[old, samples.version("v2", storage=False)]))
    said = ['299 - "example.com/v1 Thing is deprecated; use example.com/v2 Thing"']
    assert (await cluster.call("GET", samples.things)).warnings == said
    missing = await cluster.call("GET", f"{samples.things}/nope")
    assert (missing.status, missing.warnings) == (404, said)
    assert (await cluster.watch(samples.things)).response.headers.count(("warning", said[0])) == 1
    assert (await cluster.call("GET", samples.things.replace("v1", "v2"))).warnings == []


async def test_watches_end_with_their_version(cluster, samples, autojump_clock):
    v1, v2 = samples.version("v1"), samples.version("v2", storage=False)
    await cluster.define(samples.definition(versions=[v1, v2]))
    watches = [await cluster.watch(samples.things.replace("v1", version)) for version in ("v1", "v2")]
    await cluster.call("POST", samples.things, samples.thing())
    gone = {"spec": {"versions": [v1, {**v2, "served": False}]}}
    await cluster.patch(f"{samples.definitions}/{THINGS}", gone)
    for watch in watches:
        # The one whose version stays ends too, as in the reference: its objects may look different from now on.
        await watch.end()
        assert [(event, name) for event, name, _ in watch.brief] == [("ADDED", "a")]
    again = await cluster.watch(samples.things)
    await again.until(1)
    assert not again.ended.is_set()
    await cluster.patch(f"{samples.definitions}/{THINGS}", {"metadata": {"labels": {"a": "b"}}})
    await cluster.settle()
    assert not again.ended.is_set()


async def test_watches_of_a_definition_that_goes_see_the_last_object_go(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await cluster.call("POST", samples.things, samples.thing("a"))
    await cluster.call("POST", samples.things, samples.thing("held", metadata={"finalizers": ["e.com/x"]}))
    watch = await cluster.watch(samples.things, "allowWatchBookmarks=true")
    await watch.until(2)
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await watch.until(4)
    await cluster.patch(f"{samples.things}/held", {"metadata": {"finalizers": None}})
    await watch.end()
    assert [(event, name) for event, name, _ in watch.brief] == [
        ("ADDED", "a"),
        ("ADDED", "held"),
        ("DELETED", "a"),
        ("MODIFIED", "held"),
        ("DELETED", "held"),
    ]
    assert (await cluster.respond("GET", samples.things, None, "watch=1")).status == 404


async def test_slow_watch_of_a_definition_that_goes_misses_nothing(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    watch = await cluster.watch(samples.things)
    for index in range(30):
        await cluster.call("POST", samples.things, samples.thing(f"t{index}"))
    # Nothing has been read yet of what is sent now, when the kind is already on its way out.
    await cluster.call("DELETE", f"{samples.definitions}/{THINGS}")
    await watch.end()
    assert len(watch.brief) == 60
    assert [name for event, name, _ in watch.brief if event == "DELETED"] == sorted(f"t{index}" for index in range(30))


async def test_what_a_webhook_would_convert_is_not_shown_unconverted(cluster, samples):
    config = {"url": "https://localhost:1/convert"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": config}
    versions = [samples.version("v1"), samples.version("v2", storage=False)]
    await cluster.define(samples.definition(versions=versions, conversion={"strategy": "Webhook", "webhook": webhook}))
    assert (await cluster.call("POST", samples.things, samples.thing())).status == 201
    assert (await cluster.call("GET", f"{samples.things}/a")).status == 200
    v2 = samples.things.replace("v1", "v2")
    why = "conversion webhook for example.com/v1, Kind=Thing failed: this server calls no webhooks"
    for path in (f"{v2}/a", v2):
        refused = await cluster.call("GET", path)
        assert (refused.status, refused.json["message"]) == (500, f"Internal error occurred: {why}")
        assert refused.json["details"]["causes"][0]["message"].endswith(why)
    written = await cluster.call("POST", v2, samples.thing("b", api_version="example.com/v2"))
    assert (written.status, written.json["message"]) == (500, why.replace("v1", "v2"))
    watch = await cluster.watch(v2)
    await watch.end()
    assert [(event["type"], event["object"]["message"]) for event in watch.events] == [("ERROR", f"Internal error occurred: {why}")]


async def test_preconditions_of_a_delete_are_told_as_the_reference_tells_them(cluster, samples):
    await cluster.define(samples.definition())
    for field, name in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        refused = await cluster.call("DELETE", f"{samples.definitions}/{THINGS}", {"preconditions": {field: "1"}})
        found = (await cluster.definition(THINGS))["metadata"][field]
        assert refused.status == 409
        assert refused.json["message"] == (
            f'Operation cannot be fulfilled on customresourcedefinitions.apiextensions.k8s.io "{THINGS}": '
            f"precondition failed: {name} in precondition: 1, {name} in object meta: {found}"
        )


async def test_write_at_one_version_keeps_what_another_does_not_know(cluster, samples):
    def schema(*fields):
        spec = {"type": "object", "properties": {field: {"type": "string"} for field in fields}}
        return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}

    versions = [samples.version("v1", schema=schema("a", "b")), samples.version("v2", storage=False, schema=schema("a"))]
    await cluster.define(samples.definition(versions=versions))
    v2 = samples.things.replace("v1", "v2")
    await cluster.call("POST", v2, samples.thing(api_version="example.com/v2", spec={"a": "x"}))
    patched = await cluster.patch(f"{samples.things}/a", {"spec": {"b": "y"}})
    assert (patched.json["spec"], patched.json["metadata"]["generation"]) == ({"a": "x", "b": "y"}, 2)
    assert (await cluster.call("GET", f"{v2}/a")).json["spec"] == {"a": "x"}
    assert (await cluster.call("GET", f"{samples.things}/a")).json["spec"] == {"a": "x", "b": "y"}
