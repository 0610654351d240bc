"""The defaults of a PodSpec, in pods and in the templates of other kinds (pkg/apis/core/v1/defaults.go of the reference)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchd.registry.builtin.common.quantities import round_up_all
from watchd.registry.builtin.core.images import LATEST, tag_of

Object = dict[str, Any]

FILE_MODE = 0o644
"""How files of configMap, secret, downwardAPI and projected volumes are there unless told otherwise."""

TOKEN_SECONDS = 3600
"""How long projected tokens of service accounts last unless told otherwise."""

GRACE_SECONDS = 30
"""How long a pod has between being told to end and being ended, unless it says otherwise."""

PROBE: dict[str, Any] = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")

VOLUME_FIELDS: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "secret": {"defaultMode": FILE_MODE},
    "configMap": {"defaultMode": FILE_MODE},
    "downwardAPI": {"defaultMode": FILE_MODE},
    "projected": {"defaultMode": FILE_MODE},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
}
"""By kind of volume: fields that are there when they are absent."""

VOLUME_TEXTS: dict[str, dict[str, str]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
"""By kind of volume: texts that are there when they are absent or empty."""


def default_pod_template(template: Object | None) -> None:
    """Fill in what a PodTemplateSpec leaves out, in place; none is fine."""
    if template is not None:
        default_pod_spec(template.setdefault("spec", {}))


def default_pod_spec(spec: Object) -> None:
    """Fill in what a PodSpec leaves out wherever one stands, in place."""
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    _texts(spec, {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler"})
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    for volume in spec.get("volumes") or ():
        _volume(volume)
    for container in containers_of(spec):
        _container(container)
    round_up_all(spec.get("overhead"))
    default_resources(spec.get("resources"))


def containers_of(spec: Object) -> Iterator[Object]:
    """Return all containers of a PodSpec: those of its beginning, its own and the ephemeral ones."""
    for field in CONTAINER_LISTS:
        yield from spec.get(field) or ()


def default_resources(resources: Object | None) -> None:
    """Bring the amounts of ResourceRequirements to whole thousandths, in place."""
    if resources:
        round_up_all(resources.get("limits"))
        round_up_all(resources.get("requests"))


def _texts(obj: Object, texts: dict[str, str]) -> None:
    for field, text in texts.items():
        if not obj.get(field):
            obj[field] = text


def _fields(obj: Object, values: dict[str, Any]) -> None:
    for field, value in values.items():
        obj.setdefault(field, value)


def pull_policy(image: str) -> str:
    """Return how an image is pulled unless its container says otherwise."""
    return "Always" if tag_of(image) == LATEST else "IfNotPresent"


def _container(container: Object) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    _texts(container, {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"})
    for port in container.get("ports") or ():
        _texts(port, {"protocol": "TCP"})
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        _field_ref(source)
        if source.get("fileKeyRef") is not None:
            source["fileKeyRef"].setdefault("optional", False)
    default_resources(container.get("resources"))
    for field in PROBES:
        probe = container.get(field)
        if probe is not None:
            _probe(probe)
    for hook in HOOKS:
        _http_get(((container.get("lifecycle") or {}).get(hook) or {}).get("httpGet"))


def _probe(probe: Object) -> None:
    for field, value in PROBE.items():
        if not probe.get(field):
            probe[field] = value
    _http_get(probe.get("httpGet"))
    grpc = probe.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""


def _http_get(action: Object | None) -> None:
    if action is not None:
        _texts(action, {"path": "/", "scheme": "HTTP"})


def _field_ref(source: Object) -> None:
    if source.get("fieldRef") is not None:
        _texts(source["fieldRef"], {"apiVersion": "v1"})


def _volume(volume: Object) -> None:
    if not any(field != "name" and source is not None for field, source in volume.items()):
        volume["emptyDir"] = {}
    for kind, source in volume.items():
        if not isinstance(source, dict):
            continue
        _fields(source, VOLUME_FIELDS.get(kind, {}))
        _texts(source, VOLUME_TEXTS.get(kind, {}))
    image = volume.get("image")
    if image is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = pull_policy(image.get("reference", ""))
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            _field_ref(item)
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", TOKEN_SECONDS)
    claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if claim is not None:
        claim_spec = claim.setdefault("spec", {})
        claim_spec.setdefault("volumeMode", "Filesystem")
        default_resources(claim_spec.get("resources"))
