"""`watchd log`: the change log as JSON lines, beside a running server or without one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs
import click
import orjson
import trio

from storage.errors import Compacted
from storage.lmdb_log import LmdbLog
from storage.types import NOTHING, KindId, Op, Record, Revision, Scope, kind_of, make_key, path_of
from watchd.commands.failure import CommandFailed
from watchd.commands.options import data_dir_options, existing_data_dir
from watchd.seams import SystemClock, ThreadRunner, rfc3339_micro

POLL_SECONDS = 0.1
"""How often a follower looks at the head: another process's commits wake nobody here, and a look costs microseconds."""

BATCH_RECORDS = 500
"""Records read at a time."""

BATCH_BYTES = 4 << 20
"""Bodies read at a time."""


@attrs.frozen
class Change:
    """One line."""

    revision: int
    time: str
    type: str
    """ADDED, MODIFIED or DELETED, without regard to selectors."""
    resource: str
    """The storage name: `configmaps`, `leases.coordination.k8s.io`."""
    namespace: str
    name: str
    object: orjson.Fragment
    """As stored; of a DELETED one, its last state under the revision of its end."""

    def line(self) -> bytes:
        """Return the JSON line."""
        fields = {field.name: getattr(self, field.name) for field in attrs.fields(Change)}
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def change_of(record: Record, names: Mapping[KindId, str]) -> Change:
    """Describe a record. `names` are the storage names."""
    put = "ADDED" if record.previous == NOTHING else "MODIFIED"
    namespace, _, name = path_of(record.key).rpartition("/")
    return Change(
        record.revision,
        rfc3339_micro(record.time_ms),
        "DELETED" if record.op is Op.DELETE else put,
        names.get(kind_of(record.key), "?"),
        namespace,
        name,
        orjson.Fragment(record.body),
    )


async def print_changes(log: LmdbLog, *, since: int | None, resource: str, follow: bool) -> None:
    """Write the changes after a revision to stdout; with `follow`, go on as they come.

    Raises CommandFailed where the revision is compacted or still to come, or where no such resource was ever stored.
    """
    head = log.head
    after = log.floor if since is None else Revision(since)
    if after > head:
        raise CommandFailed(f"revision {after} is in the future, the head is {head}")
    while True:
        kinds = log.kinds()
        names = {kind: name for name, kind in kinds.items()}
        if resource and resource not in kinds and not follow:
            raise CommandFailed(f'no "{resource}" was ever stored here; the resources are {", ".join(sorted(kinds))}')
        scope = Scope(make_key(kinds[resource]) if resource in kinds else b"")
        try:
            batch = await log.read(after, scope=scope, limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
        except Compacted as error:
            raise CommandFailed(f"revision {after} is compacted; the oldest that can be asked for is {error.floor}") from error
        for record in batch.records:
            if resource and names.get(kind_of(record.key)) != resource:
                continue
            sys.stdout.buffer.write(change_of(record, names).line())
        after = batch.upto
        if batch.records:
            sys.stdout.buffer.flush()
        if after < log.head:
            await trio.lowlevel.checkpoint()
        elif follow:
            await trio.sleep(POLL_SECONDS)
        else:
            return


async def _main(path: Path, *, since: int | None, resource: str, follow: bool) -> None:
    log = await LmdbLog.open(path, clock=SystemClock(), runner=ThreadRunner(), readonly=True)
    try:
        await print_changes(log, since=since, resource=resource, follow=follow)
    finally:
        await log.aclose()


@click.command()
@data_dir_options
@click.option(
    "--since",
    type=click.IntRange(min=0),
    metavar="REVISION",
    help="Only changes after this resourceVersion.  [default: all that are retained]",
)
@click.option("--resource", default="", metavar="NAME", help="Only this resource: configmaps, leases.coordination.k8s.io.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new changes as they come, until interrupted.")
def command(data_dir: str | None, config_file: Path | None, since: int | None, resource: str, *, follow: bool) -> None:
    """Print the change log as JSON lines, oldest first.

    Works beside a running server and without one; it changes nothing. Each line has revision, time, type (ADDED,
    MODIFIED or DELETED), resource, namespace, name and object.
    """
    # A reader that leaves, as `head` does, ends this command as it ends any other filter.
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        trio.run(lambda: _main(existing_data_dir(data_dir, config_file), since=since, resource=resource, follow=follow))
    finally:
        # A process that calls the command as a function goes on after it.
        signal.signal(signal.SIGPIPE, before)
