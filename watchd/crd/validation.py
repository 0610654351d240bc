"""What is wrong with a CustomResourceDefinition, in the reference's words (FEATURES rows 105, 107, 116).

The reference checks its internal form, in which what all versions share stands once under spec (`hoist`), and its
field paths say so; ours follow. What is wrong with the schemas is said by `watchd.crd.schemas`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from watchd.crd import internal
from watchd.crd.schemas import validate_schema
from watchd.registry import formats
from watchd.registry.builtin.common.webhooks import service_problems, url_problems
from watchd.registry.metadata import IMMUTABLE
from watchd.status import FieldError, FieldProblem, go_quote

Object = dict[str, Any]

APPROVED = "api-approved.kubernetes.io"
"""The annotation without which no definition may claim a group of the community."""

APPROVED_RULE = f"protected groups must have approval annotation {go_quote(APPROVED)}"
APPROVED_SEE = ", see https://github.com/kubernetes/enhancements/pull/1111"

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
REVIEW_VERSIONS = ("v1", "v1beta1")
"""Versions of ConversionReview that are known, of which a webhook must take one."""

SELECTABLE_TYPES = frozenset({"string", "boolean", "integer"})
SELECTABLE_MAX = 8
"""Selectable fields of a version (KEP-4358)."""

WARNING_MAX = 256
"""Characters of a deprecationWarning: it travels in a header."""

_PART = re.compile(r"[.\[\]]|[^.\[\]]+")
"""A sign of a path, or what stands up to the next."""

SchemaFaults = Callable[..., list[FieldError]]
"""From a schema, its path and whether status is a subresource to what is wrong with it."""


@attrs.frozen
class Hoisted:
    """A spec in the reference's internal form."""

    versions: list[Object]
    schema: Object | None
    subresources: Object | None
    columns: list[Object]
    selectable: list[Object]

    def openapi(self) -> Object | None:
        """Return the schema that all versions have in common."""
        return (self.schema or {}).get("openAPIV3Schema")

    def has_status(self, name: str) -> bool:
        """Tell whether status is a subresource of a version."""
        if self.subresources is not None:
            return "status" in self.subresources
        found = next((version for version in self.versions if version.get("name", "") == name), {})
        return "status" in (found.get("subresources") or {})

    def schemas(self) -> Iterator[tuple[Object, bool]]:
        """Yield the schema of each version, and whether it has a status subresource."""
        for version in self.versions:
            schema = self.openapi() or (version.get("schema") or {}).get("openAPIV3Schema")
            if schema is not None:
                yield schema, self.has_status(version.get("name", ""))


def hoist(spec: Mapping[str, Any]) -> Hoisted:
    """Bring a spec to the reference's internal form: what all versions have in common stands once."""
    versions: list[Object] = [dict(version) for version in spec.get("versions") or ()]

    def shared(field: str) -> Any:
        values = [version.get(field) or None for version in versions]
        if not values or any(value != values[0] for value in values):
            return None
        for version in versions:
            version.pop(field, None)
        return values[0]

    # A subresource that is `{}` is there all the same.
    subresources = [version.get("subresources") for version in versions]
    same = bool(versions) and all(value == subresources[0] for value in subresources)
    if same:
        for version in versions:
            version.pop("subresources", None)
    return Hoisted(
        versions,
        shared("schema"),
        subresources[0] if same else None,
        shared("additionalPrinterColumns") or [],
        shared("selectableFields") or [],
    )


