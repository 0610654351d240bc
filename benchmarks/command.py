"""The benchmarks' command: runs what is asked for, or reads what was measured before; shows, keeps and draws the figures."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import attrs
import click

from benchmarks.clients.client import Client
from benchmarks.clients.kbench import Kbench
from benchmarks.clients.python import PythonClient
from benchmarks.document import renew
from benchmarks.errors import BenchmarkError
from benchmarks.machine import facts
from benchmarks.peers.etcd import Etcd
from benchmarks.peers.hypercorn import OnHypercorn
from benchmarks.peers.reference import Reference
from benchmarks.peers.watchd import Watchd, Workers
from benchmarks.plots import draw
from benchmarks.report import Result, faults, show
from benchmarks.results import joined, keep, read
from benchmarks.run import MakePeer, measure_all, say
from benchmarks.workloads import (
    append,
    fairness,
    fanout,
    get,
    growth,
    log,
    memory,
    million,
    mixed,
    names,
    owners,
    put,
    restart,
    schema,
    versions,
    watchers,
    webhook,
)
from benchmarks.workloads import list as list_
from benchmarks.workloads.case import FULL, SHORT, Workload

MODULES = (
    *(get, append, put, list_, fanout, watchers, names, fairness, mixed, growth, memory, restart, million),
    *(log, schema, owners, webhook, versions),
)
"""In the order they are shown: what both servers do, then parts of watchd."""

WORKLOADS: Mapping[str, Workload] = {module.WORKLOAD.name: module.WORKLOAD for module in MODULES}

AGAINST = {
    **{name: [name] for name in ("reference", "hypercorn", "workers", "etcd")},
    "both": ["reference", "hypercorn"],
    "all": ["reference", "hypercorn", "etcd"],
}
"""What --against takes, and the servers beside watchd that it means."""

RESULTS = Path(__file__).parent / "results"
"""Where JSON is kept unless another file is named."""


def choose_client(wanted: str, rig: Path | None) -> Client:
    """Return the client asked for. Raises Unavailable."""
    return Kbench(rig) if wanted == "kbench" else PythonClient()


def choose_workloads(only: str, *, alone: bool = True, long: bool = False) -> list[Workload]:
    """Return the workloads named; for an empty text all, without those that take minutes unless they are asked for by `long`.

    Beside another server, those for watchd alone are left out. Raises click.BadParameter.
    """
    named = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in named if name not in WORKLOADS]
    if unknown:
        raise click.BadParameter(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}", param_hint="--only")
    if named:
        return [workload for name, workload in WORKLOADS.items() if name in named]
    return [
        workload
        for workload in WORKLOADS.values()
        if (long if workload.asked_only else alone or workload.only is None)
    ]


def choose_peers(against: str | None, rig: Path | None) -> dict[str, MakePeer]:
    """Return the servers, watchd first."""
    known: dict[str, MakePeer] = {
        "reference": lambda place: Reference(place, rig),
        "hypercorn": OnHypercorn,
        "workers": Workers,
        "etcd": lambda place: Etcd(place, rig),
    }
    make: dict[str, MakePeer] = {"watchd": Watchd}
    return make | {name: known[name] for name in AGAINST.get(against or "", [])}


def run(workloads: Sequence[Workload], make: Mapping[str, MakePeer], client: Client, *, short: bool, data: Path | None) -> Result:
    """Measure. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=data) as place:
        machine = facts(Path(place))
        described = {name: maker(Path(place)).describe() for name, maker in make.items()}
    measured = measure_all(workloads, make, client, SHORT if short else FULL, data=data)
    return Result(machine, client.name, "short" if short else "full", described, measured)


def in_order(result: Result) -> Result:
    """Return a result with its cases in the order of the workloads."""
    order = list(WORKLOADS)
    return attrs.evolve(result, measured=sorted(result.measured, key=lambda measured: order.index(measured.workload)))


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


@click.command()
@click.option("--only", default="", metavar="NAMES", help=f"Workloads, comma-separated: {', '.join(WORKLOADS)}.")
@click.option(
    "--against",
    type=click.Choice(list(AGAINST)),
    help="What to measure beside watchd: the reference or etcd's own watch, from the rig; watchd without its native door, or with two workers.",
)
@click.option(
    "--rig",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="WATCHD_RIG",
    help="Directory with the rig's programs, or with a bin that has them: etcd, etcdfill, reference, kbench. [env: WATCHD_RIG]",
)
@click.option(
    "--client",
    "wanted",
    type=click.Choice(["python", "kbench"]),
    default="python",
    help="Load generator for operations at full speed; kbench is the rig's.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="Where the servers' data directories are made and removed; has to be on a disk. [default: the system's own]",
)
@click.option("--short", is_flag=True, help="Small counts, one run of each case: shows faults, and no figure worth a word.")
@click.option("--long", is_flag=True, help="With what takes minutes: a restart with a million objects.")
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the figures go. [default: a file named by the date in benchmarks/results]",
)
@click.option(
    "--from",
    "kept",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="Show what was measured before, from its JSON, and measure nothing; of several, the last that has a workload.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory for drawings of how costs grow, in SVG.",
)
@click.option(
    "--document",
    "documents",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="Document whose marked parts are made anew of the figures; may be given more than once.",
)
def main(
    only: str,
    against: str | None,
    rig: Path | None,
    wanted: str,
    data: Path | None,
    short: bool,  # noqa: FBT001  # a flag of the command line
    long: bool,  # noqa: FBT001  # a flag of the command line
    file: Path | None,
    kept: tuple[Path, ...],
    plots: Path | None,
    documents: tuple[Path, ...],
) -> None:
    """Measure watchd, alone or beside another server, with one client, in one run.

    Servers run on fresh data in processes of their own, on free ports of the loopback interface, and end with the run.
    CPU per operation is the figure to compare: throughput on a shared machine depends on the neighbours.

    Exit status 1 when anything went wrong: an error, a failed server, an event lost, duplicated or out of order; never
    for a time.
    """
    workloads = choose_workloads(only, alone=against is None, long=long)
    # Servers are in sessions of their own: only an exception that passes by ends them.
    signal.signal(signal.SIGTERM, _leave)
    try:
        if kept:
            result = in_order(joined([read(one) for one in kept]))
        else:
            result = run(workloads, choose_peers(against, rig), choose_client(wanted, rig), short=short, data=data)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    show(result)
    if not kept:
        target = file or RESULTS / f"{result.machine.date.replace(':', '')}{'-short' if short else ''}.json"
        keep(result, target)
        say(f"kept in {target}")
    if plots is not None:
        for drawn in draw(result, plots):
            say(f"drawn in {drawn}")
    for document in documents:
        renew(document, result)
        say(f"renewed {document}")
    if faults(result):
        sys.exit(1)
