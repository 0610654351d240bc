"""Decoding: from a request's body to an object of the endpoint's version (PROTOCOL.md sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from conversion.cbor_reader import no_struct
from conversion.codec import CBOR, JSON, Codec, Decoded, DecodeError, ValueOutOfRange, text_of
from conversion.gvk import GroupVersion
from watchd.api import negotiate
from watchd.api.foreign import SCHEME, why_not
from watchd.api.options import TYPE_META, CreateOptions, PatchOptions, UpdateOptions
from watchd.registry import metadata
from watchd.registry.managed.texts import TEXTS, Known, unmark
from watchd.registry.registry import Endpoint
from watchd.schema.embedded import MetadataMismatch
from watchd.schema.goscalars import TypeMismatch, spelled
from watchd.schema.typed import prune_and_check
from watchd.status import FieldError, FieldProblem, StatusError, bad_request, go_quote, invalid, json_type

Object = dict[str, Any]
WriteOptions = CreateOptions | UpdateOptions | PatchOptions

MAX_BODY_BYTES = 3 << 20
"""The largest request body, as the reference limits it (FEATURES row 18)."""

EXCERPT_BYTES = 30
"""Bytes of a body that a message repeats."""


def decode_object(endpoint: Endpoint, body: bytes, codec: Codec, options: WriteOptions, warnings: list[str]) -> Object:
    """Decode a create's or update's body.

    Unknown and duplicate fields are refused, warned of or passed over, as fieldValidation says.

    Raises StatusError: 400 for what does not parse or is of another version, 422 for another kind.
    """
    try:
        decoded, known = _decoded(body, codec)
    except ValueOutOfRange as error:
        raise strict_error(endpoint, [str(error)], head="") from error
    except DecodeError as error:
        raise _undecodable(endpoint, body, negotiate.unreadable(codec, error)) from error
    obj = decoded.value
    if obj is None and not (codec.media_type == CBOR and endpoint.kind.custom):
        obj = {}
    if not isinstance(obj, dict):
        if codec.media_type == CBOR:
            raise _undecodable(endpoint, body, negotiate.unreadable(codec, no_struct(body, "v1.TypeMeta")))
        raise _undecodable(endpoint, body, f"{_unread(codec)}json: cannot unmarshal {json_type(obj)} into Go value of type {TYPE_META}")
    check_gvk(endpoint, obj, body, codec)
    if not endpoint.kind.custom and codec.media_type == JSON:
        _check_spelling(endpoint, body, obj)
    unknown = type_check(endpoint, obj)
    if known is not None:
        obj["metadata"]["managedFields"] = known.entries
    unknown_texts = [f"unknown field {go_quote(path)}" for path in unknown]
    if options.strict and (unknown_texts or decoded.strict_errors):
        raise strict_error(endpoint, [*decoded.strict_errors, *unknown_texts])
    if options.warn:
        warnings += [*decoded.warnings, *unknown_texts]
    warnings += metadata.drop_duplicate_owners(obj["metadata"])
    return obj


def _decoded(body: bytes, codec: Codec) -> tuple[Decoded, Known | None]:
    """Read a body. Of managedFields that this server wrote it returns what is known, and leaves them out. Raises DecodeError."""
    cut = TEXTS.cut(body) if codec.media_type == JSON else None
    if cut is None:
        return codec.decode(body), None
    rest, known = cut
    try:
        decoded = codec.decode(rest)
    except DecodeError:
        # Messages are about the whole body.
        return codec.decode(body), None
    return (decoded, known) if unmark(decoded.value) else (codec.decode(body), None)


def check_gvk(endpoint: Endpoint, obj: Object, body: bytes, codec: Codec) -> None:
    """Hold an object's apiVersion and kind against the endpoint's. Raises StatusError 400, 422."""
    names = endpoint.kind.names
    expected = endpoint.kind.api_version(endpoint.version.name)
    if obj.get("apiVersion") == expected and obj.get("kind") == names.kind:
        return
    api_version, kind = obj.get("apiVersion") or "", obj.get("kind") or ""
    if wrong := next((field for field in obj if field in ("apiVersion", "kind") and not isinstance(obj[field], str | None)), ""):
        why = f"json: cannot unmarshal {json_type(obj[wrong])} into Go struct field .{wrong} of type string"
        raise _undecodable(endpoint, body, _unread(codec) + why)
    if api_version.count("/") > 1:
        raise _undecodable(endpoint, body, f"unexpected GroupVersion string: {api_version}")
    api_version = "" if api_version == "/" else api_version
    if not endpoint.kind.custom:
        # Built-in kinds take both from the path where the body is silent.
        api_version, kind = api_version or expected, kind or names.kind
        obj["apiVersion"], obj["kind"] = api_version, kind
    if not kind:
        raise _undecodable(endpoint, body, f"Object 'Kind' is missing in '{text_of(body)}'")
    if (api_version, kind) != (expected, names.kind) and (why := _foreign(endpoint, api_version, kind)):
        version = api_version.rpartition("/")[2]
        raise bad_request(f"{kind} in version {go_quote(version)} cannot be handled as a {names.kind}: {why}")
    if api_version != expected:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )
    if kind != names.kind:
        if not endpoint.kind.custom:
            version = GroupVersion.parse(expected).version
            raise bad_request(
                f"{kind} in version {go_quote(version)} cannot be handled as a {names.kind}: "
                f"converting ({kind}) to ({names.kind}): unknown conversion"
            )
        name = obj["metadata"].get("name", "") if isinstance(obj.get("metadata"), dict) else ""
        problem = FieldError(FieldProblem.INVALID, "kind", kind, f"must be {names.kind}")
        raise invalid(endpoint.group, kind, name, [problem])


def _foreign(endpoint: Endpoint, api_version: str, kind: str) -> str:
    """Say why a body makes no object of an endpoint; empty where it may, and where others say so in other words."""
    if endpoint.kind.group == EXTENSIONS_GROUP:
        wanted = endpoint.kind.names.kind
        return unregistered(api_version, kind, endpoint.kind.api_version(endpoint.version.name), wanted)
    return why_not(endpoint.kind, api_version, kind) if endpoint.version.component else ""


EXTENSIONS_GROUP = "apiextensions.k8s.io"

OTHER_KINDS = frozenset(
    {
        *(("apiextensions.k8s.io/v1", kind) for kind in ("ConversionReview", "CustomResourceDefinitionList")),
        *(
            ("apiextensions.k8s.io/v1", f"{verb}Options")
            for verb in ("Create", "Delete", "Get", "List", "Patch", "Update")
        ),
        ("apiextensions.k8s.io/v1", "WatchEvent"),
        ("apiextensions.k8s.io/v1", "Status"),
        ("v1", "Status"),
    }
)
"""What else is registered there: it is read, and is no definition."""


def unregistered(api_version: str, kind: str, expected: str, wanted: str) -> str:
    """Say why the reference makes no definition of a body of some kind; empty where it may be one."""
    if kind == wanted and api_version in (expected, f"{EXTENSIONS_GROUP}/v1beta1"):
        return ""
    if (api_version, kind) in OTHER_KINDS:
        return f"converting (v1.{kind}) to (apiextensions.{wanted}): unknown conversion"
    return f"no kind {go_quote(kind)} is registered for version {go_quote(api_version)} in scheme {go_quote(SCHEME)}"


def type_check(endpoint: Endpoint, obj: Object) -> list[str]:
    """Bring an object to its Go type, in place; return the unknown fields. Raises StatusError 400."""
    version, kind = endpoint.version.name, endpoint.kind.names.kind
    unknown = metadata.decode(obj, version=version, kind=kind, custom=endpoint.kind.custom)
    schema = None if endpoint.kind.custom else endpoint.version.schema
    if schema is not None:
        try:
            unknown += prune_and_check(obj, schema)
        except TypeMismatch as error:
            raise metadata.decode_error(str(error), version=version, kind=kind) from error
    custom = endpoint.version.custom
    if custom is not None:
        try:
            unknown += custom.compiled.coerce_and_prune(obj)
        except MetadataMismatch as error:
            raise metadata.decode_error(str(error), version=version, kind=kind) from error
    return unknown


def _check_spelling(endpoint: Endpoint, body: bytes, obj: Object) -> None:
    """Refuse numbers that are integers but are not spelled so, as Go does where it reads JSON into types. Raises StatusError 400."""
    if isinstance(probe := spelled(body), dict):
        type_check(endpoint, {**probe, "apiVersion": obj["apiVersion"], "kind": obj["kind"]})


def strict_error(endpoint: Endpoint, texts: Sequence[str], *, head: str = "strict decoding error: ") -> StatusError:
    """400 for fieldValidation=Strict."""
    return metadata.decode_error(
        f"{head}{', '.join(texts)}", version=endpoint.version.name, kind=endpoint.kind.names.kind
    )


def _undecodable(endpoint: Endpoint, body: bytes, why: str) -> StatusError:
    what = f"the object provided is unrecognized (must be of type {endpoint.kind.names.kind})"
    return bad_request(f"{what}: {why} ({_excerpt(body)})")


def _excerpt(body: bytes) -> str:
    """Show the beginning of a body: as text where it looks like JSON, else in hexadecimal digits."""
    head = body[:EXCERPT_BYTES]
    text = text_of(head) if body.startswith(b"{") else head.hex()
    return f"{text} ..." if len(body) > EXCERPT_BYTES else text or "<empty>"


def _unread(codec: Codec) -> str:
    return "" if codec.media_type == CBOR else negotiate.UNREAD_JSON


def copy_of(obj: Object) -> Object:
    """Return a deep copy of an API object."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied
