"""Kinds of admissionregistration.k8s.io: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "mutatingadmissionpolicies": "policies",
    "mutatingadmissionpolicybindings": "bindings",
    "mutatingwebhookconfigurations": "webhooks",
    "validatingadmissionpolicies": "policies",
    "validatingadmissionpolicybindings": "bindings",
    "validatingwebhookconfigurations": "webhooks",
}

COLUMNS = STRATEGIES
