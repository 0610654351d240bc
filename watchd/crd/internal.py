"""The reference's internal form of definitions, which its messages quote: every field of a Go struct, zero or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watchd.status import Written, go_json

Object = Mapping[str, Any]

Writer = Callable[[Any], str]


_json = go_json


def _optional(writer: Writer) -> Writer:
    return lambda value: "null" if value is None else writer(value)


def _text(value: Any) -> str:
    return _json(value or "")


def _flag(value: Any) -> str:
    return _json(bool(value))


def _each(writer: Writer) -> Writer:
    return lambda values: f"[{','.join(map(writer, values))}]" if values else "null"


def _named(writer: Writer) -> Writer:
    def write(values: Object) -> str:
        return "{" + ",".join(f"{_json(name)}:{writer(values[name])}" for name in sorted(values)) + "}"

    return lambda values: write(values) if values else "null"


def _struct(fields: Sequence[tuple[str, str, Writer]]) -> Writer:
    def write(value: Object) -> str:
        return "{" + ",".join(f'"{go}":{writer(value.get(name))}' for go, name, writer in fields) + "}"

    return write


def _rules(rules: Any) -> str:
    return _each(rule)(rules)


def schema(value: Object) -> Written:
    """Write a schema (JSONSchemaProps)."""
    return Written("{" + ",".join(f'"{go}":{writer(value.get(name))}' for go, name, writer in SCHEMA_FIELDS) + "}")


def schema_or_list(value: Any) -> Written:
    """Write the schema of a list's entries (JSONSchemaPropsOrArray)."""
    if isinstance(value, list):
        return Written(f'{{"Schema":null,"JSONSchemas":{_each(schema)(value)}}}')
    return Written(f'{{"Schema":{schema(value)},"JSONSchemas":null}}')


def _or_bool(value: Any) -> str:
    if isinstance(value, bool):
        return f'{{"Allows":{_json(value)},"Schema":null}}'
    return f'{{"Allows":true,"Schema":{schema(value)}}}'


def _or_names(value: Any) -> str:
    if isinstance(value, list):
        return f'{{"Schema":null,"Property":{_each(_json)(value)}}}'
    return f'{{"Schema":{schema(value)},"Property":null}}'


rule = _struct(
    (
        ("Rule", "rule", _text),
        ("Message", "message", _text),
        ("MessageExpression", "messageExpression", _text),
        ("Reason", "reason", _json),
        ("FieldPath", "fieldPath", _text),
        ("OptionalOldSelf", "optionalOldSelf", _json),
    )
)
"""Writes a rule (ValidationRule)."""

_DOCS = _struct((("Description", "description", _text), ("URL", "url", _text)))

SCHEMA_FIELDS: tuple[tuple[str, str, Writer], ...] = (
    ("ID", "id", _text),
    ("Schema", "$schema", _text),
    ("Ref", "$ref", _json),
    ("Description", "description", _text),
    ("Type", "type", _text),
    ("Nullable", "nullable", _flag),
    ("Format", "format", _text),
    ("Title", "title", _text),
    ("Default", "default", _json),
    ("Maximum", "maximum", _json),
    ("ExclusiveMaximum", "exclusiveMaximum", _flag),
    ("Minimum", "minimum", _json),
    ("ExclusiveMinimum", "exclusiveMinimum", _flag),
    ("MaxLength", "maxLength", _json),
    ("MinLength", "minLength", _json),
    ("Pattern", "pattern", _text),
    ("MaxItems", "maxItems", _json),
    ("MinItems", "minItems", _json),
    ("UniqueItems", "uniqueItems", _flag),
    ("MultipleOf", "multipleOf", _json),
    ("Enum", "enum", _each(_json)),
    ("MaxProperties", "maxProperties", _json),
    ("MinProperties", "minProperties", _json),
    ("Required", "required", _each(_json)),
    ("Items", "items", _optional(schema_or_list)),
    ("AllOf", "allOf", _each(schema)),
    ("OneOf", "oneOf", _each(schema)),
    ("AnyOf", "anyOf", _each(schema)),
    ("Not", "not", _optional(schema)),
    ("Properties", "properties", _named(schema)),
    ("AdditionalProperties", "additionalProperties", _optional(_or_bool)),
    ("PatternProperties", "patternProperties", _named(schema)),
    ("Dependencies", "dependencies", _named(_or_names)),
    ("AdditionalItems", "additionalItems", _optional(_or_bool)),
    ("Definitions", "definitions", _named(schema)),
    ("ExternalDocs", "externalDocs", _optional(_DOCS)),
    ("Example", "example", _json),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", _json),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", _flag),
    ("XIntOrString", "x-kubernetes-int-or-string", _flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", _each(_json)),
    ("XListType", "x-kubernetes-list-type", _json),
    ("XMapType", "x-kubernetes-map-type", _json),
    ("XValidations", "x-kubernetes-validations", _rules),
)
"""The fields of a schema in Go's order: Go's name, JSON's name, how it is written."""

_SCALE = _struct(
    (
        ("SpecReplicasPath", "specReplicasPath", _text),
        ("StatusReplicasPath", "statusReplicasPath", _text),
        ("LabelSelectorPath", "labelSelectorPath", _json),
    )
)

_COLUMN = _struct(
    (
        ("Name", "name", _text),
        ("Type", "type", _text),
        ("Format", "format", _text),
        ("Description", "description", _text),
        ("Priority", "priority", lambda value: _json(value or 0)),
        ("JSONPath", "jsonPath", _text),
    )
)

version = _struct(
    (
        ("Name", "name", _text),
        ("Served", "served", _flag),
        ("Storage", "storage", _flag),
        ("Deprecated", "deprecated", _flag),
        ("DeprecationWarning", "deprecationWarning", _json),
        ("Schema", "schema", _optional(_struct((("OpenAPIV3Schema", "openAPIV3Schema", _optional(schema)),)))),
        (
            "Subresources",
            "subresources",
            _optional(_struct((("Status", "status", _json), ("Scale", "scale", _optional(_SCALE))))),
        ),
        ("AdditionalPrinterColumns", "additionalPrinterColumns", _each(_COLUMN)),
        ("SelectableFields", "selectableFields", _each(_struct((("JSONPath", "jsonPath", _text),)))),
    )
)
"""Writes a version of a spec (CustomResourceDefinitionVersion)."""


def versions(values: Sequence[Object] | None) -> Written:
    """Write the versions of a spec, null where there are none at all."""
    return Written("null" if values is None else f"[{','.join(map(version, values))}]")
