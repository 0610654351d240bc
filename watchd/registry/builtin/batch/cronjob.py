"""CronJob: Jobs at the times of a schedule."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchd.registry.builtin.apps.workload import pod_columns
from watchd.registry.builtin.batch.job import BATCH
from watchd.registry.builtin.batch.jobspec import default_job_spec, job_spec_problems
from watchd.registry.builtin.batch.schedule import ScheduleError, check_schedule
from watchd.registry.builtin.common.fields import invalid, nonnegative, nonnegatives, not_supported, required
from watchd.registry.builtin.common.selectors import text
from watchd.registry.builtin.core.podspec import drop_of_template, warn_of_pod_names, warn_of_template
from watchd.registry.columns import AGE, NAME, Column, age
from watchd.registry.strategy import Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

POLICIES = ("Allow", "Forbid", "Replace")

NAME_MAX = 52
"""Characters: eleven more make the name of a Job, which has 63 at most."""

SUCCESSFUL, FAILED = 3, 1
"""Jobs that are kept when they are done."""

_ZONE_PART = re.compile(r"[A-Za-z0-9_+\-.]{1,}", re.ASCII)


class CronJobStrategy(Strategy):
    """The rules of CronJob."""

    generation = True

    def default(self, obj: Object) -> None:
        """Fill in policy and history; the template is that of a Job but for its pods alone."""
        spec = obj["spec"]
        if not spec.get("concurrencyPolicy"):
            spec["concurrencyPolicy"] = POLICIES[0]
        spec.setdefault("suspend", False)
        spec.setdefault("successfulJobsHistoryLimit", SUCCESSFUL)
        spec.setdefault("failedJobsHistoryLimit", FAILED)
        _default_template(spec["jobTemplate"]["spec"])

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check as ever; warn of names that pods cannot carry, and of templates that do not what they seem to."""
        if old is None:
            warn_of_pod_names(obj["metadata"], warn)
        if old is None or (not subresource and obj["metadata"].get("generation") != old["metadata"].get("generation")):
            warn_of_template(obj["spec"]["jobTemplate"]["spec"]["template"], "spec.jobTemplate.spec.template", warn)
        return super().judge(obj, old, subresource, warn)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Drop what is gated of the pods."""
        del clock, entropy
        drop_of_template(obj["spec"]["jobTemplate"]["spec"]["template"])

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the spec, and that Jobs can have their names."""
        out = _spec_problems(obj["spec"], {})
        name = obj["metadata"].get("name", "")
        if len(name) > NAME_MAX:
            out.append(invalid("metadata.name", name, f"must be no more than {NAME_MAX} characters"))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the spec; of the status nothing."""
        return [] if subresource == "status" else _spec_problems(obj["spec"], old["spec"])


def _default_template(spec: Object) -> None:
    """Fill in the pods of the template: its Jobs get their own defaults when they are made."""
    given = {name: spec[name] for name in spec if name != "template"}
    default_job_spec(spec)
    for name in [name for name in spec if name != "template" and name not in given]:
        del spec[name]


def _spec_problems(spec: Object, old: Object) -> list[FieldError]:
    schedule = spec.get("schedule", "")
    out = _schedule(schedule, spec, old) if schedule else []
    out += nonnegative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
    if not old or old.get("timeZone") != spec.get("timeZone"):
        out += _zone(spec.get("timeZone"), "spec.timeZone")
    policy = spec.get("concurrencyPolicy", "")
    if policy not in POLICIES:
        out.append(not_supported("spec.concurrencyPolicy", policy, POLICIES))
    template: Object = spec["jobTemplate"]["spec"]
    out += job_spec_problems(template, "spec.jobTemplate.spec")
    if template.get("selector") is not None:
        out.append(invalid("spec.jobTemplate.spec.selector", template["selector"], "`selector` will be auto-generated"))
    if template.get("manualSelector"):
        out.append(not_supported("spec.jobTemplate.spec.manualSelector", True, ["nil", "false"]))
    out += nonnegatives(spec, ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"), "spec")
    return out if schedule else [*out, required("spec.schedule")]


def _schedule(schedule: str, spec: Object, old: Object) -> list[FieldError]:
    out: list[FieldError] = []
    try:
        check_schedule(schedule)
    except ScheduleError as error:
        out.append(invalid("spec.schedule", schedule, str(error)))
    if "TZ" in schedule and "TZ" not in old.get("schedule", ""):
        why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        out.append(invalid("spec.schedule", schedule, why))
    elif "TZ" in schedule and spec.get("timeZone") is not None:
        out.append(invalid("spec.schedule", schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"))
    return out


def _zone(zone: str | None, path: str) -> list[FieldError]:
    if zone is None:
        return []
    if not zone:
        return [invalid(path, zone, "timeZone must be nil or non-empty string")]
    for part in zone.split("/"):
        if part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part):
            return [invalid(path, zone, f"unknown time zone {zone}")]
    if zone.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [invalid(path, zone, why)]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [invalid(path, zone, f"unknown time zone {zone}")]
    return []


def _containers(obj: Object) -> list[Object]:
    found: list[Object] = obj["spec"]["jobTemplate"]["spec"]["template"].get("spec", {}).get("containers") or []
    return found


def _last(obj: Object, now_ms: int) -> Any:
    last = obj.get("status", {}).get("lastScheduleTime")
    return "<none>" if last is None else age(last, now_ms)


def _suspended(obj: Object, _: int) -> str:
    suspended = obj["spec"].get("suspend")
    return "<unset>" if suspended is None else str(suspended)


STRATEGY = CronJobStrategy()

COLUMNS = (
    NAME,
    Column("Schedule", lambda obj, _: obj["spec"].get("schedule", ""), field=(f"{BATCH}.CronJobSpec", "schedule")),
    Column("Timezone", lambda obj, _: obj["spec"].get("timeZone", "<none>"), field=(f"{BATCH}.CronJobSpec", "timeZone")),
    Column("Suspend", _suspended, type="boolean", field=(f"{BATCH}.CronJobSpec", "suspend")),
    Column(
        "Active",
        lambda obj, _: len(obj.get("status", {}).get("active") or ()),
        type="integer",
        field=(f"{BATCH}.CronJobStatus", "active"),
    ),
    Column("Last Schedule", _last, field=(f"{BATCH}.CronJobStatus", "lastScheduleTime")),
    AGE,
    *pod_columns(_containers, (f"{BATCH}.JobSpec", "selector"), lambda obj: text(obj["spec"]["jobTemplate"]["spec"].get("selector"))),
)
