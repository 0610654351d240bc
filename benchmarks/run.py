"""The benchmarks' command: starts the servers, runs the workloads against each in turn, shows and keeps the figures."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from benchmarks.asking import define, wait_until_ok
from benchmarks.clients.client import Client
from benchmarks.clients.kbench import Kbench
from benchmarks.clients.python import PythonClient
from benchmarks.errors import BenchmarkError, ClientFailed, PeerFailed, Unavailable
from benchmarks.figures import Figure, Measured, Run
from benchmarks.machine import facts
from benchmarks.peers.hypercorn import OnHypercorn
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.peers.reference import Reference
from benchmarks.peers.watchd import Watchd
from benchmarks.report import Result, faults, keep, markdown, show
from benchmarks.widgets import COLLECTION, PREFIX
from benchmarks.workloads import append, fanout, get, log, memory, owners, put, restart, schema, versions, webhook
from benchmarks.workloads import list as list_
from benchmarks.workloads.case import FULL, SHORT, Bench, Case, Counts, Setting, Workload

WORKLOADS: Mapping[str, Workload] = {
    module.WORKLOAD.name: module.WORKLOAD for module in (append, log, schema, owners, webhook, versions, get, put, fanout, memory, list_, restart)
}
"""In the order they are run and shown; those of one setting stand together."""

FILL_WORKERS = 32
"""Connections that a population is made with."""

RESULTS = Path(__file__).parent / "results"
"""Where JSON is kept unless another file is named."""

MakePeer = Callable[[Path], Peer]
"""(a directory of its own) -> a server, not yet started."""


def say(line: str) -> None:
    """Tell how far the run is, on stderr: stdout is the table's."""
    print(line, file=sys.stderr, flush=True)


def population(setting: Setting, counts: Counts) -> int:
    """Return how many objects there are in a setting."""
    return {Setting.EMPTY: 0, Setting.SMALL: counts.small, Setting.LARGE: counts.large}[setting]


@contextmanager
def started(make: Mapping[str, MakePeer], fill: int, client: Client, data: Path | None) -> Iterator[dict[str, Peer]]:
    """Lend servers, one of each kind, on fresh data with so many objects; all of them end at the end."""
    with ExitStack() as stack:
        peers = {}
        for name, maker in make.items():
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"bench-{name}-", dir=data))
            peer = maker(Path(place))
            stack.callback(peer.stop)
            peer.start()
            define(peer.endpoint)
            if fill:
                say(f"  {name}: {fill:,} objects are made")
                run = client.create(peer, prefix=PREFIX, count=fill, workers=FILL_WORKERS)
                if run[Figure.ERRORS]:
                    raise PeerFailed(f"{name}: {run[Figure.ERRORS]:g} of {fill} objects could not be created")
                # Caches that the first whole list fills are full when the first case begins.
                wait_until_ok(peer.endpoint, COLLECTION, within=READY_SECONDS)
            peers[name] = peer
        yield peers


def measure(case: Case, workload: str, peers: Mapping[str, Peer], repetitions: int) -> Measured:
    """Run a case against each server in turn, as often as asked: a neighbour's load then meets all of them.

    A server that fails is left out of the rest of the case, with the reason.
    """
    runs: dict[str, list[Run]] = {name: [] for name in peers}
    failures: dict[str, str] = {}
    for repetition in range(-1, repetitions):
        for name, peer in peers.items():
            if name in failures:
                continue
            try:
                if repetition >= 0:
                    run = dict(case.run(peer, repetition))
                    run.setdefault(Figure.ANONYMOUS, peer.usage().anonymous_mib)
                    runs[name].append(run)
                elif case.warm_up is not None:
                    case.warm_up(peer)
            except (ClientFailed, PeerFailed) as error:
                failures[name] = str(error)
                say(f"  {name}: {error}")
    return Measured(workload, case.name, runs, failures)


