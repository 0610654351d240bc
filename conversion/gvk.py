"""Names of kinds and resources: group, version, kind; group, version, resource."""

from __future__ import annotations

import re

import msgspec


class GroupVersion(msgspec.Struct, frozen=True, order=True):
    """An API group at one of its versions; the core group is ""."""

    group: str
    version: str

    def __str__(self) -> str:
        """Return the apiVersion: `v1`, or `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, api_version: str) -> GroupVersion:
        """Read an apiVersion. Raises ValueError where it has more than one slash."""
        if api_version.count("/") > 1:
            raise ValueError(f"unexpected GroupVersion string: {api_version}")
        group, _, version = api_version.rpartition("/")
        return cls(group, version)


class GroupVersionKind(msgspec.Struct, frozen=True, order=True):
    """What an object says it is."""

    group: str
    version: str
    kind: str

    @property
    def group_version(self) -> GroupVersion:
        """The group and version alone."""
        return GroupVersion(self.group, self.version)

    def __str__(self) -> str:
        """Return the reference's form, `apps/v1, Kind=Deployment`."""
        return f"{self.group_version}, Kind={self.kind}"


class GroupVersionResource(msgspec.Struct, frozen=True, order=True):
    """Where objects of a kind are served: the plural in the path."""

    group: str
    version: str
    resource: str

    @property
    def group_version(self) -> GroupVersion:
        """The group and version alone."""
        return GroupVersion(self.group, self.version)


_KUBE_VERSION = re.compile(r"^v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?$")
_STAGES = {None: 2, "beta": 1, "alpha": 0}


def version_priority(version: str) -> tuple[int, int, int, int, str]:
    """Return a sort key that puts the preferred version first.

    Stable before beta before alpha, higher numbers first; names of another form come last, in alphabetical order
    (the reference's apimachinery version priority).
    """
    match = _KUBE_VERSION.match(version)
    if match is None:
        return (1, 0, 0, 0, version)
    major, stage, minor = match.groups()
    return (0, -_STAGES[stage], -int(major), -int(minor or 0), version)
