"""Which controllers run: the syntax of the switch, and a server that obeys it, on a socket."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from watchd import testing
from watchd.config import ConfigError, resolve
from watchd.values import CONTROLLERS, parse_controllers

READ_MODULES = """
import sys
from watchd import testing
with testing.serve_in_thread():
    print(*(name for name in sys.modules if name.startswith(("watchd.controllers.", "watchd.admission."))))
"""

AWAKE_LATER = {
    "account_tokens", "endpoint_slices", "endpoints", "expiry", "finished_jobs", "pod_garbage", "protection", "quotas", "signing_requests",
    "limitranger_rules", "resourcequota_charge",
}  # fmt: skip
"""Modules that are imported when there is something for them."""


@pytest.mark.parametrize(
    ("text", "running"),
    [
        ("*", CONTROLLERS),
        ("*,-garbage", tuple(name for name in CONTROLLERS if name != "garbage")),
        ("-garbage,*", tuple(name for name in CONTROLLERS if name != "garbage")),
        ("namespaces,garbage", ("namespaces", "garbage")),
        # As with kube-controller-manager: nothing runs that is not asked for, and the first word about one counts.
        ("-garbage", ()),
        ("", ()),
        ("garbage,-garbage", ("garbage",)),
        ("-garbage,garbage,*", tuple(name for name in CONTROLLERS if name != "garbage")),
    ],
)
def test_the_syntax_is_that_of_kube_controller_manager(text, running):
    assert parse_controllers(text) == running


@pytest.mark.parametrize("text", ["nonsense", "*,-nonsense", "-*"])
def test_what_names_no_controller_is_refused(text):
    with pytest.raises(ValueError, match="names no controller; there are definitions, "):
        parse_controllers(text)
    with pytest.raises(ConfigError, match=r"^--controllers: "):
        resolve({"controllers": text}, environ={})


def test_all_run_unless_told_otherwise():
    assert resolve({}, environ={}).controllers == CONTROLLERS
    assert resolve({}, environ={"WATCHD_CONTROLLERS": "garbage"}).controllers == ("garbage",)


def ask(server: testing.Server, method: str, path: str, body: object = None) -> httpx.Response:
    return httpx.request(method, server.http_url + path, json=body, headers=server.headers, timeout=10)


def controllers_of(server: testing.Server) -> set[str]:
    lines = ask(server, "GET", "/healthz?verbose").text.splitlines()
    return {line.removeprefix("[+]controller-").removesuffix(" ok") for line in lines if line.startswith("[+]controller-")}


def test_a_server_runs_those_that_are_asked_for():
    with testing.serve_in_thread(controllers=parse_controllers("*,-namespace-contents,-kubernetes-service")) as server:
        assert controllers_of(server) == set(CONTROLLERS) - {"namespace-contents", "kubernetes-service"}
        assert ask(server, "GET", "/api/v1/namespaces/default/serviceaccounts/default").status_code == 404
        assert ask(server, "GET", "/api/v1/namespaces/default/services/kubernetes").status_code == 404
        quota = {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "0"}}}
        assert ask(server, "POST", "/api/v1/namespaces/default/resourcequotas", quota).status_code == 201


def test_a_server_without_any_stores_and_serves():
    with testing.serve_in_thread(controllers=()) as server:
        assert controllers_of(server) == set()
        made = ask(server, "POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
        assert made.status_code == 201
        assert ask(server, "GET", "/api/v1/namespaces/default/configmaps/a").json() == made.json()


def test_controllers_that_have_nothing_to_do_are_not_even_imported():
    done = subprocess.run([sys.executable, "-c", READ_MODULES], capture_output=True, text=True, check=True, timeout=60)
    names = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert "garbage" in names
    assert not names & AWAKE_LATER
