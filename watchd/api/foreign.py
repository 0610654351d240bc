"""Bodies that are objects of another kind than the path's, told in the words of the reference's registry of types."""

from __future__ import annotations

from conversion.gvk import GroupVersion
from watchd.registry.builtin.table import component_of, package_of
from watchd.registry.kind import Kind
from watchd.registry.schemas import Schema, component, names
from watchd.status import go_quote

SCHEME = "pkg/runtime/scheme.go:111"
"""How the reference names its registry of types."""

ALIKE = frozenset({"", "events.k8s.io"})
"""Groups whose Events are one type."""


OPTIONS = frozenset({*(f"{verb}Options" for verb in ("Create", "Delete", "Get", "List", "Patch", "Update")), "WatchEvent"})
"""Types that every group version has."""


def why_not(kind: Kind, api_version: str, name: str) -> str:
    """Say why a body of some type is no object of a built-in kind; empty where it may be one, in whatever version.

    Args:
        kind: the one that is wanted.
        api_version: of the body.
        name: the body's kind.

    """
    found = GroupVersion.parse(api_version)
    ours = kind.names.kind
    alike = found.group == kind.group or {found.group, kind.group} == ALIKE
    if name == ours and alike and (kind.version(found.version) is not None or _is_known(found, name)):
        return ""
    if not _is_known(found, name):
        return f"no kind {go_quote(name)} is registered for version {go_quote(api_version)} in scheme {go_quote(SCHEME)}"
    package = "core" if ours == "Event" else package_of(kind.group)
    return f"converting ({found.version}.{name}) to ({package}.{ours}): unknown conversion"


def _is_known(group_version: GroupVersion, name: str) -> bool:
    """Tell whether there is such a type, and whether it is one of whole objects."""
    whole = component_of(group_version.group, group_version.version, name)
    if name in OPTIONS:
        return any(known.startswith(whole.removesuffix(name)) for known in names())
    if name == "Status":
        return str(group_version) == "v1"
    schema: Schema = component(whole) or {}
    return all(field in schema.get("properties", {}) for field in ("apiVersion", "kind", "metadata"))
