"""Kinds of apiregistration.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "apiservices": "apiservice",
}

COLUMNS = STRATEGIES
