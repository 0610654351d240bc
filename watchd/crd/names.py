"""Names of custom kinds: each is one definition's alone within its group (FEATURES row 105)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from watchd.crd import conditions
from watchd.crd.conditions import Condition
from watchd.status import go_quote

Object = dict[str, Any]

NO_CONFLICTS = Condition(
    conditions.NAMES_ACCEPTED, status=True, reason="NoConflicts", message="no conflicts found"
)


NAMES = ("plural", "singular", "shortNames", "kind", "listKind")
"""Fields whose names nobody else of a group may have."""


class Accepted(msgspec.Struct, frozen=True):
    """What a definition's names come to."""

    names: Object
    """For status.acceptedNames: each name that is free or was accepted before."""
    condition: Condition
    """NamesAccepted."""
    established: Condition | None
    """Established, or None where it stays as it is: it is set to True once the kind is installed."""


def accept(definition: Object, others: Iterable[Object]) -> Accepted:
    """Hold a definition's names against those that other definitions of the same group have been accepted for.

    Pure. `others` may hold definitions of other groups and the definition itself.
    """
    wanted = definition["spec"]["names"]
    had = definition.get("status", {}).get("acceptedNames") or {}
    # Most are there already, and nobody takes away what was accepted.
    new = any(_new(wanted.get(field), had.get(field)) for field in NAMES)
    resources, kinds = _taken(definition, others) if new else (set(), set())
    names: Object = {**had}
    problem: tuple[str, str] | None = None
    checks = (
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
        ("shortNames", "ShortNamesConflict", resources),
        ("kind", "KindConflict", kinds),
        ("listKind", "ListKindConflict", kinds),
    )
    for field, reason, taken in checks:
        clashes = [name for name in _new(wanted.get(field), had.get(field)) if name in taken]
        if clashes:
            # The last one is told, as in the reference.
            problem = (reason, _aggregate(clashes))
        else:
            _put(names, field, wanted.get(field))
    _put(names, "categories", wanted.get("categories"))
    names.setdefault("plural", "")
    names.setdefault("kind", "")
    if problem is None:
        condition = NO_CONFLICTS
    else:
        condition = Condition(conditions.NAMES_ACCEPTED, status=False, reason=problem[0], message=problem[1])
    return Accepted(names, condition, _established(definition, accepted=problem is None))


def _established(definition: Object, *, accepted: bool) -> Condition | None:
    if conditions.is_true(definition, conditions.ESTABLISHED):
        return None
    if accepted:
        return conditions.INSTALLING
    return conditions.NOT_ACCEPTED if conditions.find(definition, conditions.ESTABLISHED) is None else None


def _taken(definition: Object, others: Iterable[Object]) -> tuple[set[str], set[str]]:
    resources: set[str] = set()
    kinds: set[str] = set()
    group, name = definition["spec"]["group"], definition["metadata"]["name"]
    for other in others:
        if other["spec"]["group"] != group or other["metadata"]["name"] == name:
            continue
        names = other.get("status", {}).get("acceptedNames") or {}
        resources.update((names.get("plural", ""), names.get("singular", ""), *names.get("shortNames", ())))
        kinds.update((names.get("kind", ""), names.get("listKind", "")))
    return resources, kinds


def _new(wanted: Any, had: Any) -> list[str]:
    """Return those of the names of a field that were not accepted before."""
    if isinstance(wanted, list):
        ours = set(had or ())
        return [name for name in wanted if name not in ours]
    return [wanted] if wanted and wanted != had else []


def _aggregate(clashes: list[str]) -> str:
    texts = list(dict.fromkeys(f"{go_quote(name)} is already in use" for name in clashes))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _put(names: Object, field: str, value: Any) -> None:
    if value:
        names[field] = value
    else:
        names.pop(field, None)
