"""Shows the conformance score by capability at the end of a run."""

from __future__ import annotations

import pytest

SCORES = pytest.StashKey[list[str]]()
"""Lines of the score, where the cases were played."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(SCORES, [])
    if lines:
        terminalreporter.section("conformance: steps that agree with the reference, by capability")
        for line in lines:
            terminalreporter.write_line(line)
