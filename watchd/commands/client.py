"""How commands speak to the server that runs on a data directory: by the kubeconfig that it wrote."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import yaml

from watchd.commands.failure import CommandFailed

CONNECT_SECONDS = 10.0
"""How long the server may take to accept; it is on this machine."""

ANSWER_SECONDS = 600.0
"""How long an answer may take: compaction goes in small transactions beside the server's own work."""


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


def ask(access: Access, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send a request to the server and return its JSON answer. Raises CommandFailed, with the Status message of a refusal."""
    where = urlsplit(access.url)
    context = ssl.create_default_context(cadata=access.ca)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=CONNECT_SECONDS, context=context)
    sent = b"" if body is None else json.dumps(body).encode()
    headers = {
        "Authorization": f"Bearer {access.token}",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": str(len(sent)),
    }
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.request(method, path, body=sent, headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except OSError as error:
        raise CommandFailed(f"no server answers at {access.url}: {error}") from error
    except (http.client.HTTPException, ValueError) as error:
        raise CommandFailed(f"what answers at {access.url} is no watchd: {error}") from error
    finally:
        connection.close()
    if response.status not in (200, 201):
        raise CommandFailed(str(answer.get("message", f"the server answered {response.status}")))
    return dict(answer)
