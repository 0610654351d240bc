"""`watchd verify`: read everything that is stored and check it against itself."""

from __future__ import annotations

from pathlib import Path

import click
import orjson
import trio

from storage.lmdb_log import LmdbLog
from storage.verify import Report, verify
from watchd.commands.options import data_dir_options, existing_data_dir, progress
from watchd.seams import SystemClock, ThreadRunner


async def _verify(path: Path) -> Report:
    log = await LmdbLog.open(path, clock=SystemClock(), runner=ThreadRunner(), readonly=True)
    try:
        with progress("verifying") as show:
            return await verify(log, progress=show)
    finally:
        await log.aclose()


def describe(report: Report) -> dict[str, object]:
    """Return a report as `--json` prints it."""
    return {
        "ok": report.good,
        "clusterId": report.cluster_id,
        "head": report.head,
        "floor": report.floor,
        "records": report.records,
        "keys": report.keys,
        "digest": f"sha256:{report.digest}",
        "problemCount": report.problem_count,
        "problems": list(report.problems),
    }


@click.command()
@data_dir_options
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON line.")
@click.pass_context
def command(ctx: click.Context, data_dir: str | None, config_file: Path | None, *, as_json: bool) -> None:
    """Check that the log is whole: its fold is the current state, its index and sums agree.

    Works beside a running server and without one; it changes nothing. The digest is over the current state alone: two
    servers with equal states print equal digests. Exit status 1 where damage was found.
    """
    report = trio.run(_verify, existing_data_dir(data_dir, config_file))
    if as_json:
        click.echo(orjson.dumps(describe(report)))
    else:
        click.echo(f"revisions {report.floor} to {report.head}, {report.records} records, {report.keys} objects")
        click.echo(f"state sha256:{report.digest}")
        for problem in report.problems:
            click.echo(f"damage: {problem}")
        unnamed = report.problem_count - len(report.problems)
        if unnamed:
            click.echo(f"and {unnamed} more")
        click.echo("ok" if report.good else f"{report.problem_count} problems")
    if not report.good:
        ctx.exit(1)
