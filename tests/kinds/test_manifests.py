"""Each built-in kind whole: an example goes through every verb, in every format, on a real server."""

from __future__ import annotations

import copy
import io
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import cbor2
import httpx
import orjson
import pytest
import yaml

from conversion.cbor_codec import CborCodec
from conversion.protobuf_codec import ProtobufCodec
from tests.kinds.manifests import CASES, DIRECTORY, SIZES, Stored, cases, stored_kinds
from watchd.testing import Server, serve_in_thread

PATIENCE = 10.0
"""Seconds that the controllers may take to let an object go."""

JSON, YAML, CBOR, PROTOBUF = "application/json", "application/yaml", "application/cbor", "application/vnd.kubernetes.protobuf"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"

READERS: dict[str, Callable[[bytes], Any]] = {
    JSON: orjson.loads,
    YAML: yaml.safe_load,
    CBOR: lambda data: CborCodec().decode(data).value,
    PROTOBUF: lambda data: ProtobufCodec().decode(data).value,
}
WRITERS: dict[str, Callable[[Any], bytes]] = {
    JSON: orjson.dumps,
    YAML: lambda obj: yaml.safe_dump(obj).encode(),
    CBOR: CborCodec().encode,
    PROTOBUF: ProtobufCodec().encode,
}
STREAMS = {JSON: JSON, CBOR: CBOR, PROTOBUF: f"{PROTOBUF};stream=watch"}

DRAWN = frozenset(
    (
        *("clusterIP", "clusterIPs", "healthCheckNodePort", "nodePort", "time", "timeAdded", "creationTimestamp", "lastPhaseTransitionTime"),
        *("uid", "controller-uid", "batch.kubernetes.io/controller-uid"),
    )
)
"""Fields that are drawn or told by a clock."""

FINALIZED = frozenset(
    ("namespaces", "customresourcedefinitions", "persistentvolumes", "persistentvolumeclaims", "volumeattributesclasses")
)
"""Kinds that a controller lets go."""

OWNING_NOTHING = frozenset({"namespaces", "nodes", "serviceaccounts", "leases", "csinodes", "certificatesigningrequests"})
"""Kinds whose minimal example, applied, owns no field: it says nothing, or what applying does not own."""

numbers = itertools.count(1)
KINDS = stored_kinds()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve_in_thread() as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as made:
        yield made


@pytest.fixture
def namespace(client: httpx.Client) -> str:
    name = f"kinds-{next(numbers)}"
    made = client.post("/api/v1/namespaces", json={"metadata": {"name": name}})
    assert made.status_code == 201, made.text
    return name


def ok(answer: httpx.Response, code: int = 200) -> Any:
    assert answer.status_code == code, answer.text
    return answer.json()


def steady(value: Any) -> Any:
    """Return a value without what is drawn anew for each object."""
    if isinstance(value, dict):
        return {key: steady(held) for key, held in value.items() if key not in DRAWN}
    return [steady(held) for held in value] if isinstance(value, list) else value


