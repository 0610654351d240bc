"""`watchd migrate`: rewrite what is stored at another version than it is stored at now."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from watchd.commands.client import Access, ask, read_kubeconfig
from watchd.commands.failure import CommandFailed
from watchd.commands.options import data_dir_options, existing_data_dir, progress

COLLECTION = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"

LOOK_SECONDS = 0.2
"""Between two looks at a migration that takes long."""

FIRST_LOOK_SECONDS = 0.01
"""Before the second look, and twice as long before each further one: most kinds have few objects, and there are seventy kinds."""

_LEFT = re.compile(r"(\d+)/(\d+) objects not yet migrated")


@click.command()
@data_dir_options
@click.argument("resources", nargs=-1, metavar="[RESOURCE[.GROUP]]...")
def command(data_dir: str | None, config_file: Path | None, resources: tuple[str, ...]) -> None:
    """Rewrite stored objects whose kind is stored at another version now, or under another schema.

    RESOURCES are plural names, as in deployments.apps; without any, all that the server has. Goes through the running server,
    by a StorageVersionMigration for each; what is stored as it should be is left alone.
    """
    access = read_kubeconfig(existing_data_dir(data_dir, config_file) / "kubeconfig")
    wanted = [_named(text) for text in resources] or list(_stored(access))
    for group, resource in wanted:
        name = f"{resource}.{group}".rstrip(".")
        with progress(name) as show:
            message = _migrate(access, group, resource, show)
        click.echo(f"{name}: {message}")


def _named(text: str) -> tuple[str, str]:
    resource, _, group = text.partition(".")
    return group, resource


def _stored(access: Access) -> Iterator[tuple[str, str]]:
    """Yield group and plural of every resource that objects are stored of, each once."""
    seen: set[tuple[str, str]] = set()
    paths = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in ask(access, "GET", "/apis")["groups"])]
    for path in paths:
        listed = ask(access, "GET", path)
        group = listed["groupVersion"].rpartition("/")[0]
        for resource in listed["resources"]:
            key = (group, resource["name"])
            if "/" not in resource["name"] and "update" in resource["verbs"] and key not in seen:
                seen.add(key)
                yield key


def _migrate(access: Access, group: str, resource: str, show: Any) -> str:
    """Have one resource migrated; return what the migration says at its end. Raises CommandFailed."""
    wanted = {
        "apiVersion": "storagemigration.k8s.io/v1",
        "kind": "StorageVersionMigration",
        "metadata": {"generateName": f"{resource}-"},
        "spec": {"resource": {"group": group, "resource": resource}},
    }
    path = f"{COLLECTION}/{ask(access, 'POST', COLLECTION, wanted)['metadata']['name']}"
    pause = FIRST_LOOK_SECONDS
    while True:
        migration = ask(access, "GET", path)
        conditions = {item["type"]: item for item in migration.get("status", {}).get("conditions", ()) if item["status"] == "True"}
        if "Failed" in conditions:
            raise CommandFailed(f"{resource}: {conditions['Failed']['message']}")
        if "Succeeded" in conditions:
            ask(access, "DELETE", path)
            return str(conditions["Succeeded"]["message"])
        if found := _LEFT.search(conditions.get("Running", {}).get("message", "")):
            left, total = map(int, found.groups())
            show(total - left, total)
        time.sleep(pause)
        pause = min(2 * pause, LOOK_SECONDS)
