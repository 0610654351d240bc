"""Eviction: a Pod is deleted if its PodDisruptionBudget can spare it (FEATURES row 31; policy/v1)."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec
import trio

from watchd.api.call import deletion_of
from watchd.api.options import DeleteOptions
from watchd.api.subresources.conditions import is_true, set_condition
from watchd.api.subresources.posting import SUCCESS, Posted, kind_of
from watchd.registry.builtin.common.fields import invalid as invalid_field
from watchd.registry.builtin.common.selectors import matches, readable
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load
from watchd.registry.writes import CONTROLLER, Caller
from watchd.seams import rfc3339
from watchd.status import Cause, Reason, StatusError, bad_request, conflict, forbidden, internal, invalid

Object = dict[str, Any]

EVICTION = kind_of("policy", "Eviction", "io.k8s.api.policy.v1", "v1", "v1beta1")
"""What is posted; the older version says the same."""

GROUP, BUDGETS = "policy", "poddisruptionbudgets"

FREE_PHASES = frozenset({"Pending", "Succeeded", "Failed"})
"""Phases of Pods that serve nobody: no budget counts them."""

ATTEMPTS = 20
"""How often an eviction that lost a race is tried again, as in the reference."""

RETRY_SECONDS = 10
"""When a client that came too early may come again."""

MAX_DISRUPTED = 2000
"""Evictions of one budget that its controller has not taken notice of yet."""

TOO_MANY = "Cannot evict pod as it would violate the pod's disruption budget."

CAUSE = "DisruptionBudget"

IGNORE_ERRORS = "ignoreStoreReadErrorWithClusterBreakingPotential"


@attrs.frozen
class Evictions:
    """Answers POSTs of Evictions."""

    store: Store

    async def __call__(self, posted: Posted) -> Object:
        """Evict the Pod of the path. Raises StatusError: 429 where a budget forbids it for now."""
        name, given = posted.name, posted.object.get("deleteOptions") or {}
        if posted.object["metadata"].get("name", "") != name:
            raise bad_request("name in URL does not match name in Eviction object")
        if given.get(IGNORE_ERRORS):
            why = "can not be set for pod eviction, try after removing the option"
            raise invalid(GROUP, "Eviction", name, [invalid_field(f"deleteOptions.{IGNORE_ERRORS}", True, why)])
        asked = posted.call.request.query.get("dryRun", [])
        inside = given.get("dryRun") or asked
        if asked and inside != asked:
            what = f"[{' '.join(asked)}] and [{' '.join(inside)}]"
            raise internal(f"Non-matching dry-run options in request and content: {what}")
        await posted.admit()
        options = DeleteOptions.parse({}, {**given, "dryRun": inside})
        caller = msgspec.structs.replace(posted.caller, dry_run=options.dry_run)
        await _Eviction(self.store, self.store.registry.hub("", "pods"), posted.namespace, name, options, caller).run()
        return SUCCESS


@attrs.frozen
class _Eviction:
    """One eviction."""

    store: Store
    pods: Endpoint
    namespace: str
    name: str
    options: DeleteOptions
    caller: Caller

    async def run(self) -> None:
        """Delete the Pod, or raise StatusError."""
        for attempt in range(1, ATTEMPTS + 1):
            pod = await self._pod()
            if not _free(pod):
                await self._with_budget(pod)
                return
            try:
                await self._delete(self._at(pod) if _may_become_ready(pod) else self.options)
            except StatusError as error:
                if error.reason is not Reason.CONFLICT or self.options.resource_version or attempt == ATTEMPTS:
                    raise
                await trio.lowlevel.checkpoint()
            else:
                return

    async def _pod(self) -> Object:
        pod = await self.store.find("", "pods", self.namespace, self.name)
        pod.setdefault("status", {})
        return pod

    def _at(self, pod: Object) -> DeleteOptions:
        """Return the options, for the Pod as it was seen if the client names no state of it."""
        seen = self.options.resource_version or pod["metadata"]["resourceVersion"]
        return msgspec.structs.replace(self.options, resource_version=seen)

    async def _with_budget(self, pod: Object) -> None:
        budgets = await self._budgets(pod)
        if len(budgets) > 1:
            raise internal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
        if not budgets:
            await self._delete(self.options)
            return
        budget = budgets[0]
        name = budget["metadata"]["name"]
        if not _spared(budget, pod):
            await self._take(name)
            await self._delete(self.options)
            return
        try:
            # It may have become ready since: then it would count.
            await self._delete(self._at(pod))
        except StatusError as error:
            if error.reason is Reason.CONFLICT and not self.options.resource_version:
                raise _still_processed(name) from error
            raise

    async def _budgets(self, pod: Object) -> list[Object]:
        endpoint = self.store.registry.hub(GROUP, BUDGETS)
        labels = pod["metadata"].get("labels") or {}
        found = []
        for stored in await self.store.walk(endpoint, self.namespace):
            budget = load(endpoint.kind, endpoint.version.name, stored)
            selector = budget.get("spec", {}).get("selector")
            if readable(selector) and matches(selector, labels):
                found.append(budget)
        return found

    async def _take(self, budget: str) -> None:
        """Take one disruption from a budget. Raises StatusError where it has none left."""

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            status = current.setdefault("status", {})
            _check_allowed(budget, current["metadata"], status)
            status["disruptionsAllowed"] -= 1
            if not status["disruptionsAllowed"]:
                self._say_insufficient(current["metadata"], status)
            status.setdefault("disruptedPods", {})[self.name] = rfc3339(self.store.clock.now_ms())
            return current

        caller = msgspec.structs.replace(CONTROLLER, dry_run=self.caller.dry_run)
        endpoint = self.store.registry.hub(GROUP, BUDGETS)
        await self.store.update(endpoint, self.namespace, budget, change, caller, subresource="status")

    def _say_insufficient(self, meta: Object, status: Object) -> None:
        """Set the condition DisruptionAllowed to False, in place; its time stays while its status does."""
        now = rfc3339(self.store.clock.now_ms())
        new = {
            "type": "DisruptionAllowed",
            "status": "False",
            "observedGeneration": meta.get("generation", 0),
            "lastTransitionTime": now,
            "reason": "InsufficientPods",
            "message": "",
        }
        conditions = status.setdefault("conditions", [])
        for index, old in enumerate(conditions):
            if old.get("type") == new["type"]:
                conditions[index] = new | ({"lastTransitionTime": old["lastTransitionTime"]} if old["status"] == "False" else {})
                return
        conditions.append(new)

    async def _delete(self, options: DeleteOptions) -> None:
        """Say on the Pod why it goes, and delete it."""
        revision = options.resource_version
        if not self.caller.dry_run:

            async def change(current: Object) -> Object:
                await trio.lowlevel.checkpoint()
                self._check_preconditions(current["metadata"], options)
                reason = {"reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}
                condition = {"type": "DisruptionTarget", "status": "True", **reason}
                set_condition(current.setdefault("status", {}), condition, self.store.clock.now_ms())
                return current

            # Nobody comes to own the condition, as in the reference.
            written = await self.store.update(
                self.pods, self.namespace, self.name, change, self.caller, subresource="status", tracked=True
            )
            revision = revision and written.object["metadata"]["resourceVersion"]
        deletion = deletion_of(msgspec.structs.replace(options, resource_version=revision))
        await self.store.delete(self.pods, self.namespace, self.name, deletion, self.caller)

    def _check_preconditions(self, meta: Object, options: DeleteOptions) -> None:
        asked = (
            ("UID", options.uid, meta["uid"], "The object might have been deleted and then recreated"),
            ("ResourceVersion", options.resource_version, meta["resourceVersion"], "The object might have been modified"),
        )
        for what, wanted, found, why in asked:
            if wanted and wanted != found:
                differs = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found})"
                raise conflict("", "Pod", self.name, f"{differs}. {why}")


def _free(pod: Object) -> bool:
    """Tell whether a Pod goes without being asked about budgets."""
    return pod["status"].get("phase") in FREE_PHASES or "deletionTimestamp" in pod["metadata"]


def _may_become_ready(pod: Object) -> bool:
    """Tell whether a Pod that is `_free` may count for a budget soon."""
    return pod["status"].get("phase") == "Pending" and "deletionTimestamp" not in pod["metadata"]


def _spared(budget: Object, pod: Object) -> bool:
    """Tell whether a Pod that is not ready goes without a disruption being counted."""
    if is_true(pod["status"], "Ready"):
        return False
    if budget.get("spec", {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired: int = status.get("desiredHealthy", 0)
    current: int = status.get("currentHealthy", 0)
    return current >= desired > 0


def _check_allowed(name: str, meta: Object, status: Object) -> None:
    """Raise StatusError where a budget allows no disruption."""
    allowed = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < meta.get("generation", 0):
        raise _still_processed(name)
    prefix = f"The disruption budget {name} does not allow evicting pods currently"
    if allowed < 0:
        why = "pdb disruptions allowed is negative"
        raise forbidden(GROUP, "poddisruptionbudget", name, why, [Cause(CAUSE, f"{prefix}: {why}")])
    if len(status.get("disruptedPods") or ()) > MAX_DISRUPTED:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        cause = Cause(CAUSE, f"{prefix}: too many pending evictions not confirmed by PDB controller")
        raise forbidden(GROUP, "poddisruptionbudget", name, why, [cause])
    if allowed == 0:
        raise StatusError(Reason.TOO_MANY_REQUESTS, TOO_MANY, causes=[Cause(CAUSE, _why_none(name, prefix, status))])
    status["disruptionsAllowed"] = allowed


def _why_none(name: str, prefix: str, status: Object) -> str:
    conditions = (found for found in status.get("conditions") or () if found.get("type") == "DisruptionAllowed")
    condition: Object = next(conditions, {})
    said = condition.get("message", "") if condition.get("status") == "False" else ""
    if said and condition.get("reason") == "SyncFailed":
        return f"{prefix} because it failed sync: {said}"
    current, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"{prefix} ({condition.get('reason', '')}): {said}" if said else prefix


def _still_processed(name: str) -> StatusError:
    cause = Cause(CAUSE, f"The disruption budget {name} is still being processed by the server.")
    return StatusError(Reason.TOO_MANY_REQUESTS, TOO_MANY, causes=[cause], retry_after=RETRY_SECONDS)
