"""CSIDriver: what a driver for volumes can do (KEP-770)."""

from __future__ import annotations

from typing import Any

from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, not_supported, one_of
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.status import FieldError, Written, go_json

COMPONENT = "io.k8s.api.storage.v1.CSIDriverSpec"

DEFAULTS: dict[str, Any] = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
    "preventPodSchedulingIfMissing": False,
}

GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")

TOKEN_SECONDS_MIN = 600
TOKEN_SECONDS_MAX = 1 << 32
PERIOD_MIN = 10
"""Seconds between two looks at what a node has room for."""

TOKENS_IN_SECRETS = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in "
    "volume attributes"
)


class CSIDriverStrategy(Strategy):
    """The rules of CSIDriver."""

    returns_deleted = True
    unconditional_update = False
    unknown_field = KNOWN_FIELDS

    def default(self, obj: Object) -> None:
        """Fill in what a driver is taken for that does not say."""
        spec = obj.setdefault("spec", {})
        for field, value in DEFAULTS.items():
            spec.setdefault(field, value)
        spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or ["Persistent"]

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Count changes; a new driver has no generation."""
        del subresource
        if obj["spec"] != old["spec"]:
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    def validate(self, obj: Object) -> list[FieldError]:
        """Check policies, tokens and modes."""
        spec = obj["spec"]
        out = one_of(spec["fsGroupPolicy"], GROUP_POLICIES, "spec.fsGroupPolicy") + _tokens(spec.get("tokenRequests", []))
        modes = spec["volumeLifecycleModes"]
        out += [not_supported("spec.volumeLifecycleModes", mode, LIFECYCLES) for mode in modes if mode not in LIFECYCLES]
        period = spec.get("nodeAllocatableUpdatePeriodSeconds")
        if period is not None and period < PERIOD_MIN:
            out.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, f"must be greater than or equal to {PERIOD_MIN} seconds"))
        secrets = spec.get("serviceAccountTokenInSecrets")
        if secrets is not None and not spec.get("tokenRequests"):
            why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
            out.append(invalid("spec.serviceAccountTokenInSecrets", secrets, why))
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold how volumes are attached and how long they live."""
        del subresource
        out, new, before = self.validate(obj), obj["spec"], old["spec"]
        if new["attachRequired"] != before["attachRequired"]:
            out.append(invalid("spec.attachedRequired", new["attachRequired"], IMMUTABLE))
        modes = new["volumeLifecycleModes"]
        if modes != before["volumeLifecycleModes"]:
            out.append(invalid("spec.volumeLifecycleModes", Written(go_json(modes)), IMMUTABLE))
        return out

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Check, and warn of tokens that could be logged."""
        tokens = obj["spec"].get("tokenRequests")
        changed = old is None or tokens != old["spec"].get("tokenRequests")
        if tokens and changed and "serviceAccountTokenInSecrets" not in obj["spec"]:
            warn(TOKENS_IN_SECRETS)
        return super().judge(obj, old, subresource, warn)


def _tokens(requests: list[Object]) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, request in enumerate(requests):
        path, audience, seconds = f"spec.tokenRequests[{index}]", request.get("audience", ""), request.get("expirationSeconds")
        if audience in seen:
            out.append(duplicate(f"{path}.audience", audience))
            continue
        seen.add(audience)
        if seconds is not None and seconds < TOKEN_SECONDS_MIN:
            out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
        if seconds is not None and seconds > TOKEN_SECONDS_MAX:
            out.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    return out


def _flag(name: str, field: str) -> Column:
    return Column(name, lambda obj, _: obj.get("spec", {}).get(field, DEFAULTS[field]), type="boolean", field=(COMPONENT, field))


def _audiences(obj: Object, _: int) -> str:
    requests = obj.get("spec", {}).get("tokenRequests")
    return "<unset>" if requests is None else ",".join(request.get("audience", "") for request in requests)


STRATEGY = CSIDriverStrategy()

COLUMNS = (
    NAME,
    _flag("AttachRequired", "attachRequired"),
    _flag("PodInfoOnMount", "podInfoOnMount"),
    _flag("StorageCapacity", "storageCapacity"),
    Column("TokenRequests", _audiences, field=(COMPONENT, "tokenRequests")),
    _flag("RequiresRepublish", "requiresRepublish"),
    Column("Modes", lambda obj, _: ",".join(obj.get("spec", {}).get("volumeLifecycleModes", ())) or "<none>", field=(COMPONENT, "volumeLifecycleModes")),
    AGE,
)
