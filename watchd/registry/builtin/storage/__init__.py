"""Kinds of storage.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "storageclasses": "storageclass",
    "volumeattributesclasses": "volumeattributesclass",
    "volumeattachments": "volumeattachment",
    "csidrivers": "csidriver",
    "csinodes": "csinode",
    "csistoragecapacities": "csistoragecapacity",
}

COLUMNS: dict[str, str] = {
    "storageclasses": "storageclass",
    "volumeattributesclasses": "volumeattributesclass",
    "volumeattachments": "volumeattachment",
    "csidrivers": "csidriver",
    "csinodes": "csinode",
}
