"""The core put together in process: log, bus, registry, store, verbs, API, controllers. Time, names and faults are the tests'."""

from __future__ import annotations

import random  # noqa: TID251 - seeded: the same in each run
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage.bus import WatchBus
from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.memory_log import MemoryLog
from storage.types import Check, Record, Write
from tests.builtin import KINDS
from watchd.admission.chain import Chain
from watchd.admission.definition_lifecycle import DefinitionLifecycle
from watchd.admission.limitranger import LimitRanger
from watchd.admission.namespace_lifecycle import NamespaceLifecycle
from watchd.admission.resourcequota import ResourceQuota
from watchd.api.handler import API
from watchd.api.message import Request, Response, SinkClosed
from watchd.api.metrics import Metrics
from watchd.api.plans import WatchCore
from watchd.api.subresources.special import Services, Special
from watchd.api.verbs import Verbs
from watchd.auth.authentication import API_AUDIENCES, Authenticator, AuthenticatorChain, TokenAuthenticator
from watchd.auth.authorization import default_authorizer
from watchd.auth.jwt import SigningKey
from watchd.auth.serviceaccounts import Issuer, ServiceAccountAuthenticator
from watchd.auth.user import ADMIN
from watchd.controllers.definitions import Definitions
from watchd.controllers.event_expiry import EventExpiry
from watchd.controllers.garbage import Garbage
from watchd.controllers.namespace_contents import NamespaceContents
from watchd.controllers.namespaces import Namespaces
from watchd.controllers.table import Needs, dormant
from watchd.crd.conversion import Calls, no_calls
from watchd.crd.definitions import KIND as DEFINITION
from watchd.registry.frames import FRAME_CACHE_BYTES, FrameCache
from watchd.registry.lookups import Lookups
from watchd.registry.quota.ledger import Ledger
from watchd.registry.registry import Endpoint, Registry
from watchd.registry.store import Store
from watchd.registry.value import tag_of
from watchd.registry.writes import Written
from watchd.seams import NAME_ALPHABET, InlineRunner, ThreadRunner
from watchd.serving.chunks import chunk
from watchd.serving.groups import Groups
from watchd.serving.stream import Streams

Object = dict[str, Any]

TOKEN = "the-admin-token"
SEED = 20260801
START_MS = 1_750_000_000_000
PATIENCE = 5
"""Seconds after which a wait fails; under the autojump clock it fails at once when nothing is left to happen."""


class ManualClock:
    """A time of day that moves when told."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


class SeededEntropy:
    """The same uids and names in each run; `suffixes` are given out first."""

    def __init__(self, seed: int = SEED) -> None:
        self._random = random.Random(seed)
        self.suffixes: list[str] = []

    def uid(self) -> str:
        number = self._random.getrandbits(128)
        text = f"{number:032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def suffix(self) -> str:
        if self.suffixes:
            return self.suffixes.pop(0)
        return "".join(self._random.choices(NAME_ALPHABET, k=5))

    def fraction(self) -> float:
        return 0.5


class RacedLog:
    """A log that a test can interfere with: `before_append` runs before each append and may raise in its place."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.before_append: Callable[[Write], Awaitable[None]] | None = None
        self.before_scan: Callable[[bytes], Awaitable[None]] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)

    async def append(self, write: Write, *, checks: Sequence[Check] = ()) -> Record:
        if self.before_append is not None:
            await self.before_append(write)
        return await self.log.append(write, checks=checks)

    async def scan(self, prefix: bytes, **options: Any) -> Any:
        if self.before_scan is not None:
            await self.before_scan(prefix)
        return await self.log.scan(prefix, **options)

    def race_once(self, interfere: Callable[[], Awaitable[Any]], *, only: bytes = b"") -> None:
        """Let something happen right before the next append (to a key with `only` in it)."""
        self.race(interfere, times=1, only=only)

    def race(self, interfere: Callable[[], Awaitable[Any]], *, times: int, only: bytes = b"") -> None:
        async def before(write: Write) -> None:
            nonlocal times
            if times and only in write.key:
                times -= 1
                hook, self.before_append = self.before_append, None
                try:
                    await interfere()
                finally:
                    self.before_append = hook

        self.before_append = before

    def fail_with(self, error: Exception, *, only: bytes = b"") -> None:
        async def before(write: Write) -> None:
            await trio.lowlevel.checkpoint()
            if only in write.key:
                raise error

        self.before_append = before


