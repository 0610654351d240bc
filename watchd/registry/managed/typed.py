"""Types as ownership sees them: what is a leaf, how a list is keyed, what a map holds.

A `Node` is an atom of structured-merge-diff's schema: it may be a scalar, a list and a map at once, where a value's type is
only known when it is seen. `typing_of_schema` makes one of an OpenAPI v3 schema as kube-openapi's schemaconv does, with
the extensions x-kubernetes-list-type, -list-map-keys, -map-type, -preserve-unknown-fields and -embedded-resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import msgspec

from watchd.registry import schemas
from watchd.registry.managed.errors import TypeProblem
from watchd.registry.managed.fieldpath import FIELD, Path, element_text, json_text, key, value
from watchd.status import go_quote

Object = dict[str, Any]
Schema = Mapping[str, Any]

NUMERIC, STRING, BOOLEAN, UNTYPED = "numeric", "string", "boolean", "untyped"

_ACCEPTS: dict[str | None, frozenset[type]] = {
    NUMERIC: frozenset((int, float)),
    STRING: frozenset((str,)),
    BOOLEAN: frozenset((bool,)),
    UNTYPED: frozenset((int, float, str, bool)),
    None: frozenset(),
}

ASSOCIATIVE, ATOMIC = "associative", "atomic"

_OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_UNTYPED_TITLES = ("Quantity", "RawExtension", "JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "IntOrString")
"""Go types that schemaconv, or their own OpenAPI type, leave open."""


class Node(msgspec.Struct, eq=False):
    """One type. Filled in while types refer to themselves, and not changed after that."""

    scalar: str | None = None
    list: ListType | None = None
    map: MapType | None = None
    accepts: frozenset[type] = frozenset()
    """The Python types of the scalars that it takes."""
    exact: bool = False
    """Whether values of this type are equal wherever Python's `==` says so: it holds no untyped scalar, where 1 == True."""


class ListType(msgspec.Struct, eq=False):
    """A list: of type atomic, or associative (set without keys, map with them)."""

    element: Node
    relation: str = ATOMIC
    keys: tuple[str, ...] = ()

    @property
    def atomic(self) -> bool:
        """Whether the list is one leaf."""
        return self.relation == ATOMIC


class MapType(msgspec.Struct, eq=False):
    """A map or a struct."""

    fields: dict[str, Node] = msgspec.field(default_factory=dict)
    element: Node | None = None
    """The type of other fields; None where there are none."""
    atomic: bool = False
    defaults: dict[str, Any] = msgspec.field(default_factory=dict)
    deduced: bool = False
    """Whether `element` is the deduced type."""

    def child(self, name: str) -> Node:
        """Return the type of a field. Raises TypeProblem."""
        node = self.fields.get(name, self.element)
        if node is None:
            raise TypeProblem("field not declared in schema", (FIELD + name,))
        return node


class Typing(Protocol):
    """The types of one version of a kind."""

    @property
    def root(self) -> Node:
        """The type of the whole object."""
        ...

    @property
    def empty(self) -> Object:
        """The object before anything is set, without apiVersion and kind: what Go writes for an empty struct."""
        ...


class SchemaTyping(msgspec.Struct, frozen=True, eq=False):
    """A Typing that has been worked out."""

    root: Node
    empty: Object = msgspec.field(default_factory=dict)


def _untyped_atomic() -> Node:
    node = Node(scalar=UNTYPED, accepts=_ACCEPTS[UNTYPED])
    node.list = ListType(node)
    node.map = MapType(element=node, atomic=True)
    return node


UNTYPED_ATOMIC = _untyped_atomic()
"""Any value, as one leaf."""


def _deduced() -> Node:
    node = Node(scalar=UNTYPED, accepts=_ACCEPTS[UNTYPED], list=ListType(UNTYPED_ATOMIC))
    node.map = MapType(element=node, deduced=True)
    return node


DEDUCED = _deduced()
"""Any value: maps are granular, lists atomic."""

DEDUCED_TYPING = SchemaTyping(DEDUCED)
"""The Typing of a kind without schema."""


