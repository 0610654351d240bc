"""What kubectl says of a custom kind, word for word: each command of a transcript with what it printed."""

from __future__ import annotations

import re

import pytest

from tests.clients.transcript import CHANGING, GOLDENS, check, say


@pytest.fixture
def kites(server):
    """The transcript makes their definition; it is gone at the end in any case."""
    yield
    with server.client() as client:
        client.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kites.goldens.example.com")


@pytest.mark.usefixtures("kites")
def test_transcript(golden_kubectl):
    changes = [*CHANGING, (re.compile(re.escape(golden_kubectl.namespace)), "NAMESPACE")]
    check(GOLDENS / "kites.txt", lambda command: say(golden_kubectl, command.split(" ")[1:], changes))
