"""What the kinds that keep pods running have in common: a template, a selector that agrees with it, replicas, a status of counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from watchd.registry.builtin.common.fields import (
    forbidden,
    immutable,
    invalid,
    nonnegative,
    nonnegatives,
    not_supported,
    required,
)
from watchd.registry.builtin.common.selectors import empty, matches, readable, selector_problems, text
from watchd.registry.builtin.core.podspec import (
    default_pod_template,
    drop_of_template,
    warn_of_pod_names,
    warn_of_template,
)
from watchd.registry.builtin.core.podvalidation import validate_pod_template
from watchd.registry.columns import Column
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

APPS = "io.k8s.api.apps.v1"

ALWAYS = "Always"
"""The only restart policy of pods that are kept running."""

BEYOND = "cannot be greater than status.replicas"
MISMATCH = "`selector` does not match template `labels`"


class WorkloadStrategy(Strategy):
    """The rules of a kind with a pod template."""

    generation = True
    kind = ""
    """As messages call it."""
    counts: tuple[str, ...] = ()
    """The numbers of its status, in the order in which they are checked."""
    names_hosts = True
    """Whether its name is part of the names of hosts, and to be warned of where it cannot be."""

    def default(self, obj: Object) -> None:
        """Fill in what the template and the spec leave out."""
        spec = obj["spec"]
        default_pod_template(spec["template"])
        self.default_spec(spec)

    def default_spec(self, spec: Object) -> None:
        """Fill in what the spec leaves out beside the template, in place."""

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Drop what is gated of the template."""
        del clock, entropy
        drop_of_template(obj["spec"].get("template"))

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Drop what is gated of the template."""
        if not subresource:
            drop_of_template(obj["spec"].get("template"), old["spec"].get("template"))

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check as ever; warn of names that pods cannot carry, and of templates that do not what they seem to."""
        if old is None and self.names_hosts:
            warn_of_pod_names(obj["metadata"], warn)
        if old is None or (not subresource and obj["metadata"].get("generation") != old["metadata"].get("generation")):
            warn_of_template(obj["spec"].get("template") or {}, "spec.template", warn)
        return super().judge(obj, old, subresource, warn)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the spec."""
        return self.spec_problems(obj["spec"])

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, whose selector stands still; or the status alone."""
        if subresource == "status":
            return self.status_problems(obj.get("status", {}), old.get("status", {}))
        return self.spec_problems(obj["spec"]) + immutable(obj["spec"].get("selector"), old["spec"].get("selector"), "spec.selector")

    def spec_problems(self, spec: Object) -> list[FieldError]:
        """Return what is wrong with a spec."""
        raise NotImplementedError

    def status_problems(self, status: Object, old: Object) -> list[FieldError]:
        """Return what is wrong with a status."""
        out = nonnegatives(status, self.counts, "status") + self.more_status_problems(status)
        if status.get("collisionCount") is not None or old.get("collisionCount") is not None:
            now = status.get("collisionCount")
            if old.get("collisionCount") is not None and (now is None or now < old["collisionCount"]):
                out.append(invalid("status.collisionCount", now or 0, "cannot be decremented"))
        return out

    def more_status_problems(self, status: Object) -> list[FieldError]:
        """Return what is wrong with a status beside negative numbers."""
        del status
        return []


def too_many(status: Object, names: Iterable[str], available: str) -> list[FieldError]:
    """Hold the parts of a status' replicas against their number; `available` are those that are ready, and is how messages call it."""
    out = [
        invalid(f"status.{name}", status[name], BEYOND) for name in names if status.get(name, 0) > status.get("replicas", 0)
    ]
    if status.get("availableReplicas", 0) > status.get("readyReplicas", 0):
        out.append(invalid("status.availableReplicas", status["availableReplicas"], f"cannot be greater than {available}"))
    return out


def strict_selector(spec: Object, kind: str) -> list[FieldError]:
    """Check a selector that has to be there and to select something."""
    selector = spec.get("selector")
    if selector is None:
        return [required("spec.selector")]
    out = selector_problems(selector, "spec.selector")
    if empty(selector):
        out.append(invalid("spec.selector", selector, f"empty selector is invalid for {kind}"))
    return out


def template_problems(spec: Object, kind: str, unreadable: str) -> list[FieldError]:
    """Check a template, which a selector has to agree with; `unreadable` is what is said of a selector that cannot be asked."""
    selector, template = spec.get("selector"), spec["template"]
    if not readable(selector):
        return [invalid("spec.selector", selector, unreadable)]
    out: list[FieldError] = []
    labels = template.get("metadata", {}).get("labels", {})
    # One that is absent selects nothing.
    if (selector is None or not empty(selector)) and not matches(selector, labels):
        out.append(invalid("spec.template.metadata.labels", labels or None, MISMATCH))
    return out + validate_pod_template(template, "spec.template") + kept_running(template["spec"], kind)


def kept_running(pod: Object, kind: str) -> list[FieldError]:
    """Check that pods are restarted always and have no deadline."""
    out: list[FieldError] = []
    if pod.get("restartPolicy") != ALWAYS:
        out.append(not_supported("spec.template.spec.restartPolicy", pod.get("restartPolicy", ""), [ALWAYS]))
    if pod.get("activeDeadlineSeconds") is not None:
        out.append(forbidden("spec.template.spec.activeDeadlineSeconds", f"activeDeadlineSeconds in {kind} is not Supported"))
    return out


def revision_limit(spec: Object) -> list[FieldError]:
    """Check how many old revisions are kept."""
    return nonnegative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")


# Columns


def pod_columns(
    containers: Callable[[Object], list[Object]], selector: tuple[str, str] | None = None, shown: Callable[[Object], str] | None = None
) -> tuple[Column, ...]:
    """Return the wide columns of a kind with a template: containers, images, and how it selects pods."""

    def joined(name: str) -> Callable[[Object, int], Any]:
        return lambda obj, _: ",".join(container.get(name, "") for container in containers(obj))

    columns = [
        Column("Containers", joined("name"), priority=1, description="Names of each container in the template."),
        Column("Images", joined("image"), priority=1, description="Images referenced by each container in the template."),
    ]
    if selector is not None:
        write = shown or (lambda obj: text(obj["spec"].get("selector")))
        columns.append(Column("Selector", lambda obj, _: write(obj), priority=1, field=selector))
    return tuple(columns)


def containers_of(obj: Object) -> list[Object]:
    """Return the containers of a template."""
    found: list[Object] = (obj["spec"].get("template") or {}).get("spec", {}).get("containers") or []
    return found


def count(part: str, name: str) -> Callable[[Object, int], Any]:
    """Return a cell that shows a number of spec or status."""
    return lambda obj, _: obj.get(part, {}).get(name, 0)


def ready(obj: Object, _: int) -> str:
    """Return the cell that shows how many replicas are ready."""
    return f"{obj.get('status', {}).get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"
