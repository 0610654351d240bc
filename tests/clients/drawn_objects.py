"""Objects, broken objects and patches of built-in kinds, drawn by their schemas from a seed.

Texts are few, so that the keys of lists meet. Values are as clients send them: null and empty ones, quantities that are not
canonical, times of other zones. What may be wrong about a value is in BROKEN.
"""

from __future__ import annotations

import copy
import random  # noqa: TID251 - from a seed
from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
Schema = dict[str, Any]

TEXTS = ("", "a", "x-y", "é")
OWN: dict[str, tuple[Any, ...]] = {
    "Quantity": ("1", "1000m", "1.5Gi", "0", "0.5", 3, 0.25, "1e3", "1.500", "1Ki", " 5", "1n", "0.1n", "1E", "12e6"),
    "IntOrString": (0, 80, "", "http", "50%", -1),
    "RawExtension": ({}, {"a": 1, "z": None, "l": [None, {}]}, {"kind": "Pod", "apiVersion": "v1"}),
    "Raw": ({"f:a": {}}, {}),
    "MicroTime": ("2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00.000000+02:00", "0001-01-01T00:00:00.000000Z"),
    "Time": ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5+02:00", "0001-01-01T00:00:00Z", "2020-01-01T5:00:00,5Z"),
}
"""Values of the types with JSON of their own."""
SCALARS: dict[str, tuple[Any, ...]] = {
    "string": TEXTS,
    "integer": (0, 1, -1, 2**31 - 1),
    "number": (0, 1, 0.5, 1e10),
    "boolean": (True, False),
}
BYTES = ("", "YQ==", "YWI=\n", "AP8B")
BROKEN = (
    *(1, 1.5, "x", "", True, False, [], {}, [1], {"a": 1}, None, 2**40, "!", "1x", "1e"),
    *("2020-01-01", "2020-13-01T00:00:00Z", "2020-02-30T00:00:00Z", "2020-01-01T24:00:00Z", "2020-01-01T00:00:60Z"),
    *("2020-01-01T00:00:00Z\n", "2020-01-01T00:00:00+25:00", "2020-01-01T00:00:00.Z", "2020-01-01t00:00:00z", '٢"'),
)
NULLS = 0.3
"""How often what may be null is, where values are `odd` in every case."""


class Drawing:
    """Draws by one seed; `odd` says how often there are nulls, from 0 to 1."""

    def __init__(self, seed: int, *, odd: float = 0.0) -> None:
        self.random = random.Random(seed)
        self.odd = odd

    def object(self, api_version: str, kind: str, schema: Schema, *, depth: int = 7) -> Object:
        """Draw an object of a kind, at most so many levels deep."""
        found = self._struct(schema["properties"], depth, schema.get("$defs", {}))
        return {**found, "apiVersion": api_version, "kind": kind}

    def _value(self, schema: Schema, depth: int, defs: Schema) -> Any:
        draw = self.random
        if "$ref" in schema:
            schema = defs[schema["$ref"].rpartition("/")[2]]
        if draw.random() < self.odd * NULLS:
            return None
        match schema.get("type"):
            case kind if (own := OWN.get(schema.get("x-go-json", ""))) is not None:
                found = copy.deepcopy(draw.choice(own))
            case "object" if "properties" in schema:
                found = self._struct(schema["properties"], depth - 1, defs)
            case "object":
                entries = schema.get("additionalProperties")
                names = draw.sample(("a", "b.c", "c/d"), self._count(depth)) if entries else ()
                found = {name: self._value(entries, depth - 1, defs) for name in names}
            case "array":
                found = [self._value(schema["items"], depth - 1, defs) for _ in range(self._count(depth))]
            case "string" if schema.get("format") == "byte":
                found = draw.choice(BYTES)
            case "string" if "enum" in schema:
                found = draw.choice((*schema["enum"], ""))
            case kind:
                found = draw.choice(SCALARS[str(kind)])
        return found

    def _count(self, depth: int) -> int:
        return self.random.choice((0, 1, 1, 2)) if depth > 0 else 0

    def _struct(self, properties: Schema, depth: int, defs: Schema) -> Object:
        often = self.random.choice((0.1, 0.4, 0.8)) if depth > 0 else 0.05
        # What an embedded object says of itself is not in protobuf.
        unsaid = ("apiVersion", "kind") if "metadata" in properties else ()
        drawn = [name for name in properties if name not in unsaid and self.random.random() < often]
        found = [(name, self._value(properties[name], depth, defs)) for name in drawn]
        self.random.shuffle(found)
        return dict(found)

    def break_(self, obj: Object) -> None:
        """Put one or two wrong values or unknown fields into an object."""
        for _ in range(self.random.choice((1, 1, 2))):
            places = [place for place in _places(obj) if place[1] not in ("apiVersion", "kind")]
            if not places:
                return
            holder, name = self.random.choice(places)
            if isinstance(holder[name], dict) and self.random.random() < 0.4:
                holder[name]["unknown"] = 1
            else:
                holder[name] = copy.deepcopy(self.random.choice(BROKEN))

    def direct(self, patch: Any) -> None:
        """Sprinkle a patch with the directives of strategic merge patches."""
        if isinstance(patch, dict):
            self._direct_map(patch)
        elif isinstance(patch, list):
            for item in patch:
                self.direct(item)
                if isinstance(item, dict) and self.random.random() < 0.15:
                    item["$patch"] = "delete"
            if self.random.random() < 0.06:
                patch.insert(0, {"$patch": self.random.choice(("replace", "delete"))})

    def _direct_map(self, patch: Object) -> None:
        draw, names = self.random, list(patch)
        for name in names:
            self.direct(patch[name])
        turn = draw.random()
        if turn < 0.03:
            patch["$patch"] = draw.choice(("delete", "replace", "merge", "odd"))
        elif turn < 0.08:
            patch["$retainKeys"] = draw.sample(names, min(len(names), draw.choice((0, 1, 2, 9))))
        for name in names:
            if not isinstance(patch[name], list):
                continue
            turn = draw.random()
            if turn < 0.25:
                patch[f"$setElementOrder/{name}"] = [_flat(item) for item in patch[name]]
            elif turn < 0.32:
                patch[f"$deleteFromPrimitiveList/{name}"] = patch.pop(name)


def _flat(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if not isinstance(value, dict | list)}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Go over all that an object holds: what holds it, and its name or index there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield value, name
        yield from _places(inner)


DIGITS = (0, 1, 1, 2, 3, 4, 5, 10, 14, 15, 17, 18, 19, 20, 25)
SUFFIXES = (
    *("", "", "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"),
    *("K", "mi", "e", "i", "e3", "E3", "e-3", "e+3", "e9", "e-9", "e-10", "e18", "e20", "e30", "e-30", "E-5", "e03"),
    *("ee3", "m3", "+3", "-3", " ", "x", "1.5", "e4294967297", "e99999999999999999999"),
)
NEARLY_NUMBERS = ("", ".", "0", "00", "+", "-", "-.", "+0.", ".0")


def quantity(draw: random.Random) -> str:
    """Draw a text that is a quantity, as a rule."""
    suffix = draw.choice(SUFFIXES)
    if draw.random() < 0.1:
        return draw.choice(NEARLY_NUMBERS) + suffix
    whole = "".join(draw.choices("0123456789", k=draw.choice(DIGITS))) + "0" * draw.choice((0, 0, 1, 2, 3, 6))
    sign = draw.choice(("", "", "", "", "-", "+")) + "0" * draw.choice((0, 0, 0, 1, 2))
    if draw.random() < 0.6:
        return sign + whole + suffix
    fraction = "".join(draw.choices("0123456789", k=draw.choice((0, 1, 1, 2, 3, 4, 8, 9, 10, 12, 19))))
    return f"{sign}{whole}.{fraction}{'0' * draw.choice((0, 0, 1, 2, 3))}{suffix}"