def all_schemas(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas of all versions, those that they have in common once."""
    found: list[Mapping[str, Any]] = []
    for version in spec.get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None and schema not in found:
            found.append(schema)
    return found


def validate_name(definition: Object) -> list[FieldError]:
    """Check a new definition's name."""
    spec, name = definition["spec"], definition["metadata"].get("name", "")
    wanted = f"{spec['names'].get('plural', '')}.{spec.get('group', '')}"
    given = {"generateName": definition["metadata"].get("generateName", ""), "name": name}
    why = 'must be spec.names.plural+"."+spec.group'
    return [_invalid(f"metadata.{field}", value, why) for field, value in given.items() if value and value != wanted]


def validate_spec(
    spec: Mapping[str, Any], old: Mapping[str, Any] | None = None, *, established: bool = False
) -> list[FieldError]:
    """Check a spec by itself.

    What `old` had already is borne: preserveUnknownFields, schemas that are the same, a CA bundle that is none. Before
    it is established, a definition may have any CA bundle.
    """
    form = hoist(spec)
    checked = list(hoist(old).schemas()) if old is not None else []

    def schema_faults(schema: Object | None, path: str, *, status: bool) -> list[FieldError]:
        if schema is None or (schema, status) in checked:
            return []
        return validate_schema(schema, path, status=status)

    out = _group(spec.get("group", "")) + _enum("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced"))
    if form.schema is None or form.schema.get("openAPIV3Schema") is None:
        out.extend(
            FieldError(FieldProblem.REQUIRED, f"spec.versions[{index}].schema.openAPIV3Schema")
            for index, version in enumerate(form.versions)
            if (version.get("schema") or {}).get("openAPIV3Schema") is None
        )
    out += _versions(spec, form, schema_faults)
    out.extend(
        FieldError(FieldProblem.REQUIRED, f"spec.names.{field}")
        for field in ("plural", "singular", "kind", "listKind")
        if not spec["names"].get(field)
    )
    out += validate_names(spec["names"], "spec.names")
    status = any(form.has_status(version.get("name", "")) for version in form.versions)
    out += schema_faults(form.openapi(), "spec.validation.openAPIV3Schema", status=status)
    out += _subresources(form.subresources, "spec.subresources")
    out += _columns(form.columns, "spec.additionalPrinterColumns")
    if form.schema is not None:
        out += _selectable(form.selectable, form.schema.get("openAPIV3Schema"), "spec.selectableFields")
    out += _conversion(spec.get("conversion"))
    if established and not _ca_bundle((old or {}).get("conversion")):
        out += _ca_bundle(spec.get("conversion"))
    if spec.get("preserveUnknownFields") and not (old or {}).get("preserveUnknownFields"):
        why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        out.append(_invalid("spec.preserveUnknownFields", value=True, why=why))
    return out


def validate_spec_update(spec: Mapping[str, Any], old: Mapping[str, Any], *, established: bool) -> list[FieldError]:
    """Check what a spec may not change: what the log's keys are made of, and once it is served, scope and kind."""
    out: list[FieldError] = []
    if established:
        out += _unchanged("spec.scope", spec.get("scope"), old.get("scope"))
        out += _unchanged("spec.names.kind", spec["names"].get("kind"), old["names"].get("kind"))
    out += _unchanged("spec.group", spec.get("group"), old.get("group"))
    return out + _unchanged("spec.names.plural", spec["names"].get("plural"), old["names"].get("plural"))


def validate_stored_versions(definition: Object) -> list[FieldError]:
    """Check that status.storedVersions has the storage version, and only versions that are there."""
    stored = definition["status"].get("storedVersions")
    if not stored:
        return [_invalid("status.storedVersions", stored, "must have at least one stored version")]
    versions = definition["spec"].get("versions") or ()
    out = [
        _invalid("status.storedVersions", stored, f"must have the storage version {version['name']}")
        for version in versions
        if version.get("storage") and version["name"] not in stored
    ]
    known = {version["name"] for version in versions}
    for index, name in enumerate(stored):
        if name not in known:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
                f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
                "status.storedVersions"
            )
            out.append(_invalid(f"status.storedVersions[{index}]", name, why))
    return out


