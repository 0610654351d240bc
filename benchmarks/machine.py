"""The machine that figures were taken on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import attrs
import lmdb

from watchd.seams import SystemClock, rfc3339

PACKAGES = ("watchd", "trio", "lmdb", "httptools", "orjson", "msgspec", "hypercorn")
"""Packages whose versions move the figures."""

ROOT = Path(__file__).parents[1]
"""The checkout."""

GIT_SECONDS = 10
"""More than git takes to look at a checkout of any size."""

SYNC_BYTES = 2048
"""What the probe of the disk appends at a time: about one object and its record."""

SYNC_ROUNDS = 60
"""How often it does: well under a second on any disk that a benchmark is run on."""


@attrs.frozen
class Machine:
    """Facts of the machine and of what ran on it."""

    date: str
    """When the run began, UTC, by the machine's clock."""
    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    source: str
    """The commit that was measured, "-dirty" with changes on top of it; "unknown" outside of a checkout."""
    versions: dict[str, str]
    disk: str
    """File system type of the data directories."""
    fdatasync_ms: float
    """Median of an append of 2 KiB and its fdatasync, alone: the floor of a durable write here."""
    load_average: float
    """Of the last minute, when the run began: what else ran here."""


def facts(directory: Path) -> Machine:
    """Return this machine's facts, with the disk's from a directory where the servers' data will be."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    versions["liblmdb"] = ".".join(str(part) for part in lmdb.version())
    versions["openssl"] = ssl.OPENSSL_VERSION
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        date=rfc3339(SystemClock().now_ms()),
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages * page_size / (1 << 30), 1),
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        source=_source(),
        versions=versions,
        disk=_file_system(directory),
        fdatasync_ms=round(fdatasync_seconds(directory) * 1000, 3),
        load_average=round(os.getloadavg()[0], 2),
    )


def fdatasync_seconds(directory: Path) -> float:
    """Return the median time of a small append and its fdatasync."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(SYNC_ROUNDS):
            begin = time.perf_counter()
            os.write(file.fileno(), b"x" * SYNC_BYTES)
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def _source() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GIT_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    """Return the type of the file system that holds a directory: the mount point with the longest matching path."""
    best, kind = Path(), "unknown"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, point, found, *_ = line.split()
        mount = Path(point)
        if directory.resolve().is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, found
    return kind
