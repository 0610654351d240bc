"""ResourceQuotas: counted by their controller, charged by admission, exact whoever writes at once."""

from __future__ import annotations

import pytest
import trio

from storage.errors import LogFull

N = "/api/v1/namespaces/default"
QUOTA = f"{N}/resourcequotas/q"


def pod(name, cpu="100m", **spec):
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}], **spec}}


async def limit(core, name="q", scopes=(), **hard):
    """Make a quota and wait until it is counted."""
    body = {"metadata": {"name": name}, "spec": {"hard": {key.replace("__", "/"): value for key, value in hard.items()}}}
    if scopes:
        body["spec"]["scopes"] = list(scopes)
    answer = await core.call("POST", f"{N}/resourcequotas", body)
    assert answer.status == 201, answer.body
    await trio.sleep(1)
    return (await core.call("GET", f"{N}/resourcequotas/{name}")).json["status"]


async def used(core, name="q"):
    await trio.sleep(1)
    return (await core.call("GET", f"{N}/resourcequotas/{name}")).json["status"]["used"]


async def test_a_new_quota_is_counted(cluster, autojump_clock):
    await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})
    status = await limit(cluster, secrets="5", count__secrets="6", pods="1")
    assert status == {"hard": {"secrets": "5", "count/secrets": "6", "pods": "1"}, "used": {"secrets": "1", "count/secrets": "1", "pods": "0"}}


async def test_what_is_made_is_charged_before_it_is_stored_and_what_goes_is_given_back(cluster, autojump_clock):
    await limit(cluster, secrets="1")
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 201
    assert (await cluster.call("GET", QUOTA)).json["status"]["used"] == {"secrets": "1"}
    refused = await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "b"}})
    assert refused.status == 403
    assert refused.json["message"] == (
        'secrets "b" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=1, limited: secrets=1'
    )
    await cluster.call("DELETE", f"{N}/secrets/a")
    assert await used(cluster) == {"secrets": "0"}
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "b"}})).status == 201


async def test_as_many_are_let_in_as_there_is_room_for(cluster, nursery, autojump_clock):
    await limit(cluster, secrets="7")
    statuses = []

    async def make(number):
        statuses.append((await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": f"s{number}"}})).status)

    async with trio.open_nursery() as writers:
        for number in range(30):
            writers.start_soon(make, number)
    assert sorted(statuses) == [201] * 7 + [403] * 23
    assert await used(cluster) == {"secrets": "7"}


async def test_writes_that_wait_together_are_charged_in_one_write(cluster, autojump_clock):
    await limit(cluster, secrets="50")
    charged = []

    async def count(write):
        await trio.sleep(0.01)
        if write.key.endswith(b"/q"):
            charged.append(write)

    cluster.log.before_append = count
    async with trio.open_nursery() as writers:
        for number in range(30):
            writers.start_soon(cluster.call, "POST", f"{N}/secrets", {"metadata": {"name": f"s{number}"}})
    assert len(charged) < 5
    assert await used(cluster) == {"secrets": "30"}


async def test_a_charge_that_fails_by_a_fault_lets_nobody_in(core, autojump_clock, monkeypatch):
    status = {"hard": {"secrets": "50"}, "used": {"secrets": "0"}}
    await core.call("POST", f"{N}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": status["hard"]}})
    await core.patch(f"{QUOTA}/status", {"status": status})
    update = core.store.update

    async def broken(endpoint, *args, **options):
        if endpoint.resource == "resourcequotas":
            await trio.sleep(1)
            raise RuntimeError("a fault of ours")
        return await update(endpoint, *args, **options)

    monkeypatch.setattr(core.store, "update", broken)
    statuses = []

    async def make(number):
        try:
            statuses.append((await core.call("POST", f"{N}/secrets", {"metadata": {"name": f"s{number}"}})).status)
        except RuntimeError:
            statuses.append(500)

    async with trio.open_nursery() as writers:
        for number in range(5):
            writers.start_soon(make, number)
    assert statuses == [500] * 5
    assert (await core.call("GET", f"{N}/secrets")).json["items"] == []


async def test_a_quota_that_somebody_lowers_meanwhile_counts(cluster, autojump_clock):
    await limit(cluster, secrets="5")

    async def lower():
        await cluster.patch(f"{QUOTA}/status", {"status": {"hard": {"secrets": "0"}}})

    cluster.log.race_once(lower, only=b"/q")
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 403


async def test_counting_does_not_take_away_the_charge_of_a_write_under_way(cluster, autojump_clock):
    await limit(cluster, secrets="1")
    held, go = trio.Event(), trio.Event()

    async def hold(write):
        if b"/slow" in write.key:
            held.set()
            await go.wait()

    cluster.log.before_append = hold
    answers = []

    async def make(name):
        answers.append((name, (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": name}})).status))

    async with trio.open_nursery() as writers:
        writers.start_soon(make, "slow")
        await held.wait()
        # Something goes: the namespace is to be counted anew, while the charged Secret is not there yet.
        await cluster.call("POST", f"{N}/configmaps", {"metadata": {"name": "m"}})
        await cluster.call("DELETE", f"{N}/configmaps/m")
        await trio.sleep(5)
        writers.start_soon(make, "second")
        await trio.sleep(5)
        go.set()
    assert sorted(answers) == [("second", 403), ("slow", 201)]
    assert await used(cluster) == {"secrets": "1"}


@pytest.mark.parametrize("name", ["taken", "Not-A-Name"])
async def test_a_charge_for_nothing_is_given_back(cluster, autojump_clock, name):
    await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "taken"}})
    await limit(cluster, secrets="5")
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": name}})).status in {409, 422}
    assert await used(cluster) == {"secrets": "1"}


