"""Deprecations: since when a version of a kind is deprecated, until when it was served, and what stands in its place.

`lifecycle.json` is made of what the Go types say of themselves (conversion/protobuf_fields, `go run . lifecycle`): by group version
and kind the release that deprecates it, the one that serves it no more, and group version and kind of its replacement, empty where
there is none. Releases that are to come say nothing yet.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

RELEASE = (1, 37)
"""The release of the reference that is served, as watchd.api.version has it."""

Entry = tuple[str, str, str, str]

EARLIER: dict[str, Entry] = {
    "batch/v2alpha1 CronJob": ("1.8", "1.21", "batch/v1", "CronJob"),
    "batch/v2alpha1 Job": ("1.8", "1.8", "batch/v1", "Job"),
    "batch/v2alpha1 ScheduledJob": ("1.5", "1.8", "batch/v1", "CronJob"),
}
"""Kinds that the types of this release have no more, as the change logs of 1.5, 1.8 and 1.21 tell of them."""


class Deprecation(msgspec.Struct, frozen=True):
    """What is said of a deprecated version."""

    warning: str
    """The text of the Warning header."""
    removed_release: str
    """As metrics name it: `1.16`, or empty where there is none."""


@cache
def _lifecycle() -> dict[str, Entry]:
    told = msgspec.json.decode(Path(__file__).with_name("lifecycle.json").read_bytes(), type=dict[str, Entry])
    return {**told, **EARLIER}


def deprecation(group_version: str, kind: str) -> Deprecation | None:
    """Return what is said of a kind at a version, or None where it is not deprecated in this release."""
    entry = _lifecycle().get(f"{group_version} {kind}")
    if entry is None:
        return None
    since, until, replacement, other_kind = entry
    if not since or _release(since) > RELEASE:
        return None
    text = f"{group_version} {kind} is deprecated in v{since}+"
    if until:
        text += f", unavailable in v{until}+"
    if replacement:
        text += f"; use {replacement} {other_kind}"
    return Deprecation(text, until)


def _release(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)
