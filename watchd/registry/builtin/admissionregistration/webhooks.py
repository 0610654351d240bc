"""ValidatingWebhookConfiguration and MutatingWebhookConfiguration: whom to ask about which requests."""

from __future__ import annotations

from collections.abc import Sequence

from watchd.names import dns1035_label, dns1123_subdomain
from watchd.registry.builtin.admissionregistration.rules import (
    FAIL,
    FAILURE_POLICIES,
    MATCH_POLICIES,
    NEVER,
    REINVOCATION_POLICIES,
    condition_problems,
    default_scopes,
    default_selectors,
    rule_problems,
)
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.common.selectors import selector_problems
from watchd.registry.builtin.common.webhooks import service_problems, url_problems
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import Object, Strategy
from watchd.status import FieldError

PORT = 443
TIMEOUT, TIMEOUT_MAX = 10, 30
"""Seconds that a webhook has."""

SIDE_EFFECTS = ("None", "NoneOnDryRun")
"""What webhooks may do beside answering."""

REVIEW_VERSIONS = ("v1", "v1beta1")
"""The versions of AdmissionReview there are."""

NAME_LABELS = 3
"""Labels that the name of a webhook has at least."""


class WebhookStrategy(Strategy):
    """The rules of both kinds."""

    generation = True

    def __init__(self, *, mutating: bool) -> None:
        """Tell whether webhooks mutate, and so may be asked again."""
        self.mutating = mutating

    def default(self, obj: Object) -> None:
        """Fill in policies, selectors, times, ports and scopes."""
        for hook in obj.get("webhooks") or ():
            hook.setdefault("failurePolicy", FAIL)
            hook.setdefault("timeoutSeconds", TIMEOUT)
            default_selectors(hook)
            default_scopes(hook.get("rules"))
            if self.mutating:
                hook.setdefault("reinvocationPolicy", NEVER)
            service = (hook.get("clientConfig") or {}).get("service")
            if service is not None:
                service.setdefault("port", PORT)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check each webhook."""
        return self._problems(obj, ())

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check each webhook, where the old ones kept a rule that is newer than they."""
        del subresource
        return self._problems(obj, old.get("webhooks") or ())

    def _problems(self, obj: Object, old: Sequence[Object]) -> list[FieldError]:
        hooks = obj.get("webhooks") or []
        unique = len({hook.get("name") for hook in old}) == len(old)
        reviewed = all(set(versions) & set(REVIEW_VERSIONS) for hook in old if (versions := hook.get("admissionReviewVersions")))
        harmless = all(hook.get("sideEffects") in SIDE_EFFECTS for hook in old)
        same = len(old) == len(hooks) and all(
            (one.get("matchConditions") or []) == (other.get("matchConditions") or []) for one, other in zip(hooks, old, strict=True)
        )
        out: list[FieldError] = []
        for index, hook in enumerate(hooks):
            path, name = f"webhooks[{index}]", hook.get("name", "")
            out += self._webhook(hook, path, harmless=harmless, conditions=not (same and old))
            out += _versions(hook.get("admissionReviewVersions") or [], f"{path}.admissionReviewVersions", known=reviewed)
            if unique and name and any(name == other.get("name") for other in hooks[:index]):
                out.append(duplicate(f"{path}.name", name))
        return out

    def _webhook(self, hook: Object, path: str, *, harmless: bool, conditions: bool) -> list[FieldError]:
        out = _name(hook.get("name", ""), f"{path}.name")
        for index, rule in enumerate(hook.get("rules") or ()):
            out += rule_problems(rule, f"{path}.rules[{index}]")
        out += one_of(hook["failurePolicy"], FAILURE_POLICIES, f"{path}.failurePolicy")
        out += one_of(hook["matchPolicy"], MATCH_POLICIES, f"{path}.matchPolicy")
        effects = SIDE_EFFECTS if harmless else ("None", "NoneOnDryRun", "Some", "Unknown")
        if hook.get("sideEffects") is None:
            out.append(required(f"{path}.sideEffects", f"must specify one of {', '.join(effects)}"))
        else:
            out += one_of(hook["sideEffects"], effects, f"{path}.sideEffects")
        if not 1 <= hook["timeoutSeconds"] <= TIMEOUT_MAX:
            why = f"the timeout value must be between 1 and {TIMEOUT_MAX} seconds"
            out.append(invalid(f"{path}.timeoutSeconds", hook["timeoutSeconds"], why))
        for field in ("namespaceSelector", "objectSelector"):
            out += selector_problems(hook[field], f"{path}.{field}")
        if self.mutating:
            out += one_of(hook["reinvocationPolicy"], REINVOCATION_POLICIES, f"{path}.reinvocationPolicy")
        out += _client(hook.get("clientConfig") or {}, f"{path}.clientConfig")
        return out + condition_problems(hook.get("matchConditions") or (), f"{path}.matchConditions") if conditions else out


def _name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    texts = dns1123_subdomain(name)
    if texts:
        return [invalid(path, name, ",".join(texts))]
    few = name.count(".") + 1 < NAME_LABELS
    return [invalid(path, name, "should be a domain with at least three segments separated by dots")] if few else []


def _client(config: Object, path: str) -> list[FieldError]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        return [required(path, "exactly one of url or service is required")]
    return service_problems(service or {}, f"{path}.service") if url is None else url_problems(url, f"{path}.url")


def _versions(versions: list[str], path: str, *, known: bool) -> list[FieldError]:
    if not versions:
        return [required(path, f"must specify one of {', '.join(REVIEW_VERSIONS)}")]
    out: list[FieldError] = []
    for index, version in enumerate(versions):
        if version in versions[:index]:
            out.append(invalid(f"{path}[{index}]", version, "duplicate version"))
        else:
            out += [invalid(f"{path}[{index}]", version, text) for text in dns1035_label(version)]
    if known and not set(versions) & set(REVIEW_VERSIONS):
        out.append(invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}"))
    return out


STRATEGY = {
    "mutatingwebhookconfigurations": WebhookStrategy(mutating=True),
    "validatingwebhookconfigurations": WebhookStrategy(mutating=False),
}

_COLUMNS = (
    NAME,
    Column(
        "Webhooks",
        lambda obj, _: len(obj.get("webhooks") or ()),
        type="integer",
        description="Webhooks indicates the number of webhooks registered in this configuration",
    ),
    AGE,
)

COLUMNS = dict.fromkeys(STRATEGY, _COLUMNS)
