"""Kinds of storagemigration.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "storageversionmigrations": "storageversionmigration",
}

COLUMNS = STRATEGIES
