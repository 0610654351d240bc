"""Figures into documents: what stands between two marks is made anew, so that nobody types a figure.

A mark is `<!-- benchmarks: NAME -->`, its end `<!-- end of NAME -->`, each on a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Figure
from benchmarks.report import Result, header, number, rows, table, verdicts

BLOCK = re.compile(r"<!-- benchmarks: (\w+) -->\n(.*?)<!-- end of \1 -->", re.DOTALL)

QUIET = {Figure.OTHER_LOAD.title}
"""Figures that a document tells once for all cases."""

MEMORY_IN = frozenset({"memory", "growth", "restart", "million"})
"""Workloads whose anonymous memory says something about them; elsewhere it is what the cases before have left."""


@attrs.frozen
class Line:
    """One line of the summary."""

    words: str
    workload: str
    case: str
    figure: Figure


SUMMARY = (
    Line("GET, CPU", "get", "16 at once", Figure.CPU_OPERATION),
    Line("PUT, CPU", "put", "16 at once", Figure.CPU_OPERATION),
    Line("create by 64 writers, CPU", "append", "create, 64 writers", Figure.CPU_OPERATION),
    Line("list of 10,000 objects, CPU", "list", "10,000 objects, whole", Figure.CPU_LIST),
    Line("an event at one of 1,000 watchers, CPU", "fanout", "1,000 watchers, 100 updates/s asked", Figure.CPU_EVENT),
    Line("an event at one of 100 watchers, CPU", "fanout", "100 watchers, 100 updates/s asked", Figure.CPU_EVENT),
    Line("an update beside 1,000 watchers, p99", "fanout", "1,000 watchers, 100 updates/s asked", Figure.WRITE_P99),
    Line("an idle watcher, memory", "memory", "1,000 idle watchers, TLS", Figure.PER_WATCHER),
    Line("10,000 objects, memory", "memory", "10,000 objects", Figure.ANONYMOUS),
    Line("start to ready with 10,000 objects", "restart", "with 10,000 objects", Figure.READY),
)
"""What a reader of the README sees."""


def machine(result: Result) -> str:
    """Say where, when and with what it was measured."""
    facts = result.machine
    loads = [
        value
        for measured in result.measured
        for name in result.peers
        if (value := measured.median(name, Figure.OTHER_LOAD)) is not None
    ]
    disturbed = f", which others used to {min(loads):.0%} to {max(loads):.0%}" if loads else ""
    return (
        f"{facts.date}, {facts.cpu}, {facts.cores} cores{disturbed}, {facts.memory_gib} GiB, Linux {facts.kernel}, {facts.python}, {facts.disk} "
        f"(fdatasync {facts.fdatasync_ms} ms), commit {facts.source}; client: {result.client}.\n"
        + "".join(f"{name}: {words}.\n" for name, words in result.peers.items())
    )


def summary(result: Result) -> str:
    """Return a few figures of all servers."""
    names = list(result.peers)
    cases = {(measured.workload, measured.case): measured for measured in result.measured}
    lines = []
    for line in SUMMARY:
        if (measured := cases.get((line.workload, line.case))) is not None:
            values = [measured.median(name, line.figure) for name in names]
            lines.append([line.words, *(f"{number(value)} {line.figure.unit}" if value is not None else "-" for value in values)])
    return table(["", *names], lines)


def budgets(result: Result) -> str:
    """Return the rows that have a budget."""
    met, of = verdicts(result)
    found = [row for row in _named(result) if row[-1]]
    return f"{met} of {of} met.\n\n{table(header(result), found)}"


def figures(result: Result) -> str:
    """Return the rows of all figures, but for those that say nothing about their case."""
    found = [
        row for row in _named(result) if row[2] not in QUIET and (row[2] != Figure.ANONYMOUS.title or row[0] in MEMORY_IN)
    ]
    names = header(result)[:-2]
    return table(names, _once([row[: len(names)] for row in found]))


def _named(result: Result) -> list[list[str]]:
    """Return all rows with their workload and case in each."""
    out: list[list[str]] = []
    for row in rows(result):
        out.append([*(row[:2] if row[0] else out[-1][:2]), *row[2:]])
    return out


def _once(found: Sequence[list[str]]) -> list[list[str]]:
    """Leave out workload and case where they are those of the row before."""
    return [["", "", *row[2:]] if at and row[:2] == found[at - 1][:2] else row for at, row in enumerate(found)]


BLOCKS: dict[str, Callable[[Result], str]] = {"machine": machine, "summary": summary, "budgets": budgets, "figures": figures}
"""What a mark may name."""


def renewed(text: str, result: Result) -> str:
    """Return a document with everything between its marks made of a result. Raises BenchmarkError on a mark of no name."""

    def block(found: re.Match[str]) -> str:
        if found[1] not in BLOCKS:
            raise BenchmarkError(f"no block {found[1]}; there are {', '.join(BLOCKS)}")
        return f"<!-- benchmarks: {found[1]} -->\n{BLOCKS[found[1]](result).rstrip()}\n<!-- end of {found[1]} -->"

    return BLOCK.sub(block, text)


def renew(file: Path, result: Result) -> None:
    """Renew a document in place. Raises OSError, BenchmarkError."""
    file.write_text(renewed(file.read_text(encoding="utf-8"), result), encoding="utf-8")
