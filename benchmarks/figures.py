"""What a run gives: figures with a unit, their medians, and ratios between two servers."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from enum import Enum

import attrs


class Figure(Enum):
    """A kind of figure: (how it is named, unit, whether it has to be 0)."""

    CPU_OPERATION = ("server CPU per operation", "us", False)
    CPU_LIST = ("server CPU per list", "ms", False)
    CPU_EVENT = ("server CPU per event", "us", False)
    CPU_UPDATE = ("server CPU per update", "us", False)
    CPU_START = ("server CPU of the start and first list", "s", False)
    THROUGHPUT = ("operations", "1/s", False)
    UPDATES = ("updates held", "1/s", False)
    EVENTS = ("events delivered", "1/s", False)
    P50 = ("latency p50", "ms", False)
    P99 = ("latency p99", "ms", False)
    QUIET_P50 = ("the same alone p50", "ms", False)
    QUIET_P99 = ("the same alone p99", "ms", False)
    ADDED_P50 = ("added to it p50", "ms", False)
    ADDED_P99 = ("added to it p99", "ms", False)
    TIMES_P50 = ("times that alone p50", "", False)
    TIMES_P99 = ("times that alone p99", "", False)
    WRITE_P50 = ("write latency p50", "ms", False)
    WRITE_P99 = ("write latency p99", "ms", False)
    ANSWER_P50 = ("event after the answer p50", "ms", False)
    ANSWER_P99 = ("event after the answer p99", "ms", False)
    DUE_P50 = ("event after its update was due p50", "ms", False)
    DUE_P99 = ("event after its update was due p99", "ms", False)
    READY = ("start to ready", "ms", False)
    FIRST_PAGE = ("ready to the first page of 500", "ms", False)
    FIRST_LIST = ("ready to the first full list", "ms", False)
    RESUMED = ("old watch resumes after the restart", "1 = yes", False)
    ANONYMOUS = ("anonymous memory", "MiB", False)
    PER_WATCHER = ("anonymous memory per idle watcher", "KiB", False)
    ANSWER_BYTES = ("bytes of an answer", "B", False)
    TIMES_CPU = ("CPU, times that of the first", "", False)
    TIMES_LATENCY = ("latency p50, times that of the first", "", False)
    TIMES_MEMORY = ("anonymous memory, times that of the first", "", False)
    CLIENT_CPU = ("client CPU", "cores", False)
    OTHER_LOAD = ("other load", "of all cores", False)
    CUTS = ("streams the server ended", "", False)
    ERRORS = ("errors", "", True)
    LOST = ("events lost", "", True)
    DUPLICATED = ("events duplicated", "", True)
    DISORDERED = ("events out of order", "", True)

    def __init__(self, title: str, unit: str, zero: bool) -> None:  # noqa: FBT001  # a column of the table above
        """Take a row of the table above apart."""
        self.title = title
        self.unit = unit
        self.must_be_zero = zero


HIDDEN = frozenset({Figure.ANSWER_BYTES, Figure.CLIENT_CPU})
"""In the JSON only: they explain figures, and are none of the server's merits."""

NO_RATIO = frozenset(
    {
        *(Figure.OTHER_LOAD, Figure.RESUMED, Figure.CUTS, Figure.ADDED_P50, Figure.ADDED_P99),
        *(Figure.TIMES_P50, Figure.TIMES_P99, Figure.TIMES_CPU, Figure.TIMES_LATENCY, Figure.TIMES_MEMORY),
    }
)
"""Figures whose quotient says nothing."""

TIMES: Mapping[Figure, Figure] = {
    Figure.CPU_OPERATION: Figure.TIMES_CPU,
    Figure.CPU_UPDATE: Figure.TIMES_CPU,
    Figure.P50: Figure.TIMES_LATENCY,
    Figure.ANONYMOUS: Figure.TIMES_MEMORY,
}
"""Figures that two cases are compared by, and what their quotient is."""

Run = Mapping[Figure, float]
"""The figures of one run of one case against one server."""


@attrs.frozen
class Measured:
    """One case: its runs against each server."""

    workload: str
    case: str
    runs: Mapping[str, Sequence[Run]]
    """Runs of each server, by its name, in the order they were made."""
    failures: Mapping[str, str] = attrs.field(factory=dict)
    """Why a server has no runs, by its name."""

    def median(self, peer: str, figure: Figure) -> float | None:
        """Return the median over a server's runs; of what has to be 0, the worst; None where it was not taken."""
        values = [run[figure] for run in self.runs.get(peer, ()) if figure in run]
        if not values:
            return None
        return max(values) if figure.must_be_zero else statistics.median(values)

    def ratio(self, figure: Figure, peer: str, against: str) -> float | None:
        """Return peer / against, None where there is none: something missing, or no positive number."""
        ours, theirs = self.median(peer, figure), self.median(against, figure)
        if ours is None or theirs is None or figure in NO_RATIO or figure.must_be_zero or ours <= 0 or theirs <= 0:
            return None
        return ours / theirs

    def over(self, first: Measured, name: str) -> Measured:
        """Return how many times another case's figures this one's are, run by run."""
        runs = {peer: [_quotients(mine, its) for mine, its in zip(self.runs[peer], first.runs.get(peer, ()), strict=False)] for peer in self.runs}
        return Measured(self.workload, name, runs)

    @property
    def figures(self) -> list[Figure]:
        """What was taken, in the order of Figure."""
        taken = {figure for runs in self.runs.values() for run in runs for figure in run}
        return [figure for figure in Figure if figure in taken]

    @property
    def faults(self) -> list[str]:
        """What went wrong: a server without runs, and figures over 0 that have to be 0."""
        found = [f"{self.workload} {self.case}: {peer}: {why}" for peer, why in self.failures.items()]
        for peer in self.runs:
            for figure in self.figures:
                worst = self.median(peer, figure)
                if figure.must_be_zero and worst:
                    found.append(f"{self.workload} {self.case}: {peer}: {worst:g} {figure.title}")
        return found


def _quotients(run: Run, first: Run) -> dict[Figure, float]:
    return {times: run[figure] / first[figure] for figure, times in TIMES.items() if figure in run and first.get(figure)}


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that a share of a sorted, non-empty sequence does not exceed (nearest rank from below)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
