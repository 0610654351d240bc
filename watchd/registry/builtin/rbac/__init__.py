"""Kinds of rbac.authorization.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "clusterrolebindings": "bindings",
    "clusterroles": "roles",
    "rolebindings": "bindings",
    "roles": "roles",
}

COLUMNS: dict[str, str] = {
    "clusterrolebindings": "bindings",
    "rolebindings": "bindings",
}
