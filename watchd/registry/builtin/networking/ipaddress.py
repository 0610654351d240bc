"""IPAddress: an address that somebody holds (KEP-1880). Those of Services come from watchd.admission.pools."""

from __future__ import annotations

from watchd.names import path_segment
from watchd.registry.builtin.common.addresses import canonical_address_problems
from watchd.registry.builtin.common.fields import invalid, required
from watchd.registry.builtin.common.values import subdomain
from watchd.registry.columns import NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, NameFormat, Object, Strategy
from watchd.status import FieldError


class IPAddressStrategy(Strategy):
    """The rules of IPAddress."""

    name_format = NameFormat.PATH_SEGMENT
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Write an empty spec, as the reference does."""
        obj.setdefault("spec", {})

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the name, which is the address, and the holder."""
        return canonical_address_problems(obj["metadata"].get("name", ""), "metadata.name") + _parent(obj["spec"].get("parentRef"))

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the holder."""
        del subresource
        out = self.validate(obj)
        if obj["spec"].get("parentRef") != old["spec"].get("parentRef"):
            out.append(invalid("spec.parentRef", None, IMMUTABLE))
        return out


def _parent(parent: Object | None) -> list[FieldError]:
    path = "spec.parentRef"
    if parent is None:
        return [required(path)]
    out = subdomain(parent["group"], f"{path}.group") if parent.get("group") else []
    for field in ("resource", "name", "namespace"):
        if value := parent.get(field):
            out += [invalid(f"{path}.{field}", value, text) for text in path_segment(value)]
    # What is missing is told by other rules in the reference, after all others.
    return out + [required(f"{path}.{field}") for field in ("resource", "name") if not parent.get(field)]


def _holder(obj: Object, _: int) -> str:
    parent = obj.get("spec", {}).get("parentRef")
    if parent is None:
        return "<none>"
    resource = ".".join(filter(None, (parent.get("resource", ""), parent.get("group", "")))).lower()
    return "/".join((resource, *filter(None, (parent.get("namespace"),)), parent.get("name", "")))


STRATEGY = IPAddressStrategy()

COLUMNS = (NAME, Column("ParentRef", _holder, field=("io.k8s.api.networking.v1.IPAddressSpec", "parentRef")))
