"""What a server has imported once it is ready, and once it has answered: nothing that no client has needed yet."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from watchd import server
from watchd.credentials import prepare
from watchd.seams import InlineRunner, SystemClock

ROOT = Path(__file__).parents[3]

SERVE = """
import json, socket, ssl, sys
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import_module("watchd.cli")
import_module("watchd.commands.serve")
from watchd import testing

def imported():
    return sorted(name for name in sys.modules)

def attrs_classes():
    ours = {name: vars(module) for name, module in sys.modules.items() if name.partition(".")[0] in ("watchd", "storage", "conversion")}
    return sorted(
        f"{name}.{key}" for name, members in ours.items() for key, member in members.items()
        if isinstance(member, type) and member.__module__ == name and hasattr(member, "__attrs_attrs__")
    )

seen = {}
with testing.serve_in_thread(data_dir=Path(sys.argv[1])) as server:
    seen["ready"] = imported()
    seen["attrs"] = attrs_classes()
    import http.client
    door = urlsplit(server.url)
    client = http.client.HTTPSConnection(door.netloc, context=ssl.create_default_context(cafile=server.ca_file))
    def ask(method, path, body=None):
        client.request(method, path, body and json.dumps(body), {**server.headers, "Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read()
        assert answer.status < 300, text
        return json.loads(text)
    maps = "/api/v1/namespaces/default/configmaps"
    made = ask("POST", maps, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    ask("PUT", maps + "/a", {**made, "data": {"k": "w"}})
    ask("GET", maps)
    ask("GET", maps + "/a")
    ask("DELETE", maps + "/a")
    seen["asked"] = imported()
    with socket.create_connection((urlsplit(server.http_url).hostname, urlsplit(server.http_url).port)) as plain:
        plain.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes(3) + b"\\4" + bytes(5))
        assert plain.recv(9)[3] == 4  # SETTINGS
    seen["http2"] = imported()
print(json.dumps(seen))
"""

HTTP2 = {"quart", "quart_trio", "werkzeug", "jinja2", "flask", "hypercorn", "h2", "h11", "wsproto", "asyncio"}
"""What HTTP/2 takes."""

NOT_AT_THE_START = HTTP2 | {
    "structlog", "rich", "pygments", "yaml", "cbor2", "conversion.protobuf_codec", "prometheus_client", "cryptography", "email", "zipfile", "importlib.resources", "importlib.metadata", "watchd.api.openapi",
    "watchd.crd.validation", "watchd.schema.cel", "watchd.schema.compiled", "re2", "watchd.api.patch", "watchd.api.applying", "watchd.registry.builtin.core.persistentvolume",
    "csv", "difflib", "fractions", "tomllib",
}  # fmt: skip
"""Packages and modules that cost milliseconds and megabytes."""

HAVE_TO_BE_ATTRS = {"watchd.credentials.Credentials", "watchd.registry.managed.entries.Owned", "watchd.api.spelling.Spelled", "watchd.testing.Server"}
"""Records with fields that are not shown or not compared, which msgspec has not."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    # As after the first start, which makes certificates.
    directory = tmp_path_factory.mktemp("data")
    prepare(directory, ["127.0.0.1"], clock=SystemClock())
    done = subprocess.run([sys.executable, "-c", SERVE, str(directory)], cwd=ROOT, capture_output=True, text=True, check=True)
    return {when: set(names) for when, names in json.loads(done.stdout.splitlines()[-1]).items()}


def test_a_server_that_is_ready_has_imported_what_it_needs(seen):
    assert NOT_AT_THE_START & seen["ready"] == set()
    assert "watchd.serving.http1" in seen["ready"]


def test_no_record_of_the_start_has_its_methods_compiled(seen):
    assert seen["attrs"] <= HAVE_TO_BE_ATTRS


async def test_what_writes_take_is_imported_soon_after(autojump_clock, monkeypatch):
    imported = []
    monkeypatch.setattr(server, "import_module", lambda name: imported.append(import_module(name)))
    await server.prepare_for_writes(InlineRunner())
    assert [module.__name__ for module in imported] == list(server.FOR_WRITES)
    assert set(server.FOR_WRITES) <= NOT_AT_THE_START


def test_requests_of_http1_need_nothing_of_http2(seen):
    assert not HTTP2 & seen["asked"]


def test_the_first_client_of_http2_has_it_imported(seen):
    assert {"quart", "hypercorn", "h2"} <= seen["http2"]


def test_the_process_that_commits_is_started_before_trio_is_imported():
    code = "import sys, watchd.cli, watchd.commands.serve; print([name for name in ('trio', 'attr', 'watchd.server') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
