"""Kinds of the core group: the modules with their behaviour (STRATEGY) and their columns (COLUMNS), by plural."""

from __future__ import annotations

STRATEGIES: dict[str, str] = {
    "namespaces": "namespace",
    "configmaps": "configmap",
    "secrets": "secret",
    "serviceaccounts": "serviceaccount",
    "events": "event",
    "services": "service",
    "endpoints": "endpoints",
    "nodes": "node",
    "persistentvolumes": "persistentvolume",
    "persistentvolumeclaims": "persistentvolumeclaim",
    "replicationcontrollers": "replicationcontroller",
    "pods": "pod",
    "podtemplates": "podtemplate",
    "limitranges": "limitrange",
    "resourcequotas": "resourcequota",
}

COLUMNS: dict[str, str] = {
    "namespaces": "namespace",
    "configmaps": "configmap",
    "secrets": "secret",
    "serviceaccounts": "serviceaccount",
    "events": "event",
    "services": "service",
    "endpoints": "endpoints",
    "nodes": "node",
    "persistentvolumes": "persistentvolume",
    "persistentvolumeclaims": "persistentvolumeclaim",
    "replicationcontrollers": "replicationcontroller",
    "pods": "pod_columns",
    "podtemplates": "podtemplate",
    "resourcequotas": "resourcequota",
}
