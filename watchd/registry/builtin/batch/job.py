"""Job: pods that run to their end."""

from __future__ import annotations

from typing import Any

from watchd.names import dns1123_label
from watchd.registry.builtin.apps.workload import MISMATCH, containers_of, pod_columns
from watchd.registry.builtin.batch.jobspec import INDEXED, default_job_spec, job_spec_problems
from watchd.registry.builtin.common.fields import immutable, invalid, nonnegatives, required
from watchd.registry.builtin.common.selectors import matches, readable, selector_problems
from watchd.registry.builtin.core.podspec import drop_of_template, warn_of_pod_names, warn_of_template
from watchd.registry.columns import AGE, NAME, SECOND_MS, Column, human_duration, parse_time
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

BATCH = "io.k8s.api.batch.v1"

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")
"""Labels of a Job's pods: the older form of each first. By the newer one of the uid a Job selects them."""

FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")
"""Fields of the spec that never change, beside selector and template."""

FREE_WHILE_SUSPENDED = ("affinity", "nodeSelector", "tolerations", "schedulingGates")
"""What a suspended Job's template may still change of where its pods go."""


class JobStrategy(Strategy):
    """The rules of Job."""

    generation = True
    selectable_fields = ("status.successful",)
    orphans = (
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
        "propagationPolicy=Orphan to suppress this warning"
    )

    def default(self, obj: Object) -> None:
        """Fill in what the spec leaves out; a Job without labels takes those of its pods."""
        default_job_spec(obj["spec"])
        labels = obj["spec"]["template"].get("metadata", {}).get("labels")
        if labels and not obj["metadata"].get("labels"):
            # The same map as the template's, so that it takes on the labels that are generated: as in the reference.
            obj["metadata"]["labels"] = labels

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Select the Job's own pods, unless the selector is told to be the client's."""
        del clock, entropy
        spec = obj["spec"]
        drop_of_template(spec["template"])
        if spec.get("manualSelector"):
            return
        labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
        for label in NAME_LABELS:
            labels.setdefault(label, obj["metadata"].get("name", ""))
        for label in UID_LABELS:
            labels.setdefault(label, obj["metadata"]["uid"])
        spec.setdefault("selector", {}).setdefault("matchLabels", {}).setdefault(UID_LABELS[1], obj["metadata"]["uid"])

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check as ever; warn of names that pods cannot carry, and of templates that do not what they seem to."""
        if old is None:
            warn_of_pod_names(obj["metadata"], warn)
        if old is None or (not subresource and obj["metadata"].get("generation") != old["metadata"].get("generation")):
            warn_of_template(obj["spec"]["template"], "spec.template", warn)
        return super().judge(obj, old, subresource, warn)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check selector and labels, the spec, and whether pods can have their names."""
        return _generated(obj) + _spec_problems(obj["spec"]) + _names(obj)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec, most of which stands still; or the status alone."""
        if subresource == "status":
            return nonnegatives(obj.get("status", {}), ("active", "succeeded", "failed", "ready"), "status")
        new, before = obj["spec"], old["spec"]
        out = _spec_problems(new)
        if new.get("completionMode") != INDEXED:
            out += immutable(new.get("completions"), before.get("completions"), "spec.completions")
        elif new.get("completions") not in (None, before.get("completions"), new.get("parallelism")):
            out.append(invalid("spec.completions", new["completions"], "can only be modified in tandem with spec.parallelism"))
        out += immutable(new.get("selector"), before.get("selector"), "spec.selector")
        out += immutable(new["template"], _template(new, before, old), "spec.template")
        for name in FIXED:
            out += immutable(new.get(name), before.get(name), f"spec.{name}")
        return out + _names(obj)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return how many pods have succeeded."""
        return {"status.successful": str(obj.get("status", {}).get("succeeded", 0))}


def _spec_problems(spec: Object) -> list[FieldError]:
    out = job_spec_problems(spec, "spec")
    selector, labels = spec.get("selector"), spec["template"].get("metadata", {}).get("labels", {})
    if selector is None:
        out.append(required("spec.selector"))
    out += selector_problems(selector, "spec.selector")
    if readable(selector) and not matches(selector, labels):
        out.append(invalid("spec.template.metadata.labels", labels or None, MISMATCH))
    return out


def _generated(obj: Object) -> list[FieldError]:
    spec, meta = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    labels = spec["template"].get("metadata", {}).get("labels", {})
    name, uid = meta.get("name", ""), meta["uid"]
    expected = dict(zip((*UID_LABELS, *NAME_LABELS), (uid, uid, name, name), strict=True))
    out = [
        invalid("spec.template.metadata.labels", labels, f"must be '{expected[label]}'")
        for label in (UID_LABELS[0], NAME_LABELS[0], UID_LABELS[1], NAME_LABELS[1])
        if labels.get(label) != expected[label]
    ]
    if readable(spec["selector"]) and not matches(spec["selector"], expected):
        out.append(invalid("spec.selector", spec["selector"], "`selector` not auto-generated"))
    return out


def _names(obj: Object) -> list[FieldError]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    if spec.get("completionMode") != INDEXED or not (spec.get("completions") or 0) > 0:
        return []
    last = f"{name}-{spec['completions'] - 1}"
    if not dns1123_label(last):
        return []
    return [invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {last}")]


def _template(new: Object, before: Object, old: Object) -> Object:
    """Return the template that a new one has to equal: what a suspended Job that has not begun may change is as it is now."""
    template: Object = before["template"]
    begun = old.get("status", {}).get("startTime") is not None or old.get("status", {}).get("active")
    if not before.get("suspend") or begun:
        return template
    pod: dict[str, Any] = {**template.get("spec", {})}
    wanted = new["template"].get("spec", {})
    for name in FREE_WHILE_SUSPENDED:
        pod.pop(name, None)
        if name in wanted:
            pod[name] = wanted[name]
    for part in ("containers", "initContainers"):
        pairs = zip(pod.get(part, ()), wanted.get(part, ()), strict=False)
        if part in pod and len(pod[part]) == len(wanted.get(part, ())):
            pod[part] = [{**had, "resources": has.get("resources", {})} for had, has in pairs]
    meta: dict[str, Any] = {**template.get("metadata", {})}
    for name in ("labels", "annotations"):
        meta.pop(name, None)
        if name in new["template"].get("metadata", {}):
            meta[name] = new["template"]["metadata"][name]
    return {**template, "metadata": meta, "spec": pod}


# Columns

_STATES = (("Complete", "Complete"), ("Failed", "Failed"), ("", "Terminating"), ("Suspended", "Suspended"))
_LATER = ("FailureTarget", "SuccessCriteriaMet")


def _status(obj: Object, _: int) -> str:
    true = {item.get("type") for item in obj.get("status", {}).get("conditions") or () if item.get("status") == "True"}
    for condition, shown in _STATES:
        if condition in true or (not condition and obj["metadata"].get("deletionTimestamp")):
            return shown
    return next((condition for condition in _LATER if condition in true), "Running")


def _completions(obj: Object, _: int) -> str:
    succeeded, spec = obj.get("status", {}).get("succeeded", 0), obj["spec"]
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(obj: Object, now_ms: int) -> str:
    status = obj.get("status", {})
    start, end = parse_time(status.get("startTime")), parse_time(status.get("completionTime"))
    if start is None:
        return ""
    return human_duration((now_ms // SECOND_MS if end is None else end) - start)


STRATEGY = JobStrategy()

COLUMNS = (
    NAME,
    Column("Status", _status, description="Status of the job."),
    Column("Completions", _completions, field=(f"{BATCH}.JobStatus", "succeeded")),
    Column("Duration", _duration, description="Time required to complete the job."),
    AGE,
    *pod_columns(containers_of, (f"{BATCH}.JobSpec", "selector")),
)
