"""The rules of ObjectMeta that hold for every kind (PROTOCOL.md section 4; FEATURES rows 6, 9, 12, 15, 19, 24).

Pure functions: they return field errors, or change the object in place. The order at creation is `decode`, `check_namespace`,
`prepare_create`, `validate_create`; at an update `decode`, `check_namespace`, `prepare_update`, `validate_update`.
The texts are those of apimachinery's api/validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from conversion.gvk import GroupVersion
from watchd.registry import formats
from watchd.registry.managed.entries import is_plain
from watchd.registry.strategy import NameFormat, Object
from watchd.schema.goscalars import TypeMismatch
from watchd.schema.typed import prune_and_check
from watchd.seams import NAME_SUFFIX_LENGTH, Clock, Entropy, rfc3339
from watchd.status import (
    FieldError,
    FieldProblem,
    StatusError,
    Written,
    bad_request,
    go_json,
    go_quote,
    internal,
    invalid,
)

ANNOTATIONS_MAX = 256 << 10
"""Bytes of all keys and values of the annotations (apimachinery's TotalAnnotationSizeLimitB)."""

GENERATED_NAME_MAX = formats.LABEL_MAX - NAME_SUFFIX_LENGTH
"""Bytes of a generateName that go into the name: name and suffix fit a DNS label whatever the kind."""

KEPT_LABELS = 1024
"""Labels that are known to be well or not: objects of one application have the same."""

KEPT_LABEL_CHARS = 128
"""Characters of the longest label, key and value, that is kept so."""

IMMUTABLE = "field is immutable"

ORPHAN = "orphan"
"""The finalizer of propagationPolicy Orphan."""

FOREGROUND = "foregroundDeletion"
"""The finalizer of propagationPolicy Foreground."""

SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation")
"""What a client cannot set at creation."""

KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
"""What an update cannot change."""

IMMUTABLE_WHERE_GIVEN = ("uid", "deletionTimestamp", "deletionGracePeriodSeconds")
"""What an update may leave out, but is refused for changing."""

_STRING = {"type": "string"}
_UID = {"type": "string", "x-go-type": "types.UID"}
_STRINGS = {"type": "object", "additionalProperties": _STRING}
_TIME = {"type": "string", "format": "date-time", "title": "Time"}
_BOOLEAN = {"type": "boolean"}

OBJECT_META: dict[str, Any] = {
    "title": "ObjectMeta",
    "type": "object",
    "properties": {
        "name": _STRING,
        "generateName": _STRING,
        "namespace": _STRING,
        "selfLink": _STRING,
        "uid": _UID,
        "resourceVersion": _STRING,
        "generation": {"type": "integer", "format": "int64"},
        "creationTimestamp": _TIME,
        "deletionTimestamp": _TIME,
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "ownerReferences": {
            "type": "array",
            "items": {
                "title": "OwnerReference",
                "type": "object",
                "properties": {
                    "apiVersion": _STRING,
                    "kind": _STRING,
                    "name": _STRING,
                    "uid": _UID,
                    "controller": _BOOLEAN,
                    "blockOwnerDeletion": _BOOLEAN,
                },
            },
        },
        "finalizers": {"type": "array", "items": _STRING},
        "managedFields": {
            "type": "array",
            "items": {
                "title": "ManagedFieldsEntry",
                "type": "object",
                "properties": {
                    "manager": _STRING,
                    "operation": _STRING,
                    "apiVersion": _STRING,
                    "time": _TIME,
                    "fieldsType": _STRING,
                    "fieldsV1": {},
                    "subresource": _STRING,
                },
            },
        },
    },
}
"""The fields that metadata has, as a schema for decoding."""


_OWNER_FIELDS = tuple(OBJECT_META["properties"]["ownerReferences"]["items"]["properties"])


def decode(obj: Object, *, version: str, kind: str, custom: bool = False) -> list[str]:
    """Bring metadata to its Go type, in place: unknown and empty fields go, an absent metadata becomes empty.

    `version` (without group) and `kind` are those of the body, for the message. That of a `custom` kind is decoded by
    itself, from JSON with its fields in order, as in the reference. Returns the unknown fields' paths.
    Raises StatusError 400 for a value of the wrong type.
    """
    meta = obj.get("metadata")
    if meta is None:
        obj["metadata"] = {}
        return []
    managed = meta.get("managedFields") if isinstance(meta, dict) else None
    plain = is_plain(managed)
    if plain:
        del meta["managedFields"]
    try:
        if custom:
            meta = obj["metadata"] = _in_order(meta)
            unknown = [f"metadata.{path}" for path in prune_and_check(meta, OBJECT_META, struct="ObjectMeta")]
        else:
            unknown = prune_and_check(meta, OBJECT_META, path="metadata", struct=kind)
    except TypeMismatch as e:
        raise decode_error(str(e), version=version, kind=kind) from e
    drop_empty(meta)
    if plain:
        meta["managedFields"] = managed
    return unknown


def _in_order(value: Any) -> Any:
    if isinstance(value, dict):
        # Keys differ, so that no two items are ever compared.
        return {key: item if item.__class__ is str else _in_order(item) for key, item in sorted(value.items())}
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def drop_empty(meta: Object) -> None:
    """Leave out of a decoded metadata what its Go type leaves out when it is written, and put in what that never leaves out."""
    for field in [field for field, value in meta.items() if value in ("", [], {}) or (field == "generation" and not value)]:
        del meta[field]
    for reference in meta.get("ownerReferences", ()):
        for field in ("apiVersion", "kind", "name", "uid"):
            reference.setdefault(field, "")


DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject such "
    "requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)
"""What a client is warned of whose owner references stand twice."""


def drop_duplicate_owners(meta: Object, *, changed: bool = False) -> list[str]:
    """Drop owner references that stand twice, in place; return warnings.

    `changed` tells that they are not those of a body, but what a patch made: the reference has other words for those.
    """
    kept: list[Object] = []
    duplicates: list[str] = []
    by_uid: dict[str, list[Object]] = {}
    for reference in meta.get("ownerReferences", ()):
        alike = by_uid.setdefault(reference["uid"], [])
        if reference in alike:
            duplicates.append(reference["uid"])
        else:
            alike.append(reference)
            kept.append(reference)
    if not duplicates:
        return []
    meta["ownerReferences"] = kept
    when = " after mutating admission happens" if changed else ""
    return [DUPLICATE_OWNERS.format(when=when) + ", ".join(duplicates)]


def decode_error(why: str, *, version: str, kind: str) -> StatusError:
    """400: a body that cannot be decoded as its kind."""
    return bad_request(f"{kind} in version {go_quote(version)} cannot be handled as a {kind}: {why}")


def check_namespace(meta: Object, namespace: str, *, namespaced: bool) -> None:
    """Make the object's namespace that of the request, in place. Raises StatusError 400 where they disagree."""
    if not namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def undeterminable_name(name: str) -> StatusError:
    """400 for an object that has no name, at the path of one that has."""
    return bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")


def check_name(meta: Mapping[str, Any], name: str, namespace: str = "") -> None:
    """Hold the name (and namespace, where one is given) of a body against those of the path. Raises StatusError 400."""
    given = meta.get("name", "")
    if not given:
        raise undeterminable_name(name)
    if given != name:
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    given = meta.get("namespace", "")
    if namespace and given and given != namespace:
        raise bad_request(
            f"the namespace of the object ({given}) does not match the namespace on the request ({namespace})"
        )


def prepare_create(meta: Object, *, clock: Clock, entropy: Entropy) -> None:
    """Set what the server owns, in place, and generate a name where one is wanted.

    The caller sets generation where its kind has one.
    """
    drop_server_owned(meta)
    meta["uid"] = entropy.uid()
    meta["creationTimestamp"] = rfc3339(clock.now_ms())
    if meta.get("generateName") and not meta.get("name"):
        meta["name"] = generated_name(meta["generateName"], entropy)


def drop_server_owned(meta: Object) -> None:
    """Take off what a client cannot set at creation, in place: nor does it own that."""
    for field in SERVER_OWNED:
        meta.pop(field, None)


def drop_resource_version(meta: Object) -> None:
    """Take the resourceVersion off an object that is about to be stored for the first time.

    Raises StatusError 500 for a revision, as the reference answers (FEATURES row 14): 0 and what is none pass.
    """
    given = meta.pop("resourceVersion", "")
    if given.isascii() and given.isdigit() and given.strip("0"):
        raise internal("resourceVersion should not be set on objects to be created")


def generated_name(base: str, entropy: Entropy) -> str:
    """Return a base and five random letters, the base cut so that both fit a DNS label (FEATURES row 9)."""
    cut = base.encode()[:GENERATED_NAME_MAX].decode(errors="ignore")
    return cut + entropy.suffix()


def prepare_update(meta: Object, old: Mapping[str, Any]) -> None:
    """Put back what an update cannot change, in place.

    A uid or a grace period that is given stays as it is: `validate_update` refuses another one. So does a time of deletion
    where there is none; that of an object that is being deleted is put back.
    """
    for field in KEPT:
        put_back = field == "deletionTimestamp" and field in old
        if field in IMMUTABLE_WHERE_GIVEN and not put_back and meta.get(field) is not None and meta[field] != "":
            continue
        if field in old:
            meta[field] = old[field]
        else:
            meta.pop(field, None)
    meta.pop("selfLink", None)


def require_resource_version(meta: Mapping[str, Any], *, group: str, resource: str, name: str) -> None:
    """Refuse an update without a resourceVersion, for kinds without unconditional updates (FEATURES row 12).

    Raises StatusError 422, which names the resource where other such answers name the kind, as the reference does.
    """
    if not meta.get("resourceVersion"):
        error = FieldError(FieldProblem.INVALID, "metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(group, resource, name, [error])


def validate_create(meta: Mapping[str, Any], *, namespaced: bool, name_format: NameFormat) -> list[FieldError]:
    """Return what is wrong with a new object's metadata; its name has been generated."""
    out: list[FieldError] = []
    base = meta.get("generateName", "")
    if base:
        texts = formats.object_name(base, name_format, prefix=True)
        out.extend(_invalid("generateName", base, text) for text in texts)
    name = meta.get("name", "")
    if name:
        out.extend(_invalid("name", name, text) for text in formats.object_name(name, name_format))
    else:
        out.append(FieldError(FieldProblem.REQUIRED, "metadata.name", None, "name or generateName is required"))
    namespace = meta.get("namespace", "")
    if namespaced and not namespace:
        out.append(FieldError(FieldProblem.REQUIRED, "metadata.namespace"))
    elif namespaced:
        out.extend(_invalid("namespace", namespace, text) for text in formats.dns1123_label(namespace))
    elif namespace:
        out.append(FieldError(FieldProblem.FORBIDDEN, "metadata.namespace", None, "not allowed on this type"))
    return out + _contents(meta) + _finalizers(meta.get("finalizers", ()))


def validate_update(meta: Mapping[str, Any], old: Mapping[str, Any], *, namespaced: bool) -> list[FieldError]:
    """Return what is wrong with a changed object's metadata; its resourceVersion is `require_resource_version`'s to ask for.

    The reference checks twice, for all kinds and again in each kind's own validation, and clients see each cause
    twice; so do ours (conformance case finalizer-cannot-be-added-while-deleting).
    """
    generic = validate_create(meta, namespaced=namespaced, name_format=NameFormat.PATH_SEGMENT)
    changes = _changes(meta, old)
    if generic:
        # Else nothing of what they hold is wrong.
        changes += _contents(meta)
    return generic + changes + changes


def _changes(meta: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    out: list[FieldError] = []
    if old.get("deletionTimestamp"):
        added = sorted(set(meta.get("finalizers", ())) - set(old.get("finalizers", ())))
        if added:
            found = "[]string{" + ", ".join(go_quote(name) for name in added) + "}"
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers {found}"
            out.append(FieldError(FieldProblem.FORBIDDEN, "metadata.finalizers", None, why))
    out.extend(
        _invalid(field, meta.get(field, ""), IMMUTABLE)
        for field in ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
        if meta.get(field, "") != old.get(field, "")
    )
    return out


def _contents(meta: Mapping[str, Any]) -> list[FieldError]:
    return _labels(meta) + _annotations(meta) + _owner_references(meta)


def _invalid(field: str, value: Any, text: str) -> FieldError:
    return FieldError(FieldProblem.INVALID, f"metadata.{field}", value, text)


def _labels(meta: Mapping[str, Any]) -> list[FieldError]:
    out: list[FieldError] = []
    for key, value in meta.get("labels", {}).items():
        if len(key) + len(value) <= KEPT_LABEL_CHARS and _is_label(key, value):
            continue
        out.extend(_invalid("labels", key, text) for text in formats.qualified_name(key))
        out.extend(_invalid("labels", value, text) for text in formats.label_value(value))
    return out


@lru_cache(KEPT_LABELS)
def _is_label(key: str, value: str) -> bool:
    return not formats.qualified_name(key) and not formats.label_value(value)


def _annotations(meta: Mapping[str, Any]) -> list[FieldError]:
    annotations = meta.get("annotations", {})
    out: list[FieldError] = []
    if not annotations:
        return out
    for key in annotations:
        out.extend(_invalid("annotations", key, text) for text in formats.qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_MAX:
        why = f"may not be more than {ANNOTATIONS_MAX} bytes"
        out.append(FieldError(FieldProblem.TOO_LONG, "metadata.annotations", None, why))
    return out


def _owner_references(meta: Mapping[str, Any]) -> list[FieldError]:
    references = meta.get("ownerReferences", ())
    out: list[FieldError] = []
    controller = ""
    for index, reference in enumerate(references):
        out += _owner_reference(reference, f"metadata.ownerReferences[{index}]")
        if reference.get("controller"):
            name = f"{reference.get('kind', '')}/{reference.get('name', '')}"
            if controller:
                why = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {name}'
                )
                out.append(_invalid("ownerReferences", Written(f"[{','.join(map(_reference_text, references))}]"), why))
            else:
                controller = name
    return out


def _owner_reference(reference: Mapping[str, Any], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    api_version = reference.get("apiVersion", "")
    parsed = _parse(api_version)
    if not api_version:
        out.append(FieldError(FieldProblem.REQUIRED, f"{path}.apiVersion", None, "must not be empty"))
    elif parsed is None or not parsed.version:
        why = "must be <group>/<version> or <version>"
        out.append(FieldError(FieldProblem.INVALID, f"{path}.apiVersion", api_version, why))
    out.extend(
        FieldError(FieldProblem.REQUIRED, f"{path}.{field}", None, "must not be empty")
        for field in ("kind", "name", "uid")
        if not reference.get(field)
    )
    if api_version == "v1" and reference.get("kind") == "Event":
        why = "/v1, Kind=Event is disallowed from being an owner"
        out.append(FieldError(FieldProblem.INVALID, path, Written(_reference_text(reference)), why))
    return out


def _reference_text(reference: Mapping[str, Any]) -> str:
    """Write an owner reference as JSON, its fields in the order of the reference's type and not by name."""
    fields = (f"{go_json(field)}:{go_json(reference[field])}" for field in _OWNER_FIELDS if field in reference)
    return f"{{{','.join(fields)}}}"


def _parse(api_version: str) -> GroupVersion | None:
    try:
        return GroupVersion.parse(api_version)
    except ValueError:
        return None


def _finalizers(finalizers: Sequence[str]) -> list[FieldError]:
    out: list[FieldError] = []
    for name in finalizers:
        out.extend(_invalid("finalizers", name, text) for text in formats.qualified_name(name))
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        why = f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"
        out.append(_invalid("finalizers", list(finalizers), why))
    return out