async def test_a_write_that_the_log_refuses_is_given_back(cluster, autojump_clock):
    await limit(cluster, secrets="1")
    cluster.log.fail_with(LogFull("no room"), only=b"/a")
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 507
    cluster.log.before_append = None
    assert await used(cluster) == {"secrets": "0"}


async def test_a_caller_that_leaves_is_counted_for_what_was_stored(cluster, autojump_clock):
    await limit(cluster, secrets="5")
    held, go = trio.Event(), trio.Event()

    async def hold(write):
        if b"/a" in write.key:
            held.set()
            await go.wait()

    cluster.log.before_append = hold
    async with trio.open_nursery() as callers:
        callers.start_soon(cluster.call, "POST", f"{N}/secrets", {"metadata": {"name": "a"}})
        await held.wait()
        callers.cancel_scope.cancel()
        go.set()
    assert await cluster.exists(f"{N}/secrets/a")
    assert await used(cluster) == {"secrets": "1"}


async def test_pods_at_their_end_count_as_objects_only(cluster, autojump_clock):
    await limit(cluster, pods="5", count__pods="5", **{"requests.cpu": "1"})
    await cluster.call("POST", f"{N}/pods", pod("a"))
    assert await used(cluster) == {"pods": "1", "count/pods": "1", "requests.cpu": "100m"}
    await cluster.patch(f"{N}/pods/a/status", {"status": {"phase": "Succeeded"}})
    assert await used(cluster) == {"pods": "0", "count/pods": "1", "requests.cpu": "0"}


async def test_scopes_decide_which_pods_are_counted(cluster, autojump_clock):
    await limit(cluster, scopes=["BestEffort"], pods="1")
    await cluster.call("POST", f"{N}/pods", pod("sized"))
    assert await used(cluster) == {"pods": "0"}
    assert (await cluster.call("POST", f"{N}/pods", pod("a", cpu=None))).status == 201
    assert (await cluster.call("POST", f"{N}/pods", pod("b", cpu=None))).status == 403
    assert await used(cluster) == {"pods": "1"}


async def test_objects_of_custom_kinds_are_counted(cluster, samples, autojump_clock):
    await cluster.define(samples.definition())
    await limit(cluster, **{"count__things.example.com": "1"})
    assert (await cluster.call("POST", samples.things, samples.thing("a"))).status == 201
    assert (await cluster.call("POST", samples.things, samples.thing("b"))).status == 403
    await cluster.call("DELETE", f"{samples.things}/a")
    assert await used(cluster) == {"count/things.example.com": "0"}


async def test_a_quota_that_is_raised_lets_more_in(cluster, autojump_clock):
    await limit(cluster, secrets="0")
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 403
    await cluster.patch(QUOTA, {"spec": {"hard": {"secrets": "1"}}})
    await trio.sleep(1)
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 201


async def test_other_namespaces_are_not_limited(cluster, autojump_clock):
    await limit(cluster, secrets="0")
    await cluster.namespace("n")
    assert (await cluster.call("POST", "/api/v1/namespaces/n/secrets", {"metadata": {"name": "a"}})).status == 201


async def test_a_quota_that_nobody_has_counted_yet_refuses(core):
    status = {"hard": {"secrets": "1"}}
    await core.call("POST", f"{N}/resourcequotas", {"metadata": {"name": "q"}, "spec": status})
    await core.patch(f"{QUOTA}/status", {"status": status})
    refused = await core.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})
    assert refused.status == 403
    assert refused.json["message"] == 'secrets "a" is forbidden: status unknown for quota: q, resources: secrets'


async def test_what_was_charged_before_a_crash_is_counted_at_the_start(start, autojump_clock):
    before = await start(controllers=True)
    await limit(before, secrets="3")
    await before.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})
    await before.patch(f"{QUOTA}/status", {"status": {"used": {"secrets": "3"}}})
    after = await start(before.log.log.fork(), controllers=True)
    assert await used(after) == {"secrets": "1"}


async def test_an_object_that_one_of_two_quotas_refuses_is_charged_to_neither(cluster, autojump_clock):
    await limit(cluster, "roomy", secrets="9")
    await limit(cluster, "tight", secrets="1")
    assert [(await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": name}})).status for name in "ab"] == [201, 403]
    assert (await cluster.call("GET", f"{N}/resourcequotas/roomy")).json["status"]["used"] == {"secrets": "1"}
    assert await used(cluster, "roomy") == await used(cluster, "tight") == {"secrets": "1"}


async def test_a_quota_that_goes_limits_nothing_any_more(cluster, autojump_clock):
    await limit(cluster, secrets="0")
    await cluster.call("DELETE", QUOTA)
    assert (await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "a"}})).status == 201
