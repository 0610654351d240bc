"""CustomSchema: the schema of one version of a custom kind, read when it is first asked for and compiled when an object needs it.

A server has thousands of definitions, of which clients use a few: each costs what it takes to find its schema's place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from watchd.schema.extensions import EMBEDDED, PRESERVE

if TYPE_CHECKING:
    from watchd.schema.compiled import CompiledSchema
    from watchd.schema.embedded import MetadataRules

SKELETON_BYTES = 8
"""Length of a skeleton's digest: enough that two schemas of one kind never meet."""


class ScalePaths(msgspec.Struct, frozen=True):
    """Where the scale subresource finds its values, as the definition has them (`.spec.replicas`)."""

    spec: str
    status: str
    selector: str = ""


class CustomSchema:
    """The schema of one version."""

    def __init__(self, source: msgspec.Raw | Mapping[str, Any], rules: MetadataRules, *, scale: ScalePaths | None = None) -> None:
        """Take a schema.

        Args:
            source: the OpenAPI v3 schema of the whole object, or its JSON; not to be changed after this.
            rules: what holds for the metadata of embedded resources.
            scale: the paths of the scale subresource, where there is one.

        """
        self._source = source
        self._rules = rules
        self._scale = scale

    @cached_property
    def raw(self) -> Mapping[str, Any]:
        """The OpenAPI v3 schema."""
        if isinstance(self._source, msgspec.Raw):
            read: Mapping[str, Any] = orjson.loads(memoryview(self._source))
            return read
        return self._source

    @cached_property
    def skeleton(self) -> bytes:
        """Digest of what pruning and defaulting depend on: two schemas that have it in common treat objects alike."""
        return hashlib.blake2b(orjson.dumps(_skeleton(self.raw)), digest_size=SKELETON_BYTES).digest()

    @cached_property
    def compiled(self) -> CompiledSchema:
        """What the schema does to objects."""
        # Only here: reads need none of it.
        from watchd.schema.compiled import CompiledSchema  # noqa: PLC0415 - see above

        return CompiledSchema(self.raw, self._rules, scale=self._scale)


_SHAPING = ("default", "nullable", PRESERVE, EMBEDDED)
"""What pruning and defaulting ask of a schema beside the schemas below it."""


def _skeleton(schema: Any) -> Any:
    """Return what shapes objects of a schema, without its limits and descriptions."""
    if not isinstance(schema, Mapping):
        return schema
    properties, below = schema.get("properties") or {}, [schema.get("items"), schema.get("additionalProperties")]
    return [
        [schema.get(key) for key in _SHAPING],
        {field: _skeleton(properties[field]) for field in sorted(properties)},
        [_skeleton(child) for child in below],
    ]
