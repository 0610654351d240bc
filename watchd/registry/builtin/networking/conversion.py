"""Ingresses at v1beta1, of networking.k8s.io and of extensions alike.

A backend names its Service and port there in two flat fields, the one for everything else is `spec.backend`, and a path needs no
pathType. (Facts: kube-apiserver's `pkg/apis/networking/v1beta1`.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.registry.builtin.spokes import Shape

Object = dict[str, Any]

IMPLEMENTATION_SPECIFIC = "ImplementationSpecific"
"""The pathType of paths that have none."""


def ingress_to_v1(obj: Object) -> Object:
    """Convert an Ingress to networking.k8s.io/v1."""
    return _converted(obj, "backend", "defaultBackend", _backend_to_v1)


def ingress_from_v1(obj: Object) -> Object:
    """Convert an Ingress of networking.k8s.io/v1."""
    return _converted(obj, "defaultBackend", "backend", _backend_from_v1)


def _converted(obj: Object, default: str, other: str, convert: Callable[[Object], Object]) -> Object:
    spec = dict(obj.get("spec") or {})
    backend = spec.pop(default, None)
    if backend is not None:
        spec[other] = convert(backend)
    if spec.get("rules") is not None:
        spec["rules"] = [_rule(rule, convert) for rule in spec["rules"]]
    return {**obj, "spec": spec}


def _rule(rule: Object, convert: Callable[[Object], Object]) -> Object:
    http = rule.get("http")
    if http is None or http.get("paths") is None:
        return rule
    paths = [{**path, "backend": convert(path.get("backend") or {})} for path in http["paths"]]
    return {**rule, "http": {**http, "paths": paths}}


def _backend_to_v1(backend: Object) -> Object:
    out = {name: value for name, value in backend.items() if name not in ("serviceName", "servicePort")}
    name, port = backend.get("serviceName", ""), backend.get("servicePort", 0)
    if name or isinstance(port, str) or port:
        # An empty name of a port is a port all the same.
        key = "name" if isinstance(port, str) else "number"
        out["service"] = {"name": name, "port": {key: port} if port else {}}
    return out


def _backend_from_v1(backend: Object) -> Object:
    out = {name: value for name, value in backend.items() if name != "service"}
    service = backend.get("service")
    if service is not None:
        port = service.get("port") or {}
        out["serviceName"] = service.get("name", "")
        out["servicePort"] = port.get("name") or port.get("number", 0)
    return out


def _default(obj: Object) -> None:
    for rule in obj["spec"].get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            path.setdefault("pathType", IMPLEMENTATION_SPECIFIC)


INGRESS = Shape(ingress_to_v1, ingress_from_v1, _default)
