"""YAML in and out, as sigs.k8s.io/yaml has it; JSON bodies are YAML too.

Bodies are read from libyaml's events and never through PyYAML's composer, which recurses in C without a bound: 400 KB of
`- - - -` end the process there. Here depth is counted, aliases may grow a document only so far, and lines are known.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from conversion.codec import MAX_DEPTH, YAML, Decoded, DecodeError, Object, bare, quote
from conversion.yaml_scalar import Scalar, float_text, is_merge, json_value, key_text, plain_text, resolve

MAX_ALIASED = 100_000
"""Nodes that aliases may add to a document: about 0.1 s of work. Real manifests have dozens, alias bombs millions."""

MAX_REPORTED = 100
"""Duplicate keys named for one body, as in JSON."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class YamlCodec:
    """`application/yaml`; a watch cannot be YAML."""

    media_type = YAML
    stream_media_type: str | None = None
    terminator = b""
    sized_lists = False

    def decode(self, data: bytes) -> Decoded:
        """Read one document. Raises DecodeError, for a second document too."""
        try:
            loader = _Loader(data)
            try:
                root = _Nodes(loader).read()
            finally:
                loader.dispose()
        except yaml.YAMLError as e:
            raise DecodeError(_in_the_references_words(e)) from e
        builder = _Builder()
        value = builder.build(root, "", 0)
        return Decoded(value, tuple(builder.duplicates), tuple(builder.notices))

    def encode(self, value: Any) -> bytes:
        """Write one document in block style, keys in go-yaml's natural order. Raises TypeError for what JSON lacks."""
        text: str = yaml.emit(_document(value), Dumper=_Dumper, allow_unicode=True)
        # libyaml marks the end of some documents; go-yaml does not.
        return (text.removesuffix("...\n") if text.endswith("\n...\n") else text).encode()

    def encode_pretty(self, value: Any) -> bytes:
        """Write one document; YAML is for a person's eyes already."""
        return self.encode(value)

    def item(self, value: Any, *, named: bool) -> bytes:
        """Write one object as an item of a list."""
        return self.encode(value if named else bare(value))

    def event(self, event_type: str, body: bytes) -> NoReturn:  # noqa: ARG002 -- the protocol's signature
        """Raise ValueError: a watch is not served as YAML."""
        raise ValueError("YAML does not stream")

    def list_parts(
        self,
        api_version: str,  # noqa: ARG002 -- the protocol's signature
        kind: str,  # noqa: ARG002 -- the same
        metadata: Object,  # noqa: ARG002 -- the same
        count: int | None = None,  # noqa: ARG002 -- the same
        size: int | None = None,  # noqa: ARG002 -- the same
    ) -> NoReturn:
        """Raise ValueError: the items of a YAML list are indented, so encoded ones cannot be joined."""
        raise ValueError("YAML does not stream")


class _Node:
    """A scalar, a sequence or a mapping, and the line that it begins on."""

    __slots__ = ("children", "kind", "line", "merge", "scalar")

    def __init__(self, kind: str, line: int, scalar: Scalar = None, *, merge: bool = False) -> None:
        self.kind = kind
        self.line = line
        self.scalar = scalar
        self.merge = merge
        self.children: list[_Node] = _CHILDLESS if kind == _SCALAR else []
        """Items, or keys and values in turn."""


_SCALAR, _SEQUENCE, _MAPPING = "scalar", "sequence", "mapping"
_CHILDLESS: list[_Node] = []
"""The children of all scalars; never added to."""


class _Nodes:
    """The node graph of one document; an alias is the very node of its anchor."""

    def __init__(self, loader: Any) -> None:
        self._next = loader.get_event
        self._anchors: dict[str, _Node] = {}

    def read(self) -> _Node:
        """Return the root; an empty stream is null. Raises DecodeError and yaml.YAMLError."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return _Node(_SCALAR, 0)
        root = self._document()
        while not isinstance(self._next(), yaml.StreamEndEvent):
            rest = self._document()
            if rest.kind != _SCALAR or rest.scalar is not None:
                raise DecodeError("yaml: expected a single document in the body")
        return root

    def _document(self) -> _Node:
        """Read the nodes of a document up to its end."""
        top = _Node(_SEQUENCE, 0)
        stack = [top]
        children = top.children
        while True:
            event = self._next()
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                # Nearly every event: big definitions have tens of thousands of them.
                children.append(self._scalar(event))
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                if len(stack) > MAX_DEPTH:
                    raise DecodeError("yaml: exceeded max depth")
                node = _Node(_MAPPING if kind is yaml.MappingStartEvent else _SEQUENCE, event.start_mark.line + 1)
                self._name(node, event)
                children.append(node)
                stack.append(node)
                children = node.children
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                stack.pop()
                children = stack[-1].children
            elif kind is yaml.AliasEvent:
                children.append(self._aliased(event))
            else:  # the document's end
                return top.children[0]

    def _aliased(self, event: Any) -> _Node:
        anchored = self._anchors.get(str(event.anchor))
        if anchored is None:
            raise DecodeError(f"yaml: unknown anchor '{event.anchor}' referenced")
        return anchored

    def _scalar(self, event: Any) -> _Node:
        plain = event.implicit[0]
        tag = None if event.tag is None else str(event.tag)
        text = event.value
        merge = text == "<<" and is_merge(text, tag, plain=plain)
        # What is quoted and has no tag is a text.
        value = text if merge or (tag is None and not plain) else resolve(text, tag, plain=plain)
        node = _Node(_SCALAR, event.start_mark.line + 1, value, merge=merge)
        self._name(node, event)
        return node

    def _name(self, node: _Node, event: Any) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node


class _Builder:
    """Values of JSON's types from nodes; every alias becomes a value of its own."""

    def __init__(self) -> None:
        self.duplicates: dict[str, None] = {}
        self.notices: list[str] = []
        self._open: set[int] = set()
        self._built: set[int] = set()
        self._aliased = 0

    def build(self, node: _Node, path: str, depth: int) -> Any:
        """Return a node's value. Raises DecodeError."""
        if node.kind == _SCALAR:
            found = node.scalar
            return found if found.__class__ is str else json_value(found)
        self._enter(node, depth)
        try:
            if node.kind == _SEQUENCE:
                return [self.build(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.children)]
            keyed: dict[tuple[type, Scalar], Any] = {}
            self._fill(keyed, node, path, depth)
            return {key if kind is str else key_text(key): value for (kind, key), value in keyed.items()}
        finally:
            self._open.discard(id(node))

    def _fill(self, keyed: dict[tuple[type, Scalar], Any], node: _Node, path: str, depth: int) -> None:
        """Put a mapping's fields, and those merged into it, into `keyed` in their order; the last value wins."""
        for key_node, value_node in zip(node.children[::2], node.children[1::2], strict=True):
            if key_node.merge:
                self._merge(keyed, value_node, path, depth)
                continue
            if key_node.kind != _SCALAR:
                raise DecodeError(f"yaml: invalid map key: a {key_node.kind}")
            key = key_node.scalar
            name = key if isinstance(key, str) else key_text(key)
            here = f"{path}.{name}" if path else name
            value = self.build(value_node, here, depth + 1)
            # 1 and "1" are two keys of YAML, and 1 and true of one Python value.
            slot = (key.__class__, key)
            if slot in keyed and len(self.notices) < MAX_REPORTED:
                shown = quote(key) if isinstance(key, str) else name
                self.duplicates[here] = None
                self.notices.append(f"line {value_node.line}: key {shown} already set in map")
            keyed[slot] = value

    def _merge(self, keyed: dict[tuple[type, Scalar], Any], node: _Node, path: str, depth: int) -> None:
        # Earlier mappings of a sequence win, so they come last.
        merged = [node] if node.kind == _MAPPING else node.children[::-1] if node.kind == _SEQUENCE else []
        if not merged or any(one.kind != _MAPPING for one in merged):
            raise DecodeError("yaml: map merge requires map or sequence of maps as the value")
        for one in merged:
            self._enter(one, depth)
            try:
                self._fill(keyed, one, path, depth + 1)
            finally:
                self._open.discard(id(one))

    def _enter(self, node: _Node, depth: int) -> None:
        if id(node) in self._open:
            raise DecodeError("yaml: an anchor's value contains itself")
        if depth >= MAX_DEPTH:
            raise DecodeError("yaml: exceeded max depth")
        if id(node) in self._built:
            self._aliased += 1 + len(node.children)
            if self._aliased > MAX_ALIASED:
                raise DecodeError("yaml: document contains excessive aliasing")
        self._built.add(id(node))
        self._open.add(id(node))


