"""`watchd serve` and the commands beside it, as processes: what users, service managers and scripts rely on."""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
import yaml

DEADLINE = 20.0
"""Seconds for anything a process does here; it takes less than one on an idle machine."""

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WATCHD_")}


def watchd(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "watchd", *map(str, arguments)],
        env={**environment(), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def refused(result: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """The command failed, with the one line that says why."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("watchd: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in lines[0]


def line_of(stream: Any) -> str:
    """Read a line of a process's unbuffered output in time."""
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([stream], [], [], DEADLINE)
        assert readable, f"no line came, only {line!r}"
        byte = stream.read(1)
        if not byte:
            break
        line += byte
    return line.decode()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let what is started here see SIGINT: under a shell's background job it is ignored, and children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (answer := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)
    return answer


@attrs.define
class Serving:
    """A `watchd serve` that is ready."""

    process: subprocess.Popen[bytes]
    kubeconfig: Path
    url: str
    http_url: str
    token: str

    def connect(self, url: str | None = None) -> http.client.HTTPConnection:
        where = urlsplit(url or self.http_url)
        assert where.hostname is not None
        if where.scheme == "http":
            return http.client.HTTPConnection(where.hostname, where.port, timeout=DEADLINE)
        context = ssl.create_default_context(cafile=self.kubeconfig.parent / "pki" / "ca.crt")
        return http.client.HTTPSConnection(where.hostname, where.port, timeout=DEADLINE, context=context)

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None, url: str | None = None) -> tuple[int, Any]:
        connection = self.connect(url)
        headers = {"Content-Type": "application/json"}
        if token != "":
            headers["Authorization"] = f"Bearer {token or self.token}"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data) if data.startswith(b"{") else data.decode()

    def create(self, name: str, **data: str) -> int:
        status, created = self.ask("POST", CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
        assert status == 201, created
        return int(created["metadata"]["resourceVersion"])

    def settled(self) -> None:
        """Wait for what the controllers of a new server write, so that the next revision is the caller's."""
        for namespace in ("default", "kube-system", "kube-public", "kube-node-lease"):
            for resource, name in (("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")):
                path = f"/api/v1/namespaces/{namespace}/{resource}/{name}"
                until(lambda path=path: self.ask("GET", path)[0] == 200)
        until(lambda: "status" in self.ask("GET", "/apis/networking.k8s.io/v1/servicecidrs/kubernetes")[1])

    @contextmanager
    def watch(self, query: str) -> Iterator[http.client.HTTPResponse]:
        connection = self.connect()
        connection.request("GET", f"{CONFIG_MAPS}?watch=1&{query}", headers={"Authorization": f"Bearer {self.token}"})
        with connection.getresponse() as response:
            assert response.status == 200
            yield response
        connection.close()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@contextmanager
def serve(data: Path, *arguments: str | Path, **environ: str) -> Iterator[Serving]:
    """Start a server on free ports; its log goes beside the data."""
    command = [sys.executable, "-m", "watchd", "serve", "--data-dir", str(data), "--bind", "127.0.0.1:0"]
    with data.with_name(f"{data.name}.log").open("a+") as log:
        process = subprocess.Popen(
            [*command, "--insecure-http", "127.0.0.1:0", *map(str, arguments)],
            env={**environment(), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )
        try:
            exported = line_of(process.stdout)
            if not exported:
                log.seek(0)
                pytest.fail(f"the server ended with status {process.wait(DEADLINE)}:\n{log.read()}")
            kubeconfig = Path(exported.strip().removeprefix("export KUBECONFIG="))
            url = line_of(process.stdout).strip().removeprefix("# watchd serves ")
            http_url = line_of(process.stdout).strip().removeprefix("# and, without TLS, ")
            token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
            yield Serving(process, kubeconfig, url, http_url, token)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


# Start


def test_a_start_that_fails_is_one_line_and_1(tmp_path):
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(watchd("serve", "--data-dir", data, "--bind", f"127.0.0.1:{port}"), 1, f"127.0.0.1:{port}", "in use")
        assert not (data / "kubeconfig").exists()
    refused(watchd("serve", "--data-dir", data, "--bind", "192.0.2.1:0"), 1, "192.0.2.1:0")
    tokens = tmp_path / "tokens.csv"
    tokens.write_text("secret-token,alice\n")
    refused(watchd("serve", "--data-dir", data, "--token-auth-file", tokens), 1, "tokens.csv: record 1 has 2 columns")
    refused(watchd("serve", "--data-dir", data, "--token-auth-file", tmp_path / "none"), 1, "No such file")
    (tmp_path / "file").write_text("")
    refused(watchd("serve", "--data-dir", tmp_path / "file"), 1, "file")
    (data / "pki" / "ca.pem").write_text("junk")
    refused(watchd("serve", "--data-dir", data), 1, "ca.pem")
    other = tmp_path / "other"
    other.mkdir()
    (other / "data.mdb").write_bytes(b"not a log" * 1000)
    refused(watchd("serve", "--data-dir", other), 1, str(other))


def test_the_first_start_leaves_private_files_and_says_where_it_serves(tmp_path):
    with serve(tmp_path / "data") as server:
        assert server.kubeconfig == tmp_path / "data" / "kubeconfig"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").rglob("*") if path.is_file()}
        assert {"kubeconfig", "admin.token", "ca.pem", "server.pem", "ca.crt", "data.mdb", "lock"} <= set(modes)
        assert {name for name, mode in modes.items() if mode != 0o600} == {"ca.crt"}
        assert yaml.safe_load(server.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == server.url
        # Ready as soon as it says so, through both doors.
        for url in (server.url, server.http_url):
            assert server.ask("GET", "/readyz", url=url) == (200, "ok")
        assert server.token not in (tmp_path / "data.log").read_text()


def test_who_may(tmp_path):
    tokens = tmp_path / "tokens.csv"
    tokens.write_text('alice-token,alice,1,"dev,ops"\n')
    with serve(tmp_path / "data", "--token-auth-file", tokens) as server:
        assert server.ask("GET", CONFIG_MAPS)[0] == 200
        assert server.ask("GET", CONFIG_MAPS, token="alice-token")[0] == 200
        status, answer = server.ask("GET", CONFIG_MAPS, token="wrong")
        assert (status, answer["reason"], answer["message"]) == (401, "Unauthorized", "Unauthorized")
        status, answer = server.ask("GET", CONFIG_MAPS, token="")
        assert (status, answer["reason"]) == (403, "Forbidden")
        assert answer["message"] == (
            'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" '
            'in the namespace "default"'
        )
        for path in ("/healthz", "/livez", "/readyz"):
            assert server.ask("GET", path, token="") == (200, "ok")
        assert server.ask("GET", "/livez/ping", token="")[0] == 403
        assert server.ask("GET", "/readyz", token="wrong")[0] == 401
    with serve(tmp_path / "closed", "--no-anonymous-auth") as server:
        assert server.ask("GET", "/readyz", token="")[0] == 401
        assert server.ask("GET", "/readyz") == (200, "ok")


def test_a_second_server_is_refused_and_the_first_goes_on(tmp_path):
    with serve(tmp_path / "data") as server:
        before = server.kubeconfig.read_text()
        refused(
            watchd("serve", "--data-dir", tmp_path / "data", "--bind", "127.0.0.1:0"), 1, f"in use by process {server.process.pid}"
        )
        refused(watchd("serve", "--memory", "--data-dir", tmp_path / "data", "--bind", "127.0.0.1:0"), 1, "in use by process")
        assert server.kubeconfig.read_text() == before
        assert server.ask("GET", "/readyz") == (200, "ok")


def test_settings_from_a_file_and_the_environment(tmp_path):
    (tmp_path / "watchd.toml").write_text('durability = "relaxed"\nlog_level = "error"\nalpn = ["h2"]\n')
    with serve(tmp_path / "data", "--config", tmp_path / "watchd.toml", WATCHD_LOG_LEVEL="debug") as server:
        assert "[+]log-durability-relaxed ok\n" in server.ask("GET", "/readyz?verbose")[1]
        tls = ssl.create_default_context(cafile=tmp_path / "data" / "pki" / "ca.crt")
        with httpx.Client(verify=tls, http2=True, headers={"Authorization": f"Bearer {server.token}"}) as client:
            answer = client.get(f"{server.url}/readyz")
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert server.end() == 0
    log = (tmp_path / "data.log").read_text()
    assert "relaxed durability" in log
    # Not even the debug lines of an HTTP/2 library show a secret.
    assert server.token not in log


def test_memory_leaves_the_credentials_only(tmp_path):
    with serve(tmp_path / "data", "--memory") as server:
        server.create("a")
        assert server.end() == 0
    names = {path.name for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert names == {"kubeconfig", "admin.token", "ca.pem", "server.pem", "ca.crt", "sa.key", "checked", "lock"}


def test_a_restart_keeps_state_revisions_history_and_credentials(tmp_path):
    with serve(tmp_path / "data") as server:
        server.settled()
        first = server.create("a")
        server.create("b")
        token, authority = server.token, (tmp_path / "data/pki/ca.crt").read_text()
        assert server.end() == 0
    with serve(tmp_path / "data") as server:
        assert server.token == token
        assert (tmp_path / "data/pki/ca.crt").read_text() == authority
        with server.watch(f"resourceVersion={first}&timeoutSeconds=1") as watch:
            events = watch.read().splitlines()
        assert [json.loads(event)["object"]["metadata"]["name"] for event in events] == ["b"]


# The end


def test_sigterm_ends_in_order(tmp_path):
    with serve(tmp_path / "data", "--shutdown-delay", "1s") as server:
        server.settled()
        revision = server.create("a")
        with server.watch(f"resourceVersion={revision}&allowWatchBookmarks=true") as watch:
            server.process.send_signal(signal.SIGTERM)
            # First /readyz fails, while everything is still served.
            _, text = until(lambda: (answer := server.ask("GET", "/readyz"))[0] == 500 and answer)
            assert "[-]shutdown failed" in text
            assert server.ask("GET", "/livez") == (200, "ok")
            last = server.create("b")
            # Then the watch ends, whole, with a bookmark at what it has seen; then the process.
            events = [json.loads(line) for line in watch.read().splitlines()]
        assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
        assert events[0]["object"]["metadata"]["name"] == "b"
        assert int(events[1]["object"]["metadata"]["resourceVersion"]) >= last
        assert server.process.wait(DEADLINE) == 0
    assert watchd("verify", "--data-dir", tmp_path / "data").returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_at_once(tmp_path, number, code):
    with serve(tmp_path / "data", "--shutdown-delay", "1h") as server:
        server.create("a")
        server.process.send_signal(number)
        until(lambda: server.ask("GET", "/readyz")[0] == 500)
        assert server.end(number) == code
    with serve(tmp_path / "data") as server:
        assert server.ask("GET", f"{CONFIG_MAPS}/a")[0] == 200


# Beside a server


def test_the_log_is_printed_and_followed_beside_a_server(tmp_path):
    data = tmp_path / "data"
    with serve(data) as server:
        server.settled()
        first = server.create("a", x="1")
        lines = [json.loads(line) for line in watchd("log", "--data-dir", data).stdout.splitlines()]
        assert [line["revision"] for line in lines] == list(range(1, first + 1))
        assert set(lines[-1]) == {"revision", "time", "type", "resource", "namespace", "name", "object"}
        assert (lines[-1]["type"], lines[-1]["resource"], lines[-1]["namespace"], lines[-1]["name"]) == ("ADDED", "configmaps", "default", "a")
        assert lines[-1]["object"]["data"] == {"x": "1"}
        assert lines[-1]["object"]["metadata"]["resourceVersion"] == str(first)
        with interruptible():
            follower = subprocess.Popen(
                [sys.executable, "-m", "watchd", "log", "-f", "--data-dir", str(data), "--since", str(first), "--resource", "configmaps"],
                env=environment(),
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        try:
            second = server.create("b")
            event = json.loads(line_of(follower.stdout))
            assert (event["revision"], event["type"], event["name"]) == (second, "ADDED", "b")
            server.ask("PUT", f"{CONFIG_MAPS}/b", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"y": "2"}})
            assert json.loads(line_of(follower.stdout))["type"] == "MODIFIED"
            server.ask("DELETE", f"{CONFIG_MAPS}/b")
            event = json.loads(line_of(follower.stdout))
            assert (event["type"], event["object"]["data"]) == ("DELETED", {"y": "2"})
            follower.send_signal(signal.SIGINT)
            assert follower.wait(DEADLINE) == 130
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()
        refused(watchd("log", "--data-dir", data, "--since", "999999"), 1, "in the future")
        refused(watchd("log", "--data-dir", data, "--resource", "nothings"), 1, 'no "nothings"', "configmaps")


def test_a_reader_that_leaves_is_no_error(tmp_path):
    with serve(tmp_path / "data") as server:
        for number in range(30):
            server.create(f"a{number}", x="x" * 10_000)
    result = subprocess.run(
        f"{sys.executable} -m watchd log --data-dir {tmp_path}/data | head -n 1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert result.stderr == ""
    assert int(result.stdout.splitlines()[-1]) == 128 + signal.SIGPIPE


def test_compaction_goes_through_the_server(tmp_path):
    data = tmp_path / "data"
    with serve(data) as server:
        server.settled()
        first = server.create("a")
        server.ask("DELETE", f"{CONFIG_MAPS}/a")
        last = server.create("b")
        result = watchd("compact", "--data-dir", data, "head")
        assert result.returncode == 0, result.stderr
        assert f"compacted up to {last}" in result.stdout
        refused(watchd("log", "--data-dir", data, "--since", str(first)), 1, "is compacted", str(last))
        refused(watchd("compact", "--data-dir", data, "999999"), 1, "in the future")
        assert server.ask("POST", "/debug/watchd/compact?revision=1", token="")[0] == 403
        assert server.ask("GET", f"{CONFIG_MAPS}/b")[0] == 200
        assert server.end() == 0
    refused(watchd("compact", "--data-dir", data, "head"), 1, "no server answers")


def test_verify_backup_restore_round_trip(tmp_path):
    data, copy, file = tmp_path / "data", tmp_path / "copy", tmp_path / "file.backup"
    with serve(data) as server:
        server.settled()
        first = server.create("a", x="1")
        server.create("b", x="2")
        verified = watchd("verify", "--data-dir", data, "--json")
        assert verified.returncode == 0, verified.stderr
        report = json.loads(verified.stdout)
        assert report["ok"] is True
        result = watchd("backup", "--data-dir", data, file)
        assert result.returncode == 0, result.stderr
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        refused(watchd("backup", "--data-dir", data, file), 1, "exists already")
        refused(watchd("restore", "--data-dir", data, file), 1, "in use by process")
    assert watchd("restore", "--data-dir", copy, file).returncode == 0
    restored = json.loads(watchd("verify", "--data-dir", copy, "--json").stdout)
    assert restored == report
    refused(watchd("restore", "--data-dir", copy, file), 1, "not empty")
    # As the help says: with the old credentials clients need not be told, and nothing has to be written anew.
    shutil.copytree(data / "pki", copy / "pki")
    shutil.copy(data / "admin.token", copy)
    with serve(copy) as server:
        assert server.ask("GET", f"{CONFIG_MAPS}/a")[1]["metadata"]["resourceVersion"] == str(first)
        # Its own Endpoints name the new port, perhaps before.
        assert server.create("c") > report["head"]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(file.read_bytes()[:-40])
    refused(watchd("restore", "--data-dir", tmp_path / "none", damaged), 1, "backup")
    assert not (tmp_path / "none" / "data.mdb").exists()
