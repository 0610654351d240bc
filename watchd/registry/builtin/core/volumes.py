"""What a pod's volumes may say: exactly one source each, and what the sources that Kubernetes fills itself ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, one_of, required
from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.builtin.common.values import label
from watchd.registry.builtin.core.claimspec import claim_template_problems
from watchd.registry.builtin.core.projections import downward_file_problems, file_mode, key_problems, projected_problems
from watchd.registry.builtin.core.volumesources import RULES, Rule
from watchd.registry.formats import dns1123_subdomain
from watchd.status import FieldError

Object = dict[str, Any]

ORDER = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi", "glusterfs", "flocker"),
    *("persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc", "flexVolume", "configMap", "azureFile"),
    *("vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image"),
)
"""In this order the first source of a volume is the one that counts."""

PATHS = {"gcePersistentDisk": "persistentDisk"}
"""How the reference calls sources in paths, where that is not their name."""

SECOND_PATHS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""How the reference calls sources that are one too many, where that is not their name."""

ONE_SOURCE = "may not specify more than 1 volume type"

PULL_POLICIES = ("Always", "IfNotPresent", "Never")

INITIATOR_MAX = 64
"""Characters of a volume's name and its portal together, where an initiator is named."""


def volume_problems(volumes: Iterable[Object], path: str, pod: str = "") -> tuple[dict[str, Object], list[FieldError]]:
    """Return the volumes that are right by name, and what is wrong with the others. `pod` is the pod's name, where it is known."""
    good: dict[str, Object] = {}
    out: list[FieldError] = []
    volumes = list(volumes)
    claims = {f"{pod}-{volume.get('name', '')}" for volume in volumes if pod and volume.get("ephemeral") is not None}
    for index, volume in enumerate(volumes):
        at, name = f"{path}[{index}]", volume.get("name", "")
        wrong = _source_problems(volume, at, pod)
        wrong += label(name, f"{at}.name") if name else [required(f"{at}.name")]
        if name in good:
            wrong.append(duplicate(f"{at}.name", name))
        if wrong:
            out += wrong
        else:
            good[name] = volume
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim in claims:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            out.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim, why))
    return good, out


def _source_problems(volume: Object, path: str, pod: str) -> list[FieldError]:
    given = [kind for kind in ORDER if volume.get(kind) is not None]
    if not given:
        return [required(path, "must specify a volume type")]
    out: list[FieldError] = []
    name = volume.get("name", "")
    for place, kind in enumerate(given):
        if place:
            out.append(forbidden(f"{path}.{SECOND_PATHS.get(kind, kind)}", ONE_SOURCE))
        else:
            out += _RULES[kind](volume[kind], f"{path}.{PATHS.get(kind, kind)}")
        if kind == "iscsi":
            out += _initiator_problems(name, volume[kind], path)
    if given[0] == "ephemeral" and pod and name:
        claim = f"{pod}-{name}"
        out += [invalid(f"{path}.name", name, f'PVC name "{claim}": {text}') for text in dns1123_subdomain(claim)]
    return out


def _initiator_problems(name: str, source: Object, path: str) -> list[FieldError]:
    if source.get("initiatorName") is None or len(f"{name}:{source.get('targetPortal', '')}") <= INITIATOR_MAX:
        return []
    why = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
    return [invalid(f"{path}.name", name, why)]


def _empty_dir(source: Object, path: str) -> list[FieldError]:
    if amount(source.get("sizeLimit")) < ZERO:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _keys(field: str) -> Rule:
    """Return the rule of volumes that are made of the keys of another object."""

    def rule(source: Object, path: str) -> list[FieldError]:
        out = [] if source.get(field) else [required(f"{path}.{field}")]
        out += file_mode(source.get("defaultMode"), f"{path}.defaultMode")
        for index, item in enumerate(source.get("items") or ()):
            out += key_problems(item, f"{path}.items[{index}]")
        return out

    return rule


def _downward_api(source: Object, path: str) -> list[FieldError]:
    out = file_mode(source.get("defaultMode"), f"{path}.defaultMode")
    for item in source.get("items") or ():
        out += downward_file_problems(item, path)
    return out


def _projected(source: Object, path: str) -> list[FieldError]:
    return file_mode(source.get("defaultMode"), f"{path}.defaultMode") + projected_problems(source, path)


def _image(source: Object, path: str) -> list[FieldError]:
    out = [] if source.get("reference") else [required(f"{path}.reference")]
    return out + pull_policy_problems(source.get("pullPolicy", ""), f"{path}.pullPolicy")


def _ephemeral(source: Object, path: str) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    return claim_template_problems(template, f"{path}.volumeClaimTemplate")


def pull_policy_problems(policy: str, path: str) -> list[FieldError]:
    """Check when an image is pulled."""
    return one_of(policy, PULL_POLICIES, path) if policy else [required(path)]


_RULES: Mapping[str, Rule] = {
    **RULES,
    "emptyDir": _empty_dir,
    "secret": _keys("secretName"),
    "configMap": _keys("name"),
    "downwardAPI": _downward_api,
    "projected": _projected,
    "image": _image,
    "ephemeral": _ephemeral,
}
