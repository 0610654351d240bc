"""A Pod as a controller writes one: two kilobytes, two containers, probes, volumes and a template's labels."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def pod() -> Object:
    """Return a Pod, all of its own."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-7d4b9c6f5-x2x8z",
            "namespace": "default",
            "labels": {"app": "web", "pod-template-hash": "7d4b9c6f5", "tier": "frontend"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "web-7d4b9c6f5",
                    "uid": "b3c1a2d4-0000-4000-8000-000000000001",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "serviceAccountName": "web",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "terminationGracePeriodSeconds": 30,
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 2000},
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
            "volumes": [
                {"name": "config", "configMap": {"name": "web-config", "items": [{"key": "a.yaml", "path": "a.yaml"}]}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
                {
                    "name": "token",
                    "projected": {
                        "sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}}, {"configMap": {"name": "kube-root-ca.crt"}}]
                    },
                },
            ],
            "initContainers": [
                {
                    "name": "init",
                    "image": "busybox:1.36",
                    "command": ["sh", "-c", "echo ready"],
                    "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}},
                }
            ],
            "containers": [_container()],
        },
    }


def _container() -> Object:
    return {
        "name": "web",
        "image": "example.com/web:1.2.3",
        "imagePullPolicy": "IfNotPresent",
        "args": ["--port=8080", "--log=json"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "initialDelaySeconds": 5},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web", "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
