"""`watchd compact`: raise the floor of a running server."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import click
import yaml

from watchd.api.admin import COMPACT_PATH
from watchd.commands.failure import CommandFailed
from watchd.commands.options import data_dir_options, existing_data_dir

CONNECT_SECONDS = 10.0
"""How long the server may take to accept; it is on this machine."""

COMPACT_SECONDS = 600.0
"""How long compaction may take: it goes in small transactions beside the server's own work."""


@attrs.frozen
class Access:
    """How to reach the server that wrote a kubeconfig."""

    url: str
    ca: str = attrs.field(repr=False)
    token: str = attrs.field(repr=False)


def read_kubeconfig(path: Path) -> Access:
    """Read a kubeconfig as the server writes it. Raises CommandFailed."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        cluster = document["clusters"][0]["cluster"]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
        return Access(cluster["server"], ca, document["users"][0]["user"]["token"])
    except FileNotFoundError as error:
        raise CommandFailed(f"{path}: no server has run here") from error
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise CommandFailed(f"{path}: not a kubeconfig that watchd wrote") from error


def post(access: Access, path: str) -> dict[str, Any]:
    """POST to the server and return its JSON answer. Raises CommandFailed, with the Status message of a refusal."""
    where = urlsplit(access.url)
    context = ssl.create_default_context(cadata=access.ca)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=CONNECT_SECONDS, context=context)
    try:
        connection.connect()
        connection.sock.settimeout(COMPACT_SECONDS)
        headers = {"Authorization": f"Bearer {access.token}", "Accept": "application/json", "Content-Length": "0"}
        connection.request("POST", path, headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except OSError as error:
        raise CommandFailed(f"no server answers at {access.url}: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise CommandFailed(f"what answers at {access.url} is no watchd: {error}") from error
    finally:
        connection.close()
    if response.status != 200:
        raise CommandFailed(str(answer.get("message", f"the server answered {response.status}")))
    return dict(answer)


def _revision(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value != "head" and not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f'"{value}" is neither a resourceVersion nor "head"')
    return value


@click.command()
@data_dir_options
@click.argument("revision", callback=_revision)
def command(data_dir: str | None, config_file: Path | None, revision: str) -> None:
    """Drop superseded versions and watch history up to a resourceVersion.

    REVISION is a resourceVersion, or "head" for everything that can go. The current state stays whole; watches and
    reads at older resourceVersions are answered 410 from then on. Goes through the running server, which does the same
    by itself as --retain-age and --retain-bytes say.
    """
    access = read_kubeconfig(existing_data_dir(data_dir, config_file) / "kubeconfig")
    answer = post(access, f"{COMPACT_PATH}?revision={revision}")
    click.echo(f"compacted up to {answer['floor']}, the head is {answer['head']}")
