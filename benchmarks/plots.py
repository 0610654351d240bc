"""Drawings of how costs grow: with watchers, with objects, with writers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from benchmarks.figures import Figure
from benchmarks.report import Result
from benchmarks.svg import COLOURS, Axis, Line, chart


@attrs.frozen
class Plot:
    """One drawing: cases of a workload whose names have a number, and figures of them."""

    file: str
    title: str
    workload: str
    case: re.Pattern[str]
    """What the whole name of a case matches; its group is the number along the x axis."""
    x_title: str
    y_title: str
    figures: dict[Figure, str]
    """What is drawn, and what the legend says behind the server's name; the second is dashed."""
    logarithmic: bool = True
    """Whether the y axis is."""


PLOTS = (
    Plot(
        "fanout.svg",
        "From when an update is due to its event at a watcher",
        "watchers",
        re.compile(r"([\d,]+) watchers, .*"),
        "watchers",
        "ms",
        {Figure.DUE_P50: "p50", Figure.DUE_P99: "p99"},
    ),
    Plot(
        "list.svg",
        "A whole list",
        "growth",
        re.compile(r"([\d,]+) objects: whole list"),
        "objects",
        "ms",
        {Figure.P50: "p50"},
    ),
    Plot(
        "create.svg",
        "Creates a second, each durable",
        "append",
        re.compile(r"create, ([\d,]+) writers?"),
        "writers",
        "1/s",
        {Figure.THROUGHPUT: ""},
        logarithmic=False,
    ),
)
"""All of them."""


def lines(plot: Plot, result: Result) -> list[Line]:
    """Return a plot's lines, those with two points at least."""
    found: dict[tuple[str, Figure], list[tuple[float, float]]] = {}
    for measured in result.measured:
        number = plot.case.fullmatch(measured.case)
        if measured.workload != plot.workload or number is None:
            continue
        for name in result.peers:
            for figure in plot.figures:
                value = measured.median(name, figure)
                if value is not None and value > 0:
                    found.setdefault((name, figure), []).append((float(number[1].replace(",", "")), value))
    names, figures = list(result.peers), list(plot.figures)
    return [
        Line(
            f"{name} {plot.figures[figure]}".strip(),
            sorted(points),
            COLOURS[names.index(name) % len(COLOURS)],
            dashed=figures.index(figure) > 0,
        )
        for (name, figure), points in found.items()
        if len(points) > 1
    ]


def draw(result: Result, directory: Path) -> Sequence[Path]:
    """Write each plot that there are figures for into a directory and return the files. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []
    for plot in PLOTS:
        if not (found := lines(plot, result)):
            continue
        x_axis = Axis.over(plot.x_title, [x for line in found for x, _ in line.points], logarithmic=True)
        y_axis = Axis.over(plot.y_title, [y for line in found for _, y in line.points], logarithmic=plot.logarithmic)
        file = directory / plot.file
        file.write_text(chart(plot.title, x_axis, y_axis, found), encoding="utf-8")
        drawn.append(file)
    return drawn
