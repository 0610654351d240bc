from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.figures import Figure, Measured, percentile
from benchmarks.machine import facts
from benchmarks.report import Result, faults, keep, markdown, rows


def measured(**runs: list[dict[Figure, float]]) -> Measured:
    return Measured("get", "16 at once", runs)


def result(tmp_path: Path, *cases: Measured) -> Result:
    return Result(facts(tmp_path), "python", "short", {"watchd": "ours", "reference": "theirs"}, cases)


def test_median_is_of_the_runs_that_have_the_figure():
    case = measured(watchd=[{Figure.P50: 3.0}, {Figure.P50: 1.0}, {Figure.P50: 2.0}, {Figure.P99: 9.0}])
    assert case.median("watchd", Figure.P50) == 2.0
    assert case.median("watchd", Figure.READY) is None
    assert case.median("reference", Figure.P50) is None


def test_what_has_to_be_zero_is_the_worst_run_and_no_median_hides_it():
    case = measured(watchd=[{Figure.LOST: 0}, {Figure.LOST: 2}, {Figure.LOST: 0}])
    assert case.median("watchd", Figure.LOST) == 2
    assert case.faults == ["get 16 at once: watchd: 2 events lost"]


def test_ratio_is_ours_over_theirs():
    case = measured(watchd=[{Figure.P50: 2.0}], reference=[{Figure.P50: 8.0}])
    assert case.ratio(Figure.P50, "watchd", "reference") == 0.25


@pytest.mark.parametrize(
    ("figure", "ours", "theirs"),
    [
        (Figure.ANSWER_P50, -1.0, 2.0),  # an event before its write's answer
        (Figure.P50, 1.0, 0.0),
        (Figure.OTHER_LOAD, 0.5, 0.25),
        (Figure.LOST, 1.0, 1.0),
    ],
)
def test_no_ratio_where_it_says_nothing(figure: Figure, ours: float, theirs: float):
    case = measured(watchd=[{figure: ours}], reference=[{figure: theirs}])
    assert case.ratio(figure, "watchd", "reference") is None


def test_a_server_without_runs_is_a_fault():
    case = Measured("get", "16 at once", {"watchd": [], "reference": [{Figure.P50: 1.0}]}, {"watchd": "it ended"})
    assert case.faults == ["get 16 at once: watchd: it ended"]


def test_percentile_is_by_nearest_rank():
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 51
    assert percentile(values, 0.99) == 100
    assert percentile([7.0], 0.99) == 7


def test_table_shows_ratios_and_the_file_keeps_every_run(tmp_path: Path):
    case = measured(
        watchd=[{Figure.CPU_OPERATION: 30.0, Figure.ERRORS: 0}, {Figure.CPU_OPERATION: 50.0, Figure.ERRORS: 0}],
        reference=[{Figure.CPU_OPERATION: 160.0, Figure.ERRORS: 0}],
    )
    shown = result(tmp_path, case)
    assert rows(shown) == [["get", "16 at once", "server CPU per operation", "us", "40", "160", "0.25"]]
    assert "| get | 16 at once | server CPU per operation | us | 40 | 160 | 0.25 |" in markdown(shown).splitlines()
    keep(shown, tmp_path / "deep" / "figures.json")
    kept = json.loads((tmp_path / "deep" / "figures.json").read_text())
    assert kept["machine"]["cores"] >= 1
    assert kept["machine"]["date"].endswith("Z")
    (found,) = kept["cases"]
    assert found["figures"]["cpu_operation"] == {"watchd": 40.0, "reference": 160.0, "ratio": 0.25, "unit": "us"}
    assert [run["cpu_operation"] for run in found["runs"]["watchd"]] == [30.0, 50.0]
    assert kept["faults"] == []


def test_errors_are_shown_once_there_are_any(tmp_path: Path):
    shown = result(tmp_path, measured(watchd=[{Figure.P50: 1.0, Figure.ERRORS: 4}], reference=[{Figure.ERRORS: 0}]))
    assert [row[2] for row in rows(shown)] == ["latency p50", "errors"]
    assert faults(shown) == ["get 16 at once: watchd: 4 errors"]


def test_a_failed_server_has_a_row_as_wide_as_the_others(tmp_path: Path):
    case = Measured("get", "16 at once", {"watchd": [{Figure.P50: 1.0}], "reference": []}, {"reference": "it ended"})
    assert {len(row) for row in rows(result(tmp_path, case))} == {7}