_RAW = ("Raw", "RawExtension")
"""Go types that hold any JSON, which is owned as a whole."""


class _Compiler:
    """Makes nodes of one schema document."""

    def __init__(self, defs: Mapping[str, Schema]) -> None:
        self.defs = defs
        self.named: dict[str, Node] = {}

    def node(self, schema: Schema, *, preserve: bool = False) -> Node:
        ref = schema.get("$ref")
        if ref is not None:
            return self._named(ref.rpartition("/")[2])
        preserve = preserve or schema.get("x-kubernetes-preserve-unknown-fields") is True
        return self._fill(Node(), schema, preserve=preserve)

    def _named(self, name: str) -> Node:
        # The node is known before it is filled in: types hold themselves.
        if name not in self.named:
            self.named[name] = Node()
            self._fill(self.named[name], self.defs[name], preserve=False)
        return self.named[name]

    def _fill(self, node: Node, schema: Schema, *, preserve: bool) -> Node:
        kind = schema.get("type")
        if schema.get("x-go-json") in _RAW:
            node.scalar, node.list, node.map = UNTYPED, UNTYPED_ATOMIC.list, UNTYPED_ATOMIC.map
            node.accepts, node.exact = _ACCEPTS[UNTYPED], _exact(node)
            return node
        if kind is None or schema.get("title") in _UNTYPED_TITLES:
            node.scalar = UNTYPED
        if kind is None or kind == "array":
            node.list = self._list(schema, preserve=preserve)
        if kind is None or kind == "object":
            node.map = self._map(schema, preserve=preserve)
        if kind not in {None, "array", "object"}:
            node.scalar = _scalar(schema)
        node.accepts = _ACCEPTS[node.scalar]
        # What is said to be a string is one, whatever its format, and no boolean stands for an integer or a string: the
        # decoder or validation sees to that.
        stated = kind == "string" and schema.get("title") not in _UNTYPED_TITLES
        node.exact = stated or schema.get("x-kubernetes-int-or-string") is True or _exact(node)
        return node

    def _list(self, schema: Schema, *, preserve: bool) -> ListType:
        items = schema.get("items")
        element = self.node(items, preserve=preserve) if isinstance(items, Mapping) else UNTYPED_ATOMIC
        relation, keys = _list_relation(schema)
        return ListType(element, relation, keys)

    def _map(self, schema: Schema, *, preserve: bool) -> MapType:
        properties = dict(schema.get("properties") or {})
        fields = {name: self.node(inner, preserve=preserve) for name, inner in properties.items()}
        if schema.get("x-kubernetes-embedded-resource") is True:
            fields.update(_meta_fields())
        defaults = {name: default for name, inner in properties.items() if (default := _default(inner)) is not None}
        out = MapType(fields, atomic=schema.get("x-kubernetes-map-type") == ATOMIC, defaults=defaults)
        additional = schema.get("additionalProperties")
        if isinstance(additional, Mapping):
            out.element = self.node(additional, preserve=preserve)
        elif additional is True or (additional is None and (preserve or not fields)):
            out.element, out.deduced = DEDUCED, True
        return out


def _scalar(schema: Schema) -> str:
    if schema.get("title") in _UNTYPED_TITLES:
        return UNTYPED
    match schema["type"]:
        case "integer" | "number":
            return NUMERIC
        case "boolean":
            return BOOLEAN
        case "string":
            return STRING if schema.get("format", "") in {"", "byte"} else UNTYPED
        case _:
            return UNTYPED


def _list_relation(schema: Schema) -> tuple[str, tuple[str, ...]]:
    """Return a list's relation and keys; where no list type is given, the patch strategy stands in."""
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return ASSOCIATIVE, ()
        case "map":
            return ASSOCIATIVE, tuple(schema.get("x-kubernetes-list-map-keys", ()))
        case None if "merge" in str(schema.get("x-kubernetes-patch-strategy", "")).split(","):
            merge_key = schema.get("x-kubernetes-patch-merge-key")
            return ASSOCIATIVE, (merge_key,) if merge_key else ()
        case _:
            return ATOMIC, ()


