"""Kinds of apps: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "controllerrevisions": "controllerrevision",
    "daemonsets": "daemonset",
    "deployments": "deployment",
    "replicasets": "replicaset",
    "statefulsets": "statefulset",
}

COLUMNS = STRATEGIES
