"""Server-side apply: reading what is applied, and merging it into what is there (FEATURES rows 85 to 91)."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from conversion.codec import CBOR, YAML, DecodeError
from watchd.api.decoding import copy_of, type_check
from watchd.api.negotiate import CODECS
from watchd.api.options import PatchOptions
from watchd.registry.managed.errors import ManagedError
from watchd.registry.managed.tracking import reset_fields
from watchd.registry.metadata import decode_error
from watchd.registry.refusals import parse_resource_version
from watchd.registry.registry import Endpoint
from watchd.status import StatusError, bad_request, conflict, internal, json_type

Object = dict[str, Any]

_UNREAD_YAML = "error converting YAML to JSON: "
"""What stands before the parser's words in the reference: JSON is what it reads."""


PUT_BACK = ("creationTimestamp", "generation")
"""Fields of a custom object that the reference overwrites before it reads them, so that even ill-typed ones pass."""


class Applied(msgspec.Struct, frozen=True):
    """An object as a manager wants it: only what it cares for."""

    object: Object
    errors: tuple[str, ...] = ()
    """What of the body is refused under fieldValidation=Strict: keys that are in it twice."""
    warnings: tuple[str, ...] = ()
    """What is warned of otherwise."""

    def check(self, options: PatchOptions, warnings: list[str]) -> None:
        """Refuse what is in the body twice, or warn of it, as fieldValidation says. Raises StatusError (400)."""
        if self.errors and options.strict:
            raise bad_request(f"error strict decoding patch: {_UNREAD_YAML}{', '.join(self.errors)}")
        if options.warn:
            warnings += self.warnings


def load_applied(body: bytes, cbor: bool) -> Applied:  # noqa: FBT001  # called by a Runner, which knows no keywords
    """Read a body; an empty one is an empty object. Raises StatusError (400)."""
    try:
        decoded = CODECS[CBOR if cbor else YAML].decode(body)
    except DecodeError as e:
        if cbor:
            raise bad_request(f"error decoding patch: {e}") from e
        # YAML is made JSON for the audit first, and what looks like JSON is taken for that until it is applied.
        head = f"decoding patch: {_UNREAD_YAML}" if body.lstrip().startswith(b"{") else "encoding patch: "
        raise bad_request(f"error {head}{e}") from e
    value = {} if decoded.value is None else decoded.value
    if not isinstance(value, dict):
        why = f"json: cannot unmarshal {json_type(value)} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: error unmarshaling JSON: while decoding JSON: {why}")
    return Applied(value, decoded.strict_errors, decoded.warnings)


def merged(
    endpoint: Endpoint, live: Object | None, applied: Applied, options: PatchOptions, *, subresource: str, time: str
) -> Object:
    """Return what comes of applying to a live object, or to none, with its managedFields.

    Raises StatusError: 400 for what is no such object, 409 for fields of others, 500 for what does not fit the kind's types,
    as the reference answers.
    """
    kind, version = endpoint.kind, endpoint.version
    try:
        result = kind.managers.apply(
            live,
            applied.object,
            manager=options.field_manager,
            api_version=kind.api_version(version.name),
            time=time,
            force=options.force,
            subresource=subresource,
            reset_fields=reset_fields(kind, version, subresource),
        )
    except ManagedError as e:
        raise e.to_status() from e
    obj = copy_of(result.obj)
    if kind.custom and isinstance(obj.get("metadata"), dict):
        _put_back(obj["metadata"], live)
    try:
        type_check(endpoint, obj)
    except StatusError as e:
        raise e if kind.custom else _not_converted(endpoint, obj, e) from e
    if live is None:
        # What is none is refused also where there is nothing to compare it with.
        parse_resource_version(obj["metadata"].pop("resourceVersion", ""))
    return obj


_REWORDED = (
    (re.compile(r"json: cannot unmarshal number \S+ into Go struct field \S+ of type (int\d+)"), r"cannot convert float64 to \1"),
    (re.compile(r"(json: cannot unmarshal .+) into Go struct field \S+ of type"), r"\1 into Go value of type"),
    (re.compile(r"(?=illegal base64 data)"), "error decoding from json: "),
)
"""What is wrong with a body, and the same in the words of the converter that makes typed objects of applied ones."""


def _not_converted(endpoint: Endpoint, obj: Object, error: StatusError) -> StatusError:
    """500 for an applied object of a built-in kind whose values are not what its type holds."""
    version, kind = endpoint.version.name, endpoint.kind.names.kind
    why = error.message.removeprefix(decode_error("", version=version, kind=kind).message)
    for pattern, words in _REWORDED:
        why = pattern.sub(words, why, count=1)
    meta = obj.get("metadata")
    whose = "/".join(str(meta.get(name, "")) for name in ("namespace", "name")) if isinstance(meta, dict) else "/"
    gvk = f"{endpoint.kind.group}/{version}, Kind={kind}"
    return internal(
        f"failed to convert new object ({whose}; {gvk}) to proper version: "
        f"unable to convert unstructured object to {gvk}: {why}"
    )


def _put_back(meta: Object, live: Object | None) -> None:
    """Give the live object's values back to fields that are not read from what is applied, whatever stands there."""
    names = PUT_BACK if live is not None else (*PUT_BACK, "deletionTimestamp")
    for name in names:
        meta.pop(name, None)
        if live is not None and name in live["metadata"]:
            meta[name] = live["metadata"][name]


def uid_of_nothing(endpoint: Endpoint, name: str, uid: str) -> StatusError:
    """409: whoever names a uid means an object that was there."""
    why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
    return conflict(endpoint.group, endpoint.resource, name, why)
