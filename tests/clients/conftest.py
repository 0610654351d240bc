"""A real server in a process of its own, and the way to the clients that drive it.

WATCHD_REQUIRE=all makes a missing client a failure instead of a skip. WATCHD_TEST_KUBECONFIG=FILE runs the tests against
a server that is up already: what fails there and not here (or the reverse) is a difference worth looking at.
"""

from __future__ import annotations

import base64
import gc
import importlib
import itertools
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
import yaml

from tests.clients.kubectl import Kubectl

START_DEADLINE = 30.0
"""Seconds from the start of the process to a ready server; it takes less than one when the machine is idle."""

STOP_DEADLINE = 15.0
"""Seconds that a server may take to end its watches and leave after SIGTERM."""

POLL = 0.02
"""Seconds between two looks at a condition."""

LOG_TAIL = 6000
"""Characters of the server's output that a failed test shows."""

numbers = itertools.count(1)


def eventually(condition: Callable[[], Any], *, what: str, seconds: float = 20.0) -> Any:
    """Return the first true answer of `condition`, looked at until the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not after {seconds} s")
        time.sleep(POLL)
    return answer


@attrs.frozen
class Access:
    """What a kubeconfig says about its current context."""

    url: str
    tls: ssl.SSLContext | bool
    headers: dict[str, str]

    @classmethod
    def read(cls, kubeconfig: Path) -> Access:
        document = yaml.safe_load(kubeconfig.read_text())
        named = {
            kind: {entry["name"]: entry[kind.removesuffix("s")] for entry in document[kind]}
            for kind in ("clusters", "users", "contexts")
        }
        context = named["contexts"][document["current-context"]]
        cluster, user = named["clusters"][context["cluster"]], named["users"][context["user"]]
        tls: ssl.SSLContext | bool = not cluster.get("insecure-skip-tls-verify", False)
        if authority := cluster.get("certificate-authority-data"):
            tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        elif authority := cluster.get("certificate-authority"):
            tls = ssl.create_default_context(cafile=kubeconfig.parent / authority)
        if (certificate := user.get("client-certificate-data")) and isinstance(tls, ssl.SSLContext):
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(base64.b64decode(certificate) + b"\n" + base64.b64decode(user["client-key-data"]))
                pair.flush()
                tls.load_cert_chain(pair.name)
        headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        return cls(url=cluster["server"], tls=tls, headers=headers)


@attrs.define
class Server:
    """A server in a process of its own, on a data directory that outlives it."""

    directory: Path
    external: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def kubeconfig(self) -> Path:
        return self.external or self.directory / "data" / "kubeconfig"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    def start(self) -> None:
        """Start the server, on the port that it had before if it had one, and wait until it is ready."""
        if self.external:
            return
        command = ["serve", "--data-dir", str(self.directory / "data"), "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "watchd", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        eventually(self._ready, what="server ready", seconds=START_DEADLINE)
        self.port = urlsplit(Access.read(self.kubeconfig).url).port or 0

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"the server ended with status {self.process.returncode}:\n{self.tail()}")
        try:
            with self.client() as client:
                return client.get("/readyz").status_code == httpx.codes.OK
        except (FileNotFoundError, httpx.TransportError):
            return False

    def client(self) -> httpx.Client:
        """Return an HTTP client that is the kubeconfig's user."""
        access = Access.read(self.kubeconfig)
        return httpx.Client(base_url=access.url, verify=access.tls, headers=access.headers, timeout=30)

    def stop(self) -> None:
        """End the server as an operator would: SIGTERM, and an exit status of 0."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"the server did not stop within {STOP_DEADLINE} s of SIGTERM:\n{self.tail()}")
        if status not in {0, -signal.SIGTERM}:
            pytest.fail(f"the server ended with status {status}:\n{self.tail()}")

    def restart(self) -> None:
        """Stop the server and start it again on the same data and port."""
        if self.external:
            pytest.skip("restarts the server, which is not ours")
        self.stop()
        self.start()

    def alive(self) -> bool:
        return bool(self.external) or (self.process is not None and self.process.poll() is None)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else ""


@attrs.frozen
class Need:
    """Finds what a test needs; where it is missing the test is skipped, or fails under WATCHD_REQUIRE=all."""

    def missing(self, what: str, install: str) -> None:
        """Say that something is not here, and how it would be."""
        (pytest.fail if os.environ.get("WATCHD_REQUIRE") == "all" else pytest.skip)(f"no {what} here: {install}")

    def program(self, name: str, install: str) -> str:
        path = shutil.which(name)
        if path is None:
            self.missing(name, install)
        assert path is not None
        return path

    def module(self, name: str, install: str = "pip install --group clients") -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what a client deprecates of its own is its authors' business
                return importlib.import_module(name)
        except ModuleNotFoundError:
            self.missing(name, install)


@pytest.fixture(scope="session")
def need() -> Need:
    return Need()


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    external = os.environ.get("WATCHD_TEST_KUBECONFIG")
    server = Server(tmp_path_factory.mktemp("server"), external=Path(external) if external else None)
    try:
        yield server
    finally:
        if server.alive():
            server.stop()


@pytest.fixture
def server(_server: Server) -> Server:
    """A server that is up; one server serves all the tests, which keep to namespaces and groups of their own."""
    if not _server.alive():
        _server.start()
    return _server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the warnings of the Python clients (their deprecations, what they forget to close) to their authors."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name.startswith("test_python_"):
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def _collected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collect what a Python client left behind while its warnings are still ignored."""
    yield
    if request.path.name.startswith("test_python_"):
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, Server):
        report.sections.append(("server's output", server.tail()))
    return report


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name of the test's own, fit for a namespace."""
    plain = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    return f"{plain[:40].strip('-')}-{next(numbers)}"