def measure_all(
    workloads: Sequence[Workload],
    make: Mapping[str, MakePeer],
    client: Client,
    counts: Counts,
    *,
    data: Path | None = None,
) -> list[Measured]:
    """Run workloads, those of one setting on the same servers, with their data in fresh directories under `data`.

    Raises BenchmarkError when no server can be had.
    """
    bench = Bench(client, counts)
    out: dict[tuple[str, str], Measured] = {}
    for setting in Setting:
        chosen = [workload for workload in workloads if workload.setting is setting]
        if not chosen:
            continue
        with started(make, population(setting, counts), client, data) as peers:
            for workload in chosen:
                able = {name: peer for name, peer in peers.items() if workload.only in (None, name)}
                for case in workload.cases(bench):
                    say(f"{workload.name}: {case.name}")
                    out[workload.name, case.name] = measure(case, workload.name, able, counts.repetitions)
    order = list(WORKLOADS)
    return sorted(out.values(), key=lambda measured: order.index(measured.workload))


def choose_client(wanted: str, rig: Path | None) -> Client:
    """Return the client asked for: "auto" is kbench where it is installed. Raises Unavailable."""
    if wanted == "python":
        return PythonClient()
    try:
        return Kbench(rig)
    except Unavailable:
        if wanted == "kbench":
            raise
        return PythonClient()


def choose_workloads(only: str) -> list[Workload]:
    """Return the workloads named, all for an empty text. Raises click.BadParameter."""
    names = [name.strip() for name in only.split(",") if name.strip()] or list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        raise click.BadParameter(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}", param_hint="--only")
    return [workload for name, workload in WORKLOADS.items() if name in names]


@click.command()
@click.option("--only", default="", metavar="NAMES", help=f"Workloads, comma-separated: {', '.join(WORKLOADS)}.")
@click.option(
    "--against",
    type=click.Choice(["reference", "hypercorn", "both"]),
    help="What to measure beside watchd: the reference, from the rig, or watchd without its native door.",
)
@click.option(
    "--rig",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="WATCHD_RIG",
    help="Directory with the rig's programs, or with a bin that has them: etcd, reference, kbench. [env: WATCHD_RIG]",
)
@click.option(
    "--client",
    "wanted",
    type=click.Choice(["auto", "kbench", "python"]),
    default="auto",
    help="Load generator; auto is kbench where the rig has it.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="Where the servers' data directories are made and removed; has to be on a disk. [default: the system's own]",
)
@click.option("--short", is_flag=True, help="Small counts, one run of each case.")
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the figures go. [default: a file named by the date in benchmarks/results]",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table once more, for a document.")
def main(
    only: str,
    against: str | None,
    rig: Path | None,
    wanted: str,
    data: Path | None,
    short: bool,  # noqa: FBT001  # a flag of the command line
    file: Path | None,
    as_markdown: bool,  # noqa: FBT001  # a flag of the command line
) -> None:
    """Measure watchd, alone or beside another server, with one client, in one run.

    Servers run on fresh data in processes of their own, on free ports of the loopback interface, and end with the run.
    CPU per operation is the figure to compare: throughput on a shared machine depends on the neighbours.

    Exit status 1 when anything went wrong: an error, a failed server, an event lost, duplicated or out of order.
    """
    workloads = choose_workloads(only)
    make: dict[str, MakePeer] = {"watchd": Watchd}
    if against in ("hypercorn", "both"):
        make["hypercorn"] = OnHypercorn
    if against in ("reference", "both"):
        make["reference"] = lambda place: Reference(place, rig)
    try:
        client = choose_client(wanted, rig)
        with tempfile.TemporaryDirectory(prefix="bench-", dir=data) as place:
            machine = facts(Path(place))
            described = {name: maker(Path(place)).describe() for name, maker in make.items()}
        measured = measure_all(workloads, make, client, SHORT if short else FULL, data=data)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    result = Result(machine, client.name, "short" if short else "full", described, measured)
    show(result)
    target = file or RESULTS / f"{machine.date.replace(':', '')}{'-short' if short else ''}.json"
    keep(result, target)
    say(f"kept in {target}")
    if as_markdown:
        print(markdown(result))
    if faults(result):
        sys.exit(1)


if __name__ == "__main__":
    main()
