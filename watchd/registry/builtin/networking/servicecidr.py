"""ServiceCIDR: a range that Services get their addresses from (KEP-1880)."""

from __future__ import annotations

from watchd.registry.builtin.common.addresses import canonical_range_problems, parse_range
from watchd.registry.builtin.common.fields import invalid, required
from watchd.registry.builtin.common.metadata import keep_metadata
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError, Written, go_json

FAMILIES = 2

PATH = "spec.cidrs"


class ServiceCIDRStrategy(Strategy):
    """The rules of ServiceCIDR."""

    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Write an empty spec, as the reference does."""
        obj.setdefault("spec", {})

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave metadata alone where the status is written."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the ranges: one, or one of each family."""
        return _ranges(obj["spec"].get("cidrs", []))

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the ranges; a second family may come."""
        if subresource == "status":
            return []
        new, before = obj["spec"].get("cidrs", []), old["spec"].get("cidrs", [])
        grown = (len(before), len(new)) == (1, FAMILIES)
        if len(new) != len(before) and not grown:
            return [invalid(PATH, new, IMMUTABLE)]
        changed = [index for index, found in enumerate(before) if found != new[index]]
        out = [invalid(f"{PATH}[{index}]", new[index], IMMUTABLE) for index in changed]
        return out + _ranges(new) if grown else out


def _ranges(ranges: list[str]) -> list[FieldError]:
    if not ranges:
        return [required(PATH, "at least one CIDR required")]
    if len(ranges) > FAMILIES:
        return [invalid(PATH, Written(f'{{"CIDRs":{go_json(ranges)}}}'), "may only hold up to 2 values")]
    out = [error for index, text in enumerate(ranges) for error in canonical_range_problems(text, f"{PATH}[{index}]")]
    versions = [network.version for network in map(parse_range, ranges) if network is not None]
    if len(versions) == FAMILIES and len(set(versions)) < FAMILIES:
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        out.append(invalid(PATH, ranges, why))
    return out


STRATEGY = ServiceCIDRStrategy()

COLUMNS = (NAME, Column("CIDRs", lambda obj, _: ",".join(obj.get("spec", {}).get("cidrs", ())), field=("io.k8s.api.networking.v1.ServiceCIDRSpec", "cidrs")), AGE)
