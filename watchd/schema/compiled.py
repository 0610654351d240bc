"""CompiledSchema: everything that a version's structural schema does to its objects.

The order and the texts are the reference's (apiextensions-apiserver pkg/registry/customresource). Nothing is made of a
part of the schema before the first object that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from watchd.schema import checks, embedded, listtypes, validation
from watchd.schema.byclass import ByClass
from watchd.schema.custom import ScalePaths
from watchd.schema.defaulting import Filler, compile_filler, compile_null_dropper, may_hold_null
from watchd.schema.embedded import MetadataRules
from watchd.schema.prune import Pruner, compile_pruner, prune
from watchd.schema.ratcheting import Correlated
from watchd.schema.ruled import SKIPPED, Warn, blocked, compile_rules
from watchd.schema.structural import Node
from watchd.status import FieldError, FieldProblem

if TYPE_CHECKING:
    from watchd.schema.cel.rules import Rules

Object = dict[str, Any]

INT32_MAX = (1 << 31) - 1
"""The most replicas of the scale subresource."""


class CompiledSchema:
    """The schema of one version of a custom kind."""

    def __init__(self, raw: Mapping[str, Any] | None, rules: MetadataRules, *, scale: ScalePaths | None = None) -> None:
        """Take a schema.

        Args:
            raw: the OpenAPI v3 schema of the whole object; not to be changed after this.
            rules: what holds for the metadata of embedded resources.
            scale: the paths of the scale subresource, where there is one.

        """
        self.node = Node(raw or {})
        self._rules = rules
        self._scale = scale

    @cached_property
    def _pruner(self) -> Pruner:
        return compile_pruner(self.node, resource=True)

    @cached_property
    def _null_dropper(self) -> Filler:
        return compile_null_dropper(self.node)

    @cached_property
    def _status_filler(self) -> Filler:
        properties = self.node.raw.get("properties") or {}
        return compile_filler(Node({"properties": {"status": properties.get("status") or {}}}))

    @cached_property
    def _distinct(self) -> ByClass[bool]:
        return listtypes.compile_distinct(self.node)

    @cached_property
    def _by_rules(self) -> Rules | None:
        return compile_rules(self.node.raw)

    def coerce_and_prune(self, obj: Object) -> list[str]:
        """Drop what the schema does not name, and bring embedded resources' metadata to its type, in place.

        Returns the paths of what was dropped, as the reference tells them.

        Raises:
            MetadataMismatch: an embedded resource's metadata has a wrong type.

        """
        # The reference drops these without a word, as it puts back what every object has.
        dropped = prune(obj, self._pruner)
        return dropped + sorted(embedded.coerce(obj, self.node, self._rules)) if self.node.has_embedded else dropped

    def settle(self, obj: Object) -> None:
        """Drop what the schema does not name, also what it does not name any more or in this form, in place."""
        prune(obj, self._pruner)
        embedded.repair(obj, self.node, self._rules)

    def drop_nulls(self, obj: Object) -> None:
        """Drop nulls that may not be and have no default, in place."""
        if may_hold_null(obj):
            self._null_dropper(obj)

    def default(self, obj: Object) -> None:
        """Drop nulls that may not be and set defaults, in place."""
        self.drop_nulls(obj)
        self.fill(obj)

    def default_status(self, obj: Object) -> None:
        """Do what `default` does where all but the status has its defaults, in place."""
        if "status" in obj and may_hold_null(obj["status"]):
            self._null_dropper(obj)
        self._status_filler(obj)

    @cached_property
    def fill(self) -> Filler:
        """Set defaults in place, also for nulls that may not be; other nulls stay."""
        return compile_filler(self.node)

    def validate(self, obj: Object) -> list[FieldError]:
        """Return what is wrong with a new object."""
        errors = self._by_schema(obj, self.node)
        errors += self._scaled(obj)
        errors += embedded.validate_embedded(obj, self.node, self._rules)
        errors += self._duplicates(obj)
        if self._by_rules is not None:
            errors += [SKIPPED] if blocked(errors) else self._by_rules.validate(obj)
        return errors

    def validate_update(self, obj: Object, old: Object, warn: Warn | None = None) -> list[FieldError]:
        """Return what is wrong with a changed object; what did not change may stay as it was, and is warned of."""
        pair = Correlated(obj, old, self.node)
        errors = self._by_schema(obj, self.node, pair)
        errors += self._scaled(obj)
        errors += embedded.validate_embedded(obj, self.node, self._rules)
        return self._changed(pair, errors, warn)

    def validate_status(self, obj: Object, old: Object, warn: Warn | None = None) -> list[FieldError]:
        """Return what is wrong with an object whose status was written: the rest is not looked at, rules aside."""
        errors: list[FieldError] = []
        pair = Correlated(obj, old, self.node)
        node = self.node.properties.get("status")
        if node is not None and "status" in obj:
            errors += self._by_schema(obj["status"], node, pair.field("status"), "status")
        errors += self._scaled(obj, spec=False)
        return self._changed(pair, errors, warn)

    def _changed(self, pair: Correlated, errors: list[FieldError], warn: Warn | None) -> list[FieldError]:
        """Add what holds for every changed object: lists by key, rules."""
        obj, old = pair.value, pair.old
        repeated = self._duplicates(obj)
        if repeated and not self._duplicates(old):
            errors += repeated
        if self._by_rules is not None:
            errors += [SKIPPED] if blocked(errors) else self._by_rules.validate(obj, old=old, pair=pair, warn=warn)
        return errors

    def _duplicates(self, obj: Object) -> list[FieldError]:
        """Return what the lists of an object hold twice."""
        return list(listtypes.duplicates(obj, self.node)) if self._distinct(obj) is False else []

    @staticmethod
    def _by_schema(value: Any, node: Node, pair: Correlated | None = None, prefix: str = "") -> list[FieldError]:
        if checks.is_valid(value, node):
            return []
        found = validation.examine(value, node, "", pair)
        if pair is not None and found.problems and pair.equal():
            return []
        return [problem.error(prefix) for problem in found.problems.values()]

    def _scaled(self, obj: Object, *, spec: bool = True) -> list[FieldError]:
        """Check what the scale subresource reads."""
        if self._scale is None:
            return []
        errors: list[FieldError] = []
        paths = (self._scale.spec, self._scale.status) if spec else (self._scale.status,)
        for path in paths:
            errors += _replicas(obj, path)
        if self._scale.selector:
            _, why = _nested(obj, self._scale.selector, str)
            if why:
                errors.append(FieldError(FieldProblem.INVALID, self._scale.selector, "", why))
        return errors


def _replicas(obj: Object, path: str) -> list[FieldError]:
    value, why = _nested(obj, path, int)
    if not why:
        why = (
            "should be a non-negative integer"
            if value < 0
            else f"should be less than or equal to {INT32_MAX}"
            if value > INT32_MAX
            else ""
        )
    return [FieldError(FieldProblem.INVALID, path, value, why)] if why else []


_GO_TYPES = {
    str: "string",
    int: "int64",
    float: "float64",
    bool: "bool",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}


def _nested(obj: Object, path: str, kind: type) -> tuple[Any, str]:
    """Return the value at a path, or its type's zero and what is wrong with it; one that is absent is zero."""
    steps = path.removeprefix(".").split(".")
    here: Any = obj
    for index, step in enumerate(steps):
        if here is None:
            return kind(), ""
        if here.__class__ is not dict:
            at = "." + ".".join(steps[: index + 1])
            return (
                kind(),
                f"{at} accessor error: {_shown(here)} is of the type {_go_type(here)}, expected map[string]interface{{}}",
            )
        if step not in here:
            return kind(), ""
        here = here[step]
    if here.__class__ is kind:
        return here, ""
    wanted = _GO_TYPES[kind]
    at = "." + ".".join(steps)
    return kind(), f"{at} accessor error: {_shown(here)} is of the type {_go_type(here)}, expected {wanted}"


def _go_type(value: Any) -> str:
    return _GO_TYPES.get(value.__class__, "<nil>")


def _shown(value: Any) -> str:
    """Write a value as Go's %v does."""
    kind = value.__class__
    if value is None:
        return "<nil>"
    if kind is bool:
        return "true" if value else "false"
    if kind is dict:
        return f"map[{' '.join(f'{key}:{_shown(child)}' for key, child in sorted(value.items()))}]"
    if kind is list:
        return f"[{' '.join(map(_shown, value))}]"
    return str(value)