def validate_names(names: Mapping[str, Any], path: str) -> list[FieldError]:
    """Check the form of names, of spec or of status; those that are empty pass."""
    out: list[FieldError] = []
    for field, prefix in (
        ("plural", ""),
        ("singular", ""),
        ("kind", "may have mixed case, but should otherwise match: "),
        ("listKind", "may have mixed case, but should otherwise match: "),
    ):
        name = names.get(field, "")
        texts = formats.dns1035_label(name.lower() if prefix else name) if name else []
        if texts:
            out.append(_invalid(f"{path}.{field}", name, prefix + ",".join(texts)))
    out += _labels(names.get("shortNames"), f"{path}.shortNames")
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        out.append(_invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same"))
    return out + _labels(names.get("categories"), f"{path}.categories")


def validate_approval(definition: Object, old: Object | None) -> list[FieldError]:
    """Check that a group of the Kubernetes community is claimed with its approval (KEP-1111)."""
    group = definition["spec"].get("group", "")
    if not any(group == owner or group.endswith(f".{owner}") for owner in ("k8s.io", "kubernetes.io")):
        return []
    value = definition["metadata"].get("annotations", {}).get(APPROVED, "")
    state = _approval(value)
    if old is not None and _approval(old["metadata"].get("annotations", {}).get(APPROVED, "")) == state:
        return []
    path = f"metadata.annotations[{APPROVED}]"
    if state == "missing":
        return [FieldError(FieldProblem.REQUIRED, path, None, APPROVED_RULE + APPROVED_SEE)]
    if state == "invalid":
        why = f'{APPROVED_RULE} with either a URL or a reason starting with "unapproved"{APPROVED_SEE}'
        return [_invalid(path, value, why)]
    return []


def _approval(value: str) -> str:
    if not value:
        return "missing"
    if value.startswith("unapproved"):
        return "bypassed"
    try:
        url = urlsplit(value)
    except ValueError:
        return "invalid"
    return "approved" if url.scheme and url.netloc else "invalid"


def _group(group: str) -> list[FieldError]:
    if not group:
        return [FieldError(FieldProblem.REQUIRED, "spec.group")]
    texts = formats.dns1123_subdomain(group)
    if not texts and "." not in group:
        texts = ["should be a domain with at least one dot"]
    return [_invalid("spec.group", group, ",".join(texts))] if texts else []


def _versions(spec: Mapping[str, Any], form: Hoisted, schema_faults: SchemaFaults) -> list[FieldError]:
    out: list[FieldError] = []
    for index, version in enumerate(form.versions):
        out += _version(version, f"spec.versions[{index}]", form, schema_faults)
    names = [version.get("name") for version in form.versions]
    if len(set(names)) != len(names):
        out.append(_of_versions(spec, form, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in form.versions) != 1:
        out.append(_of_versions(spec, form, "must have exactly one version marked as storage version"))
    # The internal form names the first version once more.
    texts = formats.dns1035_label(names[0]) if names and names[0] else []
    if texts:
        out.append(_invalid("spec.version", names[0], ",".join(texts)))
    return out


def _of_versions(spec: Mapping[str, Any], form: Hoisted, why: str) -> FieldError:
    text = internal.versions(None if spec.get("versions") is None else form.versions)
    return _invalid("spec.versions", text, why)


def _version(version: Object, path: str, form: Hoisted, schema_faults: SchemaFaults) -> list[FieldError]:
    out: list[FieldError] = []
    name = version.get("name", "")
    texts = formats.dns1035_label(name)
    if texts:
        out.append(_invalid(f"{path}.name", name, ",".join(texts)))
    warning = version.get("deprecationWarning")
    if warning is not None:
        texts = _warning(warning, deprecated=bool(version.get("deprecated")))
        out.extend(_invalid(f"{path}.deprecationWarning", warning, text) for text in texts)
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    out += schema_faults(schema, f"{path}.schema.openAPIV3Schema", status=form.has_status(name))
    out += _subresources(version.get("subresources"), f"{path}.subresources")
    out += _columns(version.get("additionalPrinterColumns") or (), f"{path}.additionalPrinterColumns")
    if form.schema is None:
        # Fields that all versions select have no schema in common here: each version's own is asked.
        fields = version.get("selectableFields") or form.selectable
    else:
        fields, schema = version.get("selectableFields") or (), form.openapi()
    return out + _selectable(fields, schema, f"{path}.selectableFields")


def _warning(text: str, *, deprecated: bool) -> list[str]:
    if not deprecated:
        return ["can only be set for deprecated versions"]
    out = []
    if len(text.encode()) > WARNING_MAX:
        out.append(f"must be <= {WARNING_MAX} characters long")
    if not text:
        out.append("must not be an empty string")
    at = 0
    for char in text:
        if not char.isprintable():
            out.append(
                f"must only contain printable UTF-8 characters; non-printable character found at index {at}"
            )
            break
        at += len(char.encode())
    return out


def _subresources(subresources: Mapping[str, Any] | None, path: str) -> list[FieldError]:
    scale = (subresources or {}).get("scale")
    if scale is None:
        return []
    out: list[FieldError] = []
    for field, roots, where, required in (
        ("specReplicasPath", (".spec.",), ".spec", True),
        ("statusReplicasPath", (".status.",), ".status", True),
        ("labelSelectorPath", (".spec.", ".status."), "either .spec or .status", False),
    ):
        value, at = scale.get(field) or "", f"{path}.scale.{field}"
        if not value:
            out += [FieldError(FieldProblem.REQUIRED, at)] if required else []
        elif not value.startswith("."):
            out.append(_invalid(at, value, "must be a simple json path starting with ."))
        elif not value.startswith(roots):
            out.append(_invalid(at, value, f"should be a json path under {where}"))
    return out


def _columns(columns: Sequence[Object], path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for index, column in enumerate(columns):
        at = f"{path}[{index}]"
        if not column.get("name"):
            out.append(FieldError(FieldProblem.REQUIRED, f"{at}.name"))
        kind, form = column.get("type", ""), column.get("format", "")
        if not kind:
            why = f"must be one of {','.join(COLUMN_TYPES)}"
            out.append(FieldError(FieldProblem.REQUIRED, f"{at}.type", None, why))
        elif kind not in COLUMN_TYPES:
            out.append(_invalid(f"{at}.type", kind, f"must be one of {','.join(COLUMN_TYPES)}"))
        if form and form not in COLUMN_FORMATS:
            out.append(_invalid(f"{at}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}"))
        source = column.get("jsonPath", "")
        if not source:
            out.append(FieldError(FieldProblem.REQUIRED, f"{at}.JSONPath"))
        elif not source.startswith("."):
            out.append(_invalid(f"{at}.JSONPath", source, "must be a simple json path starting with ."))
    return out


def _selectable(fields: Sequence[Object], schema: Object | None, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, field in enumerate(fields):
        at, source = f"{path}[{index}].jsonPath", field.get("jsonPath", "")
        if not source:
            out.append(FieldError(FieldProblem.REQUIRED, at))
            continue
        found = _field_at(source, schema or {})
        if isinstance(found, str):
            out.append(_invalid(at, source, f"is an invalid path: {found}"))
            continue
        if source.split(".")[1] == "metadata":
            out.append(_invalid(at, source, "must not point to fields in metadata"))
        if found.get("type") not in SELECTABLE_TYPES:
            why = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            out.append(_invalid(at, source, why))
        if source in seen:
            out.append(FieldError(FieldProblem.DUPLICATE, at, source))
        seen.add(source)
    if len(seen) > SELECTABLE_MAX:
        why = f"must have at most {SELECTABLE_MAX} items"
        out.append(FieldError(FieldProblem.TOO_MANY, path, len(seen), why))
    return out


def _field_at(path: str, schema: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Return the schema that a path leads to, or why it leads nowhere."""
    parts = iter(_PART.findall(path))
    for part in parts:
        if part == "[":
            return "array notation is not allowed"
        if part != ".":
            return f"expected [ or . but got: {part}"
        name = next(parts, None)
        if name is None:
            return "unexpected end of JSON path"
        properties = schema.get("properties")
        found = properties.get(name) if properties else schema.get("additionalProperties")
        if isinstance(found, bool):
            # Anything may stand there; nothing is known of it.
            found = {}
        if found is None:
            return "does not refer to a valid field"
        schema = found
    return schema


def _conversion(conversion: Mapping[str, Any] | None) -> list[FieldError]:
    if conversion is None:
        return []
    out = _enum("spec.conversion.strategy", conversion.get("strategy", ""), ("None", "Webhook"))
    webhook = conversion.get("webhook") or {}
    config, versions = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    at_config, at_versions = "spec.conversion.webhookClientConfig", "spec.conversion.conversionReviewVersions"
    if conversion.get("strategy") != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        given = ((at_config, config is not None), (at_versions, bool(versions)))
        return out + [FieldError(FieldProblem.FORBIDDEN, path, None, why) for path, there in given if there]
    if config is None:
        out.append(FieldError(FieldProblem.REQUIRED, at_config, None, "required when strategy is set to Webhook"))
    elif (config.get("url") is None) == (config.get("service") is None):
        out.append(FieldError(FieldProblem.REQUIRED, at_config, None, "exactly one of url or service is required"))
    elif config.get("url") is not None:
        out += url_problems(config["url"], f"{at_config}.url")
    else:
        out += service_problems(config["service"], f"{at_config}.service")
    return out + _review_versions(versions, at_versions)


def _ca_bundle(conversion: Mapping[str, Any] | None) -> list[FieldError]:
    """Check the certificates by which a conversion webhook is known."""
    config = ((conversion or {}).get("webhook") or {}).get("clientConfig") or {}
    bundle = config.get("caBundle")
    if (conversion or {}).get("strategy") != "Webhook" or not bundle:
        return []
    # Only here: few definitions have a webhook, and the library for certificates is a large one.
    from cryptography import x509  # noqa: PLC0415 - see above

    try:
        x509.load_pem_x509_certificates(base64.b64decode(bundle))
    except ValueError:
        why = "unable to load root certificates: unable to parse bytes as PEM block"
        return [_invalid("spec.conversion.webhookClientConfig.caBundle", bundle, why)]
    return []


def _review_versions(versions: Sequence[str] | None, path: str) -> list[FieldError]:
    if not versions:
        return [FieldError(FieldProblem.REQUIRED, path)]
    out: list[FieldError] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            out.append(_invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            out.extend(_invalid(f"{path}[{index}]", version, text) for text in formats.dns1035_label(version))
    if not set(versions) & set(REVIEW_VERSIONS):
        out.append(_invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return out


def _labels(values: Sequence[str] | None, path: str) -> list[FieldError]:
    out: list[FieldError] = []
    for index, value in enumerate(values or ()):
        texts = formats.dns1035_label(value)
        if texts:
            out.append(_invalid(f"{path}[{index}]", value, ",".join(texts)))
    return out


def _enum(path: str, value: str, accepted: tuple[str, ...]) -> list[FieldError]:
    if value in accepted:
        return []
    if not value:
        return [FieldError(FieldProblem.REQUIRED, path)]
    listed = ", ".join(go_quote(name) for name in accepted)
    return [FieldError(FieldProblem.NOT_SUPPORTED, path, value, f"supported values: {listed}")]


def _unchanged(path: str, value: Any, old: Any) -> list[FieldError]:
    return [] if value == old else [_invalid(path, value, IMMUTABLE)]


def _invalid(path: str, value: Any, why: str) -> FieldError:
    return FieldError(FieldProblem.INVALID, path, value, why)