class MemorySink:
    """Takes bytes; `block` makes it a client that reads nothing, `close` one that has left."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self._open = trio.Event()
        self._open.set()
        self._lot = trio.lowlevel.ParkingLot()
        self.closed = False

    def block(self) -> None:
        if self._open.is_set():
            self._open = trio.Event()

    def unblock(self) -> None:
        self._open.set()

    def close(self) -> None:
        self.closed = True
        self._open.set()

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self._open.wait()
        if self.closed:
            raise SinkClosed
        self.chunks.append(data)
        self._lot.unpark_all()

    @property
    def data(self) -> bytes:
        return b"".join(self.chunks)

    async def change(self) -> None:
        await self._lot.park()

    async def run(self, stream: Any) -> None:
        """Run a body into it."""
        await stream.run(self)


class LineSink(MemorySink):
    """The same, written to without waiting as the connections of the native door are."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent: list[bytes] = []
        self.shared: list[bytes] = []
        """What came by `share`, the very objects."""
        self.wake = trio.Event()
        """Set when its watch has something to do, its client's leaving included."""

    @property
    def waiting(self) -> int:
        return sum(map(len, self.unsent))

    def close(self) -> None:
        super().close()
        self.wake.set()

    def share(self, data: bytes, framed: bytes) -> bool:
        assert framed == chunk(data)
        self.shared.append(data)
        return self._put(data)

    async def flush(self) -> None:
        while self.unsent:
            await self._open.wait()
            if self.closed:
                raise SinkClosed
            self.chunks += self.unsent
            self.unsent.clear()
            self._lot.unpark_all()

    async def send_all(self, data: bytes) -> None:
        self._put(data)
        await trio.lowlevel.checkpoint()
        await self.flush()

    async def run(self, stream: Any) -> None:
        """Run a watch as a connection does."""
        with closing(stream.on(self)) as watching:
            while await watching.advance(self.wake.set):
                with trio.move_on_at(watching.until):
                    await self.wake.wait()
                if self.closed:
                    raise SinkClosed
                self.wake = trio.Event()

    def _put(self, data: bytes) -> bool:
        if self.closed:
            raise SinkClosed
        if self.unsent or not self._open.is_set():
            self.unsent.append(data)
            return False
        self.chunks.append(data)
        self._lot.unpark_all()
        return True


@attrs.define
class Watch:
    """A watch that runs into a sink."""

    response: Response
    sink: MemorySink
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    ended: trio.Event = attrs.field(factory=trio.Event)
    failure: Exception | None = None

    @property
    def events(self) -> list[Object]:
        return [orjson.loads(line) for line in self.sink.data.splitlines()]

    @property
    def brief(self) -> list[tuple[str, str, int]]:
        """(type, name, revision) of each event that is no bookmark."""
        return [
            (e["type"], e["object"]["metadata"]["name"], int(e["object"]["metadata"]["resourceVersion"]))
            for e in self.events
            if e["type"] in ("ADDED", "MODIFIED", "DELETED")
        ]

    @property
    def bookmarks(self) -> list[int]:
        return [int(e["object"]["metadata"]["resourceVersion"]) for e in self.events if e["type"] == "BOOKMARK"]

    async def until(self, count: int) -> list[Object]:
        """Wait for so many events."""
        with trio.fail_after(PATIENCE):
            while len(self.events) < count:
                await self.sink.change()
        return self.events

    async def end(self) -> None:
        with trio.fail_after(100_000):
            await self.ended.wait()

    async def run(self) -> None:
        with self.scope:
            try:
                await self.sink.run(self.response.body)
            except (SinkClosed, Exception) as error:  # noqa: BLE001 - handed to the test
                self.failure = error
            finally:
                self.ended.set()


