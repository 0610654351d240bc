"""Kinds of autoscaling: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "horizontalpodautoscalers": "horizontalpodautoscaler",
}

COLUMNS = STRATEGIES
