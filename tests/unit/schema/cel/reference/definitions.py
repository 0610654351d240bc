"""Schemas with rules, and objects to hold against them, for cases.py."""

from __future__ import annotations

from typing import Any

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def rule(text: str, **more: Any) -> dict[str, Any]:
    return {"rule": text, **more}


def schema(spec: dict[str, Any], *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a kind with a spec."""
    root: dict[str, Any] = {"type": "object", "properties": {"spec": spec, **more}}
    if rules:
        root["x-kubernetes-validations"] = list(rules)
    return root


def structure(properties: dict[str, Any], *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the schema of a structure."""
    made = {"type": "object", "properties": properties, **more}
    return {**made, "x-kubernetes-validations": list(rules)} if rules else made


def made(spec: Any, **more: Any) -> dict[str, Any]:
    """Return an object."""
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec, **more}


def pair(new: Any, old: Any = None) -> dict[str, Any]:
    return {"self": made(new), "old": None if old is None else made(old)}


def with_rules(base: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return {**base, "x-kubernetes-validations": list(rules)}


PORT = structure(
    {"name": STRING, "port": INTEGER}, rule("self.port > 0", message="port must be positive"), required=["name"]
)
KEYED = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}

DEFINITIONS: list[dict[str, Any]] = [
    {
        "schema": schema(
            structure(
                {
                    "min": with_rules(INTEGER, rule("self >= 0")),
                    "max": INTEGER,
                    "name": with_rules(STRING, rule("self != 'bad'", message="  bad name ", reason="FieldValueForbidden")),
                    "tags": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 5}},
                },
                rule("self.min <= self.max", fieldPath=".max", reason="FieldValueInvalid"),
                rule("self.min <= self.max", messageExpression="'min ' + string(self.min) + ' is over ' + string(self.max)"),
                rule("self.tags.size() > 0", reason="FieldValueRequired", fieldPath=".tags", message="tags are needed"),
                rule("self.max != 99", reason="FieldValueDuplicate"),
                rule("1 / self.max > -1"),
            ),
            rule("self.metadata.name.startsWith('o')", message="name"),
            rule("self.metadata.name.size() < 3", messageExpression="'too long: ' + self.metadata.name"),
        ),
        "objects": [
            pair({"min": 1, "max": 2, "name": "x", "tags": ["a"]}),
            pair({"min": 3, "max": 2, "name": "bad", "tags": []}),
            pair({"min": -1, "max": 99, "tags": ["a"]}),
            pair({"min": 0, "max": 0}),
            pair({}),
            pair({"min": 3, "max": 2, "name": "bad", "tags": []}, {"min": 3, "max": 2, "name": "bad", "tags": []}),
            pair({"min": 3, "max": 2, "name": "bad", "tags": ["n"]}, {"min": 3, "max": 2, "name": "bad", "tags": []}),
            pair(None),
        ],
    },
    {
        "schema": schema(
            structure(
                {
                    "fixed": with_rules(STRING, rule("self == oldSelf", message="is immutable")),
                    "ports": {**KEYED, "items": {**PORT, "x-kubernetes-validations": [rule("self.port >= oldSelf.port")]}},
                    "plain": {"type": "array", "items": PORT},
                    "labels": {"type": "object", "additionalProperties": with_rules(STRING, rule("self == oldSelf"))},
                    "atomic": structure({"a": with_rules(STRING, rule("self == oldSelf"))}, **{"x-kubernetes-map-type": "atomic"}),
                    "opt": with_rules(
                        STRING,
                        rule("oldSelf.orValue('none') != self", optionalOldSelf=True),
                        rule("!oldSelf.hasValue() || self.size() >= oldSelf.value().size()", optionalOldSelf=True),
                    ),
                },
                rule("!has(oldSelf.fixed) || has(self.fixed)", message="fixed may not go"),
            )
        ),
        "objects": [
            pair({"fixed": "a", "ports": [{"name": "x", "port": 1}], "labels": {"a": "b"}, "opt": "none", "atomic": {"a": "1"}}),
            pair(
                {"fixed": "b", "ports": [{"name": "y", "port": 2}, {"name": "x", "port": 0}], "labels": {"a": "c"}, "opt": "x"},
                {"fixed": "a", "ports": [{"name": "x", "port": 1}], "labels": {"a": "b"}, "opt": "xyz"},
            ),
            pair({"atomic": {"a": "2"}, "opt": "same"}, {"fixed": "a", "atomic": {"a": "1"}, "opt": "same"}),
            pair({"plain": [{"name": "a", "port": -1}]}, {"plain": [{"name": "a", "port": -1}]}),
            pair({"plain": [{"name": "a", "port": -1}, {"port": 5}]}, {"plain": [{"name": "a", "port": -1}]}),
            pair({"fixed": "same"}, {"fixed": "same"}),
        ],
    },
    {
        "schema": schema(
            structure(
                {
                    "ios": {"x-kubernetes-int-or-string": True, "x-kubernetes-validations": [rule("self > 1"), rule("self != 5")]},
                    "bad": with_rules(STRING, rule("self.size() > 0", messageExpression="self.substring(99)")),
                    "long": with_rules(STRING, rule("false", messageExpression="self + '\\n' + self", message="told")),
                    "blank": with_rules(STRING, rule("false", messageExpression="' '")),
                    "sp aced": with_rules(STRING, rule("self == 'x'")),
                    "date": with_rules({"type": "string", "format": "date"}, rule("self.getFullYear() > 2000")),
                }
            )
        ),
        "objects": [
            pair({"ios": 2, "bad": "", "long": "x", "blank": "", "sp aced": "y", "date": "1999-01-01"}),
            pair({"ios": "2"}),
            pair({"ios": 5, "sp aced": "x"}),
        ],
    },
    {
        "schema": schema(
            structure(
                {
                    "list": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "array", "items": STRING}},
                        "x-kubernetes-validations": [
                            rule("self.all(a, a.all(b, b.all(c, self.all(d, d.all(e, e.all(f, f != c))))))"),
                            rule("self.all(a, a.exists(b, true))"),
                        ],
                    },
                    "text": with_rules(STRING, rule("self.matches('^' + self + '$')"), rule("self.contains(self)")),
                    "map": {
                        "type": "object",
                        "additionalProperties": with_rules(STRING, rule("self.matches('[a-z]+')"), rule("self.size() < 5")),
                    },
                },
                rule("self.text == 'x'", messageExpression="self.list.map(a, a.map(b, b.join('')).join('')).join('') + self.text.replace('', self.text)"),
            )
        ),
        "objects": [pair({"list": [[["a"]]], "text": "x", "map": {"k": "A"}})],
    },
    {
        "schema": schema(
            structure(
                {
                    "a": with_rules(STRING, rule("self + 1 == 2"), rule("self.foo()"), rule("self"), rule("self == ")),
                    "b": with_rules(STRING, rule("true", messageExpression="1"), rule("true", messageExpression="self +")),
                    "c": with_rules(STRING, rule("true", optionalOldSelf=True), rule("oldSelf == self", optionalOldSelf=True)),
                    "d": {"type": "array", "items": with_rules(STRING, rule("oldSelf == self"), rule("true", optionalOldSelf=False))},
                    "e": {
                        "type": "array",
                        "items": structure({"x": {"type": "array", "items": with_rules(STRING, rule("oldSelf == self"))}}),
                    },
                    "f": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [rule("self.x == 1")]},
                    "g": {"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [rule("true")]},
                    "h": with_rules(STRING, rule("int('x') == 1"), rule("self.find('[') == ''"), rule("self.matches('[')")),
                    "i": with_rules({"type": "string", "format": "date-time"}, rule("self > timestamp('x')")),
                }
            )
        ),
        "objects": [pair({"a": "x", "b": "y", "g": {"x": 1}, "f": {"x": 1}, "h": "x"})],
    },
    {
        "schema": schema(
            structure(
                {
                    "embedded": {
                        "type": "object",
                        "x-kubernetes-embedded-resource": True,
                        "properties": {"spec": structure({"x": INTEGER}, rule("self.x > 1"))},
                        "x-kubernetes-validations": [rule("self.metadata.name != 'bad'"), rule("self.kind == 'Pod'")],
                    },
                    "nullable": {"type": "string", "nullable": True, "x-kubernetes-validations": [rule("self != 'x'")]},
                    "deep": structure(
                        {"list": {**KEYED, "maxItems": 3, "items": structure(
                            {"name": STRING, "v": with_rules(INTEGER, rule("self > oldSelf"))}, required=["name"]
                        )}}
                    ),
                }
            )
        ),
        "objects": [
            pair({"embedded": {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bad"}, "spec": {"x": 1}}, "nullable": None}),
            pair({"nullable": "x"}),
            pair({"deep": {"list": [{"name": "a", "v": 1}, {"name": "b", "v": 5}]}}, {"deep": {"list": [{"name": "b", "v": 5}]}}),
        ],
    },
    {
        "schema": schema(
            structure(
                {
                    "some": {
                        **structure({"a": STRING, "b": STRING}),
                        "allOf": [
                            {"properties": {"a": {"x-kubernetes-validations": [rule("self != 'z'")]}}},
                            {"x-kubernetes-validations": [rule("self.a != self.b")]},
                        ],
                        "x-kubernetes-validations": [rule("has(self.a)")],
                    },
                }
            )
        ),
        "objects": [pair({"some": {"a": "z", "b": "z"}}), pair({"some": {"b": "z"}}), pair({"some": {"a": "x"}})],
    },
]
