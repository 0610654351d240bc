"""APIService: who serves a version of a group."""

from __future__ import annotations

import base64

from watchd.names import dns1035_label, dns1123_subdomain, path_segment
from watchd.registry.builtin.common.addresses import PORT_MAX, PORT_RANGE
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.builtin.common.statuses import KEEPS, keep_metadata
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.seams import Clock, Entropy, rfc3339
from watchd.status import FieldError, go_quote

PORT = 443
GROUP_PRIORITY_MAX, VERSION_PRIORITY_MAX = 20_000, 1000

STATUSES = ("True", "False", "Unknown")


class APIServiceStrategy(Strategy):
    """The rules of APIService."""

    name_format = NameFormat.PATH_SEGMENT
    status_keeps = KEEPS

    def default(self, obj: Object) -> None:
        """Fill in the port."""
        service = (obj.get("spec") or {}).get("service")
        if service is not None:
            service.setdefault("port", PORT)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Mark what this server serves itself as available."""
        del entropy
        if (obj.get("spec") or {}).get("service") is None:
            condition = {"type": "Available", "status": "True", "lastTransitionTime": rfc3339(clock.now_ms())}
            obj["status"] = {"conditions": [{**condition, "reason": "Local", "message": "Local APIServices are always available"}]}

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Keep the metadata from a write of the status."""
        if subresource == "status":
            keep_metadata(obj, old)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check name, group, version, priorities and service."""
        spec = obj.get("spec") or {}
        group, version, name = spec.get("group", ""), spec.get("version", ""), obj["metadata"].get("name", "")
        wanted = f"{version}.{group}"
        out: list[FieldError] = []
        if name and name != wanted and not path_segment(name):
            out.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: {go_quote(wanted)}'))
        if not group and version != "v1":
            out.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
        out += [invalid("spec.group", group, text) for text in dns1123_subdomain(group)] if group else []
        out += [invalid("spec.version", version, text) for text in dns1035_label(version)]
        for field, most in (("groupPriorityMinimum", GROUP_PRIORITY_MAX), ("versionPriority", VERSION_PRIORITY_MAX)):
            number = spec.get(field, 0)
            if not 0 < number <= most:
                out.append(invalid(f"spec.{field}", number, f"must be positive and less than {most}"))
        return out + (_local(spec) if spec.get("service") is None else _remote(spec))

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check the whole, or the status alone."""
        del old
        if subresource != "status":
            return self.validate(obj)
        conditions = enumerate((obj.get("status") or {}).get("conditions") or ())
        found = ((index, condition.get("status", "")) for index, condition in conditions)
        return [not_supported(f"status.conditions[{index}].status", value, STATUSES) for index, value in found if value not in STATUSES]


def _local(spec: Object) -> list[FieldError]:
    out: list[FieldError] = []
    if spec.get("caBundle"):
        size = len(base64.b64decode(spec["caBundle"]))
        out.append(invalid("spec.caBundle", f"{size} bytes", "local APIServices may not have a caBundle"))
    if spec.get("insecureSkipTLSVerify"):
        out.append(invalid("spec.insecureSkipTLSVerify", True, "local APIServices may not have insecureSkipTLSVerify"))
    return out


def _remote(spec: Object) -> list[FieldError]:
    service = spec["service"]
    out = [required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field)]
    if not 1 <= service["port"] <= PORT_MAX:
        out.append(invalid("spec.service.port", service["port"], f"port is not valid: {PORT_RANGE}"))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        out.append(invalid("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))
    return out


STRATEGY = APIServiceStrategy()


def _service(obj: Object, _: int) -> str:
    service = (obj.get("spec") or {}).get("service")
    return "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"


def _available(obj: Object, _: int) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    condition = next((each for each in conditions if each.get("type") == "Available"), {"status": "Unknown"})
    status, reason = str(condition.get("status", "")), condition.get("reason")
    return f"{status} ({reason})" if reason and status != "True" else status


COLUMNS = (
    NAME,
    Column("Service", _service, description="The reference to the service that hosts this API endpoint."),
    Column("Available", _available, description="Whether this service is available."),
    AGE,
)
