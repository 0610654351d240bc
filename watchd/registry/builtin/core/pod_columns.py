"""What pods show in a Table: how far their containers are, told in a word."""

from __future__ import annotations

from typing import Any

import attrs

from watchd.registry.columns import AGE, NAME, Column, age
from watchd.registry.strategy import Object

NONE = "<none>"

GATED = "SchedulingGated"
LOST = "NodeLost"
"""The reason of pods whose node is not heard of."""

ENDED = frozenset({"Failed", "Succeeded"})

SPEC, STATUS = "io.k8s.api.core.v1.PodSpec", "io.k8s.api.core.v1.PodStatus"


@attrs.define
class _Progress:
    """How far the containers of a pod are."""

    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    restarted: str = ""
    """When a container was restarted last, as metav1.Time; empty where none was."""

    def count(self, status: Object) -> None:
        """Count the restarts of a container."""
        self.restarts += status.get("restartCount", 0)
        ended = ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""
        self.restarted = max(self.restarted, ended)


def _is_true(status: Object, kind: str) -> bool:
    return any(one.get("type") == kind and one.get("status") == "True" for one in status.get("conditions") or ())


def _stays(container: Object | None) -> bool:
    """Tell whether a container of the beginning runs on beside the others (KEP-753)."""
    return (container or {}).get("restartPolicy") == "Always"


def _progress(pod: Object) -> _Progress:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    reason = status.get("reason") or status.get("phase", "")
    if any(one.get("type") == "PodScheduled" and one.get("reason") == GATED for one in status.get("conditions") or ()):
        reason = GATED
    first = spec.get("initContainers") or []
    total = len(spec.get("containers") or ()) + sum(map(_stays, first))
    beginning, staying = _Progress(reason, total), _Progress(reason, total)
    initializing = _begin(beginning, staying, first, status)
    out = beginning
    if not initializing or _is_true(status, "Initialized"):
        out = staying
        out.reason, out.ready = beginning.reason, beginning.ready
        _run(out, status)
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == LOST:
            out.reason = "Unknown"
        elif status.get("phase") not in ENDED:
            out.reason = "Terminating"
    return out


def _begin(out: _Progress, staying: _Progress, containers: list[Object], status: Object) -> bool:
    """Look at the containers of the beginning; tell whether it is not over. `staying` counts those that run on."""
    by_name = {container.get("name"): container for container in containers}
    for index, one in enumerate(status.get("initContainerStatuses") or ()):
        state, stays = one.get("state") or {}, _stays(by_name.get(one.get("name")))
        ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason", "")
        out.count(one)
        if stays:
            staying.count(one)
        if ended is not None and not ended.get("exitCode"):
            continue
        if stays and one.get("started"):
            out.ready += bool(one.get("ready"))
            continue
        if ended is not None:
            out.reason = f"Init:{_ending(ended)}"
        elif waiting and waiting != "PodInitializing":
            out.reason = f"Init:{waiting}"
        else:
            out.reason = f"Init:{index}/{len(containers)}"
        return True
    return False


def _ending(ended: Object) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _run(out: _Progress, status: Object) -> None:
    """Look at the containers proper, the last one first: of their reasons that of the first one stays."""
    running = False
    failed = ""
    for one in reversed(status.get("containerStatuses") or ()):
        state = one.get("state") or {}
        out.count(one)
        waiting, ended = (state.get("waiting") or {}).get("reason", ""), state.get("terminated")
        if waiting:
            out.reason = waiting
        elif ended is not None:
            out.reason = _ending(ended)
            if ended.get("exitCode"):
                failed = out.reason
        elif one.get("ready") and state.get("running") is not None:
            running = True
            out.ready += 1
    if out.reason == "Completed":
        if running and _is_true(status, "Ready"):
            out.reason = "Running"
        elif failed:
            out.reason = failed
        elif running:
            out.reason = "NotReady"


def _ready(pod: Object, _: int) -> str:
    progress = _progress(pod)
    return f"{progress.ready}/{progress.total}"


def _restarts(pod: Object, now_ms: int) -> str:
    progress = _progress(pod)
    if not progress.restarts or not progress.restarted:
        return str(progress.restarts)
    return f"{progress.restarts} ({age(progress.restarted, now_ms)} ago)"


def _address(pod: Object, _: int) -> Any:
    addresses = (pod.get("status") or {}).get("podIPs") or [{}]
    return addresses[0].get("ip") or NONE


def _gates(pod: Object, _: int) -> str:
    gates = (pod.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    conditions: dict[str, str] = {}
    for one in (pod.get("status") or {}).get("conditions") or ():
        conditions.setdefault(one.get("type", ""), one.get("status", ""))
    return f"{sum(conditions.get(gate.get('conditionType', '')) == 'True' for gate in gates)}/{len(gates)}"


COLUMNS = (
    NAME,
    Column("Ready", _ready, description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", lambda pod, _: _progress(pod).reason, description="The aggregate status of the containers in this pod."),
    Column(
        "Restarts",
        _restarts,
        description="The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
    ),
    AGE,
    Column("IP", _address, priority=1, field=(STATUS, "podIP")),
    Column("Node", lambda pod, _: (pod.get("spec") or {}).get("nodeName") or NONE, priority=1, field=(SPEC, "nodeName")),
    Column(
        "Nominated Node",
        lambda pod, _: (pod.get("status") or {}).get("nominatedNodeName") or NONE,
        priority=1,
        field=(STATUS, "nominatedNodeName"),
    ),
    Column("Readiness Gates", _gates, priority=1, field=(SPEC, "readinessGates")),
)
