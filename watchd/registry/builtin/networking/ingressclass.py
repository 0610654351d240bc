"""IngressClass: which controller an Ingress is for."""

from __future__ import annotations

import re

from watchd.names import dns1123_label
from watchd.registry.builtin.common.fields import forbidden, immutable, invalid, not_supported, required
from watchd.registry.builtin.common.values import subdomain, too_long
from watchd.registry.builtin.networking.ingress import reference_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"

CONTROLLER_MAX = 250
"""Bytes."""

SCOPES = ("Cluster", "Namespace")

_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_path = re.compile(_PATH, re.ASCII).fullmatch


class IngressClassStrategy(Strategy):
    """The rules of IngressClass."""

    generation = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Parameters are of the cluster unless told otherwise."""
        parameters = obj.setdefault("spec", {}).get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def validate(self, obj: Object) -> list[FieldError]:
        """Check controller and parameters."""
        spec = obj["spec"]
        out = domain_path_problems(spec.get("controller", ""), "spec.controller")
        if len(spec.get("controller", "").encode()) > CONTROLLER_MAX:
            out.insert(0, too_long("spec.controller", CONTROLLER_MAX))
        if "parameters" in spec:
            out += _parameters(spec["parameters"], "spec.parameters")
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the controller."""
        del subresource
        return immutable(obj["spec"].get("controller", ""), old["spec"].get("controller", ""), "spec.controller") + self.validate(obj)


def domain_path_problems(value: str, path: str) -> list[FieldError]:
    """Check a path behind a domain (`acme.io/foo`)."""
    if not value:
        return [required(path)]
    host, _, rest = value.partition("/")
    if not host or not rest:
        return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    out = subdomain(host, path)
    return out if _path(rest) else [*out, invalid(path, rest, f"Invalid path (regex used for validation is '{_PATH}')")]


def _parameters(parameters: Object, path: str) -> list[FieldError]:
    # What is missing is told by other rules in the reference, after all others.
    late: list[FieldError] = []
    out = reference_problems(parameters, path, late)
    scope, namespace = parameters["scope"], parameters.get("namespace")
    if scope not in SCOPES:
        out.append(not_supported(f"{path}.scope", scope, SCOPES))
    elif scope == "Namespace":
        if namespace is None:
            out.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
        else:
            out += [invalid(f"{path}.namespace", namespace, text) for text in dns1123_label(namespace)]
    elif namespace is not None:
        out.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    return out + late


def _name(obj: Object, _: int) -> str:
    default = obj["metadata"].get("annotations", {}).get(DEFAULT_ANNOTATION) == "true"
    return f"{obj['metadata'].get('name', '')} (default)" if default else str(obj["metadata"].get("name", ""))


def _shown_parameters(obj: Object, _: int) -> str:
    parameters = obj.get("spec", {}).get("parameters")
    if parameters is None:
        return "<none>"
    group = f".{parameters['apiGroup']}" if "apiGroup" in parameters else ""
    return f"{parameters['kind']}{group}/{parameters['name']}"


STRATEGY = IngressClassStrategy()

COLUMNS = (
    Column("Name", _name, format="name", description=NAME.description),
    Column("Controller", lambda obj, _: obj.get("spec", {}).get("controller", ""), description="Controller that is responsible for handling this class"),
    Column("Parameters", _shown_parameters, description="A reference to a resource with additional parameters"),
    AGE,
)