def _default(schema: Schema) -> Any:
    """Return the default of a field, which stands in for a key that an item leaves out."""
    return schema.get("default", schema.get("x-go-zero"))


def _exact(node: Node) -> bool:
    """Tell whether a type holds no untyped scalar. Types that hold themselves are taken to."""
    if node.scalar is not None:
        return node.scalar != UNTYPED and node.list is None and node.map is None
    if node.list is not None:
        return node.list.element.exact
    if node.map is None:
        return False
    element = node.map.element
    return all(field.exact for field in node.map.fields.values()) and (element is None or element.exact)


@cache
def _meta_fields() -> Mapping[str, Node]:
    """Return the types of the fields that every object has."""
    string = Node(scalar=STRING, accepts=_ACCEPTS[STRING], exact=True)
    schema = schemas.whole(_OBJECT_META)
    metadata = _Compiler(schema.get("$defs", {})).node(schema)
    return {"apiVersion": string, "kind": string, "metadata": metadata}


def typing_of_schema(schema: Schema | None) -> Typing:
    """Return the types of one version of a custom kind.

    Args:
        schema: its openAPIV3Schema, structural; None where the version has none, which makes every map granular and every
            list atomic. metadata, apiVersion and kind are those of every object, whatever the schema says.

    """
    if schema is None:
        return DEDUCED_TYPING
    properties = {name: inner for name, inner in (schema.get("properties") or {}).items() if name not in _meta_fields()}
    preserve = schema.get("x-kubernetes-preserve-unknown-fields") is True
    root = _Compiler({}).node({**schema, "type": "object", "properties": properties})
    if root.map is None:  # pragma: no cover  # the type is given above
        raise TypeProblem("the root of a schema is an object")
    fields = {**root.map.fields, **_meta_fields()}
    element = root.map.element if properties or preserve or "additionalProperties" in schema else None
    return SchemaTyping(_root(Node(map=msgspec.structs.replace(root.map, fields=fields, element=element, deduced=element is DEDUCED))))


def _root(node: Node) -> Node:
    """Return the type of a whole object. Its metadata is compared without managedFields, which alone leave anything open."""
    if node.map is not None and "metadata" in node.map.fields:
        metadata = msgspec.structs.replace(node.map.fields["metadata"], exact=True)
        node = msgspec.structs.replace(node, map=msgspec.structs.replace(node.map, fields={**node.map.fields, "metadata": metadata}))
    node.exact = _exact(node)
    return node


def typing_of_whole(schema: Schema) -> Typing:
    """Return the types of a built-in kind by its schema, as `schemas.whole` makes it."""
    defs = schema.get("$defs", {})
    return SchemaTyping(_root(_Compiler(defs).node(schema)), _zero(schema, defs))


def _zero(schema: Schema, defs: Mapping[str, Schema]) -> Object:
    """Return what Go writes for an empty struct: fields that are never left out, at their zero values."""
    out: Object = {}
    for name, inner in (schema.get("properties") or {}).items():
        if "x-go-zero" not in inner:
            continue
        ref = inner.get("$ref")
        target = defs[ref.rpartition("/")[2]] if ref is not None else inner
        zero = inner["x-go-zero"]
        out[name] = _zero(target, defs) if isinstance(zero, dict) and target.get("properties") else zero
    return out


