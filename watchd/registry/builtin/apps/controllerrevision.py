"""ControllerRevision: what a controller's template once was; its data never changes."""

from __future__ import annotations

from watchd.registry.builtin.apps.workload import APPS
from watchd.registry.builtin.common.fields import immutable, nonnegative, required
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError


class ControllerRevisionStrategy(Strategy):
    """The rules of ControllerRevision."""


    def validate(self, obj: Object) -> list[FieldError]:
        """Check the revision, and that the data is an object."""
        out = nonnegative(obj.get("revision"), "revision")
        data = obj.get("data")
        if data is None:
            out.append(required("data", "data is mandatory"))
        elif not isinstance(data, dict):
            out.append(required("data", "data must be a valid JSON object"))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the data as it is."""
        del subresource
        return nonnegative(obj.get("revision"), "revision") + immutable(obj.get("data"), old.get("data"), "data")


def _controller(obj: Object, _: int) -> str:
    for owner in obj["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = f"{owner.get('kind', '')}.{group}" if group else owner.get("kind", "")
            return f"{kind.lower()}/{owner.get('name', '')}"
    return "<none>"


STRATEGY = ControllerRevisionStrategy()

COLUMNS = (
    NAME,
    Column("Controller", _controller, description="Controller of the object"),
    Column("Revision", lambda obj, _: obj.get("revision", 0), field=(f"{APPS}.ControllerRevision", "revision")),
    AGE,
)