@attrs.define
class Answer:
    """An answer with its whole body."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        return [value for name, value in self.headers if name == "warning"]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@attrs.define
class Core:
    """Everything between a log and the doors."""

    log: RacedLog
    bus: WatchBus
    registry: Registry
    store: Store
    watching: WatchCore
    api: API
    clock: ManualClock
    entropy: SeededEntropy
    nursery: trio.Nursery
    groups: Groups
    sinks: type[MemorySink]
    """What watches run into."""
    definitions: Definitions | None = None

    def endpoint(self, resource: str, group: str = "", version: str = "v1") -> Endpoint:
        found = self.registry.endpoint(group, version, resource)
        assert found is not None, resource
        return found

    # Requests

    async def respond(
        self, method: str, path: str, body: Any = None, query: str = "", headers: Mapping[str, str] = {}, token: str = TOKEN
    ) -> Response:
        data = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)

        async def read_body(limit: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return data

        given = {"authorization": f"Bearer {token}"} if token else {}
        return await self.api.handle(Request(method, path, query, {**given, **headers}, read_body))

    async def call(self, method: str, path: str, body: Any = None, query: str = "", **options: Any) -> Answer:
        response = await self.respond(method, path, body, query, **options)
        if isinstance(response.body, bytes):
            return Answer(response.status, response.headers, response.body)
        sink = MemorySink()
        await response.body.run(sink)
        return Answer(response.status, response.headers, sink.data)

    async def patch(self, path: str, body: Any, query: str = "", kind: str = "merge") -> Answer:
        return await self.call("PATCH", path, body, query, headers={"content-type": f"application/{kind}-patch+json"})

    async def watch(self, path: str, query: str = "", sink: MemorySink | None = None, **headers: str) -> Watch:
        response = await self.respond("GET", path, None, f"watch=1&{query}", headers=headers)
        assert response.status == 200, response.body
        assert response.watch
        watch = Watch(response, sink or self.sinks())
        self.nursery.start_soon(watch.run)
        return watch

    # Objects

    async def config_map(self, name: str, namespace: str = "default", **fields: Any) -> Object:
        answer = await self.call("POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map(name, **fields))
        assert answer.status == 201, answer.body
        return answer.json

    async def namespace(self, name: str, **metadata: Any) -> Object:
        answer = await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name, **metadata}})
        assert answer.status == 201, answer.body
        return answer.json

    async def define(self, definition: Object) -> Object:
        """Make a definition and wait until it is handled."""
        answer = await self.call("POST", DEFINITIONS, definition)
        assert answer.status == 201, answer.body
        return await self.definition(definition["metadata"]["name"])

    async def definition(self, name: str) -> Object:
        await trio.testing.wait_all_tasks_blocked()
        return (await self.call("GET", f"{DEFINITIONS}/{name}")).json

    async def create(self, resource: str, obj: Object, group: str = "", namespace: str = "default") -> Written:
        endpoint = self.endpoint(resource, group)
        gvk = endpoint.kind.gvk(endpoint.version.name)
        return await self.store.create(
            endpoint, namespace, {"apiVersion": str(gvk.group_version), "kind": gvk.kind, **obj}
        )

    # State

    async def exists(self, path: str) -> bool:
        return (await self.call("GET", path)).status == 200

    async def gone(self, path: str) -> None:
        """Wait until an object is gone."""
        with trio.fail_after(PATIENCE):
            while await self.exists(path):  # noqa: ASYNC110 - bounded polling from outside, as clients do
                await trio.sleep(0.01)

    async def there(self, path: str) -> Object:
        """Wait until an object is there."""
        with trio.fail_after(PATIENCE):
            while (answer := await self.call("GET", path)).status != 200:  # noqa: ASYNC110 - as above
                await trio.sleep(0.01)
        return answer.json

    async def settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()


DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def config_map(name: str = "", *, data: Object | None = None, **metadata: Any) -> Object:
    named = {"name": name} if name else {}
    return {"metadata": {**named, **metadata}, "data": data or {"key": "value"}}


def definition(plural: str = "things", kind: str = "Thing", group: str = "example.com", **spec: Any) -> Object:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version()],
            **spec,
        },
    }


def version(name: str = "v1", *, storage: bool = True, served: bool = True, status: bool = False, **more: Any) -> Object:
    return {
        "name": name,
        "served": served,
        "storage": storage,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        **({"subresources": {"status": {}}} if status else {}),
        **more,
    }


def thing(name: str = "a", api_version: str = "example.com/v1", kind: str = "Thing", **fields: Any) -> Object:
    metadata = fields.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}, **fields}


class Samples:
    """Objects in few words, and where they live."""

    config_map = staticmethod(config_map)
    definition = staticmethod(definition)
    version = staticmethod(version)
    thing = staticmethod(thing)
    definitions = DEFINITIONS
    things = "/apis/example.com/v1/namespaces/default/things"
    config_maps = "/api/v1/namespaces/default/configmaps"
    namespaces = "/api/v1/namespaces"


@pytest.fixture
def samples() -> Samples:
    return Samples()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_sink() -> type[MemorySink]:
    """What watches run into: as they do on the native door, unless a module says more."""
    return LineSink


@pytest.fixture
def start(nursery: trio.Nursery, clock: ManualClock, make_sink: type[MemorySink]):
    """Put a core together over a log (a new one in memory), with `controllers` or without."""

    async def start_(
        log: Log | None = None,
        *,
        controllers: bool = False,
        ring_bytes: int = 1 << 24,
        frame_bytes: int = FRAME_CACHE_BYTES,
        anonymous: bool = True,
        ca_pem: str = "CA",
        calls: Calls = no_calls,
        max_bytes: int | None = None,
    ) -> Core:
        if log is None:
            log = MemoryLog(clock=clock, max_bytes=max_bytes)
            await nursery.start(log.run)
        raced, entropy = RacedLog(log), SeededEntropy()
        bus = WatchBus(raced, tag_of=tag_of, ring_bytes=ring_bytes)
        await bus.start()
        registry = Registry(raced)
        for kind in (*KINDS, DEFINITION):
            await registry.install(kind)
        ledger = Ledger()
        lookups = Lookups(raced)

        def publish(records: list[Record]) -> None:
            lookups.publish(records)
            bus.publish(records)

        raced.subscribe(publish)
        quota = ResourceQuota(raced, lookups, registry, ledger)
        asked = [NamespaceLifecycle(lookups, registry), DefinitionLifecycle(lookups, registry), LimitRanger(raced, registry), quota]
        admission = Chain(asked)
        store = Store(raced, registry, clock=clock, entropy=entropy, admission=admission)
        quota.store = store
        watching = WatchCore(raced, bus, FrameCache(raced, max_bytes=frame_bytes))
        groups = Groups(watching)
        await nursery.start(groups.run)
        metrics = Metrics(clock)
        key = SigningKey(
            ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        members: list[Authenticator] = [TokenAuthenticator({TOKEN: ADMIN})]
        members.append(ServiceAccountAuthenticator(key, store.find, clock=clock))
        authenticator, authorizer = AuthenticatorChain(members, anonymous=anonymous), default_authorizer()
        issuer = Issuer(key, clock=clock, entropy=entropy)
        special = Special(Services(store, admission, authenticator, authorizer, issuer, InlineRunner()))
        api = API(
            registry,
            Verbs(store, watching, Streams(groups), entropy, metrics, InlineRunner(), special),
            authenticator=authenticator,
            authorizer=authorizer,
            metrics=metrics,
            pages={},
        )
        core = Core(raced, bus, registry, store, watching, api, clock, entropy, nursery, groups, make_sink)
        await Namespaces(store, bus).create_initial()
        core.definitions = Definitions(store, bus, calls, entropy.uid)
        await core.definitions.load()
        if controllers:
            await nursery.start(Namespaces(store, bus).run)
            await nursery.start(NamespaceContents(store, bus, ca_pem).run)
            await nursery.start(Garbage(store, bus).run)
            await nursery.start(EventExpiry(store, bus).run)
            await nursery.start(core.definitions.run)

            def sign(account: Object, secret: Object) -> str:
                return issuer.issue(account, {"secret": secret}, audiences=API_AUDIENCES, seconds=3600)

            for controller in dormant(Needs(store, bus, ledger, sign, ca_pem)).values():
                await nursery.start(controller.run)
            await trio.testing.wait_all_tasks_blocked()
        return core

    return start_


@pytest.fixture
async def core(start) -> Core:
    """A core without controllers."""
    return await start()


@pytest.fixture
async def cluster(start) -> Core:
    """A core with all controllers."""
    return await start(controllers=True)


@pytest.fixture
def open_lmdb(tmp_path: Path, clock: ManualClock):
    """Open the log in a directory of the test; in line for tests under the autojump clock."""

    async def open_(*, inline: bool = False) -> LmdbLog:
        runner = InlineRunner() if inline else ThreadRunner()
        return await LmdbLog.open(tmp_path / "data", clock=clock, runner=runner, cluster_id="core", relaxed=True)

    return open_
