"""Kinds of certificates.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "certificatesigningrequests": "certificatesigningrequest",
    "clustertrustbundles": "clustertrustbundle",
    "podcertificaterequests": "podcertificaterequest",
}

COLUMNS: dict[str, str] = dict(STRATEGIES)
