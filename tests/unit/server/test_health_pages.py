from __future__ import annotations

import pytest

from watchd.api.health import HealthPages
from watchd.api.message import Request
from watchd.health import Health


async def no_body(limit):
    return b""


@pytest.fixture
def pages():
    health = Health()
    health.add("log", lambda: "broken", ["readyz"])
    health.started()
    return HealthPages(health)


@pytest.mark.parametrize(
    ("path", "query", "status", "part"),
    [
        ("/livez", "", 200, "ok"),
        ("/livez/", "", 200, "ok"),
        ("/livez/ping", "", 200, "ok"),
        ("/livez", "verbose", 200, "[+]ping ok\nlivez check passed\n"),
        ("/livez", "verbose=false", 200, "livez check passed\n"),
        ("/readyz", "", 500, "[-]log failed: reason withheld\nreadyz check failed\n"),
        ("/readyz", "exclude=log", 200, "ok"),
        ("/readyz", "exclude=ping&exclude=log&verbose=1", 200, "[+]log excluded: ok\n"),
        ("/readyz/log", "", 500, "internal server error: broken\n"),
        ("/readyz/absent", "", 404, "404 page not found\n"),
    ],
)
async def test_pages(pages, path, query, status, part):
    response = await pages.handle(Request("GET", path, query, {}, no_body))
    assert response.status == status
    assert part in response.body.decode()
    assert ("content-type", "text/plain; charset=utf-8") in response.headers


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "BREW"])
async def test_other_methods_are_answered_alike(pages, method):
    response = await pages.handle(Request(method, "/livez", "", {}, no_body))
    assert (response.status, response.body) == (200, b"ok")