def content(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without what every write changes."""
    metadata = {key: held for key, held in obj["metadata"].items() if key not in ("resourceVersion", "managedFields", "generation")}
    return {**obj, "metadata": metadata}


def untyped(obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the types of the claims in it, which have no place in protobuf."""
    claims = obj.get("spec", {}).get("volumeClaimTemplates")
    if not claims:
        return obj
    bare = [{key: held for key, held in claim.items() if key not in ("apiVersion", "kind")} for claim in claims]
    return {**obj, "spec": {**obj["spec"], "volumeClaimTemplates": bare}}


class Life:
    """An object from its creation to its end, with what the server answered to each write."""

    def __init__(self, client: httpx.Client, kind: Stored, size: str, namespace: str) -> None:
        self.client, self.kind, self.size = client, kind, size
        self.path = kind.path(namespace)
        self.manifest = kind.manifest(size, namespace)
        self.name = self.manifest["metadata"]["name"]
        self.url = f"{self.path}/{self.name}"
        self.written: list[dict[str, Any]] = []

    def read(self) -> dict[str, Any]:
        return ok(self.client.get(self.url))

    def is_made_alike_in_every_format(self) -> None:
        made = [
            ok(self.client.post(self.path, params={"dryRun": "All", "fieldValidation": "Strict"}, content=write(self.manifest), headers={"Content-Type": media}), 201)
            for media, write in WRITERS.items()
        ]
        for other in made[1:]:
            assert steady(other) == steady(made[0])

    def begins(self) -> None:
        self.start = ok(self.client.get(self.path, params={"limit": 1}))["metadata"]["resourceVersion"]
        made = ok(self.client.post(self.path, json=self.manifest), 201)
        assert made["metadata"]["uid"]
        assert (made["apiVersion"], made["kind"]) == (self.kind.api_version, self.kind.kind)
        self.written.append(made)
        refused = self.client.post(self.path, json=self.manifest)
        assert (refused.status_code, refused.json()["reason"]) == (409, "AlreadyExists")

    def is_settled(self) -> dict[str, Any]:
        """Wait until no controller has anything to say of it."""
        if self.kind.plural == "customresourcedefinitions":
            until(lambda: len(self.read()["status"].get("conditions") or []) >= 2, "its conditions")
        if self.kind.plural == "resourcequotas":
            until(lambda: self.read()["status"].get("hard") == self.manifest["spec"]["hard"], "its count")
        return self.read()

    def is_told_alike_in_every_format(self) -> None:
        here = self.is_settled()
        for media, read in READERS.items():
            told = self.client.get(self.url, headers={"Accept": media})
            assert told.headers["content-type"] == media
            assert read(told.content) == (untyped(here) if media == PROTOBUF else here)
            listed = read(self.client.get(self.path, headers={"Accept": media}).content)
            assert listed["kind"] == f"{self.kind.kind}List"
            bare = {key: held for key, held in (untyped(here) if media == PROTOBUF else here).items() if key not in ("apiVersion", "kind")}
            assert [item for item in listed["items"] if item["metadata"]["name"] == self.name] == [bare]

    def has_a_row(self) -> None:
        table = ok(self.client.get(self.url, headers={"Accept": f"{JSON};as=Table;v=v1;g=meta.k8s.io"}))
        columns = [column["name"] for column in table["columnDefinitions"]]
        [row] = table["rows"]
        assert len(row["cells"]) == len(columns) > 1
        assert columns[0] in ("Name", "Last Seen")

    def stays_when_put_back(self) -> None:
        here = self.is_settled()
        for media, write in WRITERS.items():
            if media != PROTOBUF or untyped(here) == here:
                assert ok(self.client.put(self.url, content=write(here), headers={"Content-Type": media})) == here
        stale = copy.deepcopy(here)
        stale["metadata"]["resourceVersion"] = self.start
        assert self.client.put(self.url, json=stale).status_code == 409

    def is_patched(self) -> None:
        patches: list[tuple[str, Any, dict[str, str]]] = [
            (MERGE, {"metadata": {"labels": {"merge": "yes"}}}, {"merge": "yes"}),
            (JSON_PATCH, [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}], {"json": "yes"}),
            (STRATEGIC, {"metadata": {"labels": {"strategic": "yes"}}}, {"strategic": "yes"}),
        ]
        for media, patch, labels in patches:
            before = self.is_settled()
            after = ok(self.client.patch(self.url, content=orjson.dumps(patch), headers={"Content-Type": media}))
            expected = content(before)
            expected["metadata"]["labels"] = {**(before["metadata"].get("labels") or {}), **labels}
            assert content(after) == expected
            assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
            self.written.append(after)

    def is_applied_once(self) -> None:
        applied = copy.deepcopy(self.manifest)
        for number in range(2):
            before = self.is_settled()
            after = ok(
                self.client.patch(
                    self.url,
                    params={"fieldManager": "applier", "force": "true"},
                    content=orjson.dumps(applied),
                    headers={"Content-Type": APPLY},
                )
            )
            assert content(after) == content(before)
            if number:
                assert after == before
            else:
                owners = [owner["manager"] for owner in after["metadata"].get("managedFields", ()) if owner["operation"] == "Apply"]
                assert owners == ([] if self.size == "minimal" and self.kind.plural in OWNING_NOTHING else ["applier"])
                self.written.append(after)

    def ends(self) -> None:
        if self.manifest["metadata"].get("finalizers"):
            patch = {"metadata": {"finalizers": None}}
            self.written.append(ok(self.client.patch(self.url, json=patch, headers={"Content-Type": MERGE})))
        if self.kind.plural == "namespaces":
            self.is_finalized()
        ok(self.client.delete(self.url, params={"gracePeriodSeconds": 0, "propagationPolicy": "Background"}))
        if self.kind.plural in FINALIZED:
            until(lambda: self.client.get(self.url).status_code == 404, "its end")
        assert self.client.get(self.url).status_code == 404

    def is_finalized(self) -> None:
        """Take the finalizers of the spec that are no controller's of this server."""
        here = self.read()
        here["spec"]["finalizers"] = ["kubernetes"]
        ok(self.client.put(f"{self.url}/finalize", json=here))

    def was_watched_in_every_format(self) -> None:
        for media in STREAMS:
            events = list(self.events(media))
            if media == PROTOBUF:
                self.written = [untyped(written) for written in self.written]
            assert events[0] == ("ADDED", self.written[0])
            assert events[-1][0] == "DELETED"
            told = {obj["metadata"]["resourceVersion"]: obj for verb, obj in events if verb == "MODIFIED"}
            for written in self.written[1:]:
                assert told[written["metadata"]["resourceVersion"]] == written
            uids = {obj["metadata"]["uid"] for _, obj in events}
            assert len(uids) == 1

    def events(self, media: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the events since the beginning, to the object's end."""
        params = {"watch": "1", "resourceVersion": self.start, "fieldSelector": f"metadata.name={self.name}"}
        with self.client.stream("GET", self.path, params=params, headers={"Accept": STREAMS[media]}) as answer:
            assert answer.status_code == 200
            data = b""
            for chunk in answer.iter_raw():
                data += chunk
                events = list(cut(media, data))
                if events and events[-1][0] == "DELETED":
                    yield from events
                    return
        pytest.fail("the watch ended early")


def cut(media: str, data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the whole events that stand in the bytes of a watch."""
    if media == PROTOBUF:
        while len(data) >= 4 and len(data) >= 4 + (length := int.from_bytes(data[:4], "big")):
            frame, data = data[4 : 4 + length], data[4 + length :]
            verb = frame[2 : 2 + frame[1]].decode()
            yield verb, ProtobufCodec().decode(frame[frame.index(b"k8s\0") :]).value
    elif media == CBOR:
        stream = io.BytesIO(data)
        while (begin := stream.tell()) < len(data):
            try:
                cbor2.CBORDecoder(stream).decode()
            except (EOFError, cbor2.CBORDecodeEOF):
                return
            event = CborCodec().decode(data[begin : stream.tell()]).value
            yield event["type"], event["object"]
    else:
        for line in data.split(b"\n")[:-1]:
            event = orjson.loads(line)
            yield event["type"], event["object"]


def until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE} s"
        time.sleep(0.01)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_example_lives_through_every_verb_and_format(client, namespace, kind, size):
    life = Life(client, kind, size, namespace)
    life.is_made_alike_in_every_format()
    life.begins()
    life.is_told_alike_in_every_format()
    life.has_a_row()
    life.stays_when_put_back()
    life.is_patched()
    life.is_applied_once()
    life.ends()
    life.was_watched_in_every_format()


def test_every_kind_has_its_examples():
    files = {path.name for path in DIRECTORY.iterdir()}
    assert files == {f"{kind.name}.{size}.yaml" for kind in KINDS for size in SIZES}


def test_the_conformance_cases_are_made_of_the_examples():
    assert CASES.read_text() == cases()
