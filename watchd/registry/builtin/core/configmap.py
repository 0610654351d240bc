"""ConfigMap: configuration data (FEATURES rows 18, 20)."""

from __future__ import annotations

import base64

from watchd.registry import formats
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError, FieldProblem

DATA_MAX = 1 << 20
"""Bytes of all values of a ConfigMap or a Secret (the reference's MaxSecretSize)."""

IMMUTABLE_SET = "field is immutable when `immutable` is set"


class ConfigMapStrategy(Strategy):
    """The rules of ConfigMap."""

    def validate(self, obj: Object) -> list[FieldError]:
        """Check keys and size."""
        data, binary = obj.get("data", {}), obj.get("binaryData", {})
        out = _keys(data, "data", binary, "binaryData") + _keys(binary, "binaryData", data, "data")
        size = sum(len(value.encode()) for value in data.values())
        size += sum(len(base64.b64decode(value)) for value in binary.values())
        if size > DATA_MAX:
            out.append(FieldError(FieldProblem.TOO_LONG, "[]", None, f"may not be more than {DATA_MAX} bytes"))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold an immutable one as it is."""
        del subresource
        return immutable_changes(obj, old, ("data", "binaryData")) + self.validate(obj)


def _keys(data: Object, field: str, other: Object, other_field: str) -> list[FieldError]:
    out: list[FieldError] = []
    for key in data:
        path = f"{field}[{key}]"
        out.extend(FieldError(FieldProblem.INVALID, path, key, text) for text in formats.config_key(key))
        if key in other:
            why = f"duplicate of key present in {other_field}"
            out.append(FieldError(FieldProblem.INVALID, path, key, why))
    return out


def immutable_changes(obj: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    """Return what was changed of an object whose `immutable` is true, in which `fields` and `immutable` itself stand still."""
    if not old.get("immutable"):
        return []
    changed = ["immutable"] if not obj.get("immutable") else []
    changed += [field for field in fields if obj.get(field, {}) != old.get(field, {})]
    return [FieldError(FieldProblem.FORBIDDEN, field, None, IMMUTABLE_SET) for field in changed]


STRATEGY = ConfigMapStrategy()

COLUMNS = (
    NAME,
    Column(
        "Data",
        lambda obj, _: len(obj.get("data", {})) + len(obj.get("binaryData", {})),
        description="Data contains the configuration data.",
    ),
    AGE,
)
