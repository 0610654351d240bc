"""A schema as rich as those that people install, and objects of it: routes with matches, filters, targets and a template."""

from __future__ import annotations

from typing import Any

STRING = {"type": "string"}
NAME = {"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
HOST = {
    "type": "string",
    "minLength": 1,
    "maxLength": 253,
    "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
}
HEADER = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {
        "type": {"type": "string", "enum": ["Exact", "Pattern"], "default": "Exact"},
        "name": {"type": "string", "minLength": 1, "maxLength": 256},
        "value": {"type": "string", "minLength": 1, "maxLength": 4096},
    },
}
TARGET = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "group": {"type": "string", "maxLength": 253, "default": ""},
        "kind": {"type": "string", "default": "Service", "minLength": 1, "maxLength": 63},
        "name": NAME,
        "port": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        "weight": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 1000000, "default": 1},
    },
}
FILTER = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "enum": ["Header", "Redirect", "Mirror"]},
        "header": {
            "type": "object",
            "properties": {
                "set": {
                    "type": "array",
                    "maxItems": 16,
                    "items": HEADER,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
                "remove": {"type": "array", "maxItems": 16, "items": STRING, "x-kubernetes-list-type": "set"},
            },
        },
        "redirect": {
            "type": "object",
            "properties": {
                "scheme": {"type": "string", "enum": ["http", "https"]},
                "code": {"type": "integer", "enum": [301, 302], "default": 302},
            },
        },
        "mirror": {
            "type": "object",
            "required": ["target"],
            "properties": {
                "target": TARGET,
                "percent": {"type": "number", "minimum": 0, "maximum": 100, "exclusiveMinimum": True},
            },
        },
    },
    "oneOf": [{"required": ["header"]}, {"required": ["redirect"]}, {"required": ["mirror"]}],
}
MATCH = {
    "type": "object",
    "properties": {
        "path": {
            "type": "object",
            "default": {"type": "Prefix", "value": "/"},
            "properties": {
                "type": {"type": "string", "enum": ["Exact", "Prefix"], "default": "Prefix"},
                "value": {"type": "string", "maxLength": 1024, "pattern": "^/", "default": "/"},
            },
        },
        "headers": {
            "type": "array",
            "maxItems": 16,
            "items": HEADER,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "method": {"type": "string", "enum": ["GET", "POST", "PUT", "DELETE"]},
    },
}
SPEC = {
    "type": "object",
    "required": ["rules"],
    "properties": {
        "hosts": {"type": "array", "maxItems": 16, "items": HOST, "x-kubernetes-list-type": "set"},
        "rules": {
            "type": "array",
            "minItems": 1,
            "maxItems": 16,
            "items": {
                "type": "object",
                "properties": {
                    "name": NAME,
                    "matches": {"type": "array", "maxItems": 8, "items": MATCH, "default": [{"path": {}}]},
                    "filters": {"type": "array", "maxItems": 16, "items": FILTER},
                    "targets": {"type": "array", "maxItems": 16, "items": TARGET},
                    "timeout": {"type": "string", "format": "duration"},
                },
            },
        },
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}, "maxProperties": 8},
        "policy": {
            "type": "object",
            "nullable": True,
            "properties": {
                "retries": {"type": "integer", "minimum": 0, "default": 3},
                "after": {"type": "string", "format": "date-time"},
            },
        },
        "extra": {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"known": {"type": "object"}},
        },
        "template": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
    },
}
STATUS = {
    "type": "object",
    "default": {"phase": "Pending"},
    "properties": {
        "phase": {"type": "string", "enum": ["Pending", "Ready"]},
        "replicas": {"type": "integer"},
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": {"type": "object", "required": ["type"], "properties": {"type": STRING, "status": STRING}},
        },
    },
}
ROUTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "apiVersion": STRING,
        "kind": STRING,
        "metadata": {"type": "object"},
        "spec": SPEC,
        "status": STATUS,
    },
}
"""The schema of the whole object."""


def route(**spec: Any) -> dict[str, Any]:
    """Return an object of the schema: valid, unless `spec` says otherwise."""
    return {
        "apiVersion": "net.example.com/v1",
        "kind": "Route",
        "metadata": {"name": "a"},
        "spec": {"rules": [{"targets": [{"name": "web", "port": 80}]}], **spec},
    }


def large_route(rules: int = 8) -> dict[str, Any]:
    """Return a valid object with so many rules, each of about a KB."""
    return route(
        hosts=[f"host{index}.example.com" for index in range(4)],
        labels={"team": "a", "stage": "test"},
        policy={"retries": 2, "after": "2026-01-01T00:00:00Z"},
        template={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}, "spec": {"x": 1}},
        rules=[_rule(index) for index in range(rules)],
    )


def _rule(index: int) -> dict[str, Any]:
    headers = [{"name": f"x-header-{item}", "value": f"value-{index}-{item}"} for item in range(3)]
    return {
        "name": f"rule-{index}",
        "matches": [
            {"path": {"type": "Prefix", "value": f"/api/v{item}/things"}, "headers": headers, "method": "GET"}
            for item in range(3)
        ],
        "filters": [
            {"type": "Header", "header": {"set": headers[:2], "remove": ["x-one", "x-two"]}},
            {"type": "Mirror", "mirror": {"target": {"name": "mirror", "port": 80}, "percent": 50}},
        ],
        "targets": [{"name": f"service-{item}", "port": 8080 + item, "weight": item} for item in range(3)],
        "timeout": "10s",
    }
