"""What the kinds of volumes that name somebody else's storage may say: most ask for a few fields and no more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from watchd.names import dns1123_subdomain
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.builtin.common.values import descending_path, label, no_backsteps, subdomain, too_long, within
from watchd.status import FieldError

Object = dict[str, Any]

Rule = Callable[[Object, str], list[FieldError]]
"""(source, path) -> what is wrong with it."""

PARTITION_RANGE = "must be between 1 and 255, inclusive"
LUN_MAX = 255

HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")

CSI_NAME_MAX = 63
TENANT_MAX = 64
"""Characters of a tenant of Quobyte: it is a UUID."""

_IQN = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([0-9A-Za-z_.-]+)(:[^,;*&$|\s]+)$", re.ASCII),
    "eui": re.compile(r"^eui.[0-9A-Za-z]{16}$", re.ASCII),
    "naa": re.compile(r"^naa.[0-9A-Za-z]{32}$", re.ASCII),
}
_HOST_PORT = "must be a host:port pair or multiple pairs separated by commas"


def needs(*fields: str) -> Rule:
    """Return the rule that fields must not be empty."""

    def rule(source: Object, path: str) -> list[FieldError]:
        return [required(f"{path}.{field}") for field in fields if not source.get(field)]

    return rule


def _host_path(source: Object, path: str) -> list[FieldError]:
    where = source.get("path", "")
    if not where:
        return [required(f"{path}.path")]
    kind = source.get("type", "")
    wrong = [] if kind in HOST_PATH_TYPES else [not_supported(f"{path}.type", kind, HOST_PATH_TYPES)]
    return no_backsteps(where, f"{path}.path") + wrong


def _git_repo(source: Object, path: str) -> list[FieldError]:
    return needs("repository")(source, path) + descending_path(source.get("directory", ""), f"{path}.directory")


def _disk(name: str) -> Rule:
    """Return the rule of disks that may have partitions."""

    def rule(source: Object, path: str) -> list[FieldError]:
        partition = source.get("partition", 0)
        wrong = [] if 0 <= partition <= 255 else [invalid(f"{path}.partition", partition, PARTITION_RANGE)]
        return needs(name)(source, path) + wrong

    return rule


def _nfs(source: Object, path: str) -> list[FieldError]:
    out, where = needs("server", "path")(source, path), source.get("path", "")
    return out if where.startswith("/") else [*out, invalid(f"{path}.path", where, "must be an absolute path")]


def _iqn(name: str, path: str) -> list[FieldError]:
    form = _IQN.get(name[:3])
    if form is None:
        return [invalid(path, name, "must be valid format starting with iqn, eui, or naa")]
    return [] if form.search(name) else [invalid(path, name, "must be valid format")]


def _iscsi(source: Object, path: str) -> list[FieldError]:
    out = needs("targetPortal")(source, path)
    iqn = source.get("iqn", "")
    out += _iqn(iqn, f"{path}.iqn") if iqn else [required(f"{path}.iqn")]
    out += within(source.get("lun", 0), 0, LUN_MAX, f"{path}.lun")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        out.append(required(f"{path}.secretRef"))
    initiator = source.get("initiatorName")
    return out + ([] if initiator is None else _iqn(initiator, f"{path}.initiatorname"))


def _fibre_channel(source: Object, path: str) -> list[FieldError]:
    targets, ids, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    out: list[FieldError] = []
    if not targets and not ids:
        out.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if targets and ids:
        out.append(invalid(f"{path}.targetWWNs", targets, "targetWWNs and wwids can not be specified simultaneously"))
    if targets and lun is None:
        out.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    elif targets and lun is not None:
        out += within(lun, 0, LUN_MAX, f"{path}.lun")
    return out


def _quobyte(source: Object, path: str) -> list[FieldError]:
    registry = source.get("registry", "")
    out: list[FieldError] = []
    if not registry:
        out.append(required(f"{path}.registry", _HOST_PORT))
    elif len(source.get("tenant", "")) > TENANT_MAX:
        out.append(required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters"))
    else:
        pairs = registry.split(",")
        out += [invalid(f"{path}.registry", registry, _HOST_PORT) for pair in pairs if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:]*", pair)]
    return out + needs("volume")(source, path)


def _flocker(source: Object, path: str) -> list[FieldError]:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    out: list[FieldError] = []
    if not name and not uuid:
        out.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        out.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        out.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))
    return out


def _with_secret(name: str) -> Rule:
    """Return the rule of volumes that may name a secret."""

    def rule(source: Object, path: str) -> list[FieldError]:
        secret = source.get("secretRef")
        return needs(name)(source, path) + ([] if secret is None else needs("name")(secret, f"{path}.secretRef"))

    return rule


def _flex_volume(source: Object, path: str) -> list[FieldError]:
    out = needs("driver")(source, path)
    for key in source.get("options") or {}:
        domain = f".{key.partition('/')[0].lower()}"
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            out.append(invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved"))
    return out


_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISKS = ("Dedicated", "Managed", "Shared")
_MANAGED = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def _azure_disk(source: Object, path: str) -> list[FieldError]:
    out = needs("diskName", "diskURI")(source, path)
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI", "")
    if caching is not None and caching not in _CACHING:
        out.append(not_supported(f"{path}.cachingMode", caching, _CACHING))
    if kind is not None and kind not in _DISKS:
        out.append(not_supported(f"{path}.kind", kind, _DISKS))
    beginning, form = ("/subscriptions/", _MANAGED) if kind == "Managed" else ("https://", _BLOB)
    if kind is not None and not uri.startswith(beginning):
        out.append(not_supported(f"{path}.diskURI", uri, (form,)))
    return out


def _storage_os(source: Object, path: str) -> list[FieldError]:
    name, namespace, secret = source.get("volumeName", ""), source.get("volumeNamespace", ""), source.get("secretRef")
    out = label(name, f"{path}.volumeName") if name else [required(f"{path}.volumeName")]
    out += label(namespace, f"{path}.volumeNamespace") if namespace else []
    return out + ([] if secret is None else needs("name")(secret, f"{path}.secretRef"))


def csi_driver_name(name: str, path: str) -> list[FieldError]:
    """Check the name of a CSI driver."""
    if not name:
        return [required(path)]
    out = [too_long(path, CSI_NAME_MAX)] if len(name) > CSI_NAME_MAX else []
    return out + [invalid(path, name, text) for text in dns1123_subdomain(name.lower())]


def _csi(source: Object, path: str) -> list[FieldError]:
    out = csi_driver_name(source.get("driver", ""), f"{path}.driver")
    secret = source.get("nodePublishSecretRef")
    if secret is None:
        return out
    name = secret.get("name", "")
    return out + (subdomain(name, f"{path}.name") if name else [required(f"{path}.nodePublishSecretRef.name")])


RULES: dict[str, Rule] = {
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "nfs": _nfs,
    "iscsi": _iscsi,
    "glusterfs": needs("endpoints", "path"),
    "flocker": _flocker,
    "persistentVolumeClaim": needs("claimName"),
    "rbd": needs("monitors", "image"),
    "cinder": _with_secret("volumeID"),
    "cephfs": needs("monitors"),
    "quobyte": _quobyte,
    "fc": _fibre_channel,
    "flexVolume": _flex_volume,
    "azureFile": needs("secretName", "shareName"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": _azure_disk,
    "storageos": _storage_os,
    "scaleIO": needs("gateway", "system", "volumeName"),
    "csi": _csi,
}
"""By kind of volume."""
