"""Binding: a Pod is given its node, by pods/binding and by the old collection of bindings."""

from __future__ import annotations

from typing import Any

import attrs

from watchd.api.subresources.conditions import set_condition
from watchd.api.subresources.posting import SUCCESS, Posted
from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.store import Store
from watchd.status import FieldError, bad_request, conflict, internal

Object = dict[str, Any]


@attrs.frozen
class Bindings:
    """Answers POSTs of Bindings."""

    store: Store

    async def named(self, posted: Posted) -> Object:
        """Bind the Pod of the path. Raises StatusError."""
        if posted.object["metadata"].get("name", "") != posted.name:
            raise bad_request("name in URL does not match name in Binding object")
        return await self._bind(posted, posted.name)

    async def collected(self, posted: Posted) -> Object:
        """Bind the Pod that the Binding names. Raises StatusError."""
        return await self._bind(posted, posted.object["metadata"].get("name", ""))

    async def _bind(self, posted: Posted, name: str) -> Object:
        problems = _problems(posted.object.get("target") or {})
        if problems:
            texts = ", ".join(map(str, problems))
            raise internal(f"[{texts}]" if len(problems) > 1 else texts)
        await posted.admit()
        if not name:
            raise bad_request("Name parameter required.")
        await self.store.amend(
            self.store.registry.hub("", "pods"),
            posted.namespace,
            name,
            _Assignment(posted.object, name, self.store.clock.now_ms()),
            dry_run=posted.caller.dry_run,
        )
        return SUCCESS


@attrs.frozen
class _Assignment:
    """What a Binding does to its Pod."""

    binding: Object
    name: str
    now_ms: int

    def __call__(self, pod: Object) -> None:
        """Assign the Pod, in place. Raises StatusError 409."""
        self._check_preconditions(pod["metadata"])
        spec, why = pod["spec"], ""
        if "deletionTimestamp" in pod["metadata"]:
            why = f"pod {self.name} is being deleted, cannot be assigned to a host"
        elif spec.get("nodeName"):
            why = f'pod {self.name} is already assigned to node "{spec["nodeName"]}"'
        elif spec.get("schedulingGates"):
            why = f"pod {self.name} has non-empty .spec.schedulingGates"
        if why:
            raise conflict("", "pods/binding", self.name, why)
        spec["nodeName"] = self.binding["target"]["name"]
        status = pod.setdefault("status", {})
        status.pop("nominatedNodeName", None)
        for field in ("annotations", "labels"):
            if given := self.binding["metadata"].get(field):
                pod["metadata"][field] = {**pod["metadata"].get(field, {}), **given}
        set_condition(status, {"type": "PodScheduled", "status": "True"}, self.now_ms)

    def _check_preconditions(self, meta: Object) -> None:
        asked = self.binding["metadata"]
        for what, field in (("UID", "uid"), ("ResourceVersion", "resourceVersion")):
            if asked.get(field) and asked[field] != meta[field]:
                why = f"Precondition failed: {what} in precondition: {asked[field]}, {what} in object meta: {meta[field]}"
                key = f"/registry/pods/{meta['namespace']}/{self.name}"
                where = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0"
                raise conflict("", "pods", self.name, f"{where}, AdditionalErrorMsg: {why}")


def _problems(target: Object) -> list[FieldError]:
    kind, name = target.get("kind", ""), target.get("name", "")
    out: list[FieldError] = []
    if kind not in ("", "Node"):
        out.append(not_supported("target.kind", kind, ("Node", "<empty>")))
    if not name:
        out.append(required("target.name"))
    elif kind in ("", "Node"):
        out += [invalid("target.name", name, text) for text in dns1123_subdomain(name)]
    return out
