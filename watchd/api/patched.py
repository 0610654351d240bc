"""What a patch makes is held to what a body is held to, in the words that the reference has for patches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from watchd.api.decoding import EXTENSIONS_GROUP, OTHER_KINDS, type_check, unregistered
from watchd.api.foreign import SCHEME
from watchd.api.negotiate import UNREAD_JSON
from watchd.api.options import TYPE_META, PatchOptions
from watchd.registry import metadata
from watchd.registry.registry import Endpoint
from watchd.status import Cause, FieldError, FieldProblem, Reason, StatusError, go_json, go_quote, invalid, json_type

Object = dict[str, Any]

SCALE_KIND = "Scale"


CORE_SCHEME = "pkg/api/legacyscheme/scheme.go:30"
"""How the reference names the registry of the types of its own groups."""

EXTENSIONS = frozenset({SCALE_KIND, "CustomResourceDefinition"})
"""The kinds that are looked up in another one, `foreign.SCHEME`."""

SCALES = frozenset({"extensions/v1beta1", "apps/v1beta1", "apps/v1beta2"})
"""Versions that have a Scale in the reference, which a custom object's is not converted to."""


def check_patched(
    endpoint: Endpoint,
    name: str,
    obj: Any,
    warnings: Sequence[str],
    options: PatchOptions,
    *,
    current: Object | None = None,
) -> Sequence[str]:
    """Check a patch's result and bring it to its type, in place.

    Args:
        endpoint: at whose version the object is.
        name: of the object in the path.
        obj: the result.
        warnings: strict errors of the patch itself.
        options: of the request.
        current: what was patched, parts of which the result may share.

    Returns:
        What the client is to be warned of.

    Raises:
        StatusError: 422 for what is no object of the kind, 400 for another name.

    """
    if not isinstance(obj, dict):
        why = f"{UNREAD_JSON}json: cannot unmarshal {json_type(obj)} into Go value of type {TYPE_META}"
        raise _invalid_patch(go_json(obj), why)
    # Of a Scale the order of its fields is known, which the reference quotes.
    written = _text(obj, current) if endpoint.kind.names.kind == SCALE_KIND and not endpoint.kind.custom else ""
    if endpoint.kind.custom:
        _check_gvk(endpoint, obj)
    else:
        _check_typed_gvk(endpoint, name, obj, written)
    before = orjson.dumps(obj)
    try:
        unknown = [f"unknown field {go_quote(path)}" for path in type_check(endpoint, obj)]
    except StatusError as error:
        head = metadata.decode_error("", version=endpoint.version.name, kind=endpoint.kind.names.kind).message
        why = error.message.removeprefix(head)
        raise _invalid_patch(written or go_json(orjson.loads(before)), why) from error
    found = [*warnings, *unknown]
    if found and options.strict:
        why = f"strict decoding error: {', '.join(found)}"
        raise _invalid_patch(written or go_json(orjson.loads(before)), why)
    metadata.check_name(obj["metadata"], name)
    return found if options.warn else ()


def _check_gvk(endpoint: Endpoint, obj: Object) -> None:
    """Hold apiVersion and kind of a patch's result against the endpoint's. Raises StatusError 422, 500."""
    _check_texts(obj, "")
    expected = endpoint.kind.gvk(endpoint.version.name)
    api_version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    if not kind:
        raise _invalid_patch(go_json(obj), f"Object 'Kind' is missing in '{go_json(obj)}'")
    if "apiVersion" in obj and obj["apiVersion"] is None:
        raise _invalid_patch(go_json(obj), ".apiVersion accessor error: <nil> is of the type <nil>, expected string")
    if api_version.count("/") > 1:
        raise _invalid_patch(go_json(obj), f"unexpected GroupVersion string: {api_version}")
    if not api_version.rpartition("/")[2]:
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


def _check_texts(obj: Object, written: str) -> None:
    """Refuse apiVersion and kind that are no texts. Raises StatusError 422."""
    for field in ("apiVersion", "kind"):
        if obj.get(field) is not None and not isinstance(obj[field], str):
            why = f"json: cannot unmarshal {json_type(obj[field])} into Go struct field .{field} of type string"
            raise _invalid_patch(written or go_json(obj), UNREAD_JSON + why)


def _check_typed_gvk(endpoint: Endpoint, name: str, obj: Object, written: str) -> None:
    """Hold apiVersion and kind of a patched built-in object against the endpoint's. Raises StatusError 400, 422.

    The reference decodes into the kind's type, which gives the kind where it is left out. The version is that of the type:
    the one a Scale has, but for other kinds the internal one, which knows none of the fields.
    """
    _check_texts(obj, written)
    expected = endpoint.kind.gvk(endpoint.version.name)
    why = ""
    wanted = str(expected.group_version)
    api_version, kind = obj.get("apiVersion") or "", obj.get("kind") or expected.kind
    if api_version in ("", "/"):
        if expected.kind != SCALE_KIND:
            raise metadata.undeterminable_name(name)
        api_version = wanted
    if api_version.count("/") > 1:
        why = f"unexpected GroupVersion string: {api_version}"
    elif kind == expected.kind == SCALE_KIND and api_version in SCALES:
        why = f"converting ({api_version.partition('/')[2]}.Scale) to (v1.Scale): unknown conversion"
    elif (api_version, kind) in OTHER_KINDS and expected.group == EXTENSIONS_GROUP:
        why = unregistered(api_version, kind, wanted, expected.kind)
    elif (api_version, kind) != (wanted, expected.kind):
        scheme = go_quote(SCHEME if expected.kind in EXTENSIONS else CORE_SCHEME)
        why = f"no kind {go_quote(kind)} is registered for version {go_quote(api_version)} in scheme {scheme}"
    if why:
        raise _invalid_patch(written or go_json(obj), why)
    obj["apiVersion"], obj["kind"] = api_version, kind


def _text(obj: Any, current: Any) -> str:
    """Write what a patch makes of an object of a type: what it did not touch has its fields in their order."""
    if obj is current or not isinstance(obj, dict):
        return go_json(obj, ordered=obj is current)
    shared = current if isinstance(current, dict) else {}
    fields = (f"{go_json(field)}:{_text(obj[field], shared.get(field))}" for field in sorted(obj))
    return f"{{{','.join(fields)}}}"


def _invalid_patch(written: str, why: str) -> StatusError:
    """422 for a patch whose result is no object of its kind; the reference quotes the whole result."""
    return invalid("", "", "", [FieldError(FieldProblem.INVALID, "patch", written, why)])
