"""What managedFields cost an update of a custom resource, with and without, in this process and over HTTPS.

In process an object is decoded, changed and stored; over HTTPS a server that keeps none stands beside watchd. Nothing of
the reference is like it. Both ways take their turns, so that the machine's moods hit them alike; the objects have 1.3 KB
before managedFields. A client sends back what it read, managedFields too, a second after the last update of the object,
so that their times move.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import trio

from benchmarks.asking import define
from benchmarks.clients.connection import Connection
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure, Run
from benchmarks.meter import Meter
from benchmarks.peers.forgetful import Forgetful, ForgetfulStore
from benchmarks.peers.peer import Peer
from benchmarks.peers.watchd import Watchd
from benchmarks.widgets import COLLECTION, name_of, widget
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from conversion.json_codec import JsonCodec
from storage.memory_log import MemoryLog
from storage.types import Stored
from watchd.api.decoding import decode_object
from watchd.api.options import UpdateOptions
from watchd.crd.install import kind_of
from watchd.registry.attributes import Attributes
from watchd.registry.registry import Endpoint, Registry
from watchd.registry.store import Store
from watchd.registry.writes import Caller
from watchd.seams import SystemEntropy

Object = dict[str, Any]

CODEC, OPTIONS, EDITOR = JsonCodec(), UpdateOptions(), Caller(manager="editor")

OBJECTS = 25
"""Objects that are updated in turn, all of them in each second. Odd, so that the first of the two ways changes."""

TRACKED, BARE = "tracked", "bare"

OBJECTS_A_TURN = 500
"""PUTs at most to one server before the other has its turn: a third of a second of CPU."""

WARM_UP = 50
"""Updates that are not counted."""

TEXT = {"type": "string"}
NAMED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def _object(**properties: Any) -> Object:
    return {"type": "object", "properties": properties}


def _list(items: Object, **more: Any) -> Object:
    return {"type": "array", "items": items, **more}


RESOURCES = {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}
CONTAINER = _object(
    name=TEXT,
    image=TEXT,
    args=_list(TEXT),
    env=_list(_object(name=TEXT, value=TEXT), **NAMED),
    ports=_list(_object(name=TEXT, containerPort={"type": "integer"}, protocol={**TEXT, "default": "TCP"}), **NAMED),
    resources=_object(limits=RESOURCES, requests=RESOURCES),
    volumeMounts=_list(_object(name=TEXT, mountPath=TEXT, readOnly={"type": "boolean"})),
)
CONTAINER["required"] = ["name"]
SPEC = _object(
    replicas={"type": "integer"},
    serviceAccountName=TEXT,
    nodeSelector={"type": "object", "additionalProperties": TEXT},
    containers=_list(CONTAINER, **NAMED),
    volumes=_list(_object(name=TEXT, configMap=_object(name=TEXT)), **NAMED),
)
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "workers.bench.example.com"},
    "spec": {
        "group": "bench.example.com",
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": _object(spec=SPEC)},
            }
        ],
    },
    "status": {"acceptedNames": {"plural": "workers", "kind": "Worker", "singular": "worker", "listKind": "WorkerList"}},
}


def _container(name: str) -> Object:
    return {
        "name": name,
        "image": f"registry.example.com/team/{name}:1.27.3",
        "args": ["--listen=:8080", "--log-format=json", f"--name={name}"],
        "env": [{"name": f"OPTION_{index}", "value": f"value {index}"} for index in range(4)],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/worker", "readOnly": True}],
    }


def worker(name: str) -> Object:
    """Return an object like a Pod's template."""
    return {
        "apiVersion": "bench.example.com/v1",
        "kind": "Worker",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "worker", "tier": "back", "track": "stable"}},
        "spec": {
            "replicas": 1,
            "serviceAccountName": "worker",
            "nodeSelector": {"zone": "a"},
            "containers": [_container("main"), _container("proxy")],
            "volumes": [{"name": "settings", "configMap": {"name": "settings"}}],
        },
    }


class _Open:
    """An admission chain without members."""

    async def mutate(self, attributes: Attributes) -> None:
        """Change nothing."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse nothing."""


