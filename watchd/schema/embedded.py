"""Embedded resources: objects inside of objects, with apiVersion, kind and metadata of their own (FEATURES row 120).

What ObjectMeta is and which names are good is not a matter of schemas: it is passed in as `MetadataRules`. The order
and the texts are the reference's (apiextensions-apiserver pkg/apiserver/schema/objectmeta).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from conversion.gvk import GroupVersion
from watchd.schema.jsonvalue import copy_json
from watchd.status import FieldError, FieldProblem

if TYPE_CHECKING:
    from watchd.schema.structural import Node

MIXED_CASE = "may have mixed case, but should otherwise match: "


class MetadataMismatch(ValueError):
    """An embedded resource's apiVersion, kind or metadata has a wrong type; `error` says which."""

    def __init__(self, error: FieldError) -> None:
        super().__init__(str(error))
        self.error = error


class MetadataRules(msgspec.Struct, frozen=True):
    """What holds for the metadata of every object."""

    decode: Callable[[dict[str, Any]], list[str]]
    """Fits a metadata to its type in place; returns the paths of unknown fields that it dropped (`labels.x`).
    Raises ValueError for a value of the wrong type."""
    validate: Callable[[Mapping[str, Any]], list[FieldError]]
    """Returns what is wrong with a metadata; the paths begin with `metadata`. A missing name is no error."""
    label: Callable[[str], list[str]]
    """Returns what is wrong with an RFC 1035 label."""


def repair(value: Any, node: Node, rules: MetadataRules) -> None:
    """Fit the metadata of embedded resources to its type, in place; what has a wrong type goes.

    For what is read from storage, where it came under an older schema.
    """
    if not node.has_embedded:
        return
    if value.__class__ is dict:
        if node.embedded:
            _repair_resource(value, rules)
        for child, below, _ in _fields(value, node):
            repair(child, below, rules)
    elif value.__class__ is list and node.items is not None:
        for child in value:
            repair(child, node.items, rules)


def _repair_resource(value: dict[str, Any], rules: MetadataRules) -> None:
    for field in ("apiVersion", "kind"):
        if field in value and not isinstance(value[field], str):
            del value[field]
    if "metadata" not in value:
        return
    meta = value["metadata"] = {} if value["metadata"] is None else value["metadata"]
    if meta.__class__ is not dict:
        # One that is no object cannot be mended, and is left for the client to see.
        return
    kept: dict[str, Any] = {}
    for field, found in meta.items():
        alone = {field: found}
        try:
            rules.decode(alone)
        except ValueError:
            continue
        kept.update(alone)
    value["metadata"] = kept


def coerce(value: Any, node: Node, rules: MetadataRules, path: str = "") -> Iterator[str]:
    """Fit the metadata of embedded resources to its type, in place.

    Yields:
        The paths of the unknown fields that were dropped.

    Raises:
        MetadataMismatch: a value has another type than its field.

    """
    if not node.has_embedded:
        return
    if value.__class__ is dict:
        if node.embedded:
            yield from _coerce_resource(value, rules, path)
        for child, below, at in _fields(value, node, path):
            yield from coerce(child, below, rules, at)
    elif value.__class__ is list and node.items is not None:
        for index, child in enumerate(value):
            yield from coerce(child, node.items, rules, f"{path}[{index}]")


def _fields(value: dict[str, Any], node: Node, path: str = "") -> Iterator[tuple[Any, Node, str]]:
    """Yield the fields with embedded resources below: value, schema and path."""
    for field, child in value.items():
        below = node.child(field)
        if below is not None and below.has_embedded:
            yield child, below, _child(path, field) if field in node.properties else f"{path}[{field}]"


def _child(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _coerce_resource(value: dict[str, Any], rules: MetadataRules, path: str) -> Iterator[str]:
    for field in ("apiVersion", "kind"):
        if field in value and not isinstance(value[field], str):
            raise MetadataMismatch(_invalid(_child(path, field), value[field], "must be a string"))
    if "metadata" not in value:
        return
    at = _child(path, "metadata")
    meta = value["metadata"] = {} if value["metadata"] is None else value["metadata"]
    given = copy_json(meta)
    try:
        unknown = rules.decode(meta)
    except ValueError as e:
        raise MetadataMismatch(_invalid(at, given, str(e))) from e
    for found in unknown:
        yield f"{at}.{found}"


def validate_embedded(value: Any, node: Node, rules: MetadataRules, path: str = "") -> Iterator[FieldError]:
    """Yield what is wrong with apiVersion, kind and metadata of embedded resources."""
    if not node.has_embedded:
        return
    if value.__class__ is dict:
        if node.embedded:
            yield from _resource(value, rules, path)
        for child, below, at in _fields(value, node, path):
            yield from validate_embedded(child, below, rules, at)
    elif value.__class__ is list and node.items is not None:
        for index, child in enumerate(value):
            yield from validate_embedded(child, node.items, rules, f"{path}[{index}]")


def _resource(value: Mapping[str, Any], rules: MetadataRules, path: str) -> Iterator[FieldError]:
    for field in ("apiVersion", "kind"):
        if field not in value:
            yield FieldError(FieldProblem.REQUIRED, _child(path, field))
    if "apiVersion" in value:
        yield from _named(value["apiVersion"], _child(path, "apiVersion"), _api_version)
    if "kind" in value:
        yield from _named(value["kind"], _child(path, "kind"), lambda kind: _kind(kind, rules))
    if "metadata" in value:
        meta = value["metadata"]
        at = _child(path, "metadata")
        if meta is not None and meta.__class__ is not dict:
            yield _invalid(at, meta, "must be an object")
            return
        for error in rules.validate(meta or {}):
            yield FieldError(error.problem, _child(path, error.field), error.value, error.detail)


def _named(value: Any, path: str, check: Callable[[str], str]) -> Iterator[FieldError]:
    if not isinstance(value, str):
        yield _invalid(path, value, "must be a string")
    elif not value:
        yield _invalid(path, value, "must not be empty")
    elif why := check(value):
        yield _invalid(path, value, why)


def _api_version(text: str) -> str:
    try:
        GroupVersion.parse(text)
    except ValueError:
        return f"unexpected GroupVersion string: {text}"
    return ""


def _kind(text: str, rules: MetadataRules) -> str:
    texts = rules.label(text.lower())
    return MIXED_CASE + ",".join(texts) if texts else ""


def _invalid(path: str, value: Any, why: str) -> FieldError:
    return FieldError(FieldProblem.INVALID, path, value, why)
