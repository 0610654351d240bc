from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.clients.python import PythonClient
from benchmarks.command import WORKLOADS
from benchmarks.document import BLOCKS, SUMMARY, renew, renewed
from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figure, Measured
from benchmarks.machine import facts
from benchmarks.report import Result
from benchmarks.workloads.case import FULL, Bench

ROOT = Path(__file__).parents[3]


@pytest.fixture
def result(tmp_path: Path) -> Result:
    get = Measured(
        "get",
        "16 at once",
        {
            "watchd": [{Figure.CPU_OPERATION: 70.0, Figure.P50: 2.0, Figure.OTHER_LOAD: 0.25, Figure.ANONYMOUS: 50.0}],
            "reference": [{Figure.CPU_OPERATION: 700.0, Figure.P50: 1.0, Figure.OTHER_LOAD: 0.5}],
        },
    )
    memory = Measured("memory", "10,000 objects", {"watchd": [{Figure.ANONYMOUS: 90.0}], "reference": []})
    return Result(facts(tmp_path), "python", "full", {"watchd": "ours", "reference": "theirs"}, [get, memory])


def marked(name: str, text: str = "") -> str:
    return f"Before.\n\n<!-- benchmarks: {name} -->\n{text}<!-- end of {name} -->\n\nAfter."


def test_budgets_are_told_with_what_came_of_them(result: Result):
    assert renewed(marked("budgets", "old\n"), result) == marked(
        "budgets",
        "1 of 2 met.\n\n"
        "| workload | case | figure | unit | watchd | reference | watchd / reference | budget |  |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
        "| get | 16 at once | server CPU per operation | us | 70 | 700 | 0.10 | <= 80 | met |\n"
        "| memory | 10,000 objects | anonymous memory | MiB | 90 | - |  | <= 80 | missed |\n",
    )


def test_a_table_of_figures_names_a_case_once_and_leaves_out_what_is_not_about_it(result: Result):
    lines = renewed(marked("figures"), result).splitlines()
    assert lines[5:8] == [
        "| get | 16 at once | server CPU per operation | us | 70 | 700 | 0.10 |",
        "|  |  | latency p50 | ms | 2 | 1 | 2.00 |",
        "| memory | 10,000 objects | anonymous memory | MiB | 90 | - |  |",
    ]


def test_a_summary_has_the_lines_that_were_measured(result: Result):
    assert "| GET, CPU | 70 us | 700 us |\n| 10,000 objects, memory | 90 MiB | - |" in renewed(marked("summary"), result)


def test_the_machine_tells_what_others_took(result: Result):
    assert "which others used to 25% to 50%" in renewed(marked("machine"), result)


def test_made_anew_a_document_is_the_same(result: Result, tmp_path: Path):
    file = tmp_path / "document.md"
    file.write_text("\n".join(marked(name) for name in BLOCKS))
    renew(file, result)
    once = file.read_text()
    renew(file, result)
    assert file.read_text() == once


def test_a_mark_of_no_name_is_an_error(result: Result):
    with pytest.raises(BenchmarkError, match="no block nothing"):
        renewed(marked("nothing"), result)


def test_the_summary_is_of_cases_that_the_full_form_has():
    bench = Bench(PythonClient(), FULL)
    names = {(name, case.name) for name, workload in WORKLOADS.items() for case in workload.cases(bench)}
    assert {(line.workload, line.case) for line in SUMMARY} <= names


def test_the_documents_have_their_marks():
    for name, blocks in {"docs/performance.md": ("machine", "budgets", "figures"), "README.md": ("summary",)}.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in blocks:
            assert text.count(f"<!-- benchmarks: {block} -->") == text.count(f"<!-- end of {block} -->") == 1
