"""Strategy: what a kind does beside being stored. The base does nothing; a kind with behaviour overrides a little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from watchd.status import FieldError

if TYPE_CHECKING:
    from watchd.registry.attributes import UserInfo
    from watchd.seams import Clock, Entropy

Object = dict[str, Any]

Warn = Callable[[str], None]
"""Takes a text for the Warning header."""


UNKNOWN_FIELD = "field label not supported: {field}"
"""How kinds that have fields of their own refuse others."""

KNOWN_FIELDS = '{quoted} is not a known field selector: only "metadata.name", "metadata.namespace"'
"""How kinds that have none do."""

NOT_ENFORCED = "stored, not enforced by this server"
"""The Warning header of what is kept and has no effect."""


class NameFormat(Enum):
    """Which names objects of a kind may have."""

    SUBDOMAIN = "subdomain"
    """RFC 1123 subdomain, 253 characters."""
    LABEL = "label"
    """RFC 1123 label, 63 characters."""
    PATH_SEGMENT = "path segment"
    """Anything that can stand in a path."""


class Strategy:
    """The rules of one kind, called by the Registry in this order.

    Create: `prepare_create`, then the generic metadata rules, `validate` (by way of `judge`). Update:
    `prepare_update`, metadata rules, `validate_update`. All work on objects of the hub version unless they say otherwise; none of them may block.
    """

    create_on_update = False
    """Whether PUT of a missing name creates it (FEATURES row 13)."""

    unconditional_update = True
    """Whether PUT may come without a resourceVersion (FEATURES row 12)."""

    generation = False
    """Whether metadata.generation is kept: 1 at first, +1 for each change outside metadata (and status, where it is a subresource)."""

    name_format = NameFormat.SUBDOMAIN

    status_reset = True
    """Whether create and update of the object drop or keep status where it is a subresource."""

    orphans = ""
    """Set where a delete that says nothing of dependents leaves them behind, as kinds of old do: the warning for it, or a space for none."""

    status_keeps: tuple[str, ...] = ("spec",)
    """What a write of the status puts back, and so owns nothing of, in a built-in kind: paths with dots."""

    resets: Mapping[str, Sequence[str]] = MappingProxyType({})
    """What a write of a subresource ("" is the object itself) puts back, where that is not status kept apart from the rest: paths with dots."""

    selectable_fields: tuple[str, ...] = ()
    """Fields of the hub version that field selectors may name beside metadata.name (and metadata.namespace)."""

    unknown_field = UNKNOWN_FIELD
    """What a selector by an unknown field is answered: `{field}` is the field, `{quoted}` in quotes (FEATURES row 41)."""

    enforced = True
    """Whether this server does what objects of the kind say; whoever creates one is warned otherwise."""

    returns_deleted = False
    """Whether a delete that removes an object is answered with the object, and not with a Status."""

    delete_conflicts_briefly = False
    """Whether a precondition of a delete that does not hold is told as for definitions: by resource, in fewer words."""

    def default(self, obj: Object) -> None:
        """Fill in what the client left out, in place; also applied to what is read from storage."""

    def default_applied(self, obj: Object) -> None:
        """Fill in what a server-side apply left out, in place."""
        self.default(obj)

    def default_status(self, obj: Object) -> None:
        """Fill in what is left out of the status, where the rest has its defaults, in place."""
        self.default(obj)

    def settle(self, obj: Object, *, defaults: bool = True) -> None:
        """Bring what was stored or converted to what its version's schema says now, in place.

        Args:
            obj: the object; its apiVersion says by which version's schema.
            defaults: whether absent fields take their defaults.

        """

    def skeleton(self, version: str) -> bytes:
        """Return a digest of what `settle` does to objects of a version."""
        del version
        return b""

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Set what the server decides at creation, in place."""

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Restore what this request may not change, in place. `subresource` is "" for the object itself."""

    def record(self, obj: Object, old: Object | None, subresource: str, *, user: UserInfo | None, time: str) -> None:
        """Write down who writes and when, in place, for kinds that tell; after `prepare_create` or `prepare_update`.

        Args:
            obj: the object.
            old: the one that it takes the place of; None for a new one.
            subresource: "" for the object itself.
            user: None for the server's own controllers.
            time: as metav1.Time.

        """

    def validate(self, obj: Object) -> list[FieldError]:
        """Return what is wrong with a new object beyond its metadata."""
        del obj
        return []

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Return what is wrong with a changed object beyond its metadata."""
        del old, subresource
        return self.validate(obj)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Return what is wrong with an object beyond its metadata, and warn of what is let pass. `old` is None for a new one."""
        del warn
        return self.validate(obj) if old is None else self.validate_update(obj, old, subresource)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the values of `selectable_fields`, for the stored header."""
        del obj
        return {}

    def grace_period(self, obj: Object, asked: int | None) -> int | None:
        """Return how long a deleted object is left to end by itself, for kinds that somebody ends first (a Pod, by its kubelet).

        Args:
            obj: the object, whose deletion has not begun.
            asked: the gracePeriodSeconds of the delete, if it has any.

        Returns: seconds, 0 where it goes at once; None for kinds that know no such time.
        """
        del obj, asked
        return None

    def row_conditions(self, obj: Object) -> list[Object]:
        """Return what a Table's row says of an object beside its cells (metav1.TableRowCondition)."""
        del obj
        return []

    def finalizers_hold(self, obj: Object) -> bool:
        """Tell whether something beside metadata.finalizers keeps a deleted object (a Namespace's spec.finalizers)."""
        del obj
        return False

    def on_delete(self, obj: Object) -> None:
        """Mark an object whose deletion begins and has to wait, in place (a Namespace becomes Terminating)."""
