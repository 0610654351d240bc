"""Kinds of networking.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "ingresses": "ingress",
    "ingressclasses": "ingressclass",
    "networkpolicies": "networkpolicy",
    "ipaddresses": "ipaddress",
    "servicecidrs": "servicecidr",
}

COLUMNS: dict[str, str] = dict(STRATEGIES)
