from __future__ import annotations

import orjson
import pytest

from storage.memory_log import MemoryLog
from storage.types import Op, Write, make_key
from watchd.api.admin import COMPACT_PATH, Admin
from watchd.api.message import Request
from watchd.seams import SystemClock
from watchd.status import StatusError


async def no_body(limit):
    return b""


def request(query, *, method="POST", path=COMPACT_PATH):
    return Request(method, path, query, {}, no_body)


@pytest.fixture
async def log(nursery):
    log = MemoryLog(clock=SystemClock())
    await nursery.start(log.run)
    kind = await log.kind("configmaps")
    for number in range(5):
        await log.append(Write(make_key(kind, "a/b"), Op.PUT, b"", b'{"n":%d}' % number, 1))
    return log


async def test_compaction_raises_the_floor(log):
    response = await Admin(log).handle(request("revision=3"))
    assert response.status == 200
    assert orjson.loads(response.body) == {"floor": 3, "head": 5}
    assert log.floor == 3


async def test_head_is_all_that_can_go(log):
    response = await Admin(log).handle(request("revision=head"))
    assert orjson.loads(response.body) == {"floor": 5, "head": 5}


@pytest.mark.parametrize("query", ["", "revision=", "revision=x", "revision=-1", "revision=6", "revision=" + "9" * 19, "revision=%D9%A1"])
async def test_a_bad_revision_is_400_and_changes_nothing(log, query):
    with pytest.raises(StatusError) as caught:
        await Admin(log).handle(request(query))
    assert caught.value.code == 400
    assert log.floor == 0


@pytest.mark.parametrize(("method", "path", "code"), [("GET", COMPACT_PATH, 405), ("POST", "/debug/watchd/other", 404)])
async def test_other_requests_are_refused(log, method, path, code):
    with pytest.raises(StatusError) as caught:
        await Admin(log).handle(request("revision=1", method=method, path=path))
    assert caught.value.code == code


async def test_a_closed_log_is_a_status(log):
    await log.aclose()
    with pytest.raises(StatusError) as caught:
        await Admin(log).handle(request("revision=1"))
    assert caught.value.code == 500
