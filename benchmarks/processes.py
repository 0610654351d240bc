"""Processes of our own, and what the kernel has counted for them (proc(5))."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import attrs

from benchmarks.errors import PeerFailed

TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks a second of the times in /proc/stat: 100 on Linux, so that one tick is 10 ms."""

CPU_CLOCK = 2
"""Of the clocks of a process, that of all its threads' time on a core, those that have ended included (CPUCLOCK_SCHED in the
kernel's posix-timers.h)."""

STOP_SECONDS = 20.0
"""How long a process may take after SIGTERM before SIGKILL: the servers end their requests in order first."""

ORPHAN_SECONDS = 1.0
"""How long what a server has spawned may go on after the server's end before SIGKILL."""

LOG_TAIL_BYTES = 600
"""How much of a log an error shows."""


@attrs.frozen
class Usage:
    """What some processes have used, all together."""

    cpu: float
    """User and system time since their start, in seconds, to the nanosecond."""
    anonymous: int
    """Resident anonymous memory in bytes: without the page cache that a mapped file shows as resident."""

    @property
    def anonymous_mib(self) -> float:
        """The same in MiB."""
        return self.anonymous / (1 << 20)


def usage(pids: Iterable[int]) -> Usage:
    """Return what the kernel has counted. A process that has ended counts nothing."""
    cpu, anonymous = 0.0, 0
    for pid in pids:
        with suppress(OSError):
            # What clock_getcpuclockid(3) makes of an id. The times in /proc/PID/stat have steps of 10 ms.
            cpu += time.clock_gettime((~pid << 3) | CPU_CLOCK)
            for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("RssAnon:"):
                    anonymous += int(line.split()[1]) * 1024
    return Usage(cpu, anonymous)


def family(pid: int) -> list[int]:
    """Return a process and its descendants, itself first: a server may have spawned helpers."""
    found = [pid]
    for member in found:
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{member}/task").iterdir():
                found.extend(int(child) for child in (task / "children").read_text(encoding="ascii").split())
    return found


def machine_busy() -> float:
    """Return the seconds for which the machine's cores have been busy since it started, all together (/proc/stat)."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    idle, iowait = 3, 4
    return sum(int(value) for at, value in enumerate(fields) if at not in (idle, iowait)) / TICKS


def free_port() -> int:
    """Return a loopback port that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """A process of ours, its output in a file."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches the run first and it is ended in order.

        Raises PeerFailed.
        """
        self.name = name
        self._log = log
        with log.open("ab") as output:
            try:
                self._process = subprocess.Popen(  # ended by `stop`, which Peer.stop always calls
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=env,
                    start_new_session=True,
                )
            except OSError as error:
                raise PeerFailed(f"{name} cannot be started: {error}") from error

    @property
    def pids(self) -> list[int]:
        """The process and its descendants."""
        return family(self._process.pid)

    def check(self) -> None:
        """Raise PeerFailed when it has ended."""
        if self._process.poll() is not None:
            tail = self._log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            raise PeerFailed(f"{self.name} ended with status {self._process.returncode}: {tail}")

    def stop(self) -> None:
        """End it: in order, else at once. What it has spawned ends with it or is ended too."""
        with ExitStack() as stack:
            # Descriptors, since a number may be another process's by the time that it is used.
            orphans = [_process_descriptor(pid, stack) for pid in self.pids[1:]]
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            for orphan in orphans:
                if orphan is not None and not _ended(orphan, ORPHAN_SECONDS):
                    signal.pidfd_send_signal(orphan, signal.SIGKILL)
                    _ended(orphan, STOP_SECONDS)


def _process_descriptor(pid: int, stack: ExitStack) -> int | None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    stack.callback(os.close, descriptor)
    return descriptor


def _ended(descriptor: int, within: float) -> bool:
    """Wait for a process's end (pidfd_open(2)) and tell whether it came."""
    return bool(select.select([descriptor], [], [], within)[0])
