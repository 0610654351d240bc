"""What is wrong with one whole schema of a definition: structure, defaults, single schemas and rules, in this order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.crd.defaults import validate_defaults
from watchd.crd.faults import invalid
from watchd.crd.structural import root_faults, walk
from watchd.schema.ruled import check_rules
from watchd.status import FieldError

Schema = Mapping[str, Any]


def validate_schema(schema: Schema, path: str, *, status: bool) -> list[FieldError]:
    """Check a schema.

    Args:
        schema: the `openAPIV3Schema` of a version.
        path: of the schema.
        status: whether status is a subresource.

    """
    out = root_faults(schema, path, status=status)
    found = walk(schema, path)
    structure = found.structure
    if not found.structure and not found.unsupported and found.defaulted:
        # Defaults take the structure for granted, and rules take both.
        structure = validate_defaults(schema, path, found.defaulted)
    out += [] if found.unsupported else structure
    out += found.schemas
    if not structure and not found.unsupported:
        out += check_rules(schema, path, found=found.schemas)
    if found.unsupported and not out:
        out.append(invalid(path, "", found.unsupported[0]))
    return out
