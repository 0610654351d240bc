"""The spec of a Job, which CronJobs hold as a template: defaults and rules."""

from __future__ import annotations

from typing import Any

from watchd.names import qualified_name
from watchd.registry.builtin.common.fields import invalid, nonnegatives, not_supported, required
from watchd.registry.builtin.core.podspec import default_pod_template
from watchd.registry.builtin.core.podvalidation import validate_pod_template
from watchd.registry.strategy import Object
from watchd.status import OMITTED, FieldError, FieldProblem, Written, go_quote

INDEXED, NON_INDEXED = "Indexed", "NonIndexed"
FAILED, TERMINATING_OR_FAILED = "Failed", "TerminatingOrFailed"

BACKOFF = 6
"""Retries before a Job counts as failed."""
BACKOFF_WITH_INDEXES = (1 << 31) - 1
"""The same where each index has its own limit: none."""

COMPLETIONS_SOFT = 100_000
"""Completions from which indexes with limits of their own have narrower bounds."""
PARALLELISM_INDEXED = 100_000
PARALLELISM_MANY = 10_000
FAILED_INDEXES = 100_000
FAILED_INDEXES_MANY = 10_000
RULES = 20
"""Rules of a failure or success policy."""
EXIT_CODES = 255
"""Values that a rule for exit codes names."""
CONDITIONS = 20
"""Patterns of conditions in one rule."""

_NUMBERS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_TRUTHS = ("False", "True", "Unknown")


def default_job_spec(spec: Object) -> None:
    """Fill in what a Job's spec leaves out, in place."""
    default_pod_template(spec["template"])
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", BACKOFF if spec.get("backoffLimitPerIndex") is None else BACKOFF_WITH_INDEXES)
    spec.setdefault("completionMode", NON_INDEXED)
    spec.setdefault("suspend", False)
    spec.setdefault("podReplacementPolicy", FAILED if spec.get("podFailurePolicy") is not None else TERMINATING_OR_FAILED)
    spec.setdefault("manualSelector", False)
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            if not pattern.get("status"):
                pattern["status"] = "True"


def job_spec_problems(spec: Object, path: str) -> list[FieldError]:
    """Return what is wrong with a Job's spec beside its selector."""
    out = nonnegatives(spec, _NUMBERS, path)
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        out.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    out += _completion_mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        out += _failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        out += _success_policy(spec, f"{path}.successPolicy")
    out += _replacement(spec, f"{path}.podReplacementPolicy")
    out += validate_pod_template(spec["template"], f"{path}.template")
    return out + _restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _completion_mode(spec: Object, path: str) -> list[FieldError]:
    mode = spec.get("completionMode")
    failed, per_index = spec.get("maxFailedIndexes"), spec.get("backoffLimitPerIndex")
    if mode == INDEXED:
        return _indexed(spec, path)
    out: list[FieldError] = []
    if mode not in (None, NON_INDEXED):
        return [not_supported(f"{path}.completionMode", mode, [NON_INDEXED, INDEXED])]
    if per_index is not None:
        out.append(invalid(f"{path}.backoffLimitPerIndex", per_index, "requires indexed completion mode"))
    if failed is not None:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, "requires indexed completion mode"))
    return out


