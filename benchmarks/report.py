"""What is shown and kept of a run: a table with ratios, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks.figures import HIDDEN, NO_RATIO, Figure, Measured, Run
from benchmarks.machine import Machine

FORMAT = 1
"""Of the JSON; counts up when the meaning of something in it changes."""

NO_DISKS = frozenset({"tmpfs", "ramfs"})
"""File systems that lose everything in a power cut; /tmp is one on many machines."""

WIDTH = 160
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
    """Return the table's cells: workload, case, figure, unit, one a server, ratio (ours / the other's)."""
    names = list(result.peers)
    out = []
    for measured in result.measured:
        lead = [measured.workload, measured.case]
        for figure in measured.figures:
            if not _shown(measured, figure):
                continue
            cells = [number(measured.median(name, figure)) for name in names]
            if len(names) > 1:
                ratio = measured.ratio(figure, names[0], names[1])
                cells.append("" if ratio is None else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}")
            out.append([*lead, figure.title, figure.unit, *cells])
            lead = ["", ""]
        for name, why in measured.failures.items():
            out.append([*lead, f"failed: {name}", "", why[:80], *[""] * (len(names) - 1 + (len(names) > 1))])
            lead = ["", ""]
    return out


def header(result: Result) -> list[str]:
    """Return the table's column headings."""
    names = list(result.peers)
    return ["workload", "case", "figure", "unit", *names, *([f"{names[0]} / {names[1]}"] if len(names) > 1 else [])]


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
    table = Table()
    for at, heading in enumerate(header(result)):
        table.add_column(heading, justify="left" if at < 4 else "right", no_wrap=True)
    for row in rows(result):
        table.add_row(*row, end_section=False)
    console.print(table)
    for fault in faults(result):
        console.print(f"FAULT {fault}")


def markdown(result: Result) -> str:
    """Return the table in Markdown, for documents."""
    lines = ["| " + " | ".join(header(result)) + " |", "|" + "---|" * len(header(result))]
    lines += ["| " + " | ".join(row) + " |" for row in rows(result)]
    return "\n".join(lines)


def faults(result: Result) -> list[str]:
    """Return what went wrong in all cases."""
    return [fault for measured in result.measured for fault in measured.faults]


def _runs(runs: Sequence[Run]) -> list[dict[str, float]]:
    return [{figure.name.lower(): round(value, 4) for figure, value in run.items()} for run in runs]


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole of it, each run included, as JSON."""
    names = list(result.peers)
    cases = []
    for measured in result.measured:
        medians: dict[str, Any] = {}
        for figure in measured.figures:
            values = {name: measured.median(name, figure) for name in names}
            entry: dict[str, Any] = {name: None if value is None else round(value, 4) for name, value in values.items()}
            if len(names) > 1 and figure not in NO_RATIO:
                ratio = measured.ratio(figure, names[0], names[1])
                entry["ratio"] = None if ratio is None else round(ratio, 4)
            medians[figure.name.lower()] = entry | {"unit": figure.unit}
        cases.append(
            {
                "workload": measured.workload,
                "case": measured.case,
                "figures": medians,
                "runs": {name: _runs(runs) for name, runs in measured.runs.items()},
                "failures": dict(measured.failures),
            }
        )
    return {
        "format": FORMAT,
        "machine": attrs.asdict(result.machine),
        "client": result.client,
        "form": result.form,
        "peers": dict(result.peers),
        "cases": cases,
        "faults": faults(result),
    }


def keep(result: Result, file: Path) -> None:
    """Write the JSON. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(as_json(result), indent=1) + "\n", encoding="utf-8")
