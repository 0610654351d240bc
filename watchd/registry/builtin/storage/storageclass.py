"""StorageClass: how storage is made for claims. The default one is given to claims by watchd.admission.default_classes."""

from __future__ import annotations

from typing import Any

import msgspec

from watchd.names import qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.common.values import too_long
from watchd.registry.builtin.core.affinity import label_name
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError

COMPONENT = "io.k8s.api.storage.v1.StorageClass"

DEFAULT_ANNOTATIONS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
"""What marks the class of claims that name none."""

POLICIES = ("Delete", "Retain")
MODES = ("Immediate", "WaitForFirstConsumer")

PARAMETERS_MAX = 512
PARAMETERS_SIZE = 256 << 10
"""Bytes of all parameters with their names."""

FIXED = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
"""What stays, in the order in which changes are told."""


class StorageClassStrategy(Strategy):
    """The rules of StorageClass."""

    returns_deleted = True
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Fill in what becomes of volumes, and when they are bound."""
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate(self, obj: Object) -> list[FieldError]:
        """Check provisioner, parameters and topologies."""
        provisioner = obj.get("provisioner", "")
        out = provisioner_problems(provisioner, "provisioner") if provisioner else []
        out += parameter_problems(obj.get("parameters", {}), "parameters")
        out += one_of(obj["reclaimPolicy"], POLICIES, "reclaimPolicy") if obj["reclaimPolicy"] else []
        out += one_of(obj["volumeBindingMode"], MODES, "volumeBindingMode")
        out += _topologies(obj.get("allowedTopologies", []))
        # What other rules of the reference tell comes last there.
        return out if provisioner else [*out, required("provisioner")]

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold what volumes are made by."""
        del subresource
        return self.validate(obj) + [invalid(field, None, IMMUTABLE) for field in FIXED if obj.get(field) != old.get(field)]


def provisioner_problems(name: str, path: str) -> list[FieldError]:
    """Check the name of whoever makes volumes, in any case of letters."""
    return [invalid(path, name.lower(), text) for text in qualified_name(name.lower())]


def parameter_problems(parameters: dict[str, str], path: str) -> list[FieldError]:
    """Check parameters that only the provisioner understands: their number and size."""
    if len(parameters) > PARAMETERS_MAX:
        return [too_long(path, PARAMETERS_MAX)]
    out = [invalid(path, "", "field can not be empty.")] if "" in parameters else []
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > PARAMETERS_SIZE:
        out.append(too_long(path, PARAMETERS_SIZE))
    return out


def _topologies(terms: list[Object]) -> list[FieldError]:
    out: list[FieldError] = []
    # The reference's list begins with as many empty terms as there are, so that an empty one stands twice.
    seen: list[dict[str, set[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        found: dict[str, set[str]] = {}
        for at, expression in enumerate(term.get("matchLabelExpressions") or ()):
            key, values, where = expression.get("key", ""), expression.get("values") or [], f"{path}[{at}]"
            out += [] if values else [required(f"{where}.values")]
            out += [duplicate(f"{where}.values[{n}]", value) for n, value in enumerate(values) if value in values[:n]]
            out += label_name(key, f"{where}.key")
            out += [duplicate(f"{where}.key", key)] if key in found else []
            found[key] = set(values)
        out += [duplicate(path, "")] * seen.count(found)
        seen.append(found)
    return out


STRATEGY = StorageClassStrategy()


def _column(name: str, field: str, absent: Any) -> Column:
    return Column(name, lambda obj, _: obj.get(field, absent), field=(COMPONENT, field))


def _listed_name(obj: Object, _: int) -> str:
    """Return the name, and that it is the default class: in lists, as in the reference, which marks the newest of several only."""
    annotations = obj["metadata"].get("annotations", {})
    mark = " (default)" if any(annotations.get(name) == "true" for name in DEFAULT_ANNOTATIONS) else ""
    return f"{obj['metadata'].get('name', '')}{mark}"


COLUMNS = (
    msgspec.structs.replace(NAME, listed=_listed_name),
    _column("Provisioner", "provisioner", ""),
    _column("ReclaimPolicy", "reclaimPolicy", "Delete"),
    _column("VolumeBindingMode", "volumeBindingMode", "Immediate"),
    _column("AllowVolumeExpansion", "allowVolumeExpansion", False),
    AGE,
)
