"""What is wrong with a structural schema of a definition (FEATURES rows 106 and 113 to 122, KEP-1111).

One walk gathers two lists, which the reference makes in two: the faults of the structure, sorted by their texts
(apiextensions-apiserver pkg/apiserver/schema), and those of every single schema in the order of the tree
(pkg/apis/apiextensions/validation). Then come the defaults and the rules in CEL, which are only looked at where the
structure is good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from watchd.crd import internal
from watchd.crd.faults import forbidden, invalid, required
from watchd.crd.rule_fields import check_rule_fields
from watchd.crd.schema_fields import TYPES, check_extensions, check_fields
from watchd.schema.extensions import EMBEDDED, INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, MAP_TYPE, PRESERVE, VALIDATIONS
from watchd.schema.patterns import Pattern
from watchd.schema.structural import META_FIELDS
from watchd.status import FieldError

Schema = Mapping[str, Any]

INTEGER_OR_STRING = [{"type": "integer"}, {"type": "string"}]
"""The one anyOf in which types may stand."""

UNSUPPORTED = ("id", "$schema", "$ref", "patternProperties", "dependencies", "additionalItems", "definitions")
"""Fields of JSON Schema that no structural schema has, in the order in which the first is told."""

_CHECKED = frozenset(
    {
        *UNSUPPORTED,
        *("default", "additionalProperties", "not", "allOf", "anyOf", "oneOf", "uniqueItems", "pattern", "nullable"),
        *(PRESERVE, EMBEDDED, INT_OR_STRING, LIST_TYPE, LIST_MAP_KEYS, MAP_TYPE, VALIDATIONS),
    }
)
"""Fields that can be faults; a schema that has none of them is checked at once."""

_NESTED_FORBIDDEN = (
    ("type", "empty"),
    ("additionalProperties", "undefined"),
    ("default", "undefined"),
    ("title", "empty"),
    ("description", "empty"),
    ("nullable", "false"),
    (PRESERVE, "false"),
    (EMBEDDED, "false"),
    (INT_OR_STRING, "false"),
    (LIST_MAP_KEYS, "empty"),
    (LIST_TYPE, "undefined"),
    (MAP_TYPE, "undefined"),
    (VALIDATIONS, "empty"),
)
"""What may not stand in allOf, anyOf, oneOf and not, and what it must be instead."""

_NESTED_UNDEFINED = frozenset({"default", LIST_TYPE, MAP_TYPE})
"""Fields that may not even be zero there."""

_ROOT, _ITEM, _FIELD, _NESTED = range(4)

_PLACES = {_ROOT: "at the root", _ITEM: "for specified array items", _FIELD: "for specified object fields"}

_AT_ROOT_WITH_STATUS = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern MaxItems "
    "MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields XValidations"
)
"""What the root may have where status is a subresource: nothing that is lost when only `properties.status` is asked."""


@attrs.frozen
class Scope:
    """What holds in a part of the tree."""

    inside_meta: bool = False
    """Whether this is below apiVersion, kind or metadata of an object."""
    no_default: str | None = None
    """Why no default may stand here, None where one may."""


@attrs.define
class Found:
    """What a walk over one schema has gathered."""

    structure: list[FieldError] = attrs.field(factory=list)
    """Faults of the structure."""
    schemas: list[FieldError] = attrs.field(factory=list)
    """Faults of single schemas."""
    unsupported: list[str] = attrs.field(factory=list)
    """Why this is no structural schema at all; the first reason is told."""
    defaulted: set[int] = attrs.field(factory=set)
    """The ids of the schemas that have a default, or one below."""


def walk(schema: Schema, path: str) -> Found:
    """Look at a whole schema."""
    walker = _Walker()
    walker.visit(schema, path, _ROOT, Scope())
    found = walker.found
    _complete(schema, schema, path, path, found.structure)
    found.structure.sort(key=str)
    return found


def root_faults(schema: Schema, path: str, *, status: bool) -> list[FieldError]:
    """Check what may not stand at the root. `status`: whether status is a subresource."""
    out: list[FieldError] = []
    if status:
        for go_name, name, _ in internal.SCHEMA_FIELDS:
            if name == "type" and schema.get("type", "object") != "object":
                why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
                out.append(invalid(f"{path}.type", schema["type"], why))
                break
            if name in schema and go_name not in _AT_ROOT_WITH_STATUS.split():
                why = (
                    f"only [{_AT_ROOT_WITH_STATUS}] fields are allowed at the root of the schema "
                    "if the status subresource is enabled"
                )
                out.append(invalid(path, internal.schema(schema), why))
                break
    if schema.get("nullable"):
        out.append(forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    return out


class _Walker:
    """One walk over one schema."""

    def __init__(self) -> None:
        self.found = Found()

    def visit(self, schema: Schema, path: str, level: int, scope: Scope, *, typed: bool = False) -> None:
        """Check one schema and all below. `typed`: its anyOf may be the types of an integer or string."""
        found = self.found
        defaulted = len(found.defaulted)
        self._visit(schema, path, level, scope, typed=typed)
        if "default" in schema or len(found.defaulted) > defaulted:
            found.defaulted.add(id(schema))

    def _visit(self, schema: Schema, path: str, level: int, scope: Scope, *, typed: bool) -> None:
        found = self.found
        unsupported = len(found.unsupported)
        if schema.keys().isdisjoint(_CHECKED):
            kind = schema.get("type")
            items = schema.get("items")
            whole = isinstance(items, Mapping) or (items is None and kind != "array")
            if kind in TYPES and whole and level not in {_ROOT, _NESTED}:
                self._below(schema, path, level, scope)
                return
        check_fields(schema, path, found.schemas, inside_meta=scope.inside_meta, no_default=scope.no_default)
        if level != _NESTED:
            _check_structure(schema, path, level, found.structure)
        else:
            _check_nested(schema, path, found.structure)
        if schema.get("pattern") and (why := Pattern(schema["pattern"]).error):
            text = f"must be a valid regular expression, but isn't: {why}"
            found.structure.append(invalid(f"{path}.pattern", schema["pattern"], text))
        self._supported(schema)
        self._below(schema, path, level, scope)
        self._combinations(schema, path, level, scope, typed=typed or level != _NESTED)
        check_extensions(schema, path, found.schemas)
        if schema.get(VALIDATIONS):
            structural = len(found.unsupported) == unsupported
            check_rule_fields(schema, path, found.schemas, structural=structural)

    def _supported(self, schema: Schema) -> None:
        found = self.found
        for name in UNSUPPORTED:
            if name in schema and (schema[name] or name == "additionalItems"):
                found.unsupported.append(f"OpenAPIV3Schema '{'schema' if name == '$schema' else name}' is not supported")
        if schema.get(PRESERVE) is False:
            found.unsupported.append(f"internal error: '{PRESERVE}' must be true or undefined")
        if isinstance(schema.get("items"), list):
            found.unsupported.append("OpenAPIV3Schema 'items' must be a schema, but is an array")

    def _below(self, schema: Schema, path: str, level: int, scope: Scope) -> None:
        """Visit the schemas of the parts of a value."""
        nested = level == _NESTED
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            inner = scope
            if scope.inside_meta:
                inner = attrs.evolve(scope, no_default="inside additionalProperties applying to object metadata")
            seen = len(self.found.structure)
            self.visit(additional, f"{path}.additionalProperties", _NESTED if nested else _FIELD, inner)
            if nested:
                # It may not be there at all: that says enough.
                del self.found.structure[seen:]
        properties = schema.get("properties")
        if properties:
            self._properties(properties, schema, path, level, scope)
        items = schema.get("items")
        if items is not None:
            if isinstance(items, list):
                for index, item in enumerate(items):
                    self.visit(item, f"{path}.items[{index}]", _NESTED, scope)
            else:
                self.visit(items, f"{path}.items", _NESTED if nested else _ITEM, scope)

    def _properties(self, properties: Schema, schema: Schema, path: str, level: int, scope: Scope) -> None:
        below = _NESTED if level == _NESTED else _FIELD
        resource = level == _ROOT or schema.get(EMBEDDED)
        for name, child in properties.items():
            here = scope
            if resource and name in META_FIELDS:
                here = attrs.evolve(scope, inside_meta=True)
                if level == _ROOT:
                    here = attrs.evolve(here, no_default=f"in top-level {name}")
            self.visit(child, f"{path}.properties[{name}]", below, here)

    def _combinations(self, schema: Schema, path: str, level: int, scope: Scope, *, typed: bool) -> None:
        """Visit the schemas that hold as well."""
        if schema.get("not") is not None:
            self.visit(schema["not"], f"{path}.not", _NESTED, scope)
        for index, child in enumerate(schema.get("allOf") or ()):
            # Also the first allOf may hold the two types of an integer or string.
            self.visit(child, f"{path}.allOf[{index}]", _NESTED, scope, typed=index == 0 and level != _NESTED)
        for index, child in enumerate(schema.get("oneOf") or ()):
            self.visit(child, f"{path}.oneOf[{index}]", _NESTED, scope)
        any_of = schema.get("anyOf") or ()
        seen = len(self.found.structure)
        for index, child in enumerate(any_of):
            self.visit(child, f"{path}.anyOf[{index}]", _NESTED, scope)
        if typed and _is_integer_or_string(any_of):
            # These are the types that may stand there.
            del self.found.structure[seen:]
        for name, child in (schema.get("definitions") or {}).items():
            self.visit(child, f"{path}.definitions[{name}]", _NESTED, scope)
        for name, child in (schema.get("dependencies") or {}).items():
            if isinstance(child, Mapping):
                self.visit(child, f"{path}.dependencies[{name}]", _NESTED, scope)


def _is_integer_or_string(any_of: Sequence[Schema]) -> bool:
    # What the reference's form of such schemas has no place for does not count.
    nothing = (("$ref", ""), ("additionalProperties", False))
    return [dict(item for item in schema.items() if item not in nothing) for schema in any_of] == INTEGER_OR_STRING


def _check_structure(schema: Schema, path: str, level: int, out: list[FieldError]) -> None:
    """Check the invariants of a schema that gives the structure, one that is not within allOf and the like."""
    kind, properties = schema.get("type") or "", schema.get("properties") or {}
    embedded, preserve, either = (bool(schema.get(name)) for name in (EMBEDDED, PRESERVE, INT_OR_STRING))
    if kind == "array" and not isinstance(schema.get("items"), Mapping):
        out.append(required(f"{path}.items", "must be specified"))
    if either:
        why = f"must be false if {INT_OR_STRING} is true"
        out.extend(invalid(f"{path}.{name}", value=True, why=why) for name in (PRESERVE, EMBEDDED) if schema.get(name))
    if embedded and kind != "object":
        why = f"must be object if {EMBEDDED} is true"
        out.append(invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why))
    elif not kind and not either and not preserve:
        out.append(required(f"{path}.type", f"must not be empty {_PLACES[level]}"))
    if "additionalProperties" in schema and (embedded or level == _ROOT):
        where = ("at the root", level == _ROOT), (f"if {EMBEDDED} is set", embedded)
        out.extend(forbidden(f"{path}.additionalProperties", f"must not be used {place}") for place, here in where if here)
    if level == _ROOT and kind not in {"", "object"}:
        out.append(invalid(f"{path}.type", kind, "must be object at the root"))
    if level == _ROOT or embedded:
        _check_resource(properties, path, level, out)
    if embedded and not preserve and not properties:
        why = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        out.append(required(f"{path}.properties", why))


def _check_resource(properties: Schema, path: str, level: int, out: list[FieldError]) -> None:
    """Check what an object of the API, the whole one or an embedded one, says of what each such object has."""
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and properties[name].get("type", "") != wanted:
            at = f"{path}.properties[{name}].type"
            out.append(invalid(at, properties[name].get("type", ""), f"must be {wanted}"))
    if level == _ROOT and "metadata" in properties and not _only_names(properties["metadata"]):
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        out.append(forbidden(f"{path}.properties[metadata]", why))


def _only_names(metadata: Schema) -> bool:
    fields = metadata.get("properties") or {}
    return metadata.keys() <= {"type", "default", "properties", "$ref"} and fields.keys() <= {"name", "generateName"}


def _check_nested(schema: Schema, path: str, out: list[FieldError]) -> None:
    """Check that a schema within allOf and the like says nothing of the structure."""
    for name, wanted in _NESTED_FORBIDDEN:
        if name in schema and (schema[name] or name in _NESTED_UNDEFINED or schema[name] == {}):
            out.append(forbidden(f"{path}.{name}", f"must be {wanted} to be structural"))
    if "metadata" in (schema.get("properties") or ()):
        out.append(forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context"))


def _complete(value: Schema, structure: Schema | None, at: str, said: str, out: list[FieldError]) -> None:
    """Check that all parts that the root's not, allOf, anyOf and oneOf speak of are there in the structure itself."""
    found: list[tuple[str, Schema]] = [("not", value["not"])] if value.get("not") is not None else []
    for name in ("allOf", "anyOf", "oneOf"):
        found += [(f"{name}[{index}]", child) for index, child in enumerate(value.get(name) or ())]
    for step, child in found:
        _complete_part(child, structure, at, f"{said}.{step}", out)


def _complete_part(value: Schema, structure: Schema | None, at: str, said: str, out: list[FieldError]) -> None:
    if structure is None:
        out.append(required(at, f"because it is defined in {said}"))
        return
    _complete(value, structure, at, said, out)
    if isinstance(value.get("items"), Mapping):
        _complete_part(value["items"], structure.get("items"), f"{at}.items", f"{said}.items", out)
    properties = structure.get("properties") or {}
    for name, child in (value.get("properties") or {}).items():
        step = f"properties[{name}]"
        _complete_part(child, properties.get(name), f"{at}.{step}", f"{said}.{step}", out)


