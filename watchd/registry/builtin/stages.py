"""Stages: which versions of the built-in kinds are served. Stable ones are, all others where `--runtime-config` says so.

A key is a group and version (`batch/v2alpha1`; `/v1` for the core), one of their resources (`apps/v1beta1/deployments`), or all
versions of a stage (`api/all`, `api/ga`, `api/beta`, `api/alpha`). Resources go over versions and versions over stages, whichever
order they are given in; of the stages later ones in this list go over earlier ones. Keys, precedence and refusals are the
reference's (k8s.io/apiserver: resourceconfig, APIEnablementOptions).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from watchd.config import ConfigError

ALL = "api/all"

STAGES: Mapping[str, re.Pattern[str]] = {
    ALL: re.compile(r"", re.ASCII),
    "api/ga": re.compile(r"v\d+$", re.ASCII),
    "api/beta": re.compile(r"v\d+beta\d+$", re.ASCII),
    "api/alpha": re.compile(r"v\d+alpha\d+$", re.ASCII),
}
"""Keys that stand for all versions whose name has a form."""

TRUE = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
"""Values of the other keys, as Go's ParseBool takes them; a key without a value is true."""

Runtime = Mapping[str, str]
"""Keys and values of `--runtime-config`."""

Served = Callable[[str, str, str], bool]
"""Tells of group, version and plural whether a resource is served."""


def is_stable(version: str) -> bool:
    """Tell whether a version is served unless told otherwise."""
    return STAGES["api/ga"].match(version) is not None


def decide(runtime: Runtime, known: Iterable[tuple[str, str]]) -> Served:
    """Return what tells which resources are served.

    Args:
        runtime: what was asked for.
        known: groups and versions that can be served.

    Raises ConfigError for what cannot be asked for.
    """
    versions = {key: is_stable(key[1]) for key in known}
    try:
        _check_keys(runtime, {group for group, _ in versions})
        for stage, form in STAGES.items():
            if stage in runtime:
                enabled = _stage_value(stage, runtime[stage])
                versions.update((key, enabled) for key in versions if form.match(key[1]))
        resources = _apply(runtime, versions)
    except ValueError as error:
        raise ConfigError(f"--runtime-config: {error}") from error

    def served(group: str, version: str, plural: str) -> bool:
        return resources.get((group, version, plural), versions.get((group, version), False))

    return served


def _stage_value(key: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError(f"invalid value {key}={value}")
    return value == "true"


def _check_keys(runtime: Runtime, groups: set[str]) -> None:
    """Refuse keys of another form, and those of groups that nobody knows. Raises ValueError."""
    if dict(runtime) == {ALL: "false"}:
        raise ValueError(f"invalid runtime-config with only {ALL}=false")
    unknown = set()
    for key in runtime:
        if key in STAGES:
            continue
        parts = key.split("/")
        if len(parts) not in (2, 3) or not parts[1]:
            raise ValueError(f"runtime-config invalid key {key}")
        if parts[0] not in groups:
            unknown.add("/".join(parts[:2]))
    if unknown:
        raise ValueError(f"unknown api groups {','.join(sorted(unknown))}")


def _apply(runtime: Runtime, versions: dict[tuple[str, str], bool]) -> dict[tuple[str, str, str], bool]:
    """Switch versions on and off, in place, and return the resources that are switched by themselves. Raises ValueError."""
    resources = {}
    for key, value in runtime.items():
        if key in STAGES:
            continue
        group, version, *rest = key.split("/")
        if (group, version) not in versions:
            raise ValueError(f"group version {f'{group}/{version}'.lstrip('/')} that has not been registered")
        enabled = _value(key, value)
        if not rest:
            versions[group, version] = enabled
        elif rest[0] != rest[0].lower():
            quoted = f'"{rest[0]}"'
            raise ValueError(f"invalid key {key}: group/version/resource and resource is always lowercase plural, not {quoted}")
        else:
            resources[group, version, rest[0]] = enabled
    return resources


def _value(key: str, value: str) -> bool:
    if value not in TRUE | FALSE:
        raise ValueError(f'invalid value of {key}: {value}, err: strconv.ParseBool: parsing "{value}": invalid syntax')
    return value in TRUE
