"""PodClasses: what new pods get from classes and clusters (the admission plugins Priority, DefaultTolerationSeconds and RuntimeClass)."""

from __future__ import annotations

from typing import Any

from storage.log import Log
from watchd.registry.attributes import Attributes, Object, Operation
from watchd.registry.registry import Registry
from watchd.registry.view import load_hub
from watchd.status import StatusError, forbidden, go_quote

PAGE = 500
"""PriorityClasses that are looked at for the default one: clusters have a few."""

PREEMPTS = "PreemptLowerPriority"

SYSTEM_CLASSES: dict[str, int] = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""Classes that every cluster has, whether somebody has written them down or not."""

TOLERATED_SECONDS = 300
"""How long pods stay on a node that is not heard of, unless they say otherwise."""

LOST_NODES = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

NO_EXECUTE = "NoExecute"

PRIORITY_GIVEN = (
    "the {what} ({given}) must not be provided in pod spec; priority admission controller computed {found} from the given PriorityClass name"
)


class PodClasses:
    """Admission member."""

    custom_kinds = False

    def __init__(self, log: Log, registry: Registry) -> None:
        self._log = log
        self._priorities = registry.hub("scheduling.k8s.io", "priorityclasses")
        self._runtimes = registry.hub("node.k8s.io", "runtimeclasses")

    async def mutate(self, attributes: Attributes) -> None:
        """Fill in priority, tolerations and what the RuntimeClass asks for. Raises StatusError 403."""
        pod = attributes.object
        if pod is None or not _is_pod(attributes):
            return
        spec = pod["spec"]
        if attributes.operation is Operation.CREATE:
            await self._prioritize(attributes, spec)
            _tolerate(spec)
            runtime = await self._runtime(attributes, spec)
            if runtime is not None:
                _set_overhead(attributes, spec, runtime)
                _set_scheduling(attributes, spec, runtime)
            return
        before = (attributes.old or {}).get("spec") or {}
        for field in ("priority", "preemptionPolicy"):
            if spec.get(field) is None and before.get(field) is not None:
                spec[field] = before[field]
        _tolerate(spec)

    async def validate(self, attributes: Attributes) -> None:
        """Refuse an overhead that is not the RuntimeClass's, and a second default PriorityClass. Raises StatusError 403."""
        pod = attributes.object
        if attributes.kind is self._priorities.kind:
            await self._one_default(attributes)
            return
        if pod is None or not _is_pod(attributes) or attributes.operation is not Operation.CREATE:
            return
        runtime = await self._runtime(attributes, pod["spec"])
        overhead = ((runtime or {}).get("overhead") or {}).get("podFixed")
        if overhead is None and pod["spec"].get("overhead"):
            raise _refused(attributes, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")
        if overhead is not None:
            _set_overhead(attributes, pod["spec"], runtime or {})

    async def _prioritize(self, attributes: Attributes, spec: Object) -> None:
        name = spec.get("priorityClassName", "")
        if name:
            found = await self._class(attributes, name)
        else:
            found = await self._default_class()
            if found.get("metadata"):
                spec["priorityClassName"] = found["metadata"]["name"]
        priority, policy = found.get("value", 0), found.get("preemptionPolicy")
        _agree(attributes, "integer value of priority", spec.get("priority"), priority)
        spec["priority"] = priority
        if policy is not None:
            _agree(attributes, "string value of PreemptionPolicy", spec.get("preemptionPolicy"), policy)
            spec["preemptionPolicy"] = policy

    async def _class(self, attributes: Attributes, name: str) -> Object:
        stored = await self._log.get(self._priorities.key("", name))
        if stored is not None:
            return load_hub(self._priorities.kind, stored)
        if name not in SYSTEM_CLASSES:
            raise _refused(attributes, f"no PriorityClass with name {name} was found")
        return {"value": SYSTEM_CLASSES[name], "preemptionPolicy": PREEMPTS}

    async def _default_class(self) -> Object:
        """Return the PriorityClass of pods that name none: the lowest of those that say so, or none."""
        page = await self._log.scan(self._priorities.prefix(""), limit=PAGE)
        classes = [load_hub(self._priorities.kind, stored) for stored in page.items]
        defaults = [one for one in classes if one.get("globalDefault")]
        return min(defaults, key=lambda one: one.get("value", 0), default={"value": 0, "preemptionPolicy": PREEMPTS})

    async def _one_default(self, attributes: Attributes) -> None:
        obj = attributes.object
        if obj is None or not obj.get("globalDefault"):
            return
        name = (await self._default_class()).get("metadata", {}).get("name")
        if name is not None and (attributes.operation is Operation.CREATE or name != obj["metadata"].get("name")):
            kind, why = attributes.kind, f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise forbidden(kind.group, kind.names.plural, attributes.name, why)

    async def _runtime(self, attributes: Attributes, spec: Object) -> Object | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        stored = await self._log.get(self._runtimes.key("", name)) if name else None
        if stored is None:
            raise _refused(attributes, f"pod rejected: RuntimeClass {go_quote(name)} not found")
        return load_hub(self._runtimes.kind, stored)


def _is_pod(attributes: Attributes) -> bool:
    kind, operation = attributes.kind, attributes.operation
    return not kind.group and kind.names.plural == "pods" and not attributes.subresource and operation is not Operation.DELETE


def _refused(attributes: Attributes, why: str) -> StatusError:
    return forbidden("", "pods", attributes.name, why)


def _agree(attributes: Attributes, what: str, given: Any, found: Any) -> None:
    """Refuse a value that the class does not give. Raises StatusError 403."""
    if given is not None and given != found:
        raise _refused(attributes, PRIORITY_GIVEN.format(what=what, given=given, found=found))


def _tolerate(spec: Object) -> None:
    """Add, in place, for how long a pod stays on a lost node, unless it says so itself."""
    tolerations = spec.get("tolerations") or []
    told = {one.get("key", "") for one in tolerations if one.get("effect", "") in ("", NO_EXECUTE)}
    added = [
        {"key": key, "operator": "Exists", "effect": NO_EXECUTE, "tolerationSeconds": TOLERATED_SECONDS}
        for key in LOST_NODES
        if not told & {key, ""}
    ]
    if added:
        spec["tolerations"] = [*tolerations, *added]


def _set_overhead(attributes: Attributes, spec: Object, runtime: Object) -> None:
    overhead = (runtime.get("overhead") or {}).get("podFixed")
    if overhead is None:
        return
    if spec.get("overhead") and spec["overhead"] != overhead:
        raise _refused(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    spec["overhead"] = dict(overhead)


def _set_scheduling(attributes: Attributes, spec: Object, runtime: Object) -> None:
    """Add, in place, which nodes have the runtime. Raises StatusError 403 where the pod wants others."""
    scheduling = runtime.get("scheduling") or {}
    wanted = scheduling.get("nodeSelector") or {}
    selector = spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if selector.get(key, value) != value:
            told = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {selector[key]}"
            raise _refused(attributes, f"conflict: {told}")
    if wanted:
        spec["nodeSelector"] = {**selector, **wanted}
    tolerations = spec.get("tolerations") or []
    added = [one for one in scheduling.get("tolerations") or () if one not in tolerations]
    if added:
        spec["tolerations"] = [*tolerations, *added]
