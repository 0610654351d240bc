"""Secret: data that is not for everybody's eyes; its values stand in no message (FEATURES rows 18, 20, 22)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from watchd.registry import formats
from watchd.registry.builtin.core.configmap import DATA_MAX, immutable_changes
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError, FieldProblem

OPAQUE = "Opaque"
SERVICE_ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type, not a secret
SERVICE_ACCOUNT_NAME = "kubernetes.io/service-account.name"
BASIC_AUTH = "kubernetes.io/basic-auth"
SSH_AUTH = "kubernetes.io/ssh-auth"

JSON_KEYS: dict[str, str] = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
"""The key that a type requires, which holds a JSON object."""

REQUIRED_KEYS: dict[str, tuple[str, ...]] = {"kubernetes.io/tls": ("tls.crt", "tls.key")}
"""The keys that a type requires, whatever they hold."""

REDACTED = "<secret contents redacted>"


class SecretStrategy(Strategy):
    """The rules of Secret."""

    selectable_fields = ("type",)

    def default(self, obj: Object) -> None:
        """Fold stringData into data; a Secret without a type is Opaque."""
        strings: Mapping[str, str] | None = obj.pop("stringData", None)
        if strings:
            data = obj.setdefault("data", {})
            for key, value in strings.items():
                data[key] = base64.b64encode(value.encode()).decode()
        if not obj.get("type"):
            obj["type"] = OPAQUE

    def validate(self, obj: Object) -> list[FieldError]:
        """Check keys, size and what the type requires."""
        data = obj.get("data", {})
        out: list[FieldError] = []
        for key in data:
            out.extend(FieldError(FieldProblem.INVALID, f"data[{key}]", key, text) for text in formats.config_key(key))
        if sum(len(base64.b64decode(value)) for value in data.values()) > DATA_MAX:
            out.append(FieldError(FieldProblem.TOO_LONG, "data", None, f"may not be more than {DATA_MAX} bytes"))
        return out + _of_type(obj, data)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the type, and an immutable one as it is."""
        del subresource
        out: list[FieldError] = []
        if obj["type"] != old["type"]:
            out.append(FieldError(FieldProblem.INVALID, "type", obj["type"], IMMUTABLE))
        return out + immutable_changes(obj, old, ("data",)) + self.validate(obj)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the type."""
        return {"type": obj.get("type", "")}


def _of_type(obj: Object, data: Mapping[str, str]) -> list[FieldError]:
    kind = obj["type"]
    if kind == SERVICE_ACCOUNT_TOKEN:
        if obj["metadata"].get("annotations", {}).get(SERVICE_ACCOUNT_NAME):
            return []
        return [FieldError(FieldProblem.REQUIRED, f"metadata.annotations[{SERVICE_ACCOUNT_NAME}]")]
    if kind in JSON_KEYS:
        return _json(data, JSON_KEYS[kind])
    missing = [key for key in REQUIRED_KEYS.get(kind, ()) if key not in data]
    if kind == BASIC_AUTH and not data.keys() & {"username", "password"}:
        missing = ["username", "password"]
    if kind == SSH_AUTH and not data.get("ssh-privatekey"):
        missing = ["ssh-privatekey"]
    return [FieldError(FieldProblem.REQUIRED, f"data[{key}]") for key in missing]


def _json(data: Mapping[str, str], key: str) -> list[FieldError]:
    path = f"data[{key}]"
    if key not in data:
        return [FieldError(FieldProblem.REQUIRED, path)]
    try:
        good = isinstance(json.loads(base64.b64decode(data[key])), dict)
    except ValueError:
        good = False
    # The parser's own words could quote what stands there.
    return [] if good else [FieldError(FieldProblem.INVALID, path, REDACTED, "must be a JSON object")]


STRATEGY = SecretStrategy()

COLUMNS = (
    NAME,
    Column("Type", lambda obj, _: obj.get("type", ""), description="The type of the secret's data"),
    Column("Data", lambda obj, _: len(obj.get("data", {})), description="The number of data items"),
    AGE,
)
