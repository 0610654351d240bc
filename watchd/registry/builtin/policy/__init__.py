"""Kinds of policy: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "poddisruptionbudgets": "poddisruptionbudget",
}

COLUMNS = STRATEGIES