def item_element(kind: ListType, item: Any) -> str:
    """Return the path element of a list's item. Raises TypeProblem."""
    if kind.atomic:
        raise TypeProblem("invalid indexing of non-associative list")
    if kind.keys:
        return _keyed(kind, item)
    if isinstance(item, dict):
        raise TypeProblem("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise TypeProblem("not supported: associative list with lists as elements")
    if item is None:
        raise TypeProblem("associative list without keys has an element that's an explicit null")
    return value(item)


def _keyed(kind: ListType, item: Any) -> str:
    if item is None:
        raise TypeProblem("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise TypeProblem("associative list with keys may not have non-map elements")
    found: dict[str, Any] = {}
    for name in kind.keys:
        if name in item:
            found[name] = item[name]
            continue
        if kind.element.map is None:
            why = f"couldn't find default value for {name}: associative list may not have non-map types"
            raise TypeProblem(why)
        if name in kind.element.map.defaults:
            found[name] = kind.element.map.defaults[name]
    if not found:
        names = "[" + " ".join(go_quote(name) for name in kind.keys) + "]"
        raise TypeProblem(
            f"associative list with keys has an element that omits all key fields {names} "
            "(and doesn't have default values for any key fields)"
        )
    return key(found)


def is_scalar(item: Any) -> bool:
    """Tell whether a value is a number, a string or a boolean."""
    return isinstance(item, str | int | float)


def validate(node: Node, item: Any, *, duplicates: bool = False) -> None:
    """Hold a whole object against its types. Raises TypeProblem.

    Args:
        node: the type.
        item: the object.
        duplicates: whether a list of type set or map may have items with the same key.

    """
    problems = _problems(node, item, (), duplicates=duplicates)
    if len(problems) == 1:
        raise TypeProblem(problems[0])
    if problems:
        raise TypeProblem("errors:\n" + "\n".join(f"  {problem}" for problem in problems))


def _problems(node: Node, item: Any, path: Path, *, duplicates: bool) -> list[str]:
    if item is None or type(item) in node.accepts:
        return []
    if isinstance(item, dict) and node.map is not None:
        return _map_problems(node.map, item, path, duplicates=duplicates)
    if isinstance(item, list) and node.list is not None:
        return _list_problems(node.list, item, path, duplicates=duplicates)
    if node.map is not None:
        return [_problem(path, f"expected map, got &{{{_plain(item)}}}")]
    if node.scalar is not None:
        return [_problem(path, _scalar_problem(node.scalar, item))]
    return [_problem(path, f"expected list, got &{{{_plain(item)}}}")]


def _problem(path: Path, why: str) -> str:
    return str(TypeProblem(why, path))


def _map_problems(kind: MapType, item: Object, path: Path, *, duplicates: bool) -> list[str]:
    out: list[str] = []
    for name, inner in item.items():
        below = (*path, FIELD + name)
        child = kind.fields.get(name, kind.element)
        if child is None:
            # The reference stops at the first one, in an order of its own.
            return [*out, _problem(below, "field not declared in schema")]
        out += _problems(child, inner, below, duplicates=duplicates)
    return out


def _list_problems(kind: ListType, items: list[Any], path: Path, *, duplicates: bool) -> list[str]:
    out: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        if kind.atomic:
            element = f"i:{index}"
        else:
            try:
                element = item_element(kind, item)
            except TypeProblem as e:
                return [*out, _problem(path, f"element {index}: {e}")]
            if element in seen and not duplicates:
                out.append(_problem(path, f"duplicate entries for key {element_text(element)}"))
            seen.add(element)
        out += _problems(kind.element, item, (*path, element), duplicates=duplicates)
    return out


def _scalar_problem(scalar: str, item: Any) -> str:
    """Say what is wrong with a value that is not the scalar it should be, in the reference's words."""
    if scalar == NUMERIC:
        return f"expected numeric (int or float), got {_go_type(item)}"
    if scalar == STRING:
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(item)}}}"
    return f"expected {'boolean' if scalar == BOOLEAN else 'any scalar'}, got &{{{_plain(item)}}}"


def _go_type(item: Any) -> str:
    match item:
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def _plain(item: Any) -> str:
    """Write a value as Go's %v."""
    match item:
        case dict():
            return "map[" + " ".join(f"{name}:{_plain(item[name])}" for name in sorted(item)) + "]"
        case list():
            return "[" + " ".join(map(_plain, item)) + "]"
        case str():
            return item
        case None:
            return "<nil>"
        case _:
            return json_text(item)


def _go_syntax(item: Any) -> str:
    """Write a value as Go's %#v."""
    match item:
        case dict():
            return "map[string]interface {}{" + ", ".join(f"{go_quote(name)}:{_go_syntax(item[name])}" for name in sorted(item)) + "}"
        case list():
            return "[]interface {}{" + ", ".join(map(_go_syntax, item)) + "}"
        case str():
            return go_quote(item)
        case None:
            return "interface {}(nil)"
        case _:
            return json_text(item)
