"""What kubectl says of built-in kinds, word for word.

A `_` in a schedule stands for a space: the commands are split at spaces.
"""

from __future__ import annotations

import re

import pytest

from tests.clients.transcript import CHANGING, GOLDENS, check, say

NODE = "goldens-node"

SPACED = re.compile(r"(?<=--schedule=)\S+")

MORE = [
    *CHANGING,
    (re.compile(r"\bAGE\b +"), "AGE "),
    (re.compile(r"(?m)(CreationTimestamp|Started): .*"), r"\1: ..."),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "TIME"),
    (re.compile(r"10\.96\.\d+\.\d+ +"), "10.96.X.X "),
    (re.compile(r"\bCLUSTER-IP +"), "CLUSTER-IP "),
    (re.compile(r'resourceVersion: "\d+"'), "resourceVersion: RV"),
]
"""What is not the same each time: ages, times, addresses, and the widths that follow from them."""


@pytest.fixture
def node(server):
    """The transcript makes it; it is gone at the end in any case."""
    yield
    with server.client() as client:
        client.delete(f"/api/v1/nodes/{NODE}")


@pytest.mark.usefixtures("node")
def test_transcript(golden_kubectl):
    names = (re.compile(rf"{golden_kubectl.namespace}( ?) *"), r"NAMESPACE\1")
    changes = [*MORE, names, (re.compile(r"(?m) +$"), "")]

    def answer(command):
        arguments = [SPACED.sub(lambda found: found[0].replace("_", " "), one) for one in command.split(" ")[1:]]
        return say(golden_kubectl, arguments, changes)

    check(GOLDENS / "kinds.txt", answer)
