"""JSON patch (RFC 6902) as evanphx/json-patch v4 applies it, with the reference's limits (FEATURES row 82).

Its rules differ from the RFC and from the `jsonpatch` package: `replace` of an absent field adds it, negative indices count
from the end, a missing `value` is null, and `test` compares spellings (spelling.py). A document never changes its argument: it
copies the containers on the way to what it changes, and shares the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from conversion.codec import MAX_DEPTH
from watchd.api.spelling import Spelled, copied, plain
from watchd.status import Reason, StatusError, bad_request, go_quote, json_type

MAX_OPERATIONS = 10_000
"""Operations of one JSON patch, as the reference limits them (maxJSONPatchOperations)."""

MAX_COPIED_BYTES = 3 << 20
"""Bytes of JSON that the copy operations of one patch may add, as in the reference (JSONPatchMaxCopyBytes)."""

MAX_INDEX_DIGITS = 9
"""Digits of an array index that are read: no body holds so many elements."""

Object = dict[str, Any]


def _rejected() -> StatusError:
    """422 for a patch that does not fit the object; the reference keeps the reason to itself."""
    return StatusError(Reason.INVALID, "the server rejected our request due to an error in our request", details=True)


class _MisfitError(Exception):
    """An operation does not apply."""


_POINTER_ESCAPE = re.compile("~[01]")
_APPEND = "-"
_INDEX = re.compile(r"[+-]?[0-9]+", re.ASCII)


def _pointer(path: str) -> tuple[str, ...]:
    """Cut a JSON pointer (RFC 6901) into its tokens; a `~` before anything but 0 and 1 stands for itself."""
    if not path.startswith("/"):
        if path:
            raise _MisfitError(path)
        return ()
    parts = path[1:].split("/")
    if "~" in path:
        parts = [_POINTER_ESCAPE.sub(lambda found: "~" if found[0] == "~0" else "/", part) for part in parts]
    return tuple(parts)


def _position(token: str, length: int) -> int:
    """Read an index into an array of some length; negative ones count from its end."""
    if len(token) > MAX_INDEX_DIGITS or not _INDEX.fullmatch(token):
        raise _MisfitError(token)
    index = int(token)
    if index < 0:
        index += length
    if not 0 <= index < length:
        raise _MisfitError(token)
    return index


class Operation(msgspec.Struct, frozen=True):
    """One operation of a JSON patch, as it stood in the body."""

    op: str
    path: str | None
    source: str | None
    """`from`."""
    value: Any


class _Editor:
    """An object while a JSON patch is applied to it."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.deepened = False
        """Whether containers were put in, so that the depth must be measured again."""
        self._copied = 0
        self._own: dict[int, Any] = {}
        """Containers made here, by id; held, so that no id is given twice."""

    def _owned(self, value: Any) -> Any:
        """Return a container that may be changed: the same one where it was made here, else a shallow copy."""
        if id(value) in self._own:
            return value
        copy = value.copy()
        self._own[id(copy)] = copy
        return copy

    def _parent(self, path: str | None, *, change: bool) -> tuple[Any, str]:
        """Return the container that a path's last token is in, and the token. With `change` it may be changed."""
        if path is None:
            raise _MisfitError(path)
        tokens = _pointer(path)
        if not tokens:
            raise _MisfitError(path)
        if change:
            self.root = self._owned(self.root)
        here = self.root
        for token in tokens[:-1]:
            if isinstance(here, list):
                at: Any = _position(token, len(here))
                below = here[at]
            else:
                at, below = token, here.get(token)
            if not isinstance(below, dict | list):
                raise _MisfitError(path)
            if change:
                below = here[at] = self._owned(below)
            here = below
        return here, tokens[-1]

    def get(self, path: str | None) -> Any:
        """Return a value; an absent field is null."""
        here, token = self._parent(path, change=False)
        return here[_position(token, len(here))] if isinstance(here, list) else here.get(token)

    def add(self, path: str | None, value: Any) -> None:
        """Set a field, or insert into an array (`-` appends)."""
        here, token = self._parent(path, change=True)
        self._put_in(value)
        if isinstance(here, list):
            here.insert(len(here) if token == _APPEND else _position(token, len(here) + 1), value)
        else:
            here[token] = value

    def replace(self, path: str | None, value: Any) -> None:
        """Set a field, an element, or the whole object."""
        if path == "":
            if not isinstance(value, dict | list):
                raise _MisfitError(path)
            self.root, self.deepened = value, True
            return
        here, token = self._parent(path, change=True)
        self._put_in(value)
        if isinstance(here, list):
            here[_position(token, len(here))] = value
        else:
            here[token] = value

    def remove(self, path: str | None) -> Any:
        """Take a value out and return it."""
        here, token = self._parent(path, change=True)
        if isinstance(here, list):
            return here.pop(_position(token, len(here)))
        if token not in here:
            raise _MisfitError(path)
        return here.pop(token)

    def copy(self, source: str | None, path: str | None) -> None:
        """Add a copy of a value."""
        value = self.get(source)
        unspelled = plain(value)
        try:
            data = orjson.dumps(unspelled)
        except TypeError as e:  # too deep to be written
            raise _MisfitError(source) from e
        self._copied += len(data)
        if self._copied > MAX_COPIED_BYTES:
            raise _MisfitError(source)
        self.add(path, orjson.loads(data) if unspelled is value else copied(value))

    def test(self, path: str | None, value: Any) -> None:
        """Hold a value against another."""
        if not _equal(self.root if path == "" else self.get(path), value):
            raise _MisfitError(path)

    def _put_in(self, value: Any) -> None:
        if isinstance(value, dict | list):
            self.deepened = True


