"""Results as JSON: kept with every run of every case, and read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from benchmarks.errors import BenchmarkError
from benchmarks.figures import NO_RATIO, Figure, Measured, Run
from benchmarks.machine import Machine
from benchmarks.report import Result, faults

FORMAT = 2
"""Of the JSON; counts up when the meaning of something in it changes. 1 had latencies from an operation's start, not from when it was due."""


def keep(result: Result, file: Path) -> None:
    """Write the JSON. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(as_json(result), indent=1) + "\n", encoding="utf-8")


def read(file: Path) -> Result:
    """Return what `keep` wrote. Raises BenchmarkError."""
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise BenchmarkError(f"{file} has format {said['format']}: this reads {FORMAT}")
        cases = [
            Measured(
                case["workload"],
                case["case"],
                {name: [_run(run) for run in runs] for name, runs in case["runs"].items()},
                case["failures"],
            )
            for case in said["cases"]
        ]
        return Result(Machine(**said["machine"]), said["client"], said["form"], said["peers"], cases)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{file} holds no results: {error!r}") from error


def joined(results: Sequence[Result]) -> Result:
    """Return one result of several: each workload from the last that has it, the machine's facts from the last of all.

    Raises BenchmarkError when they are not of the same servers and form.
    """
    last = results[-1]
    if any((list(result.peers), result.form) != (list(last.peers), last.form) for result in results):
        raise BenchmarkError("these results are not of the same servers and form")
    by_workload: dict[str, list[Measured]] = {}
    for result in results:
        for name in dict.fromkeys(measured.workload for measured in result.measured):
            by_workload[name] = [measured for measured in result.measured if measured.workload == name]
    return attrs.evolve(last, measured=[measured for cases in by_workload.values() for measured in cases])


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole of it, each run included, as JSON."""
    return {
        "format": FORMAT,
        "machine": attrs.asdict(result.machine),
        "client": result.client,
        "form": result.form,
        "peers": dict(result.peers),
        "cases": [
            {
                "workload": measured.workload,
                "case": measured.case,
                "figures": _figures(measured, list(result.peers)),
                "runs": {name: _runs(runs) for name, runs in measured.runs.items()},
                "failures": dict(measured.failures),
            }
            for measured in result.measured
        ],
        "faults": faults(result),
    }


def _figures(measured: Measured, names: Sequence[str]) -> dict[str, Any]:
    """Return medians by figure: {server: median..., "ratios": {other: ours / its}, "unit": unit}."""
    medians: dict[str, Any] = {}
    for figure in measured.figures:
        values = {name: measured.median(name, figure) for name in names}
        entry: dict[str, Any] = {name: None if value is None else round(value, 4) for name, value in values.items()}
        if len(names) > 1 and figure not in NO_RATIO:
            ratios = {name: measured.ratio(figure, names[0], name) for name in names[1:]}
            entry["ratios"] = {name: None if ratio is None else round(ratio, 4) for name, ratio in ratios.items()}
        medians[figure.name.lower()] = entry | {"unit": figure.unit}
    return medians


def _runs(runs: Sequence[Run]) -> list[dict[str, float]]:
    return [{figure.name.lower(): round(value, 4) for figure, value in run.items()} for run in runs]


def _run(said: dict[str, float]) -> Run:
    return {Figure[name.upper()]: value for name, value in said.items()}
