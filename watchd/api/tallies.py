"""Counters, histograms and gauges that change at each request or event, and become Prometheus' samples when they are read.

Those of prometheus_client take a lock and a dozen calls for each number. Here a number is an attribute: one loop counts,
and the same loop shows (`exposition.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from watchd.seams import Clock

Labels = tuple[str, ...]
"""Values of a metric's labels, in the order of their names."""


class Tally:
    """A counter under one set of labels."""

    __slots__ = ("created", "value")

    def __init__(self, created: float) -> None:
        """Begin with nothing; `created` in seconds since the epoch."""
        self.value = 0
        """To be added to."""
        self.created = created


class Distribution:
    """A histogram under one set of labels."""

    __slots__ = ("_bounds", "counts", "created", "total")

    def __init__(self, created: float, bounds: Sequence[float]) -> None:
        """Begin with nothing; a value belongs to the first of the bounds that it does not exceed."""
        self.counts = [0] * (len(bounds) + 1)
        """By bucket, that of what exceeds all bounds at last."""
        self.total = 0.0
        self.created = created
        self._bounds = bounds

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or as many that are the same."""
        self.counts[bisect_left(self._bounds, value)] += times
        self.total += value * times


class Level:
    """A gauge under one set of labels."""

    __slots__ = ("read", "value")

    def __init__(self) -> None:
        """Begin at nothing."""
        self.value = 0.0
        """To be set."""
        self.read: Callable[[], float] = lambda: self.value
        """How it is read; to be replaced where somebody else knows it."""


T = TypeVar("T")


class _Tallied(Generic[T]):
    """A metric under all sets of labels that were asked for."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], clock: Clock) -> None:
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self.found: dict[Labels, T] = {}
        """What was asked for."""
        self._clock = clock

    def __len__(self) -> int:
        return len(self.found)

    def under(self, labels: Labels = ()) -> T:
        """Return what counts under a set of labels; to be kept by whoever counts often."""
        found = self.found.get(labels)
        if found is None:
            found = self.found[labels] = self._made(self._clock.now_ms() / 1000)
        return found

    def _made(self, created: float) -> T:
        raise NotImplementedError


class Tallies(_Tallied[Tally]):
    """A counter. Its name ends in `_total`."""

    def _made(self, created: float) -> Tally:
        return Tally(created)


class Levels(_Tallied[Level]):
    """A gauge."""

    def _made(self, _created: float) -> Level:
        return Level()


class Distributions(_Tallied[Distribution]):
    """A histogram of values that are not negative."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], clock: Clock, *, bounds: Sequence[float]
    ) -> None:
        super().__init__(name, documentation, labels, clock)
        self.bounds = tuple(bounds)

    def _made(self, created: float) -> Distribution:
        return Distribution(created, self.bounds)
