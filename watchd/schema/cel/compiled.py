"""Compiled validation rules: programs, what they refer to and what they can cost.

What is compiled is kept by rule and declared type, so that the versions of a definition, the check of a definition and
the objects of its kind share it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from threading import Lock
from typing import Any

import attrs
import orjson

from watchd.schema.cel import fieldpaths
from watchd.schema.cel.checker import Environment, check
from watchd.schema.cel.declared import MAX_REQUEST, Declared, Structures, declare
from watchd.schema.cel.errors import CompileError, too_deep
from watchd.schema.cel.estimate import estimate
from watchd.schema.cel.program import Program
from watchd.schema.cel.types import BOOL, STRING, Type, optional_of

KEPT = 4096
"""Rules that are kept: those of some dozen large definitions."""

KEPT_TEXT = 8192
"""Characters of a rule that is kept: so all of them take some tens of MiB at most, whatever definitions hold."""

_KEYS = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")


@attrs.frozen
class Rule:
    """An entry of x-kubernetes-validations as it was declared."""

    rule: str = ""
    message: str = ""
    message_expression: str = ""
    reason: str | None = None
    field_path: str = ""
    optional_old_self: bool | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Rule:
        """Return the rule that an entry is."""
        rule, message, expression, reason, path, optional = map(raw.get, _KEYS)
        return cls(rule or "", message or "", expression or "", reason, path or "", optional)


@attrs.frozen
class CompiledRule:
    """What became of a rule; nothing at all of an empty one."""

    rule: Rule
    program: Program | None = None
    error: str = ""
    uses_old: bool = False
    cost: int = 0
    """What one evaluation can cost at most."""
    message: Program | None = None
    message_error: str = ""
    message_cost: int = 0


class Scope:
    """What the rules of one schema refer to: its declared type, made when the first rule is compiled."""

    def __init__(self, schema: Mapping[str, Any], *, resource: bool) -> None:
        self._schema = schema
        self._resource = resource
        digest = blake2b(orjson.dumps(schema), digest_size=16, salt=b"resource" if resource else b"").digest()
        self._digest = digest
        self._declared: Declared | None = None
        self._is_declared = False
        self._fields: Structures | None = None

    @property
    def declared(self) -> Declared | None:
        """The type of `self`, None where expressions cannot name it."""
        if not self._is_declared:
            # The name differs from schema to schema, so that nobody comes to depend on it.
            name = f"selfType{int.from_bytes(self._digest[:4], 'big') % 1_000_000_000}"
            self._declared = declare(self._schema, resource=self._resource, name=name)
            self._is_declared = True
        return self._declared

    @property
    def cardinality(self) -> int:
        """How often a value of the type fits into one request."""
        declared = self.declared
        return 0 if declared is None else MAX_REQUEST // (declared.least + 1)

    def compile(self, rule: Rule) -> CompiledRule:
        """Compile a rule, or take it from those that are kept."""
        key = (self._digest, rule)
        found = _cache.get(key)
        if found is None:
            try:
                found = self._compile(rule)
            except RecursionError:
                found = CompiledRule(rule, error=f"compilation failed: {too_deep()}")
            if len(rule.rule) + len(rule.message_expression or "") <= KEPT_TEXT:
                _cache.put(key, found)
        return found

    def _environment(self, *, optional: bool) -> Environment:
        declared = self.declared
        assert declared is not None  # noqa: S101 - rules are compiled where there is a type
        if self._fields is None:
            self._fields = Structures(declared)
        old: Type = optional_of(declared.type) if optional else declared.type
        return Environment({"self": declared.type, "oldSelf": old}, self._fields)

    def _compile(self, rule: Rule) -> CompiledRule:
        if not rule.rule.strip():
            return CompiledRule(rule)
        declared = self.declared
        assert declared is not None  # noqa: S101 - rules are compiled where there is a type
        environment = self._environment(optional=bool(rule.optional_old_self))
        try:
            checked = check(rule.rule, environment)
        except CompileError as error:
            return CompiledRule(rule, error=f"compilation failed: {error}")
        if checked.type != BOOL:
            return CompiledRule(rule, error="cel expression must evaluate to a bool")
        uses_old = "oldSelf" in checked.references
        try:
            program = Program(checked)
        except CompileError as error:
            return CompiledRule(rule, error=f"program instantiation failed: {error}", uses_old=uses_old)
        made = CompiledRule(rule, program, uses_old=uses_old, cost=estimate(checked.tree, declared))
        return self._with_message(made, environment, declared) if rule.message_expression else made

    def _with_message(self, made: CompiledRule, environment: Environment, declared: Declared) -> CompiledRule:
        try:
            checked = check(made.rule.message_expression, environment)
        except CompileError as error:
            return attrs.evolve(made, message_error=f"messageExpression compilation failed: {error}")
        if checked.type != STRING:
            return attrs.evolve(made, message_error="messageExpression must evaluate to a string")
        try:
            program = Program(checked)
        except CompileError as error:
            return attrs.evolve(made, message_error=f"messageExpression instantiation failed: {error}")
        return attrs.evolve(made, message=program, message_cost=estimate(checked.tree, declared))


class _Cache:
    """The rules that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._found: OrderedDict[tuple[bytes, Rule], CompiledRule] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[bytes, Rule]) -> CompiledRule | None:
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: tuple[bytes, Rule], rule: CompiledRule) -> None:
        with self._lock:
            self._found[key] = rule
            while len(self._found) > self._size:
                self._found.popitem(last=False)


_cache = _Cache(KEPT)


def blamed(rule: Rule, schema: Mapping[str, Any]) -> str:
    """Return the path that a rule blames, as errors write it; empty where it blames the value itself."""
    if not rule.field_path:
        return ""
    try:
        return fieldpaths.resolve(rule.field_path, schema)
    except fieldpaths.BadPath:
        return ""
