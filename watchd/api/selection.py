"""Selection: the label and field selectors of one request, together."""

from __future__ import annotations

import msgspec

from watchd.api.selectors import EVERY_FIELD, EVERY_LABEL, NAME_FIELD, NAMESPACE_FIELD, FieldSelector, LabelSelector
from watchd.registry.registry import Endpoint


class Selection(msgspec.Struct, frozen=True):
    """What a list, watch or deletecollection wants. Hashable: equal selections share their frames."""

    labels: LabelSelector = EVERY_LABEL
    fields: FieldSelector = EVERY_FIELD

    @property
    def name(self) -> str | None:
        """The one name that is wanted, or None."""
        return self.fields.exact(NAME_FIELD)

    @property
    def by_namespace(self) -> bool:
        """Whether the namespace is asked for."""
        return any(term.field == NAMESPACE_FIELD for term in self.fields.terms)

    def __bool__(self) -> bool:
        """Tell whether anything is left out."""
        return bool(self.labels) or bool(self.fields)

    def matches(self, labels: dict[str, str], fields: dict[str, str]) -> bool:
        """Tell whether an object is wanted."""
        return self.labels.matches(labels) and self.fields.matches(fields)


def selectable(endpoint: Endpoint) -> list[str]:
    """Return the fields that objects can be selected by at an endpoint."""
    known = [NAME_FIELD, *endpoint.kind.strategy.selectable_fields]
    if endpoint.kind.namespaced:
        known.append(NAMESPACE_FIELD)
    return known + [field.lstrip(".") for field in endpoint.version.selectable_fields]
