"""Strategic merge patch: merge patch that knows merge keys, for built-in kinds (FEATURES row 84).

The rules are those of apimachinery's strategicpatch: `$patch` (replace, delete), `$retainKeys`, `$deleteFromPrimitiveList/F`,
`$setElementOrder/F`; which lists merge, and by which key, stands in the kind's schema as x-kubernetes-patch-strategy and
x-kubernetes-patch-merge-key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec
import orjson

from watchd.schema.unstructured import misfit
from watchd.status import FieldError, FieldProblem, bad_request, go_number, internal, invalid

Object = dict[str, Any]
Schema = Mapping[str, Any]

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"

NOTHING: Schema = {}
"""The schema of what no schema speaks of: maps merge, lists are replaced."""


class StrategicMergePatch(msgspec.Struct, frozen=True):
    """A strategic merge patch for a kind with a schema."""

    patch: Object
    schema: Schema
    """Of the whole object, OpenAPI v3; `$ref` only to its own `$defs`."""
    warnings: tuple[str, ...] = ()

    def apply(self, obj: Object) -> Object:
        """Return the patched object; the argument is unchanged.

        Raises StatusError 400, 500 for a directive that cannot be, 422 for a value that does not fit its field.
        """
        defs = self.schema.get("$defs", NOTHING)
        patched = _Merger(defs).merge_map(_copy(obj), _copy(self.patch), self.schema)
        # A Scale is patched by the schema of the object that has it.
        if obj.get("kind") == self.schema.get("title") and (why := misfit(patched, self.schema, defs)):
            raise invalid("", "", "", [FieldError(FieldProblem.INVALID, "patch", _go(self.patch), why)])
        return patched


def _copy(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def _refuse(what: str) -> NoReturn:
    """400 for a directive of the wrong form."""
    raise bad_request(what)


class _Merger:
    """One application. Changes what it is given."""

    def __init__(self, defs: Schema) -> None:
        self._defs = defs

    def _field(self, schema: Schema, name: str) -> Schema:
        """Return the schema of a field, with what it refers to.

        Raises StatusError 500 in what Go keeps as bytes, and in a map: Go finds merge keys in structs alone.
        """
        if schema.get("x-go-json") == "RawExtension":
            raise internal(f'unable to find api field in struct RawExtension for the json field "{name}"')
        properties = schema.get("properties") or NOTHING
        if not properties and "additionalProperties" in schema:
            raise internal("merging an object in json but data type is not struct, instead is: map")
        found: Any = properties.get(name)
        if not isinstance(found, Mapping):
            return NOTHING
        return self._resolved(found)

    def _resolved(self, schema: Schema) -> Schema:
        ref = schema.get("$ref")
        if ref is None:
            return schema
        return {**self._defs.get(ref.rpartition("/")[2], NOTHING), **{k: v for k, v in schema.items() if k != "$ref"}}

    def merge_map(self, original: Object, patch: Object, schema: Schema) -> Object:
        """Merge a patch into an object."""
        if DIRECTIVE in patch:
            return _directed(patch)
        _retain(original, patch)
        self._order_lists(original, patch, schema)
        for key, value in patch.items():
            name, deletes = _deletion(key)
            if value is None:
                original.pop(name, None)
                continue
            current = original.get(name)
            if name not in original or type(current) is not type(value):
                if not deletes:
                    _put(original, name, value)
            elif isinstance(value, dict):
                field = self._field(schema, name)
                replaces = "replace" in _strategies(field)
                original[name] = value if replaces else self.merge_map(original[name], value, field)
            elif isinstance(value, list):
                original[name] = self._merge_list(original[name], value, self._field(schema, name), deletes=deletes)
            else:
                original[name] = value
        return original

    def _merge_list(self, original: list[Any], patch: list[Any], field: Schema, *, deletes: bool = False) -> list[Any]:
        if "merge" not in _strategies(field) and not deletes:
            return patch
        if not original and not patch:
            return original
        key = field.get("x-kubernetes-patch-merge-key", "")
        if _element_type(original, patch) is not dict:
            if deletes:
                return [item for item in original if item not in patch]
            merged = list(dict.fromkeys(_key(item, "") for item in (*original, *patch)))
            mine, others = [i for i in merged if i in patch], [i for i in merged if i not in patch]
            return _interleave(mine, others, patch, original, "")
        if not key:
            raise internal(f"cannot merge lists without merge key for {field.get('items', NOTHING).get('title', '')}")
        original, rest = _special(original, patch, key)
        merged = self._merge_items(original, rest, key, self._resolved(field.get("items") or NOTHING))
        wanted = {_key(item, key) for item in rest}
        mine = [item for item in merged if _key(item, key) in wanted]
        others = [item for item in merged if _key(item, key) not in wanted]
        return _interleave(mine, others, rest, original, key)

    def _merge_items(self, original: list[Any], patch: list[Any], key: str, schema: Schema) -> list[Any]:
        merged = list(original)
        places = {_key(item, key): place for place, item in reversed(list(enumerate(merged)))}
        for item in patch:
            name = _key(item, key)
            if name in places:
                merged[places[name]] = self.merge_map(merged[places[name]], item, schema)
            else:
                places[name] = len(merged)
                merged.append(item)
        return merged

    def _order_lists(self, original: Object, patch: Object, schema: Schema) -> None:
        """Merge the lists that come with an order of their elements, and put them into it."""
        for directive in [key for key in patch if key.startswith(f"{ELEMENT_ORDER}")]:
            order = _typed(patch.pop(directive), list)
            prefix, slash, name = directive.partition("/")
            if prefix != ELEMENT_ORDER or not slash:
                _refuse("invalid patch format of setElementOrder list")
            here = _typed(original[name], list) if name in original else None
            there = _typed(patch[name], list) if name in patch else None
            field = self._field(schema, name)
            key = field.get("x-kubernetes-patch-merge-key", "")
            _check_order(there or [], order, key)
            if here is None and there is None:
                continue
            if there is None:
                merged = here or []
            elif here is None:
                merged = _without_directives(there)
            else:
                merged = self._merge_list(list(here), there, field)
            wanted = {_key(item, key) for item in order}
            mine = [item for item in merged if _key(item, key) in wanted]
            others = [item for item in merged if _key(item, key) not in wanted]
            _element_type(here or [], there or [])
            original[name] = _interleave(mine, others, order, here or [], key)
            patch.pop(name, None)


def _strategies(field: Schema) -> Sequence[str]:
    return str(field.get("x-kubernetes-patch-strategy", "")).split(",")


def _directed(patch: Object) -> Object:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    raise internal(f"unknown patch type: {_go(directive)} in map: {_go(patch)}")


def _retain(original: Object, patch: Object) -> None:
    """Drop what `$retainKeys` does not name."""
    if RETAIN_KEYS not in patch:
        return
    retained = patch.pop(RETAIN_KEYS)
    if not isinstance(retained, list):
        _refuse("invalid patch format of retainKeys")
    for name, value in patch.items():
        if value is not None and not name.startswith((DELETE_FROM, ELEMENT_ORDER)) and name not in retained:
            _refuse("invalid patch format of retainKeys")
    for name in [name for name in original if name not in retained]:
        del original[name]


def _deletion(key: str) -> tuple[str, bool]:
    """Return the field that a key of a patch is about, and whether it names elements to delete."""
    if not key.startswith(DELETE_FROM):
        return key, False
    prefix, _, name = key.partition("/")
    if prefix != DELETE_FROM or not name:
        _refuse("invalid patch format of primitive list")
    return name, True


def _put(original: Object, name: str, value: Any) -> None:
    """Take over a value that there is nothing to merge with."""
    kept = _without_directives(_without_nulls(value))
    if kept is _GONE:
        original.pop(name, None)
    else:
        original[name] = kept


class _Gone:
    """What is left of a directive."""


_GONE = _Gone()


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> Any:
    """Return a value without the maps that are directives; _GONE where it is one itself."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _GONE
        kept = {key: _without_directives(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not _GONE}
    if isinstance(value, list):
        return [kept for item in value if (kept := _without_directives(item)) is not _GONE]
    return value


_GO_TYPES = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64", float: "float64"}


def _element_type(*lists: list[Any]) -> type:
    """Return the one type of all elements. Raises StatusError 500 where there are several, or lists among them."""
    found: type | None = None
    for item in (item for one in lists for item in one):
        if found is None:
            found = type(item)
            if found is list:
                raise internal("lists of lists are not supported")
        elif found is not type(item):
            raise internal(f"list element types are not identical: {_go([*lists])}")
    if found is None:
        raise internal("no elements in any of the given slices")
    return found


def _typed(value: Any, wanted: type) -> Any:
    """Return a value of the type. Raises StatusError 500 for another one."""
    if type(value) is not wanted:
        raise internal(f"expected a {_GO_TYPES[wanted]}, but received a {_GO_TYPES.get(type(value), '%!s(<nil>)')}")
    return value


def _go(value: Any) -> str:
    """Write a value as Go's %v does."""
    match value:
        case dict():
            return f"map[{' '.join(f'{key}:{_go(item)}' for key, item in sorted(value.items()))}]"
        case list():
            return f"[{' '.join(map(_go, value))}]"
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case int() | float():
            return go_number(value)
        case _:
            return str(value)


def _key(item: Any, key: str) -> Any:
    """Return what an element is known by. Raises StatusError 500 for one without its key, as the reference answers."""
    if key and key not in _typed(item, dict):
        raise internal(f"map: {_go(item)} does not contain declared merge key: {key}")
    found = item[key] if key else item
    if isinstance(found, dict | list):
        # Go cannot compare these, and its server's handler gives up.
        raise internal(f"runtime error: comparing uncomparable type {_GO_TYPES[type(found)]}")
    return found


def _special(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Carry out the elements that are directives; return what is left of both lists."""
    rest: list[Any] = []
    replaces = False
    for item in patch:
        match item.get(DIRECTIVE):
            case None:
                rest.append(item)
            case "delete":
                gone = _key(item, key)
                original = [other for other in original if _key(other, key) != gone]
            case "replace":
                replaces = True
            case "merge":
                raise internal("merging lists cannot yet be specified in the patch")
            case other:
                raise internal(f"unknown patch type: {other} in map: {_go(item)}")
    return (rest, []) if replaces else (original, rest)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """Refuse a list whose elements stand in another order than the one that comes with it."""
    if not patch or not order:
        return
    names = [_key(item, key) for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]
    wanted = iter([_key(item, key) for item in order])
    if not all(name in wanted for name in names):
        raise internal(f"The order in patch list:\n{_go(patch)}\n doesn't match {ELEMENT_ORDER} list:\n{_go(order)}\n")


def _interleave(mine: list[Any], others: list[Any], order: list[Any], server: list[Any], key: str) -> list[Any]:
    """Put a list together from the patch's elements, in its order, and the server's, in theirs.

    A server's element comes first where both it and the patch's next were there before and it stood in front.
    """
    ranks = {_key(item, key): rank for rank, item in reversed(list(enumerate(order)))}
    places = {_key(item, key): place for place, item in reversed(list(enumerate(server)))}
    left = sorted(others, key=lambda item: places.get(_key(item, key), len(places)))
    right = sorted(mine, key=lambda item: ranks.get(_key(item, key), len(ranks)))
    merged: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        before, after = places.get(_key(left[i], key)), places.get(_key(right[j], key))
        if before is not None and after is not None and before < after:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + right[j:] + left[i:]
