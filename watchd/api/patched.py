"""What a patch makes is held to what a body is held to, in the words that the reference has for patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from watchd.api.decoding import type_check
from watchd.api.negotiate import UNREAD_JSON
from watchd.api.options import TYPE_META, PatchOptions
from watchd.registry import metadata
from watchd.registry.registry import Endpoint
from watchd.status import Cause, FieldError, FieldProblem, Reason, StatusError, go_json, go_quote, invalid, json_type

Object = dict[str, Any]


def check_patched(
    endpoint: Endpoint, name: str, obj: Any, warnings: Sequence[str], options: PatchOptions
) -> Sequence[str]:
    """Check a patch's result and bring it to its type, in place.

    Args:
        endpoint: at whose version the object is.
        name: of the object in the path.
        obj: the result.
        warnings: strict errors of the patch itself.
        options: of the request.

    Returns:
        What the client is to be warned of.

    Raises:
        StatusError: 422 for what is no object of the kind, 400 for another name.

    """
    if not isinstance(obj, dict):
        raise _invalid_patch(obj, f"{UNREAD_JSON}json: cannot unmarshal {json_type(obj)} into Go value of type {TYPE_META}")
    _check_gvk(endpoint, obj)
    before = orjson.dumps(obj)
    try:
        unknown = [f"unknown field {go_quote(path)}" for path in type_check(endpoint, obj)]
    except StatusError as error:
        head = metadata.decode_error("", version=endpoint.version.name, kind=endpoint.kind.names.kind).message
        raise _invalid_patch(orjson.loads(before), error.message.removeprefix(head)) from error
    found = [*warnings, *unknown]
    if found and options.strict:
        raise _invalid_patch(orjson.loads(before), f"strict decoding error: {', '.join(found)}")
    metadata.check_name(obj["metadata"], name)
    return found if options.warn else ()


def _check_gvk(endpoint: Endpoint, obj: Object) -> None:
    """Hold apiVersion and kind of a patch's result against the endpoint's. Raises StatusError 422, 500."""
    for field in ("apiVersion", "kind"):
        if obj.get(field) is not None and not isinstance(obj[field], str):
            why = f"json: cannot unmarshal {json_type(obj[field])} into Go struct field .{field} of type string"
            raise _invalid_patch(obj, UNREAD_JSON + why)
    expected = endpoint.kind.gvk(endpoint.version.name)
    api_version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    if not kind:
        raise _invalid_patch(obj, f"Object 'Kind' is missing in '{go_json(obj)}'")
    if not api_version:
        why = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
        raise StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {why}", causes=[Cause("", why)])
    named = {"kind": (kind, expected.kind), "apiVersion": (api_version, str(expected.group_version))}
    wrong = [
        FieldError(FieldProblem.INVALID, field, found, f"must be {wanted}")
        for field, (found, wanted) in named.items()
        if found != wanted
    ]
    if wrong:
        meta = obj.get("metadata")
        name = meta.get("name") if isinstance(meta, dict) else None
        group, slash, _ = api_version.partition("/")
        raise invalid(group if slash else "", kind, name if isinstance(name, str) else "", wrong)


def _invalid_patch(obj: Any, why: str) -> StatusError:
    """422 for a patch whose result is no object of its kind; the reference quotes the whole result."""
    return invalid("", "", "", [FieldError(FieldProblem.INVALID, "patch", go_json(obj), why)])
