"""Kinds of discovery.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "endpointslices": "endpointslice",
}

COLUMNS: dict[str, str] = {
    "endpointslices": "endpointslice",
}
