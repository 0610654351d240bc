"""PodTemplate: what a pod is to be, kept for whoever makes pods of it."""

from __future__ import annotations

from watchd.registry.builtin.core.podgates import drop_of_template
from watchd.registry.builtin.core.podspec import default_pod_template, validate_pod_template, warn_of_template
from watchd.registry.columns import NAME, Column
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.registry.value import equal
from watchd.seams import Clock, Entropy
from watchd.status import FieldError


class PodTemplateStrategy(Strategy):
    """The rules of PodTemplate."""

    generation = True
    returns_deleted = True

    def default(self, obj: Object) -> None:
        """Fill in what the template leaves out."""
        default_pod_template(obj.setdefault("template", {}))

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Drop what is gated."""
        del clock, entropy
        drop_of_template(obj["template"])

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Drop what is gated."""
        del subresource
        drop_of_template(obj["template"], old["template"])

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check the template, and warn of what is let pass in a new one."""
        if old is None or not equal(obj["template"], old["template"]):
            warn_of_template(obj["template"], "template", warn)
        return super().judge(obj, old, subresource, warn)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the template."""
        return validate_pod_template(obj["template"], "template")


def _containers(obj: Object, field: str) -> str:
    spec = (obj.get("template") or {}).get("spec") or {}
    return ",".join(container.get(field, "") for container in spec.get("containers") or ())


def _labels(obj: Object) -> str:
    labels = ((obj.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


STRATEGY = PodTemplateStrategy()

COLUMNS = (
    NAME,
    Column("Containers", lambda obj, _: _containers(obj, "name"), description="Names of each container in the template."),
    Column("Images", lambda obj, _: _containers(obj, "image"), description="Images referenced by each container in the template."),
    Column("Pod Labels", lambda obj, _: _labels(obj), description="The labels for the pod template."),
)
