from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from benchmarks.budgets import BUDGETS, Budget, budget_of
from benchmarks.clients.python import PythonClient
from benchmarks.command import WORKLOADS
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figure, Measured, percentile
from benchmarks.machine import facts
from benchmarks.report import Result, faults, rows
from benchmarks.results import joined, keep, read
from benchmarks.workloads.case import FULL, Bench
from benchmarks.workloads.fairness import beside_alone


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
    assert rows(shown) == [["get", "16 at once", "server CPU per operation", "us", "40", "160", "0.25", "", ""]]
    keep(shown, tmp_path / "deep" / "figures.json")
    kept = json.loads((tmp_path / "deep" / "figures.json").read_text())
    assert kept["machine"]["cores"] >= 1
    assert kept["machine"]["date"].endswith("Z")
    (found,) = kept["cases"]
    assert found["figures"]["cpu_operation"] == {"watchd": 40.0, "reference": 160.0, "ratios": {"reference": 0.25}, "unit": "us"}
    assert [run["cpu_operation"] for run in found["runs"]["watchd"]] == [30.0, 50.0]
    assert kept["faults"] == []


def test_errors_are_shown_once_there_are_any(tmp_path: Path):
    shown = result(tmp_path, measured(watchd=[{Figure.P50: 1.0, Figure.ERRORS: 4}], reference=[{Figure.ERRORS: 0}]))
    assert [row[2] for row in rows(shown)] == ["latency p50", "errors"]
    assert faults(shown) == ["get 16 at once: watchd: 4 errors"]


def test_a_failed_server_has_a_row_as_wide_as_the_others(tmp_path: Path):
    case = Measured("get", "16 at once", {"watchd": [{Figure.P50: 1.0}], "reference": []}, {"reference": "it ended"})
    assert {len(row) for row in rows(result(tmp_path, case))} == {9}


def test_what_was_kept_is_read_again(tmp_path: Path):
    case = Measured("get", "case", {"watchd": [{Figure.P50: 1.5, Figure.LOST: 0}], "reference": []}, {"reference": "it ended"})
    shown = result(tmp_path, case)
    keep(shown, tmp_path / "figures.json")
    assert read(tmp_path / "figures.json") == attrs.evolve(shown, measured=[case])


def test_of_several_results_each_workload_is_from_the_last_that_has_it(tmp_path: Path):
    old, new = (Measured("get", "case", {"watchd": [{Figure.P50: value}]}) for value in (9.0, 1.0))
    put = Measured("put", "case", {"watchd": [{Figure.P50: 5.0}]})
    assert list(joined([result(tmp_path, old, put), result(tmp_path, new)]).measured) == [new, put]
    with pytest.raises(BenchmarkError, match="same servers"):
        joined([result(tmp_path, old), attrs.evolve(result(tmp_path, new), form="full")])


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 2}'])
def test_what_holds_no_results_says_so(text: str, tmp_path: Path):
    (tmp_path / "figures.json").write_text(text)
    with pytest.raises(BenchmarkError, match="figures"):
        read(tmp_path / "figures.json")


def test_a_case_over_another_has_the_quotients_of_its_runs():
    few = Measured("names", "10", {"watchd": [{Figure.CPU_UPDATE: 100.0}, {Figure.CPU_UPDATE: 200.0}], "reference": []})
    many = Measured("names", "1,000", {"watchd": [{Figure.CPU_UPDATE: 150.0}, {Figure.CPU_UPDATE: 200.0}], "reference": []})
    over = many.over(few, "1,000 over 10")
    assert over.case == "1,000 over 10"
    assert over.runs == {"watchd": [{Figure.TIMES_CPU: 1.5}, {Figure.TIMES_CPU: 1.0}], "reference": []}


def test_what_something_adds_to_a_load():
    found = beside_alone({Figure.P50: 2.0, Figure.P99: 4.0}, {Figure.P50: 2.5, Figure.P99: 12.0})
    assert (found[Figure.ADDED_P50], found[Figure.ADDED_P99]) == (0.5, 8.0)
    assert (found[Figure.TIMES_P99], found[Figure.QUIET_P99], found[Figure.P99]) == (3.0, 4.0, 12.0)


def test_each_budget_is_of_a_case_that_the_full_form_has():
    bench = Bench(PythonClient(), FULL)
    names = {
        (workload.name, name)
        for workload in WORKLOADS.values()
        for name in [case.name for case in workload.cases(bench)] + [line.name for line in workload.comparisons(bench)]
    }
    assert {(budget.workload, budget.case) for budget in BUDGETS} <= names
    for budget in BUDGETS:
        assert [budget.most, budget.least, budget.least_of_reference].count(None) == 2
        assert budget_of(Measured(budget.workload, budget.case, {}), budget.figure) is budget


@pytest.mark.parametrize(
    ("budget", "ours", "met"),
    [
        (Budget("get", "case", Figure.P50, most=2), 2.0, True),
        (Budget("get", "case", Figure.P50, most=2), 2.1, False),
        (Budget("get", "case", Figure.P50, least=2), 2.0, True),
        (Budget("get", "case", Figure.P50, least=2), 1.9, False),
        (Budget("get", "case", Figure.P50, least_of_reference=4), 4.0, True),
        (Budget("get", "case", Figure.P50, least_of_reference=4), 3.9, False),
        (Budget("get", "case", Figure.P99, most=2), 1.0, None),
    ],
)
def test_a_budget_is_met_or_missed(budget: Budget, ours: float, met: bool | None):
    case = measured(watchd=[{Figure.P50: ours}], reference=[{Figure.P50: 1.0}])
    assert budget.met(case, "watchd") is met


def test_a_budget_beside_the_reference_says_nothing_without_it():
    budget = Budget("get", "case", Figure.P50, least_of_reference=4)
    assert budget.met(measured(watchd=[{Figure.P50: 9.0}]), "watchd") is None


def test_the_full_form_shows_budgets_and_the_short_one_none(tmp_path: Path):
    case = measured(watchd=[{Figure.CPU_OPERATION: 81.0}], reference=[{Figure.CPU_OPERATION: 160.0}])
    short = result(tmp_path, case)
    assert rows(short)[0][-2:] == ["", ""]
    assert rows(attrs.evolve(short, form="full"))[0][-2:] == ["<= 80", "missed"]
