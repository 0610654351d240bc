"""CSINode: which drivers for volumes a node has."""

from __future__ import annotations

from watchd.names import qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, nonnegative, required
from watchd.registry.builtin.common.metadata import keep_metadata
from watchd.registry.builtin.core.volumesources import csi_driver_name
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy
from watchd.status import FieldError, Written, go_json

ID_MAX = 192
"""Characters of how a driver calls a node."""


class CSINodeStrategy(Strategy):
    """The rules of CSINode."""

    returns_deleted = True
    unconditional_update = False
    unknown_field = KNOWN_FIELDS

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave metadata alone where the status is written."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the drivers."""
        out: list[FieldError] = []
        names: set[str] = set()
        for index, driver in enumerate(_drivers(obj)):
            out += _driver(driver, f"spec.drivers[{index}]", names)
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold what is said of a driver, but for how much it has room for."""
        if subresource == "status":
            return []
        out = self.validate(obj)
        for before in _drivers(old):
            for driver in _drivers(obj):
                if driver.get("name") == before.get("name") and _told(driver) != _told(before):
                    out.append(invalid("spec.drivers", Written(go_json(_told(driver), ordered=True)), IMMUTABLE))
        return out


def _drivers(obj: Object) -> list[Object]:
    return obj.get("spec", {}).get("drivers") or []


def _told(driver: Object) -> Object:
    """Return a driver as messages of the reference quote it, without what may change."""
    return {
        "Name": driver.get("name", ""),
        "NodeID": driver.get("nodeID", ""),
        "TopologyKeys": driver.get("topologyKeys"),
        "Allocatable": None,
    }


def _driver(driver: Object, path: str, names: set[str]) -> list[FieldError]:
    name, node = driver.get("name", ""), driver.get("nodeID", "")
    out = csi_driver_name(name, f"{path}.name") + ([] if node else [required(f"{path}.nodeID")])
    if len(node) > ID_MAX:
        out.append(invalid(f"{path}.nodeID", node, f"must be {ID_MAX} characters or less"))
    out += nonnegative(driver.get("allocatable", {}).get("count"), f"{path}.allocatable.count")
    if name in names:
        out.append(duplicate(f"{path}.name", name))
    names.add(name)
    keys = driver.get("topologyKeys") or []
    for index, key in enumerate(keys):
        out += [] if key else [required(path)]
        out += [duplicate(path, key)] if key in keys[:index] else []
        out += [invalid(path, key, text) for text in qualified_name(key)]
    return out


STRATEGY = CSINodeStrategy()

COLUMNS = (
    NAME,
    Column(
        "Drivers",
        lambda obj, _: len(_drivers(obj)),
        type="integer",
        description="Drivers indicates the number of CSI drivers registered on the node",
    ),
    AGE,
)
