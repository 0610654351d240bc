"""What an update or an apply does to the sets of all managers: structured-merge-diff's merge/update.go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from watchd.registry.managed.compare import Comparison, compare, field_set, same
from watchd.registry.managed.entries import Identity, Managers, Owned, owned_by
from watchd.registry.managed.errors import ApplyConflict, Conflict, TypeProblem, UnknownVersion
from watchd.registry.managed.fieldset import FieldSet
from watchd.registry.managed.merge import merge, reconciled, remove, with_named_fields
from watchd.registry.managed.typed import Node, Object, Typing, validate

ResetFields = Mapping[str, FieldSet]
"""By version, the fields that the request's subresource puts back: nobody comes to own them by it."""

_NOTHING = FieldSet()


class Updater(msgspec.Struct, frozen=True):
    """Follows ownership through one kind's versions, for one request."""

    typing_of: Callable[[str], Typing]
    """The types of a version, by apiVersion. Raises UnknownVersion."""
    convert: Callable[[Object, str], Object]
    """An object at another version. Changes nothing. Raises UnknownVersion."""
    reset_fields: ResetFields = msgspec.field(default_factory=dict)

    def update(
        self, live: Object, new: Object, version: str, managers: Managers, who: Identity
    ) -> tuple[Managers, FieldSet]:
        """Follow a write whose result is known.

        Returns the sets of the managers that were there, less what the write changed, and what the writer has come to own.
        """
        managers = self.reconciled(managers)
        return self.followed(live, new, version, managers, who, self.compared(live, new, version))

    def compared(self, live: Object, new: Object, version: str) -> Comparison:
        """Compare an object as it was and as it is written, both at a version. Raises TypeProblem."""
        return compare(self._root(version), live, new)

    def stays(self, managers: Managers, writer: Identity, version: str, comparison: Comparison) -> bool:
        """Tell whether a write moves no field from or to any set: its writer owned all that it changed, and nobody else did.

        True is right; whatever is not seen at a glance is False. The sets are reconciled ones.
        """
        mine = managers.get(writer)
        differs = comparison.without(self.reset_fields.get(version))
        changed, taken = differs.changed, differs.taken
        if mine is None or not changed or mine.fields - differs.removed is not mine.fields or changed - mine.fields:
            return False
        for other, owned in managers.items():
            if owned.api_version != version or not owned.fields:
                return False
            if other != writer and owned.fields - taken is not owned.fields:
                return False
        return True

    def followed(
        self, live: Object, new: Object, version: str, managers: Managers, who: Identity, comparison: Comparison
    ) -> tuple[Managers, FieldSet]:
        """Follow a write that has been compared. The sets are reconciled ones."""
        if not comparison:
            return managers, _NOTHING
        managers, comparison = self._taken(live, new, version, managers, who, comparison, force=True)
        changed = comparison.changed
        reset = self.reset_fields.get(version)
        return managers, changed.without(reset) if reset else changed

    def apply(
        self, live: Object, applied: Object, version: str, managers: Managers, who: Identity, *, force: bool
    ) -> tuple[Object | None, Managers]:
        """Merge an applied object into the live one.

        Returns the merged object (None where it is the live one) and the managers, the applier among them.
        Raises ApplyConflict, TypeProblem.
        """
        managers = self.reconciled(managers)
        root = self._root(version)
        merged = merge(root, live, applied)
        last = managers.get(who)
        fields = field_set(root, applied)
        reset = self.reset_fields.get(version)
        if reset:
            fields = fields.without(reset)
        managers = {**managers, who: Owned(fields, version, applied=True)}
        if last is not None and last.fields:
            merged = self._pruned(merged, version, managers, last)
        comparison = compare(root, live, merged)
        managers, _ = self._taken(live, merged, version, managers, who, comparison, force=force)
        return (None if same(live, merged) else merged), managers

    def _root(self, version: str) -> Node:
        return self.typing_of(version).root

    def reconciled(self, managers: Managers) -> Managers:
        """Fit all sets to today's types, without those of versions that are gone."""
        out: Managers = {}
        for who, owned in managers.items():
            try:
                root = self._root(owned.api_version)
            except UnknownVersion:
                continue
            out[who] = owned.owning(reconciled(root, owned.fields))
        return out

    def _taken(
        self,
        live: Object,
        new: Object,
        version: str,
        managers: Managers,
        who: Identity,
        comparison: Comparison,
        *,
        force: bool,
    ) -> tuple[Managers, Comparison]:
        """Take what differs from all managers but one. Raises ApplyConflict unless forced."""
        comparisons = {version: comparison.without(self.reset_fields.get(version))}
        out: Managers = {}
        conflicts: list[tuple[Identity, FieldSet]] = []
        for other, owned in managers.items():
            if other == who:
                out[other] = owned
                continue
            try:
                differs = self._at(owned.api_version, live, new, comparisons)
            except UnknownVersion:
                continue
            if not force and (conflict := owned.fields & differs.changed):
                conflicts.append((other, conflict))
            out[other] = owned.owning(owned.fields - differs.taken)
        if conflicts:
            conflicts.sort(key=lambda item: item[0].order)
            raise ApplyConflict([Conflict(other.text, path) for other, fields in conflicts for path in fields])
        return {other: owned for other, owned in out.items() if owned.fields}, comparisons[version]

    def _at(self, version: str, live: Object, new: Object, known: dict[str, Comparison]) -> Comparison:
        """Return what differs as another version sees it."""
        found = known.get(version)
        if found is None:
            differs = compare(self._root(version), self._convert(live, version), self._convert(new, version))
            found = known[version] = differs.without(self.reset_fields.get(version))
        return found

    def _convert(self, obj: Object, version: str) -> Object:
        if obj.get("apiVersion") == version:
            return obj
        converted = self.convert(obj, version)
        # As in the reference, items with the same key are tolerated only at the version of the request.
        try:
            validate(self._root(version), converted)
        except TypeProblem as e:
            raise TypeProblem(f"failed to convert new object: {e}") from e
        return converted

    def _pruned(self, merged: Object, version: str, managers: Managers, last: Owned) -> Object:
        """Remove what the applier applied last time, applies no more, and nobody else owns."""
        try:
            root = self._root(last.api_version)
            at_last = self._convert(merged, last.api_version)
        except UnknownVersion:
            return merged
        wanted = with_named_fields(root, last.fields)
        owned = owned_by(managers.values())
        if last.api_version == version and not wanted - with_named_fields(root, owned.get(version, _NOTHING)):
            return merged
        pruned = remove(root, at_last, wanted)
        pruned = self._with_owned(at_last, pruned, last.api_version, owned)
        try:
            pruned = self._convert(pruned, last.api_version)
        except UnknownVersion:
            return merged
        gone = _all_fields(root, at_last) - _all_fields(root, pruned)
        return self._convert(remove(root, at_last, gone & wanted), version)

    def _with_owned(self, merged: Object, pruned: Object, first: str, owned: Mapping[str, FieldSet]) -> Object:
        """Put back what pruning took although somebody owns it, seen from each version in turn."""
        for version in _first_then_sorted(first, owned):
            try:
                root = self._root(version)
                merged, pruned = self._convert(merged, version), self._convert(pruned, version)
            except UnknownVersion:
                continue
            kept = _all_fields(root, pruned) | with_named_fields(root, owned[version])
            pruned = remove(root, merged, _all_fields(root, merged) - kept)
        return pruned


def _all_fields(root: Node, obj: Object) -> FieldSet:
    return with_named_fields(root, field_set(root, obj))


def _first_then_sorted(first: str, versions: Iterable[str]) -> list[str]:
    """Order versions: the one that was pruned at first, since conversion may need what pruning took."""
    return sorted(versions, key=lambda version: (version != first, version))
