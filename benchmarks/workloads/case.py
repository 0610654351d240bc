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
    OWN = "own"
    """Servers of its own, with the definition and no object, for a workload that fills them or starts them anew."""


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
    seconds: float
    """How long loads on a schedule last."""
    fanouts: dict[int, int]
    """Updates, by the number of watchers."""
    rate: float
    """Updates a second that a fan-out asks for."""
    crowds: tuple[int, ...]
    """Numbers of watchers along which a fan-out grows."""
    holders: int
    """Watchers that hold still, are met by a burst, or stand beside other work; each with an object of its own at the most."""
    few: int
    """Watchers that have as many as `holders` beside them in a comparison."""
    stages: tuple[int, ...]
    """Numbers of objects along which a store grows."""
    stock: int
    """Objects whose memory is looked at."""


FULL = Counts(
    repetitions=3,
    small=1000,
    large=10_000,
    appends={1: 400, 4: 1200, 16: 2000, 64: 3000},
    gets=6000,
    puts=2000,
    lists=4,
    seconds=3.0,
    fanouts={100: 400, 1000: 300},
    rate=100.0,
    crowds=(10, 100, 1000, 2000),
    holders=1000,
    few=10,
    stages=(1000, 10_000, 50_000),
    stock=100_000,
)
"""A quarter of an hour with the reference. A run takes a fifth of a second of CPU at least, which its neighbours do not drown."""

SHORT = Counts(
    repetitions=1,
    small=100,
    large=1000,
    appends={1: 40, 16: 200},
    gets=400,
    puts=200,
    lists=1,
    seconds=0.5,
    fanouts={50: 40},
    rate=100.0,
    crowds=(30,),
    holders=50,
    few=5,
    stages=(100, 1000),
    stock=2000,
)
"""Less than a minute, alone: shows faults, and no figure worth a word."""


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
    once: bool = False
    """Whether one run is enough, since it is long and hardly differs from the next."""


def _none(_: Bench) -> list[Comparison]:
    return []


@attrs.frozen
class Comparison:
    """A line made of two cases: how many times the first's figures the second's are."""

    name: str
    first: str
    second: str
    """The cases' names."""


@attrs.frozen
class Workload:
    """A file of this package."""

    name: str
    about: str
    setting: Setting
    cases: Callable[[Bench], list[Case]]
    only: str | None = None
    """The one server that it is for, None for all: a part of watchd that the reference has no like of."""
    dialects: frozenset[str] = frozenset({"kubernetes"})
    """What the servers speak that can do it."""
    comparisons: Callable[[Bench], list[Comparison]] = _none
    asked_only: bool = False
    """Whether it is left out unless it is named: it takes minutes."""
