"""Requests as handlers see them."""

from __future__ import annotations

import pytest

from watchd.api.message import Request


async def nothing(_: int) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", {}),
        ("a=1&a=2&b", {"a": ["1", "2"], "b": [""]}),
        ("a=%31+%2B&%62=c", {"a": ["1 +"], "b": ["c"]}),
        ("&a=1&&", {"a": ["1"]}),
        ("=x", {"": ["x"]}),
        ("a=b=c", {"a": ["b=c"]}),
        ("a=%zz&b=1&c=%&d=%4", {"b": ["1"]}),
        ("a=1;b=2&c=3", {"c": ["3"]}),
    ],
)
def test_what_is_malformed_in_a_query_is_passed_over(raw, query):
    assert Request("GET", "/", raw, {}, nothing).query == query