def _equal(left: Any, right: Any) -> bool:
    """Compare as the reference does: scalars by their texts, which are the server's own where they are not Spelled."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(_equal(value, right[name]) for name, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, Spelled) or isinstance(right, Spelled):
        return bool(left == right)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _too_deep(value: Any) -> bool:
    """Tell whether a value has more levels than a body may have. Does not recurse: it may have very many."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


class JsonPatch(msgspec.Struct, frozen=True):
    """A JSON patch."""

    operations: tuple[Operation, ...]
    warnings: tuple[str, ...] = ()
    spelled: bool = False
    """Whether values may be Spelled that are put in."""

    def apply(self, obj: Object) -> Any:
        """Return the patched object. Raises StatusError (422) for a failing test or a path that is not there."""
        editor = _Editor(obj)
        try:
            for operation in self.operations:
                run = _OPERATIONS.get(operation.op)
                if run is None:
                    raise _rejected()
                run(editor, operation)
        except _MisfitError as e:
            raise _rejected() from e
        if editor.deepened and _too_deep(editor.root):
            raise _rejected()
        return plain(editor.root) if self.spelled else editor.root


def _move(editor: _Editor, operation: Operation) -> None:
    editor.add(operation.path, editor.remove(operation.source))


_OPERATIONS: dict[str, Callable[[_Editor, Operation], object]] = {
    "add": lambda editor, operation: editor.add(operation.path, operation.value),
    "remove": lambda editor, operation: editor.remove(operation.path),
    "replace": lambda editor, operation: editor.replace(operation.path, operation.value),
    "move": _move,
    "copy": lambda editor, operation: editor.copy(operation.source, operation.path),
    "test": lambda editor, operation: editor.test(operation.path, operation.value),
}


_FIELDS = {"op": "op", "path": "path", "from": "source"}


def load_json(value: Any, duplicates: tuple[str, ...], checked: bool) -> JsonPatch:  # noqa: FBT001  # one of a table's
    """Read a JSON patch. Raises StatusError (400; 413 for too many operations).

    Args:
        value: what the body holds.
        duplicates: fields of it that stand twice.
        checked: whether it is held to a type of the reference's own (`Change.document`).

    """
    if value is None:
        value = []
    if not isinstance(value, list):
        raise mismatch(value, "value of type []handlers.jsonPatchOp") if checked else unlike(value, "Patch")
    if len(value) > MAX_OPERATIONS:
        what = f"Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(value)}"
        raise StatusError(Reason.REQUEST_ENTITY_TOO_LARGE, what)
    operations = []
    strict = [f"json patch {text}" for text in duplicates]
    for index, item in enumerate(value):
        operations.append(_operation({} if item is None else item, checked=checked))
        if item and not item.keys() <= _KNOWN:
            unknown = sorted(item.keys() - _KNOWN)
            strict += [f"json patch unknown field {go_quote(f'[{index}].{name}')}" for name in unknown]
    spelled = any(operation.op != "test" and plain(operation.value) is not operation.value for operation in operations)
    return JsonPatch(tuple(operations), tuple(strict), spelled)


_KNOWN = {"op", "path", "from", "value"}


def _operation(item: Any, *, checked: bool) -> Operation:
    if not isinstance(item, dict):
        raise mismatch(item, "value of type handlers.jsonPatchOp") if checked else unlike(item, "Operation")
    texts: dict[str, Any] = {}
    for name, attribute in _FIELDS.items():
        text = item.get(name)
        if text is not None and not isinstance(text, str):
            if checked:
                raise mismatch(text, f"struct field jsonPatchOp.{name} of type string")
            # It is read when the operation is, and fits nowhere.
            text = None
        texts[attribute] = text
    return Operation(texts["op"] or "", texts["path"], texts["source"], item.get("value"))


def unlike(value: Any, what: str) -> StatusError:
    """400 for a patch that is not of the library's type."""
    return bad_request(f"json: cannot unmarshal {json_type(value)} into Go value of type jsonpatch.{what}")


def mismatch(value: Any, what: str) -> StatusError:
    """400 for a patch that is not of the reference's own type."""
    return bad_request(f"error decoding patch: json: cannot unmarshal {json_type(value)} into Go {what}")