@pytest.fixture
def namespace(server: Server, name: str) -> Iterator[str]:
    """A namespace of the test's own."""
    with server.client() as client:
        made = client.post("/api/v1/namespaces", json={"metadata": {"name": name}})
        if not (server.external and made.status_code == httpx.codes.NOT_FOUND):  # it serves custom resources alone
            assert made.status_code == httpx.codes.CREATED, made.text
    yield name
    if server.alive():
        with server.client() as client:
            client.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home directory for kubectl's discovery cache."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def anywhere(server, need, home):
    """Kubectl in the namespace `default`."""
    program = need.program("kubectl", "install kubectl 1.30 or later")
    return Kubectl(program=program, kubeconfig=server.kubeconfig, home=home)


@pytest.fixture
def kubectl(anywhere, namespace):
    """Kubectl in a namespace of the test's own."""
    return attrs.evolve(anywhere, namespace=namespace)


GOLDEN_MINOR = "32"
"""Of the kubectl that the transcripts are of; other versions say some things in other words."""


@pytest.fixture
def golden_kubectl(need, server, namespace, tmp_path):
    """The kubectl that the transcripts are of, with nothing cached, in a namespace of the test's own."""
    program = need.program("kubectl", f"install kubectl 1.{GOLDEN_MINOR}")
    kubectl = Kubectl(program=program, kubeconfig=server.kubeconfig, home=tmp_path, namespace=namespace)
    minor = kubectl.json("version", "--client")["clientVersion"]["minor"].rstrip("+")
    if minor != GOLDEN_MINOR:
        # Nothing is missing: all other tests of kubectl run with whatever version there is.
        pytest.skip(f"the transcript is of kubectl 1.{GOLDEN_MINOR}")
    return kubectl


TOO_BIG = "whatever is so big is grey"
"""What the rule of a rich definition says."""

RICH: dict[str, Any] = {
    "size": {"type": "integer", "minimum": 0, "maximum": 50, "default": 1},
    "color": {"type": "string", "maxLength": 10, "default": "grey"},
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    "parts": {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}, "count": {"type": "integer", "default": 1}},
        },
    },
}
"""The properties of a rich definition's spec."""


@attrs.frozen
class Custom:
    """A custom resource that is served."""

    group: str
    version: str = "v1"
    plural: str = "widgets"
    kind: str = "Widget"
    rich: bool = False
    """Whether its schema has defaults, lists by key, a set and a rule, and whether it scales."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"

    @property
    def crd(self) -> str:
        return f"{self.plural}.{self.group}"

    def definition(self) -> dict[str, Any]:
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "description": "What the widget should be.",
                    "properties": {
                        "size": {"type": "integer", "minimum": 0, "description": "How many."},
                        "color": {"type": "string"},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                },
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        }
        subresources: dict[str, Any] = {"status": {}}
        if self.rich:
            spec = schema["properties"]["spec"]
            spec["properties"] |= RICH
            spec["x-kubernetes-validations"] = [{"rule": "self.size < 10 || self.color == 'grey'", "message": TOO_BIG}]
            subresources["scale"] = {
                "specReplicasPath": ".spec.size",
                "statusReplicasPath": ".status.size",
                "labelSelectorPath": ".status.selector",
            }
        version = {
            "name": self.version,
            "served": True,
            "storage": True,
            "subresources": subresources,
            "schema": {"openAPIV3Schema": schema},
            "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        }
        names = {"plural": self.plural, "singular": "widget", "kind": self.kind, "listKind": "WidgetList"}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.crd},
            "spec": {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]},
        }

    def object(self, name: str, size: int = 1, **metadata: Any) -> dict[str, Any]:
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": name, **metadata},
            "spec": {"size": size},
        }


MERGE = {"Content-Type": "application/merge-patch+json"}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def unmade(server: Server, name: str) -> Iterator[Custom]:
    """A custom resource in a group of the test's own whose definition the test itself makes.

    It is gone after the test in any case: clients that look kinds up by their plural alone would find the wrong group.
    """
    resource = Custom(group=f"{name}.example.com")
    yield resource
    if server.alive():
        with server.client() as client:
            left = client.get(f"/apis/{resource.api_version}/{resource.plural}")
            for item in left.json()["items"] if left.status_code == httpx.codes.OK else []:
                metadata = item["metadata"]  # its operator is gone and gives no finalizer up
                path = f"/apis/{resource.api_version}/namespaces/{metadata['namespace']}/{resource.plural}"
                client.patch(f"{path}/{metadata['name']}", json={"metadata": {"finalizers": None}}, headers=MERGE)
            client.delete(f"{CRDS}/{resource.crd}")
            eventually(
                lambda: client.get(f"{CRDS}/{resource.crd}").status_code == httpx.codes.NOT_FOUND,
                what=f"{resource.crd} gone",
            )


def install(server: Server, resource: Custom) -> Custom:
    """Make the definition and wait until it is served."""
    with server.client() as client:
        made = client.post(CRDS, json=resource.definition())
        assert made.status_code == httpx.codes.CREATED, made.text

        def established() -> bool:
            conditions = client.get(f"{CRDS}/{resource.crd}").json().get("status", {}).get("conditions") or []
            served = client.get(f"/apis/{resource.api_version}/{resource.plural}").status_code == httpx.codes.OK
            return served and any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

        eventually(established, what=f"{resource.crd} established")
    return resource


@pytest.fixture
def custom(server: Server, unmade: Custom) -> Custom:
    """A custom resource in a group of the test's own, installed and served."""
    return install(server, unmade)


@pytest.fixture
def rich(server: Server, unmade: Custom) -> Custom:
    """The same with a schema that defaults and validates, and with a scale."""
    return install(server, attrs.evolve(unmade, rich=True))
