"""The pytest plugin, loaded into every test run where watchd is installed: so it imports nothing of the server."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from watchd.testing import Server


@pytest.fixture
def watchd_server() -> Iterator[Server]:
    """A watchd server of this test's own, in memory: `url`, `http_url`, `token`, `ca_file`, `kubeconfig`."""
    with importlib.import_module("watchd.testing").serve_in_thread() as server:
        yield server
