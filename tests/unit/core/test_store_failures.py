"""What the log fails with, said in the protocol's words; nothing is half done."""

from __future__ import annotations

import pytest

from storage.errors import Corrupt, LogClosed, LogFull, OutcomeUnknown

CASES = [
    (LogFull("no room"), 507, "InsufficientStorage", "the write was not stored"),
    (OutcomeUnknown("fsync failed"), 500, "InternalError", "outcome unknown"),
    (LogClosed("closing"), 503, "ServiceUnavailable", "closing"),
    (Corrupt("page 7"), 500, "InternalError", "page 7"),
]


@pytest.mark.parametrize(("error", "status", "reason", "text"), CASES)
@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "mark", "finish", "deletecollection"])
async def test_failed_append_is_a_status(core, samples, verb, error, status, reason, text):
    path = f"{samples.config_maps}/a"
    obj = await core.config_map("a", finalizers=["e.com/x"] if verb in ("mark", "finish") else [])
    if verb == "finish":
        await core.call("DELETE", path)
    before = (await core.call("GET", path)).body
    core.log.fail_with(error)
    match verb:
        case "create":
            answer = await core.call("POST", samples.config_maps, samples.config_map("b"))
        case "update":
            answer = await core.call("PUT", path, {**obj, "data": {"new": "1"}})
        case "patch":
            answer = await core.patch(path, {"data": {"new": "1"}})
        case "finish":
            answer = await core.patch(path, {"metadata": {"finalizers": []}})
        case "deletecollection":
            answer = await core.call("DELETE", samples.config_maps)
        case _:
            answer = await core.call("DELETE", path)
    assert (answer.status, answer.json["kind"], answer.json["reason"]) == (status, "Status", reason)
    assert text in answer.json["message"]
    if status == 503:
        assert answer.header("retry-after") == "1"
    assert (await core.call("GET", path)).body == before
    core.log.before_append = None
    assert (await core.patch(path, {"metadata": {"labels": {"again": "1"}}})).status == 200


async def test_reads_of_a_closed_log_are_503(core, samples):
    watch = await core.watch(samples.config_maps, f"resourceVersion={core.log.head}")
    await core.log.aclose()
    for method, path in (("GET", f"{samples.config_maps}/a"), ("GET", samples.config_maps), ("DELETE", f"{samples.config_maps}/a")):
        answer = await core.call(method, path)
        assert (answer.status, answer.json["reason"]) == (503, "ServiceUnavailable")
    core.bus.close()
    await watch.end()
    assert watch.failure is None


async def test_full_log_takes_deletes_and_reads(start, autojump_clock, samples):
    core = await start(max_bytes=200_000)
    statuses = []
    for number in range(200):
        answer = await core.call("POST", samples.config_maps, samples.config_map(f"a{number}", data={"x": "y" * 500}))
        statuses.append(answer.status)
    assert statuses[0] == 201
    assert statuses[-1] == 507
    assert set(statuses) == {201, 507}
    assert (await core.call("GET", samples.config_maps)).status == 200
    assert (await core.call("DELETE", f"{samples.config_maps}/a0")).status == 200
