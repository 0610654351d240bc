"""The metadata of objects inside of objects, for the schemas that have such (FEATURES row 120)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.registry import formats, metadata
from watchd.registry.strategy import NameFormat
from watchd.schema.embedded import MetadataRules
from watchd.schema.typed import prune_and_check
from watchd.status import FieldError

_SOME_NAME = "fakename"
"""What stands for a name where there is none: an embedded object needs none."""


def _decode(meta: Any) -> list[str]:
    unknown = prune_and_check(meta, metadata.OBJECT_META, struct="ObjectMeta")
    metadata.drop_empty(meta)
    return unknown


def _validate(meta: Mapping[str, Any]) -> list[FieldError]:
    named = {**meta, "name": meta.get("name") or _SOME_NAME}
    return metadata.validate_create(
        named, namespaced=bool(meta.get("namespace")), name_format=NameFormat.PATH_SEGMENT
    )


RULES = MetadataRules(decode=_decode, validate=_validate, label=formats.dns1035_label)
"""What holds for embedded metadata."""
