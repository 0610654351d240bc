"""Representations: an object as its metadata alone, or as a row of a Table (FEATURES rows 58, 76, 77)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from watchd.api.negotiate import Transformation
from watchd.registry.columns import Column, columns_of
from watchd.registry.registry import Endpoint
from watchd.registry.strategy import Strategy
from watchd.registry.view import Form, Projection
from watchd.seams import Clock
from watchd.status import FieldError, FieldProblem, Reason, StatusError, bad_request, internal

Object = dict[str, Any]

TABLE = "Table"
PARTIAL = "PartialObjectMetadata"
PARTIAL_LIST = "PartialObjectMetadataList"

SERVED = frozenset({TABLE, PARTIAL, PARTIAL_LIST})
"""What resources can be asked for as."""

INCLUDE = ("", "Metadata", "Object", "None")
"""What `includeObject` may be; "" is Metadata."""


class Representation(msgspec.Struct, frozen=True):
    """What becomes of the objects of an answer."""

    key: tuple[str, ...]
    """Equal for two representations of one kind that do the same: watchers then share their frames."""
    one: Projection
    """Of a whole answer, and of the first event of a watch."""
    item: Projection
    """Of an item of a list."""
    event: Projection
    """Of the later events of a watch."""
    form: Form
    """Of a list."""


def representation(
    endpoint: Endpoint, wanted: Transformation, *, include: str, listing: bool, clock: Clock
) -> Representation:
    """Return what an Accept clause asks for.

    Args:
        endpoint: whose objects are shown.
        wanted: the clause's.
        include: `includeObject` of the query.
        listing: whether the answer is a list.
        clock: for ages.

    Raises:
        StatusError: 400, 406; 500 for a list form of one object, as the reference answers it.

    """
    api_version = f"{wanted.group}/{wanted.version}"
    if wanted.kind == TABLE:
        return _table(endpoint, api_version, include, clock)
    if wanted.kind == PARTIAL and listing:
        of = "unstructured.UnstructuredList" if endpoint.kind.custom else f"{endpoint.version.name}.{endpoint.kind.names.list_kind}"
        what = f"you requested {PARTIAL}, but the requested object is a list (*{of})"
        raise StatusError(Reason.NOT_ACCEPTABLE, what)
    if wanted.kind == PARTIAL_LIST and not listing:
        raise internal("content is not a list")
    partial = _partial(api_version)
    return Representation((PARTIAL, api_version), partial, partial, partial, Form(PARTIAL_LIST, api_version))


def _partial(api_version: str) -> Projection:
    def project(obj: Object) -> Object:
        return {"kind": PARTIAL, "apiVersion": api_version, "metadata": obj["metadata"]}

    return project


def _table(endpoint: Endpoint, api_version: str, include: str, clock: Clock) -> Representation:
    if include not in INCLUDE:
        error = FieldError(FieldProblem.INVALID, "includeObject", include, "must be 'Metadata', 'Object', 'None', or empty")
        raise bad_request(f"Unable to convert to Table as requested: {error}")
    columns = columns_of(endpoint.kind, endpoint.version)
    definitions = [column.definition() for column in columns]
    row = _row(columns, endpoint.kind.strategy, api_version, include or "Metadata", clock)

    listed = [msgspec.structs.replace(column, cell=column.listed or column.cell) for column in columns]
    item = _row(listed, endpoint.kind.strategy, api_version, include or "Metadata", clock)

    def one(obj: Object) -> Object:
        return _whole(api_version, obj, definitions, row(obj))

    def event(obj: Object) -> Object:
        return _whole(api_version, obj, None, row(obj))

    form = Form(TABLE, api_version, field="rows", extra={"columnDefinitions": definitions})
    return Representation((TABLE, api_version, include), one, item, event, form)


def _whole(api_version: str, obj: Object, definitions: list[Object] | None, row: Object) -> Object:
    return {
        "kind": TABLE,
        "apiVersion": api_version,
        "metadata": {key: found for key, found in obj["metadata"].items() if key == "resourceVersion"},
        "columnDefinitions": definitions,
        "rows": [row],
    }


def _row(columns: Sequence[Column], strategy: Strategy, api_version: str, include: str, clock: Clock) -> Projection:
    partial = _partial(api_version)

    def project(obj: Object) -> Object:
        now_ms = clock.now_ms()
        cells = [column.cell(obj, now_ms) for column in columns]
        shown = {"Object": obj, "Metadata": partial(obj), "None": None}[include]
        conditions = strategy.row_conditions(obj)
        return {"cells": cells, "object": shown} | ({"conditions": conditions} if conditions else {})

    return project
