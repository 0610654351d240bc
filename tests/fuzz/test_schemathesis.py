"""Schemathesis over the server's own OpenAPI documents: requests that fit them and requests that do not.

What is held: no answer is a failure of the server, each refusal is a Status that says its own code, and each success has
a documented media type and the documented schema. The documents are the reference's, which says less than it does, so
some of Schemathesis's checks would find the reference wrong as well and are left out:

- status_code_conformance: no document names the codes of refusals;
- positive_data_acceptance: names, selectors, quantities and rules in CEL have a syntax that documents do not tell;
- negative_data_rejection: unknown parameters and fields are let through or pruned, by design;
- unsupported_method, ignored_auth and the headers' checks are tests/unit/api's and tests/conformance's business.

The same goes for one code: a read at a resourceVersion that is no number is answered with 500, as the reference answers it.
"""

from __future__ import annotations

import http.client
import json
import time
import warnings
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from watchd.testing import serve_in_thread

checks = schemathesis.checks

SEED = 20261126
EXAMPLES = 10
"""Requests for each operation, kind of data and run: all of them together take less than a minute."""

DEADLINE = 20.0
"""Seconds in which any answer must come."""

DEFINITION = json.loads(
    (Path(__file__).parents[1] / "unit" / "api" / "openapi_reference.json").read_text()
)["definition"]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "openapi.example.com"
DOCUMENTS = [f"apis/{GROUP}/v1", "apis/coordination.k8s.io/v1"]

NAMED = {
    "things": {"apiVersion": f"{GROUP}/v1", "kind": "Thing"},
    "leases": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
}
"""What the objects of a resource say that they are."""

NAMES = ["one", "two", "three", "Not a name"]


def objects():
    """One object of each kind, so that requests find something."""
    thing = {"size": 2, "nul": None, "arr": ["a"], "color": "red"}
    yield f"/apis/{GROUP}/v1/namespaces/default/things", {"spec": thing, "status": {"size": 1}, **NAMED["things"]}
    yield "/apis/coordination.k8s.io/v1/namespaces/default/leases", {"spec": {"holderIdentity": "me"}, **NAMED["leases"]}


@pytest.fixture(scope="module")
def server():
    print(f"seed {SEED}")
    with serve_in_thread() as server, httpx.Client(base_url=server.http_url, headers=server.headers) as client:
        definition = {name: DEFINITION[name] for name in ("apiVersion", "kind", "spec")}
        made = client.post(CRDS, json={**definition, "metadata": {"name": f"things.{GROUP}"}})
        assert made.status_code == 201, made.text
        until = time.monotonic() + DEADLINE
        while client.get(f"/apis/{GROUP}/v1/things").status_code != 200:
            assert time.monotonic() < until, "the definition is not served"
        for path, body in objects():
            made = client.post(path, json={"metadata": {"name": "one"}, **body})
            assert made.status_code == 201, made.text
        yield server


def operations():
    """All operations of a document, by label; the labels are known before there is a server."""
    verbs = {"": ("GET", "POST", "DELETE"), "/{name}": ("GET", "PUT", "DELETE", "PATCH")}
    below = {"things": ("/status", "/scale"), "leases": ()}
    for document, plural in zip(DOCUMENTS, below, strict=True):
        collection = f"/{document}/namespaces/{{namespace}}/{plural}"
        yield document, f"GET /{document}/{plural}"
        for tail, methods in verbs.items():
            yield from ((document, f"{method} {collection}{tail}") for method in methods)
        for tail in below[plural]:
            yield from ((document, f"{method} {collection}/{{name}}{tail}") for method in ("GET", "PUT", "PATCH"))


@pytest.fixture(autouse=True)
def bear_warnings(monkeypatch):
    """Python's HTTP client bears 100 headers of an answer; an object of many unknown fields is warned of in more."""
    monkeypatch.setattr(http.client, "_MAXHEADERS", 1000)


@pytest.fixture(scope="module")
def documents(server):
    """Document -> label -> operation."""
    with httpx.Client(base_url=server.http_url, headers=server.headers) as client:
        found = {}
        for name in DOCUMENTS:
            schema = schemathesis.openapi.from_dict(client.get(f"/openapi/v3/{name}").json())
            operations = (result.ok() for result in schema.get_all_operations())
            found[name] = {operation.label: operation for operation in operations}
        return found


def test_every_operation_is_tried(documents):
    tried = {pair for pair in operations() if not pair[1].endswith("/status") or "leases" not in pair[1]}
    assert {(name, label) for name, found in documents.items() for label in found} == tried


@pytest.mark.parametrize(("document", "label"), list(operations()), ids=lambda text: text.replace("/", "."))
def test_conforms(server, documents, document, label):
    operation = documents[document][label]
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what cannot be generated
            try_cases(server, operation.as_strategy(generation_mode=mode), mode.name == "POSITIVE")


def try_cases(server, cases, fitting):
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, name=st.sampled_from(NAMES), aimed=st.booleans())
    def run(case, name, aimed):
        if fitting or aimed:
            aim(case, name, fitting)
        # A watch does not end; tests/unit/core and tests/conformance see to them.
        case.query = {key: value for key, value in (case.query or {}).items() if key != "watch"}
        answer = case.call(base_url=server.http_url, headers=server.headers, timeout=DEADLINE)
        check(case, answer)

    run()


def aim(case, name, fitting):
    """Lead a request to an object that may be there: at random, names never fit."""
    where = {"namespace": "default", "name": name}
    case.path_parameters = {key: where[key] for key in case.path_parameters or {}}
    if fitting and isinstance(case.body, dict) and case.method in ("POST", "PUT"):
        resource = next(plural for plural in NAMED if f"/{plural}" in case.path)
        case.body = {**case.body, **NAMED[resource], "metadata": {"name": name}}


def check(case, answer):
    if answer.status_code == 500 and "strconv.ParseUint" in answer.text and "resourceVersion" in case.query:
        return
    said = f"{answer.status_code} {answer.text[:500]}\n{case.as_curl_command()[:1500]}"
    assert answer.status_code < 500, said
    if answer.status_code >= 400:
        # A path that nobody serves (an empty name) is answered in plain text.
        if answer.headers["content-type"][0].startswith("application/json"):
            status = answer.json()
            assert (status["kind"], status["code"], status["status"]) == ("Status", answer.status_code, "Failure"), said
            assert status["message"], said
        return
    wanted = [checks.content_type_conformance]
    # The documents give a Status to DELETE; it answers with the object where that is not gone yet, and a deletecollection
    # with the list.
    if case.method != "DELETE":
        wanted.append(checks.response_schema_conformance)
    case.validate_response(answer, checks=wanted)
