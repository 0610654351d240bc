"""/version: who may ask for it, and how."""

from __future__ import annotations

import json

import pytest

from watchd.api import version
from watchd.api.message import Request
from watchd.status import StatusError


async def no_body(limit: int) -> bytes:
    return b""


def ask(method: str = "GET", accept: str = ""):
    return version.handle(Request(method, "/version", "", {"accept": accept} if accept else {}, no_body))


@pytest.mark.parametrize("accept", ["", "*/*", "application/json;as=Table", "text/html, application/json;q=0.1"])
async def test_it_is_json(accept):
    response = await ask(accept=accept)
    assert response.status == 200
    assert json.loads(response.body)["minor"] == version.MINOR


@pytest.mark.parametrize("accept", ["text/plain", "image/*", "application/yaml"])
async def test_it_is_nothing_else(accept):
    with pytest.raises(StatusError) as e:
        await ask(accept=accept)
    assert (e.value.code, e.value.to_object()["details"]) == (406, {})
    assert e.value.message == "406: Not Acceptable\n\nAvailable representations: application/json"


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
async def test_it_is_read_alone(method):
    with pytest.raises(StatusError) as e:
        await ask(method)
    assert e.value.code == 405
