"""CSIStorageCapacity: how much storage a class has left for nodes of a topology (KEP-1472)."""

from __future__ import annotations

from watchd.registry.builtin.common.fields import NEGATIVE, invalid
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError


class CSIStorageCapacityStrategy(Strategy):
    """The rules of CSIStorageCapacity."""

    unconditional_update = False
    unknown_field = KNOWN_FIELDS

    def validate(self, obj: Object) -> list[FieldError]:
        """Check topology, class and amount."""
        out = selector_problems(obj.get("nodeTopology"), "nodeTopology")
        out += subdomain(obj.get("storageClassName", ""), "storageClassName")
        capacity = obj.get("capacity")
        return [*out, invalid("capacity", capacity, NEGATIVE)] if amount(capacity) < ZERO else out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold what the amount is of."""
        del subresource
        fields = ("nodeTopology", "storageClassName")
        return self.validate(obj) + [invalid(field, obj.get(field), IMMUTABLE) for field in fields if obj.get(field) != old.get(field)]


STRATEGY = CSIStorageCapacityStrategy()
