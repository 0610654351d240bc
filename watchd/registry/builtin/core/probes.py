"""What a container's probes and hooks may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.registry.builtin.common.addresses import port_or_name_problems
from watchd.registry.builtin.common.fields import forbidden, invalid, nonnegative, not_supported, one_of, required
from watchd.registry.builtin.common.values import header_name
from watchd.status import FieldError

Object = dict[str, Any]

SCHEMES = ("HTTP", "HTTPS")

PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")

LINUX, WINDOWS = "linux", "windows"

PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")

ONE_HANDLER = "may not specify more than 1 handler type"

_WINDOWS_SIGNALS = ("SIGKILL", "SIGTERM")
_NAMED_SIGNALS = (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU "
    "URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
)
_LINUX_SIGNALS = tuple(
    sorted(
        [f"SIG{name}" for name in _NAMED_SIGNALS.split()]
        + [f"SIGRTMIN+{number}" for number in range(1, 16)]
        + [f"SIGRTMAX-{number}" for number in range(1, 15)]
    )
)


def probe_problems(container: Object, grace: int | None, path: str) -> list[FieldError]:
    """Return what is wrong with a container's probes; `grace` is the pod's grace period in seconds."""
    out: list[FieldError] = []
    liveness, readiness, startup = (container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe"))
    if liveness is not None:
        out += _probe(liveness, grace, f"{path}.livenessProbe") + _succeeds_once(liveness, f"{path}.livenessProbe")
    if readiness is not None:
        out += _probe(readiness, grace, f"{path}.readinessProbe")
        seconds = readiness.get("terminationGracePeriodSeconds")
        if seconds is not None:
            at = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            out.append(invalid(at, seconds, "must not be set for readinessProbes"))
    if startup is not None:
        out += _probe(startup, grace, f"{path}.startupProbe") + _succeeds_once(startup, f"{path}.startupProbe")
    return out


def lifecycle_problems(lifecycle: Object | None, grace: int | None, system: str, path: str) -> list[FieldError]:
    """Return what is wrong with a container's hooks; `system` is the pod's os.name, or empty."""
    out: list[FieldError] = []
    for hook in ("postStart", "preStop"):
        handler = (lifecycle or {}).get(hook)
        if handler is not None:
            out += _handler(handler, HOOK_HANDLERS, grace, f"{path}.{hook}")
    signal = (lifecycle or {}).get("stopSignal")
    if signal is None:
        return out
    if not system:
        return [*out, forbidden(f"{path}.stopSignal", "may not be set for containers with empty `spec.os.name`")]
    return out + one_of(signal, _WINDOWS_SIGNALS if system == WINDOWS else _LINUX_SIGNALS, f"{path}.stopSignal")


def _succeeds_once(probe: Object, path: str) -> list[FieldError]:
    threshold = probe.get("successThreshold", 0)
    return [] if threshold == 1 else [invalid(f"{path}.successThreshold", threshold, "must be 1")]


def _probe(probe: Object, grace: int | None, path: str) -> list[FieldError]:
    out = _handler(probe, PROBE_HANDLERS, grace, path)
    for field in PROBE_NUMBERS:
        out += nonnegative(probe.get(field, 0), f"{path}.{field}")
    seconds = probe.get("terminationGracePeriodSeconds")
    if seconds is not None and seconds <= 0:
        out.append(invalid(f"{path}.terminationGracePeriodSeconds", seconds, "must be greater than 0"))
    return out


def _handler(handler: Object, kinds: tuple[str, ...], grace: int | None, path: str) -> list[FieldError]:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        return [required(path, "must specify a handler type")]
    out = _ACTIONS[given[0]](handler[given[0]], grace, f"{path}.{given[0]}")
    return out + [forbidden(f"{path}.{kind}", ONE_HANDLER) for kind in given[1:]]


def _exec(action: Object, _: int | None, path: str) -> list[FieldError]:
    return [] if action.get("command") else [required(f"{path}.command")]


def _http_get(action: Object, _: int | None, path: str) -> list[FieldError]:
    out = [] if action.get("path") else [required(f"{path}.path")]
    out += port_or_name_problems(action.get("port", 0), f"{path}.port")
    out += one_of(action.get("scheme", ""), SCHEMES, f"{path}.scheme")
    for header in action.get("httpHeaders") or ():
        out += header_name(header.get("name", ""), f"{path}.httpHeaders")
    return out


def _tcp_socket(action: Object, _: int | None, path: str) -> list[FieldError]:
    return port_or_name_problems(action.get("port", 0), f"{path}.port")


def _grpc(action: Object, _: int | None, path: str) -> list[FieldError]:
    out = port_or_name_problems(action.get("port", 0), f"{path}.port")
    mode = action.get("mode")
    if mode is not None and mode not in ("Plaintext", "TLS"):
        out.append(not_supported(f"{path}.mode", mode, ("Plaintext", "TLS")))
    return out


def _sleep(action: Object, grace: int | None, path: str) -> list[FieldError]:
    seconds = action.get("seconds", 0)
    if grace is None or 0 <= seconds <= grace:
        return []
    return [invalid(path, seconds, f"must be non-negative and less than terminationGracePeriodSeconds ({grace})")]


_ACTIONS: dict[str, Callable[[Object, int | None, str], list[FieldError]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _tcp_socket,
    "grpc": _grpc,
    "sleep": _sleep,
}