class _Later:
    """A clock that is told when to go on: within one second the times in managedFields would not move."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self._seconds = 1_800_000_000

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return self._seconds * 1000

    def advance(self) -> None:
        """Let a second pass."""
        self._seconds += 1


async def _measured(count: int) -> dict[bool, float]:
    """Return the CPU seconds of the updates, by whether owners are tracked."""
    clock = _Later()
    log = MemoryLog(clock=clock)
    registry = Registry(log)
    stores = {
        tracks: kind(log, registry, clock=clock, entropy=SystemEntropy(), admission=_Open())
        for tracks, kind in ((True, Store), (False, ForgetfulStore))
    }
    await registry.install(kind_of(DEFINITION))
    endpoint = registry.hub("bench.example.com", "workers")
    for store, prefix in ((stores[True], TRACKED), (stores[False], BARE)):
        for index in range(OBJECTS):
            # No two objects have the same managedFields.
            creator = Caller(manager=f"creator-{index}")
            await store.create(endpoint, "default", worker(f"{prefix}-{index}"), creator)
    taken = {True: 0.0, False: 0.0}
    for index in range(count):
        if index % OBJECTS == 0:
            clock.advance()
        names = {True: f"{TRACKED}-{index % OBJECTS}", False: f"{BARE}-{index % OBJECTS}"}
        # What the clients do comes before both, and each is the first every other time: neither finds the processor's
        # caches in a better state.
        bodies = {
            tracks: _changed(await stores[tracks].get(endpoint, "default", name), index + 2) for tracks, name in names.items()
        }
        for tracks in (True, False) if index % 2 else (False, True):
            taken[tracks] += await _update(stores[tracks], endpoint, names[tracks], bodies[tracks])
    return taken


def _changed(stored: Stored, replicas: int) -> bytes:
    """Return what a client sends that changes what it has read."""
    obj: Object = orjson.loads(stored.body)
    obj["spec"]["replicas"] = replicas
    return orjson.dumps(obj)


async def _update(store: Store, endpoint: Endpoint, name: str, body: bytes) -> float:
    """Update one object as a PUT does; return the CPU seconds."""
    begin = time.process_time()
    new = decode_object(endpoint, body, CODEC, OPTIONS, [])

    async def replace(_: Object) -> Object:
        await trio.lowlevel.checkpoint()
        return new

    await store.update(endpoint, "default", name, replace, EDITOR, replaces=True)
    return time.process_time() - begin


def _run(bench: Bench, _peer: Peer, _repetition: int, *, tracks: bool) -> Run:
    # As `watchd serve` does: what is there before the first request is not looked through for garbage.
    gc.collect()
    gc.freeze()
    count = bench.counts.puts
    trio.run(_measured, WARM_UP)
    taken = trio.run(_measured, count)[tracks]
    return {Figure.CPU_OPERATION: taken / count * 1e6, Figure.THROUGHPUT: count / taken}


async def _put_over_https(servers: Mapping[bool, Peer], turns: int, in_turn: int) -> dict[bool, float]:
    """Return the servers' CPU seconds of PUTs by one client over HTTPS, so many in a turn, by whether owners are tracked."""
    connections = {tracks: await Connection.open(peer.endpoint) for tracks, peer in servers.items()}
    objects: dict[bool, list[Object]] = {True: [], False: []}
    for tracks, connection in connections.items():
        for index in range(OBJECTS):
            _, body = await connection.request("POST", f"{COLLECTION}?fieldManager=creator", widget(name_of(index), 0))
            objects[tracks].append(orjson.loads(body))
    taken = {True: 0.0, False: 0.0}
    for turn in range(-1, turns):
        for tracks, connection in connections.items():
            meter = Meter(servers[tracks].pids)
            for number in range(in_turn):
                obj = objects[tracks][number % OBJECTS]
                obj["spec"]["seq"] = obj["spec"]["seq"] + 1
                path = f"{COLLECTION}/{name_of(number % OBJECTS)}?fieldManager=editor"
                status, body = await connection.request("PUT", path, orjson.dumps(obj))
                if status != HTTPStatus.OK:
                    raise ClientFailed(f"a PUT was answered {status}: {body[:200]!r}")
                objects[tracks][number % OBJECTS] = orjson.loads(body)
            # The first turn warms up.
            taken[tracks] += meter.read().server_cpu if turn >= 0 else 0.0
    for connection in connections.values():
        await connection.aclose()
    return taken


def _run_https(bench: Bench, _peer: Peer, _repetition: int, *, tracks: bool) -> Run:
    in_turn = min(OBJECTS_A_TURN, bench.counts.puts)
    turns = bench.counts.puts // in_turn
    with ExitStack() as stack:
        servers: dict[bool, Peer] = {}
        for with_owners, make in ((True, Watchd), (False, Forgetful)):
            peer = make(Path(stack.enter_context(TemporaryDirectory(prefix="bench-owners-"))))
            stack.callback(peer.stop)
            peer.start()
            define(peer.endpoint)
            servers[with_owners] = peer
        taken = trio.run(_put_over_https, servers, turns, in_turn)[tracks]
    return {Figure.CPU_OPERATION: taken / (turns * in_turn) * 1e6}


def cases(bench: Bench) -> list[Case]:
    """With and without."""
    return [
        Case("update without managedFields", partial(_run, bench, tracks=False)),
        Case("update with managedFields", partial(_run, bench, tracks=True)),
        Case("PUT over HTTPS without managedFields", partial(_run_https, bench, tracks=False)),
        Case("PUT over HTTPS with managedFields", partial(_run_https, bench, tracks=True)),
    ]


WORKLOAD = Workload("owners", "an update and its managedFields", Setting.EMPTY, cases, only="watchd")