def _indexed(spec: Object, path: str) -> list[FieldError]:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed, per_index = spec.get("maxFailedIndexes"), spec.get("backoffLimitPerIndex")
    out: list[FieldError] = []
    if completions is None:
        out.append(required(f"{path}.completions", f"when completion mode is {INDEXED}"))
    if parallelism is not None and parallelism > PARALLELISM_INDEXED:
        why = f"must be less than or equal to {PARALLELISM_INDEXED} when completion mode is {INDEXED}"
        out.append(invalid(f"{path}.parallelism", parallelism, why))
    if completions is not None and failed is not None and failed > completions:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > FAILED_INDEXES:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {FAILED_INDEXES}"))
    if completions is None or completions <= COMPLETIONS_SOFT or per_index is None:
        return out
    beyond = f"when completions are above {COMPLETIONS_SOFT} and used with backoff limit per index"
    if failed is None:
        out.append(required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {COMPLETIONS_SOFT}"))
    if parallelism is not None and parallelism > PARALLELISM_MANY:
        out.append(invalid(f"{path}.parallelism", parallelism, f"must be less than or equal to {PARALLELISM_MANY} {beyond}"))
    if failed is not None and failed > FAILED_INDEXES_MANY:
        out.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {FAILED_INDEXES_MANY} {beyond}"))
    return out


def _quoted(values: tuple[str, ...]) -> str:
    """Write a list as Go's %q does."""
    return f"valid values: [{' '.join(map(go_quote, values))}]"


def _failure_policy(spec: Object, path: str) -> list[FieldError]:
    rules = spec["podFailurePolicy"].get("rules") or []
    pod = spec["template"].get("spec", {})
    names = {container.get("name") for part in ("containers", "initContainers") for container in pod.get(part) or ()}
    out: list[FieldError] = []
    if len(rules) > RULES:
        out.append(_too_many(f"{path}.rules", len(rules), RULES))
    for index, rule in enumerate(rules):
        out += _failure_rule(spec, rule, f"{path}.rules[{index}]", names)
    return out


def _too_many(path: str, count: int, limit: int) -> FieldError:
    return FieldError(FieldProblem.TOO_MANY, path, count, f"must have at most {limit} items")


def _failure_rule(spec: Object, rule: Object, path: str, names: set[Any]) -> list[FieldError]:
    action, codes, conditions = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    out: list[FieldError] = []
    if not action:
        out.append(required(f"{path}.action", _quoted(_ACTIONS)))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            out.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    elif action not in _ACTIONS:
        out.append(not_supported(f"{path}.action", action, _ACTIONS))
    if codes is not None:
        out += _exit_codes(codes, f"{path}.onExitCodes", names)
    if len(conditions) > CONDITIONS:
        out.append(_too_many(f"{path}.onPodConditions", len(conditions), CONDITIONS))
    for index, pattern in enumerate(conditions):
        out += _condition(pattern, f"{path}.onPodConditions[{index}]")
    if codes is not None and conditions:
        out.append(invalid(path, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not conditions:
        out.append(invalid(path, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required"))
    return out


def _condition(pattern: Object, path: str) -> list[FieldError]:
    kind, status = pattern.get("type", ""), pattern.get("status", "")
    out = [invalid(f"{path}.type", kind, text) for text in qualified_name(kind)]
    if not status:
        out.append(required(f"{path}.status", _quoted(_TRUTHS)))
    elif status not in _TRUTHS:
        out.append(not_supported(f"{path}.status", status, _TRUTHS))
    return out


def _exit_codes(codes: Object, path: str, names: set[Any]) -> list[FieldError]:
    operator, values = codes.get("operator", ""), codes.get("values") or []
    out: list[FieldError] = []
    if not operator:
        out.append(required(f"{path}.operator", _quoted(_OPERATORS)))
    elif operator not in _OPERATORS:
        out.append(not_supported(f"{path}.operator", operator, _OPERATORS))
    container = codes.get("containerName")
    if container is not None and container not in names:
        why = "must be one of the container or initContainer names in the pod template"
        out.append(invalid(f"{path}.containerName", container, why))
    if not values:
        out.append(invalid(f"{path}.values", codes.get("values"), "at least one value is required"))
    elif len(values) > EXIT_CODES:
        out.append(_too_many(f"{path}.values", len(values), EXIT_CODES))
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            out.append(invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator"))
        if value in seen:
            out.append(FieldError(FieldProblem.DUPLICATE, f"{path}.values[{index}]", value))
        seen.add(value)
    if values != sorted(values):
        out.append(invalid(f"{path}.values", Written("[" + ",".join(map(str, values)) + "]"), "must be ordered"))
    return out


def _success_policy(spec: Object, path: str) -> list[FieldError]:
    if spec.get("completionMode") != INDEXED:
        return [invalid(path, Written("{}"), "requires indexed completion mode")]
    rules = spec["successPolicy"].get("rules") or []
    out: list[FieldError] = []
    if not rules:
        out.append(required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified"))
    if len(rules) > RULES:
        out.append(_too_many(f"{path}.rules", len(rules), RULES))
    for index, rule in enumerate(rules):
        where = f"{path}.rules[{index}]"
        if rule.get("succeededCount") is None and rule.get("succeededIndexes") is None:
            out.append(required(where, "at least one of succeededCount or succeededIndexes must be specified"))
        out += nonnegatives(rule, ("succeededCount",), where)
    return out


def _replacement(spec: Object, path: str) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    allowed = [FAILED] if spec.get("podFailurePolicy") is not None else [FAILED, TERMINATING_OR_FAILED]
    return [] if policy is None or policy in allowed else [not_supported(path, policy, allowed)]


def _restart_policy(spec: Object, path: str) -> list[FieldError]:
    policy = spec["template"].get("spec", {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in ("OnFailure", "Never"):
        return [not_supported(path, policy, ["OnFailure", "Never"])]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []
