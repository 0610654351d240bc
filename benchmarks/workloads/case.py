"""What a workload is made of."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import attrs

from benchmarks.clients.client import Client
from benchmarks.figures import Run
from benchmarks.peers.peer import Peer


class Setting(Enum):
    """What the servers hold when a workload begins. Workloads of one setting share servers, started for it."""

    EMPTY = "empty"
    SMALL = "small"
    LARGE = "large"


@attrs.frozen
class Counts:
    """How much of everything: bounded, so that a run ends by itself."""

    repetitions: int
    """Runs of a case against each server, in turn; figures are medians of them."""
    small: int
    """Objects of the setting SMALL."""
    large: int
    """Objects of the setting LARGE."""
    appends: dict[int, int]
    """Creates, by the number of writers."""
    gets: int
    puts: int
    lists: int
    fanouts: dict[int, int]
    """Updates, by the number of watchers."""
    rate: float
    """Updates a second that a fan-out asks for."""
    holders: int
    """Idle watchers whose memory is taken."""


FULL = Counts(
    repetitions=3,
    small=1000,
    large=10_000,
    appends={1: 400, 16: 2000, 64: 3000},
    gets=6000,
    puts=2000,
    lists=4,
    fanouts={100: 500, 1000: 300},
    rate=100.0,
    holders=1000,
)
"""Ten minutes with the reference. CPU comes in ticks of 10 ms: a run takes 20 of them at least."""

SHORT = Counts(
    repetitions=1,
    small=500,
    large=2000,
    appends={1: 150, 16: 600, 64: 1000},
    gets=2000,
    puts=600,
    lists=2,
    fanouts={100: 200, 1000: 100},
    rate=100.0,
    holders=300,
)
"""A minute or two: to see whether something has changed by a lot."""


@attrs.frozen
class Bench:
    """What a case is run with."""

    client: Client
    counts: Counts


@attrs.frozen
class Case:
    """One line of figures."""

    name: str
    run: Callable[[Peer, int], Run]
    """(server, repetition from 0) -> its figures."""
    warm_up: Callable[[Peer], object] | None = None
    """Done once for each server before the first repetition; nothing of it is counted."""


@attrs.frozen
class Workload:
    """A file of this package."""

    name: str
    about: str
    setting: Setting
    cases: Callable[[Bench], list[Case]]
    only: str | None = None
    """The one server that it is for, None for all: a part of watchd that the reference has no like of."""
