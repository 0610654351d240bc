"""What a request is about, read from its method, path and query (the reference's RequestInfo)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote

import msgspec

from watchd.api.selectors import NAME_FIELD, FieldSelector
from watchd.status import StatusError

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
"""What may follow namespaces/NAME and is no resource in that namespace."""

_UNFIT = frozenset({"", ".", ".."})
"""Segments that are nobody's name."""

_FALSE = frozenset({"false", "0"})
"""The only texts of a boolean parameter that mean no; anything else, the empty text too, means yes."""


class RequestInfo(msgspec.Struct, frozen=True):
    """What a request is about: enough to route and to authorize it."""

    path: str
    """Decoded."""
    verb: str
    """get, list, watch, create, update, patch, delete, deletecollection; "" for a method that no resource has.
    For other paths: the method in lower case."""
    is_resource: bool = False
    """Whether the path is that of a resource; else the fields below are empty."""
    group: str = ""
    version: str = ""
    namespace: str = ""
    """Of a Namespace itself: its own name."""
    resource: str = ""
    """The plural."""
    subresource: str = ""
    name: str = ""
    """From the path, or for list and watch from an equality on metadata.name in the field selector."""
    legacy_watch: bool = False
    """Whether the path had /watch/ in it (FEATURES row 57)."""
    extra: tuple[str, ...] = ()
    """What follows the subresource."""

    @classmethod
    def parse(cls, method: str, raw_path: str, query: Mapping[str, Sequence[str]]) -> RequestInfo:
        """Read a request line.

        Segments are cut first and decoded then; a path with a segment that is empty, dots alone, or holds a slash once
        it is decoded is no resource's: no name can reach over its namespace.

        Args:
            method: in capitals.
            raw_path: percent-encoded.
            query: decoded; `watch` and `fieldSelector` are looked at.

        """
        parts, path = raw_path.strip("/").split("/"), raw_path
        slashed = False
        if "%" in raw_path:
            parts, path = [unquote(part) for part in parts], unquote(raw_path)
            slashed = any("/" in part for part in parts)
        at = 2 if parts[0] == "api" else 3 if parts[0] == "apis" else 0
        if not at or len(parts) <= at or slashed or not _UNFIT.isdisjoint(parts):
            return cls(path, method.lower())
        group = parts[1] if at == 3 else ""
        version, rest = parts[at - 1], parts[at:]
        verb = _VERBS.get(method, "")
        legacy_watch = rest[0] == "watch"
        if legacy_watch:
            rest = rest[1:]
            if not rest:
                return cls(path, method.lower())
            verb = "watch" if verb == "get" else ""
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 1:
            namespace = rest[1]
            if len(rest) > 2 and rest[2] not in _NAMESPACE_SUBRESOURCES:
                rest = rest[2:]
        name = rest[1] if len(rest) > 1 else ""
        if not name:
            verb, name = _collection_verb(verb, query)
        subresource = rest[2] if len(rest) > 2 else ""
        return cls(path, verb, True, group, version, namespace, rest[0], subresource, name, legacy_watch, tuple(rest[3:]))


def _collection_verb(verb: str, query: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return what a verb means without a name, and the name that the field selector gives."""
    if verb == "delete":
        return "deletecollection", ""
    if verb == "get":
        verb = "watch" if flag(query.get("watch")) else "list"
    return verb, _selected_name(query) if verb in ("list", "watch") else ""


def flag(values: Sequence[str] | None) -> bool:
    """Read a boolean query parameter: absent, `false` and `0` are no, everything else is yes (FEATURES row 47)."""
    return bool(values) and values[0].lower() not in _FALSE  # type: ignore[index]  # bool() has ruled None out


def _selected_name(query: Mapping[str, Sequence[str]]) -> str:
    values = query.get("fieldSelector")
    if not values or NAME_FIELD not in values[0]:
        return ""
    try:
        name = FieldSelector.parse(values[0]).exact(NAME_FIELD) or ""
    except StatusError:
        # Refused later, with the other options; it names nothing.
        return ""
    return "" if name in _UNFIT or "/" in name or "%" in name else name
