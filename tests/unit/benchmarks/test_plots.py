from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.clients.python import PythonClient
from benchmarks.command import WORKLOADS
from benchmarks.figures import Figure, Measured
from benchmarks.machine import facts
from benchmarks.plots import PLOTS, Plot, draw, lines
from benchmarks.report import Result
from benchmarks.svg import Axis, Line, chart
from benchmarks.workloads.case import FULL, Bench


def creates(writers: int, ours: float, theirs: float) -> Measured:
    name = f"create, {writers} writer" + "s" * (writers > 1)
    return Measured("append", name, {"watchd": [{Figure.THROUGHPUT: ours}], "reference": [{Figure.THROUGHPUT: theirs}]})


def result(tmp_path: Path, *cases: Measured) -> Result:
    return Result(facts(tmp_path), "python", "full", {"watchd": "ours", "reference": "theirs"}, cases)


def test_the_same_figures_make_the_same_drawing(tmp_path: Path):
    shown = result(tmp_path, creates(64, 3000, 900), creates(1, 700, 300))
    assert [file.name for file in draw(shown, tmp_path / "a")] == ["create.svg"]
    draw(shown, tmp_path / "b")
    drawn = (tmp_path / "a" / "create.svg").read_text()
    assert drawn == (tmp_path / "b" / "create.svg").read_text()
    words = [text.text for text in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert {"watchd", "reference", "writers", "1/s", "Creates a second, each durable"} <= set(words)


def test_a_line_goes_along_its_numbers_and_leaves_out_other_cases(tmp_path: Path):
    paced = Measured("append", "create, 100/s asked", {"watchd": [{Figure.THROUGHPUT: 100.0}]})
    (create,) = [plot for plot in PLOTS if plot.file == "create.svg"]
    found = lines(create, result(tmp_path, creates(64, 3000, 900), paced, creates(1, 700, 300)))
    assert [(line.name, line.points) for line in found] == [
        ("watchd", [(1.0, 700), (64.0, 3000)]),
        ("reference", [(1.0, 300), (64.0, 900)]),
    ]


def test_nothing_is_drawn_of_one_point(tmp_path: Path):
    assert draw(result(tmp_path, creates(1, 700, 300)), tmp_path) == []


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.file)
def test_the_full_form_has_what_each_plot_shows(plot: Plot):
    names = [case.name for case in WORKLOADS[plot.workload].cases(Bench(PythonClient(), FULL))]
    assert sum(plot.case.fullmatch(name) is not None for name in names) >= 3


@pytest.mark.parametrize("values", [[0.7, 900.0], [3.0, 3.0], [1e-3, 1e6], [10.0, 1000.0]])
@pytest.mark.parametrize("logarithmic", [True, False])
def test_an_axis_has_room_for_its_values(values: list[float], logarithmic: bool):
    axis = Axis.over("x", values, logarithmic=logarithmic)
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert 2 <= len(axis.ticks) <= 10
    assert all(-1e-9 <= axis.share(tick) <= 1 + 1e-9 for tick in axis.ticks)


def test_words_are_no_markup():
    axis = Axis.over("a < b & c", [1.0, 10.0], logarithmic=True)
    drawn = chart("<script>", axis, axis, [Line("x > y", [(1.0, 2.0), (10.0, 3.0)], "#000")])
    root = ET.fromstring(drawn)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "<script>"
    assert root.find("{http://www.w3.org/2000/svg}script") is None
