"""What is shown of a run: a table with ratios, and budgets with whether they are met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks.budgets import budget_of
from benchmarks.figures import HIDDEN, Figure, Measured
from benchmarks.machine import Machine

NO_DISKS = frozenset({"tmpfs", "ramfs"})
"""File systems that lose everything in a power cut; /tmp is one on many machines."""

WIDTH = 200
"""Columns of the table where the output is no terminal: a figure is never broken over lines."""


@attrs.frozen
class Result:
    """One run of the benchmarks."""

    machine: Machine
    client: str
    form: str
    """"full" or "short"."""
    peers: Mapping[str, str]
    """What each server was, by its name; the first is ours."""
    measured: Sequence[Measured]


def number(value: float | None) -> str:
    """Format a figure with three significant digits, larger ones in full."""
    if value is None:
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _shown(measured: Measured, figure: Figure) -> bool:
    if figure in HIDDEN:
        return False
    # What has to be 0 and may happen is shown when it is not, except for what watches promise.
    if figure in {Figure.ERRORS, Figure.CUTS}:
        return any(measured.median(peer, figure) for peer in measured.runs)
    return True


def rows(result: Result) -> list[list[str]]:
    """Return the table's cells: workload, case, figure, unit, one a server, ours / its for each other, budget, its verdict."""
    names = list(result.peers)
    out = []
    for measured in result.measured:
        lead = [measured.workload, measured.case]
        for figure in measured.figures:
            if not _shown(measured, figure):
                continue
            cells = [number(measured.median(name, figure)) for name in names]
            cells += [_ratio(measured.ratio(figure, names[0], name)) for name in names[1:]]
            out.append([*lead, figure.title, figure.unit, *cells, *_verdict(result, measured, figure)])
            lead = ["", ""]
        for name, why in measured.failures.items():
            out.append([*lead, f"failed: {name}", "", why[:80], *[""] * (len(header(result)) - 5)])
            lead = ["", ""]
    return out


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


def _verdict(result: Result, measured: Measured, figure: Figure) -> tuple[str, str]:
    budget = budget_of(measured, figure) if result.form == "full" else None
    if budget is None:
        return "", ""
    met = budget.met(measured, next(iter(result.peers)))
    return str(budget), "" if met is None else "met" if met else "missed"


def verdicts(result: Result) -> tuple[int, int]:
    """Return how many budgets are met, and of how many."""
    found = [_verdict(result, measured, figure)[1] for measured in result.measured for figure in measured.figures]
    return found.count("met"), found.count("met") + found.count("missed")


def header(result: Result) -> list[str]:
    """Return the table's column headings."""
    names = list(result.peers)
    return ["workload", "case", "figure", "unit", *names, *(f"{names[0]} / {name}" for name in names[1:]), "budget", ""]


def show(result: Result) -> None:
    """Print the machine, the table and what went wrong."""
    console = Console(width=None if Console().is_terminal else WIDTH, highlight=False)
    machine = result.machine
    console.print(
        f"{machine.date}, {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel}, "
        f"{machine.python}, commit {machine.source}, {machine.disk}, fdatasync {machine.fdatasync_ms} ms, load average {machine.load_average}"
    )
    console.print(f"client: {result.client}; medians, {result.form} form")
    if machine.disk in NO_DISKS:
        console.print(f"NOTE the data was on {machine.disk}: nothing was synced to a disk, writes looked cheaper than they are")
    for name, words in result.peers.items():
        console.print(f"{name}: {words}")
    shown = Table()
    for at, heading in enumerate(header(result)):
        shown.add_column(heading, justify="left" if at < 4 else "right", no_wrap=True)
    for row in rows(result):
        shown.add_row(*row)
    console.print(shown)
    met, budgets = verdicts(result)
    if budgets:
        console.print(f"budgets met: {met} of {budgets}")
    for fault in faults(result):
        console.print(f"FAULT {fault}")


def table(headings: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in cells])


def faults(result: Result) -> list[str]:
    """Return what went wrong in all cases."""
    return [fault for measured in result.measured for fault in measured.faults]
