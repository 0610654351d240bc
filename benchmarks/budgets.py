"""What watchd is to cost: budgets for figures of the full form, on a machine of two cores.

They are goals that a report shows, not tests: a run never fails for one. Those of DESIGN section 8.
"""

from __future__ import annotations

import attrs

from benchmarks.figures import Figure, Measured

NOISE = 1.15
"""What does not grow may be so many times what it was: two runs of the same differ by that."""


@attrs.frozen
class Budget:
    """One figure's bound. Exactly one of the bounds is given."""

    workload: str
    case: str
    figure: Figure
    most: float | None = None
    least: float | None = None
    least_of_reference: float | None = None
    """So many times the reference's at least."""

    def met(self, measured: Measured, ours: str) -> bool | None:
        """Tell whether a case, measured of the server of that name, keeps it; None where something is missing."""
        value = measured.median(ours, self.figure)
        if value is None:
            return None
        if self.least_of_reference is not None:
            its = measured.median("reference", self.figure)
            return None if its is None else value >= its * self.least_of_reference
        return (self.most is None or value <= self.most) and (self.least is None or value >= self.least)

    def __str__(self) -> str:
        """Say the bound."""
        if self.least_of_reference is not None:
            return f">= {self.least_of_reference:g} x ref."
        return f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"


WATCHED = "1,000 watchers, 100 updates/s asked"
WATCHED_PLAIN = "1,000 watchers, plain, 100 updates/s asked"
BESIDE = "64 writers beside lists of 10,000 and 1,000 watchers"

BUDGETS = (
    Budget("get", "16 at once", Figure.CPU_OPERATION, most=80),
    Budget("append", "create, 1 writer", Figure.CPU_OPERATION, most=600),
    Budget("append", "create, 64 writers", Figure.CPU_OPERATION, most=350),
    Budget("append", "create, 64 writers", Figure.THROUGHPUT, least_of_reference=4),
    Budget("put", "16 at once", Figure.CPU_OPERATION, most=500),
    # 60 and 80 ms are for 13,000 objects.
    Budget("list", "10,000 objects, whole", Figure.CPU_LIST, most=46),
    Budget("list", "10,000 objects, pages of 500", Figure.CPU_LIST, most=62),
    # A hundredth less: the last update is due before the last second is over.
    Budget("fanout", WATCHED, Figure.UPDATES, least=99),
    Budget("fanout", WATCHED, Figure.CPU_EVENT, most=8),
    Budget("fanout", WATCHED, Figure.ANSWER_P99, most=100),
    Budget("fanout", WATCHED_PLAIN, Figure.UPDATES, least=99),
    Budget("fanout", WATCHED_PLAIN, Figure.CPU_EVENT, most=5),
    Budget("fanout", "100 watchers, full speed", Figure.CPU_EVENT, most=9),
    Budget("names", "1,000 watchers over 10", Figure.TIMES_CPU, most=NOISE),
    # "No more than a few milliseconds."
    Budget("fairness", "GET beside bursts to 1,000 watchers", Figure.ADDED_P99, most=5),
    Budget("mixed", BESIDE, Figure.TIMES_P99, most=3),
    Budget("growth", "50,000 objects over 1,000: GET", Figure.TIMES_CPU, most=NOISE),
    Budget("growth", "50,000 objects over 1,000: PUT", Figure.TIMES_CPU, most=NOISE),
    Budget("growth", "50,000 objects over 1,000: memory after a first list", Figure.TIMES_MEMORY, most=NOISE),
    Budget("memory", "1,000 idle watchers, TLS", Figure.PER_WATCHER, most=25),
    Budget("memory", "1,000 idle watchers, plain", Figure.PER_WATCHER, most=6),
    Budget("memory", "10,000 objects", Figure.ANONYMOUS, most=80),
    Budget("restart", "with 10,000 objects", Figure.READY, most=300),
    # "At once": what a whole list of so many takes with its connection.
    Budget("restart", "with 10,000 objects", Figure.FIRST_LIST, most=150),
    Budget("restart", "with 10,000 objects", Figure.RESUMED, least=1),
    Budget("million", "with 1,000,000 objects", Figure.READY, most=300),
    Budget("million", "with 1,000,000 objects", Figure.RESUMED, least=1),
)
"""For figures of cases as the full form names them."""

_BY_PLACE = {(budget.workload, budget.case, budget.figure): budget for budget in BUDGETS}


def budget_of(measured: Measured, figure: Figure) -> Budget | None:
    """Return the budget for a figure of a case, if there is one."""
    return _BY_PLACE.get((measured.workload, measured.case, figure))
