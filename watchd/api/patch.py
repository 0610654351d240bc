"""Patches: what a PATCH brings, and merge patch (RFC 7386) as evanphx/json-patch v4 applies it (FEATURES rows 82, 83)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from conversion.codec import Decoded, DecodeError
from conversion.json_codec import JsonCodec
from watchd.api.jsonpatch import load_json, mismatch
from watchd.api.negotiate import media_type_of, unsupported_media_type
from watchd.api.spelling import spell_values
from watchd.api.strategic import Schema, StrategicMergePatch
from watchd.status import bad_request

Object = dict[str, Any]


class PatchType(StrEnum):
    """How a PATCH body is to be read: its Content-Type."""

    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY_YAML = "application/apply-patch+yaml"
    APPLY_CBOR = "application/apply-patch+cbor"


class Document(Protocol):
    """A patch that was read and can be applied, more than once where a race was lost."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Strict errors of the patch itself: unknown and duplicate fields, for fieldValidation."""

    def apply(self, obj: Object) -> Any:
        """Return the patched object; it may share parts of the argument, which is unchanged. Raises StatusError."""


class Change(msgspec.Struct, frozen=True):
    """The kind of patch that a request brings."""

    type: PatchType

    @property
    def apply(self) -> bool:
        """Whether this is server-side apply, which merges by field managers and not by a document."""
        return self.type in (PatchType.APPLY_YAML, PatchType.APPLY_CBOR)

    @property
    def cbor(self) -> bool:
        """Whether the body is CBOR."""
        return self.type is PatchType.APPLY_CBOR

    def load(self, body: bytes, schema: Schema) -> Document:
        """Read a patch; `schema` is the kind's, for merge keys. Raises StatusError (400; 413 for too many operations)."""
        return self.document(self.decode(body), schema)

    def decode(self, body: bytes) -> Decoded:
        """Parse a body, whatever it holds. Raises StatusError (400)."""
        try:
            decoded = _CODEC.decode(body)
        except DecodeError as e:
            if self.type is PatchType.STRATEGIC:
                raise bad_request(f"error decoding patch: {e}") from e
            raise bad_request("invalid JSON patch") from e
        if self.type is PatchType.JSON:
            spell_values(body, decoded.value)
        return decoded

    def document(self, decoded: Decoded, schema: Schema, *, checked: bool = True) -> Document:
        """Take what a body holds for a patch.

        `checked` tells whether unknown fields are asked for: only then does the reference hold it to a type of its own, and
        else to what the library makes of it. Raises StatusError (400; 413 for too many operations).
        """
        if self.type is PatchType.STRATEGIC:
            if not isinstance(decoded.value, dict):
                raise mismatch(decoded.value, "value of type map[string]interface {}")
            return StrategicMergePatch(decoded.value, schema, decoded.warnings)
        load = _LOADERS[self.type]
        return load(decoded.value, decoded.warnings, checked)


def parse(content_type: str, *, custom: bool) -> Change:
    """Tell what a PATCH brings; `custom` kinds know no strategic merge patch. Raises StatusError (415)."""
    known = [kind for kind in PatchType if not (custom and kind is PatchType.STRATEGIC)]
    media_type = media_type_of(content_type)
    if media_type not in known:
        raise unsupported_media_type(", ".join(known))
    return Change(PatchType(media_type))


_CODEC = JsonCodec()


class MergePatch(msgspec.Struct, frozen=True):
    """A merge patch; an array takes the place of the object."""

    patch: Object | list[Any]
    warnings: tuple[str, ...] = ()

    def apply(self, obj: Object) -> Any:
        """Return the patched object."""
        return _merged(obj, self.patch) if isinstance(self.patch, dict) else _without_nulls(self.patch)


def _merged(obj: Any, patch: Object) -> Object:
    out = dict(obj)
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        elif isinstance(value, dict) and isinstance(out.get(name), dict):
            out[name] = _merged(out[name], value)
        else:
            out[name] = _without_nulls(value)
    return out


def _without_nulls(value: Any) -> Any:
    """Drop fields that are null from what a merge patch puts in, also in arrays; null elements stay."""
    if isinstance(value, dict):
        return {name: _without_nulls(below) for name, below in value.items() if below is not None}
    if isinstance(value, list):
        return [_without_nulls(below) for below in value]
    return value


def _load_merge(value: Any, duplicates: tuple[str, ...], checked: bool) -> Document:  # noqa: FBT001  # one of a table's
    if isinstance(value, list) and not checked:
        return MergePatch(value)
    if not isinstance(value, dict):
        if value is None or not checked:
            raise bad_request("Invalid JSON Patch")
        raise mismatch(value, "value of type map[string]interface {}")
    return MergePatch(value, duplicates)


_LOADERS: dict[PatchType, Callable[[Any, tuple[str, ...], bool], Document]] = {
    PatchType.JSON: load_json,
    PatchType.MERGE: _load_merge,
}
