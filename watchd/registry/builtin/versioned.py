"""Versioned: the rules of a kind, which its hub has, for objects of every version.

What the rules see is what the reference's internal types are: the object as its hub says it. What they change is brought back to the
version that the request speaks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from conversion.hub import Hub
from watchd.registry.builtin.spokes import Shape
from watchd.registry.columns import Cell, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

if TYPE_CHECKING:
    from watchd.registry.attributes import UserInfo


class Versioned(Strategy):
    """The rules of a kind with versions whose objects or defaults differ."""

    def __init__(self, rules: Strategy, hub: Hub, shapes: Mapping[str, Callable[[], Shape]]) -> None:
        """Put the parts together.

        Args:
            rules: of objects at the hub.
            hub: the versions.
            shapes: what tells how a version differs, by its name.

        """
        self._rules = rules
        self._hub = hub
        self._shapes = shapes
        for name, value in vars(Strategy).items():
            if not name.startswith("_") and not callable(value):
                setattr(self, name, getattr(rules, name))

    def _version(self, obj: Object) -> str:
        """Return the version of an object, or nothing where it is at the hub."""
        stored = self._hub.stored
        api_version: str = obj["apiVersion"]
        if api_version == str(stored.group_version) and obj["kind"] == stored.kind:
            return ""
        return api_version.rpartition("/")[2]

    def _shape(self, version: str) -> Shape:
        found = self._shapes.get(version)
        return Shape() if found is None else found()

    def _at_hub(self, obj: Object) -> Object:
        version = self._version(obj)
        return self._hub.to_hub(obj, version) if version else obj

    def _change(self, obj: Object, change: Callable[[Object], None]) -> None:
        """Let an object be changed as it is at the hub, in place."""
        version = self._version(obj)
        if not version:
            change(obj)
            return
        hub = self._hub.to_hub(obj, version)
        change(hub)
        changed = self._hub.from_hub(hub, version)
        obj.clear()
        obj.update(changed)

    def _prepare(self, obj: Object, prepare: Callable[[Object], None]) -> None:
        """Let an object be prepared as it is at the hub, but for what its version keeps from that."""
        restore = self._shape(self._version(obj)).restore
        if restore is None:
            self._change(obj, prepare)
            return

        def change(hub: Object) -> None:
            asked = copy.deepcopy(hub)
            prepare(hub)
            restore(hub, asked)

        self._change(obj, change)

    def _default_own(self, obj: Object) -> None:
        own = self._shape(self._version(obj)).default
        if own is not None:
            own(obj)

    def default(self, obj: Object) -> None:
        """Fill in what the version sets otherwise, and then what the hub sets."""
        self._default_own(obj)
        self._change(obj, self._rules.default)

    def default_applied(self, obj: Object) -> None:
        """Fill in what an apply left out."""
        self._default_own(obj)
        self._change(obj, self._rules.default_applied)

    def default_status(self, obj: Object) -> None:
        """Fill in the status."""
        self._change(obj, self._rules.default_status)

    def settle(self, obj: Object, *, defaults: bool = True) -> None:
        """Bring what was stored up to date."""
        self._change(obj, lambda hub: self._rules.settle(hub, defaults=defaults))

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Set what the server decides."""
        self._prepare(obj, lambda hub: self._rules.prepare_create(hub, clock=clock, entropy=entropy))

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Restore what may not change."""
        before = self._at_hub(old)
        self._prepare(obj, lambda hub: self._rules.prepare_update(hub, before, subresource))

    def record(self, obj: Object, old: Object | None, subresource: str, *, user: UserInfo | None, time: str) -> None:
        """Write down who writes."""
        before = None if old is None else self._at_hub(old)
        self._change(obj, lambda hub: self._rules.record(hub, before, subresource, user=user, time=time))

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new object."""
        return self._rules.validate(self._at_hub(obj))

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check a changed object."""
        return self._let(obj, self._rules.validate_update(self._at_hub(obj), self._at_hub(old), subresource))

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check an object, and warn."""
        before = None if old is None else self._at_hub(old)
        return self._let(obj, self._rules.judge(self._at_hub(obj), before, subresource, warn))

    def _let(self, obj: Object, problems: list[FieldError]) -> list[FieldError]:
        """Leave out what an object's version lets its writers change."""
        mutable = self._shape(self._version(obj)).mutable
        return [problem for problem in problems if problem.field not in mutable or problem.detail != IMMUTABLE]

    def fields(self, obj: Object) -> dict[str, str]:
        """Return what the stored header carries, of the stored form."""
        return self._rules.fields(obj)

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Return how long a deleted object is left."""
        return self._rules.grace_period(self._at_hub(obj), asked)

    def row_conditions(self, obj: Object) -> list[Object]:
        """Return what a row says beside its cells."""
        return self._rules.row_conditions(self._at_hub(obj))

    def finalizers_hold(self, obj: Object) -> bool:
        """Tell whether something beside finalizers keeps an object."""
        return self._rules.finalizers_hold(self._at_hub(obj))

    def on_delete(self, obj: Object) -> None:
        """Mark an object whose deletion begins."""
        self._change(obj, self._rules.on_delete)


def columns_at_hub(columns: tuple[Column, ...], hub: Hub) -> tuple[Column, ...]:
    """Return columns whose cells read what an object is at the hub."""
    last: list[Object] = [{}, {}]
    stored = hub.stored

    def at_hub(obj: Object) -> Object:
        api_version = obj.get("apiVersion")
        if api_version is None or (api_version == str(stored.group_version) and obj["kind"] == stored.kind):
            return obj
        if last[0] is not obj:
            # A row has a cell for each column, and its object is converted once.
            last[:] = obj, hub.to_hub(obj, api_version.rpartition("/")[2])
        return last[1]

    def read(cell: Cell) -> Cell:
        return lambda obj, now_ms: cell(at_hub(obj), now_ms)

    return tuple(msgspec.structs.replace(column, cell=read(column.cell)) for column in columns)