def _in_the_references_words(error: yaml.YAMLError) -> str:
    """Say what go-yaml says: its line counts from one in the scanner only, and the first line is not named."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"yaml: {getattr(error, 'reason', error)}"
    line = 0
    if error.problem_mark is not None and error.problem_mark.line:
        line = error.problem_mark.line + isinstance(error, yaml.scanner.ScannerError)
    elif error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: {f'line {line}: ' if line else ''}{error.problem}"


_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 besides the line feed: only an escape keeps them as they are."""


def _document(value: Any) -> Iterator[yaml.Event]:
    yield yaml.StreamStartEvent()
    yield yaml.DocumentStartEvent(explicit=False)
    yield from _events(value)
    yield yaml.DocumentEndEvent(explicit=False)
    yield yaml.StreamEndEvent()


def _events(value: Any) -> Iterator[yaml.Event]:
    if isinstance(value, dict):
        yield yaml.MappingStartEvent(anchor=None, tag=None, implicit=True, flow_style=False)
        for key in _in_order(value):
            # Without quotes it would be read as the merge key; go-yaml writes it so, and cannot read it back.
            yield _scalar_event(key) if key != "<<" else _text_event(key, '"')
            yield from _events(value[key])
        yield yaml.MappingEndEvent()
    elif isinstance(value, list):
        yield yaml.SequenceStartEvent(anchor=None, tag=None, implicit=True, flow_style=False)
        for item in value:
            yield from _events(item)
        yield yaml.SequenceEndEvent()
    else:
        yield _scalar_event(value)


def _scalar_event(value: Scalar) -> yaml.ScalarEvent:
    if isinstance(value, str):
        if _ODD_BREAKS.search(value):
            return _text_event(value, '"')
        return _text_event(value, "|" if "\n" in value else None if plain_text(value) else '"')
    if value is None:
        text = "null"
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float):
        text = float_text(value)
    else:
        raise TypeError(f"cannot encode {type(value).__name__} as YAML")
    return _text_event(text, None)


def _text_event(text: str, style: str | None) -> yaml.ScalarEvent:
    return yaml.ScalarEvent(anchor=None, tag=None, implicit=(True, True), value=text, style=style)


def _in_order(keys: Object) -> list[str]:
    # Keys of letters alone sort alike in both orders, and most are.
    return sorted(keys) if all(map(str.isalpha, keys)) else sorted(keys, key=functools.cmp_to_key(_compare))


def _compare(a: str, b: str) -> int:
    """Order two keys as go-yaml does: letters after other characters, runs of digits by their number."""
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if at is None:
        return len(a) - len(b)
    x, y = a[at], b[at]
    if x.isalpha() or y.isalpha():
        return ord(x) - ord(y) if x.isalpha() and y.isalpha() else 1 if x.isalpha() else -1
    first, second = _digits(a, at), _digits(b, at)
    if x == "0" or y == "0":
        before = a[:at]
        run = before[len(before.rstrip("0123456789")) :]
        if run.strip("0"):
            first, second = f"1{first}", f"1{second}"
    numbers = (int(first or "0"), int(second or "0"))
    if numbers[0] != numbers[1]:
        return -1 if numbers[0] < numbers[1] else 1
    return (len(first) - len(second)) or ord(x) - ord(y)


def _digits(text: str, at: int) -> str:
    rest = text[at:]
    return rest[: len(rest) - len(rest.lstrip("0123456789"))][:_MAX_DIGITS]


_MAX_DIGITS = 18
"""Digits of a number inside a key that count for its order: what int64 holds, and what int() reads at once."""
