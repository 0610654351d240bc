"""Counters and histograms that are counted at each request or event, and made into Prometheus' samples when they are read.

Those of prometheus_client take a lock and a dozen calls for each number. Here a number is an attribute: one loop counts,
and the same loop shows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

from watchd.seams import Clock

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

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


T = TypeVar("T")


class _Tallied(Collector, Generic[T]):
    """A metric under all sets of labels that were asked for."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], clock: Clock) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._clock = clock
        self._found: dict[Labels, T] = {}

    def __len__(self) -> int:
        return len(self._found)

    def under(self, labels: Labels = ()) -> T:
        """Return what counts under a set of labels; to be kept by whoever counts often."""
        found = self._found.get(labels)
        if found is None:
            found = self._found[labels] = self._made(self._clock.now_ms() / 1000)
        return found

    def _made(self, created: float) -> T:
        raise NotImplementedError


class Tallies(_Tallied[Tally]):
    """A counter. Its name ends in `_total`."""

    def _made(self, created: float) -> Tally:
        return Tally(created)

    def collect(self) -> Iterator[Metric]:
        """Yield the samples."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, tally in self._found.items():
            family.add_metric(labels, tally.value, created=tally.created)
        yield family


class Distributions(_Tallied[Distribution]):
    """A histogram of values that are not negative."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], clock: Clock, *, bounds: Sequence[float]
    ) -> None:
        super().__init__(name, documentation, labels, clock)
        self._bounds = tuple(bounds)
        self._shown = [floatToGoString(bound) for bound in (*bounds, INF)]  # type: ignore[no-untyped-call]  # it has no types

    def _made(self, created: float) -> Distribution:
        return Distribution(created, self._bounds)

    def collect(self) -> Iterator[Metric]:
        """Yield the samples: each bucket holds what the lower ones do, too."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, found in self._found.items():
            family.add_metric(labels, list(zip(self._shown, accumulate(found.counts), strict=True)), found.total)
            named = dict(zip(self._labels, labels, strict=True))
            family.add_sample(f"{self._name}_created", named, found.created)
        yield family
