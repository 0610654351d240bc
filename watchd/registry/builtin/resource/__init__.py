"""Kinds of resource.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "deviceclasses": "deviceclass",
    "devicetaintrules": "devicetaintrule",
    "resourceclaims": "resourceclaim",
    "resourceclaimtemplates": "resourceclaim",
    "resourceslices": "resourceslice",
}

COLUMNS = STRATEGIES
