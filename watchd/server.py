"""The composition root: one server, from its configuration to its end.

Everything is made here and passed on; nothing below looks for its parts. Order of the start: lock, log, credentials,
kinds, controllers, doors, kubeconfig, ready. The end goes the other way: /readyz fails, a delay for those who watch
it, watches end with a bookmark, requests under way are answered, controllers stop, the log closes.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from storage import compact
from storage.bus import WatchBus
from storage.committer_process import CommitterProcess
from storage.compact import Retention
from storage.errors import LogClosed, StorageError
from storage.lmdb_log import LmdbLog
from storage.lock import DirectoryLock
from storage.log import Log
from storage.types import Publish, Record
from watchd import extension
from watchd.admission.certificate_requests import CertificateRequests
from watchd.admission.chain import Chain, Member
from watchd.admission.default_classes import DefaultClasses
from watchd.admission.definition_lifecycle import DefinitionLifecycle
from watchd.admission.limitranger import LimitRanger
from watchd.admission.namespace_lifecycle import NamespaceLifecycle
from watchd.admission.pod_classes import PodClasses
from watchd.admission.pools import AddressPool, NoPorts, PortPool
from watchd.admission.resourcequota import ResourceQuota
from watchd.admission.service_stock import restock
from watchd.admission.volumes import Volumes
from watchd.api import version
from watchd.api.admin import Admin
from watchd.api.discovery import Discovery
from watchd.api.handler import API, Answer
from watchd.api.health import HealthPages
from watchd.api.message import Request, Response
from watchd.api.metrics import Metrics
from watchd.api.openid import OpenIDPages
from watchd.api.plans import WatchCore
from watchd.api.subresources.special import Services, Special
from watchd.api.verbs import Verbs
from watchd.auth.authentication import (
    API_AUDIENCES,
    Authenticator,
    AuthenticatorChain,
    TokenAuthenticator,
    read_token_file,
)
from watchd.auth.authorization import default_authorizer, permits
from watchd.auth.jwt import SigningKey
from watchd.auth.serviceaccounts import Issuer, ServiceAccountAuthenticator
from watchd.auth.user import ADMIN
from watchd.config import Config
from watchd.controllers.definitions import Definitions
from watchd.controllers.event_expiry import EventExpiry
from watchd.controllers.garbage import Garbage
from watchd.controllers.kubernetes_service import KubernetesService
from watchd.controllers.namespace_contents import NamespaceContents
from watchd.controllers.namespaces import Namespaces
from watchd.controllers.supervision import Controller, Supervisor
from watchd.controllers.table import Needs, dormant
from watchd.crd import definitions
from watchd.credentials import Credentials, prepare
from watchd.health import ENDPOINTS, HEALTHZ, READYZ, Health
from watchd.registry.builtin.table import load, staged
from watchd.registry.frames import FrameCache
from watchd.registry.kind import Kind
from watchd.registry.lookups import Lookups
from watchd.registry.quota.ledger import Ledger
from watchd.registry.registry import Registry
from watchd.registry.store import Store
from watchd.registry.value import tag_of
from watchd.seams import Clock, Entropy, Runner
from watchd.serving.door import Limits, serve
from watchd.serving.groups import Groups
from watchd.serving.listeners import Bound, Listener, Tls, advertised
from watchd.serving.served import Handle, Served
from watchd.serving.stream import Streams
from watchd.share import Freshness, Share
from watchd.status import StatusError
from watchd.values import Durability
from watchd.webhooks import caller, open_webhooks

if TYPE_CHECKING:
    from watchd.api.openapi import OpenAPI

RING_BYTES = 4 << 20
"""Recent records that watchers read from memory: a second and more at full speed of writing, twenty at a hundred writes a
second. Who is further behind reads the log, once for all that stand at the same place: fan-outs to a hundred and to a
thousand watchers cost the same with 4 MiB and with 16."""

FILL_REST = 4.0
"""Seconds left to others for each that filling the ring takes: it is a tenth of a second, when clients come back."""

SECRET_TOKEN_SECONDS = 100 * 365 * 86_400
"""How long tokens in Secrets are valid. The reference's never expire, and here all tokens say when they do."""

FOR_WRITES = ("watchd.schema.compiled", "watchd.api.patch", "watchd.api.applying")
"""Modules that no read takes: schemas at work, and patches. 12 ms of imports."""

FOR_WRITES_SECONDS = 1.0
"""When they are imported, after the start: clients that come back list first, and the first write does not wait."""

logger = logging.getLogger(__name__)


class StartError(Exception):
    """The server cannot start. The message is one line for its owner."""


class Running(msgspec.Struct, frozen=True):
    """A server that is ready."""

    url: str
    """Of the TLS door, as clients on this machine reach it."""
    insecure_url: str | None
    """Of the door without TLS."""
    credentials: Credentials
    log: Log
    health: Health


async def run(
    config: Config,
    *,
    clock: Clock,
    entropy: Entropy,
    runner: Runner,
    committer: CommitterProcess | None = None,
    share: Share | None = None,
    stop: trio.Event | None = None,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` is set, then end in order. Started when /readyz answers ok.

    `committer` was started for the data directory and ends with the server; without one this process commits. `share` says
    that this is one of several workers, which have a committer in common.

    Raises:
        StartError: the data directory cannot be used.
        ListenError: an address cannot be listened on.
        CredentialsError: the credentials cannot be read or made.
        TokenFileError: the token file cannot be used.
        StorageError: the data directory is in use, cannot be written, or holds something else.

    """
    stop = trio.Event() if stop is None else stop
    with _directory(config) as directory:
        async with _open_log(config, directory, committer, share, clock=clock, entropy=entropy, runner=runner) as log:
            names = [config.bind.host, *config.tls_san] if not config.bind.wildcard else list(config.tls_san)
            credentials = await runner.run_sync(partial(prepare, directory, names, clock=clock))
            await _serve(
                config,
                log,
                credentials,
                share,
                clock=clock,
                entropy=entropy,
                runner=runner,
                stop=stop,
                task_status=task_status,
            )


@contextmanager
def _directory(config: Config) -> Iterator[Path]:
    """Give the data directory, or one that goes with the server."""
    if config.data_dir is not None:
        yield config.data_dir
        return
    path = Path(tempfile.mkdtemp(prefix="watchd-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def _open_log(
    config: Config,
    directory: Path,
    committer: CommitterProcess | None,
    share: Share | None,
    *,
    clock: Clock,
    entropy: Entropy,
    runner: Runner,
) -> AsyncIterator[Log]:
    """Give the log, under the data directory's lock, and close it at the end whatever happened."""
    lock: DirectoryLock | None = None
    log: Log
    if config.memory:
        # Only here: others keep theirs on disk.
        from storage.memory_log import MemoryLog  # noqa: PLC0415 - see above

        lock = await runner.run_sync(_lock, directory)
        log = MemoryLog(clock=clock, cluster_id=entropy.uid(), max_bytes=config.max_bytes or None)
    elif share is not None:
        log = await LmdbLog.join(
            directory,
            share.options,
            share.connection,
            share.renew,
            slot=share.index,
            token=_token(entropy),
            clock=clock,
            runner=runner,
        )
    elif committer is not None:
        log = await LmdbLog.attach(committer, token=_token(entropy), clock=clock, runner=runner)
    else:
        log = await LmdbLog.open(
            directory,
            clock=clock,
            runner=runner,
            cluster_id=entropy.uid(),
            max_bytes=config.max_bytes or None,
            relaxed=config.durability is Durability.RELAXED,
        )
    try:
        yield log
    finally:
        # What was handed over is finished even where the server is cancelled: it would be stored without an answer.
        with trio.CancelScope(shield=True):
            await log.aclose()
        if lock is not None:
            lock.release()


def _token(entropy: Entropy) -> bytes:
    return bytes.fromhex(entropy.uid().replace("-", ""))


def _lock(directory: Path) -> DirectoryLock:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return DirectoryLock(directory)
    except OSError as error:
        raise StartError(f"{directory} cannot be used: {error.strerror}") from error


def _kinds(config: Config) -> list[Kind]:
    """Return the kinds that the server knows by itself, and those of installed packages. Raises StartError."""
    runtime = dict(config.runtime_config)
    # The table has what is served by default; to go through it once more is for those who ask for something else.
    kinds = [*load(runtime), staged(definitions.KIND, runtime) if runtime else definitions.KIND]
    taken = {(kind.group, kind.names.plural) for kind in kinds}
    try:
        for kind in extension.installed():
            if (kind.group, kind.names.plural) in taken:
                raise StartError(f"{kind.names.plural}.{kind.group} is there already: no package can bring it")
            taken.add((kind.group, kind.names.plural))
            kinds.append(kind)
    except extension.ExtensionError as error:
        raise StartError(str(error)) from error
    return kinds


class _Parts(msgspec.Struct, frozen=True):
    """What is made over an open log."""

    bus: WatchBus
    publish: Publish
    store: Store
    api: API
    groups: Groups
    ledger: Ledger
    issuer: Issuer


async def _make_parts(
    config: Config,
    log: Log,
    credentials: Credentials,
    health: Health,
    share: Share | None,
    *,
    clock: Clock,
    entropy: Entropy,
    runner: Runner,
) -> _Parts:
    """Make everything between the log and the doors. Raises TokenFileError."""
    tokens = read_token_file(config.token_auth_file) if config.token_auth_file is not None else {}
    key = SigningKey(credentials.account_key)
    bus = WatchBus(log, tag_of=tag_of, ring_bytes=RING_BYTES)
    registry = Registry(log)
    await registry.install_all(_kinds(config))
    ledger = Ledger()
    lookups = Lookups(log)
    quota = ResourceQuota(log, lookups, registry, ledger)
    authorizer = default_authorizer()
    requests = CertificateRequests(permits(authorizer, "certificates.k8s.io", "signers"))
    lifecycle: list[Member] = [NamespaceLifecycle(lookups, registry), DefinitionLifecycle(lookups, registry)]
    storing: list[Member] = [DefaultClasses(log, registry), Volumes(log, registry, clock)]
    admission = Chain([*lifecycle, requests, LimitRanger(log, registry), PodClasses(log, registry), *storing, quota])
    metrics = Metrics(clock)
    store = Store(
        log, registry, clock=clock, entropy=entropy, admission=admission, observe_append=metrics.append_seconds.observe
    )
    quota.store = store
    range_ = config.service_node_port_range
    addresses = AddressPool(store, config.service_cluster_ip_range, entropy, shared=share is not None)
    ports = PortPool(range_.first, range_.last, entropy) if share is None else NoPorts()
    repair = share is None or share.first
    store.stocks["", "services"] = await restock(store, addresses, ports, repair=repair)

    def publish(records: list[Record]) -> None:
        metrics.batch_size.observe(len(records))
        lookups.publish(records)
        bus.publish(records)

    log.subscribe(publish)
    metrics.observe_log(log)
    metrics.observe_objects(store.counts)
    metrics.ring_bytes.read = lambda: bus.statistics().ring_bytes
    core = WatchCore(log, bus, FrameCache(log))
    groups = Groups(core)
    metrics.watchers.read = lambda: groups.watchers
    metrics.watch_lag.read = bus.lag
    pages: dict[str, Answer] = {
        **dict.fromkeys(ENDPOINTS, HealthPages(health).handle),
        **dict.fromkeys(("", "api", "apis"), Discovery(registry).handle),
        "openapi": _openapi(registry, clock, runner),
        "version": version.handle,
        "metrics": metrics.handle,
        "debug": Admin(log).handle,
        **dict.fromkeys((".well-known", "openid"), OpenIDPages(key).handle),
    }
    # The admin's token is looked at first, so that no file can take it away.
    members: list[Authenticator] = [TokenAuthenticator({credentials.admin_token: ADMIN}), TokenAuthenticator(tokens)]
    members.append(ServiceAccountAuthenticator(key, store.find, clock=clock))
    authenticator = AuthenticatorChain(members, anonymous=config.anonymous_auth)
    issuer = Issuer(key, clock=clock, entropy=entropy)
    special = Special(Services(store, admission, authenticator, authorizer, issuer, runner))
    api = API(
        registry,
        Verbs(store, core, Streams(groups), entropy, metrics, runner, special),
        authenticator=authenticator,
        authorizer=authorizer,
        metrics=metrics,
        pages=pages,
    )
    return _Parts(bus, publish, store, api, groups, ledger, issuer)


def _openapi(registry: Registry, clock: Clock, runner: Runner) -> Answer:
    """Return what answers /openapi, imported for the first who asks."""

    @cache
    def page() -> OpenAPI:
        from watchd.api.openapi import OpenAPI  # noqa: PLC0415 - see above

        return OpenAPI(registry, clock=clock, runner=runner)

    async def answer(request: Request) -> Response:
        return await page().handle(request)

    return answer


async def _serve(
    config: Config,
    log: Log,
    credentials: Credentials,
    share: Share | None,
    *,
    clock: Clock,
    entropy: Entropy,
    runner: Runner,
    stop: trio.Event,
    task_status: trio.TaskStatus[Running],
) -> None:
    """Run all parts of the server over an open log."""
    health = _health(config, log)
    async with open_webhooks() as webhooks, trio.open_nursery() as background:
        await background.start(log.run)
        parts = await _make_parts(config, log, credentials, health, share, clock=clock, entropy=entropy, runner=runner)
        await background.start(parts.groups.run)
        custom = Definitions(parts.store, parts.bus, partial(caller, webhooks), entropy.uid)
        await custom.load()
        handle: Handle = parts.api.handle
        first = share is None or share.first
        if share is not None:
            assert isinstance(log, LmdbLog)  # noqa: S101 - no other is shared
            freshness = Freshness(log, custom.scope)
            handle = _fresh(handle, freshness)
        if first:
            await _start_controllers(background, config, parts, custom, credentials, health)
            background.start_soon(_compact, log, Retention(config.retain_age, config.retain_bytes), clock)
        elif "definitions" in config.controllers:
            await _follow_first(background, log, parts, custom, freshness, health)
        async with trio.open_nursery() as doors:
            shutdown = trio.Event()
            limits = Limits(grace=config.shutdown_grace)
            bound: list[Bound] = await doors.start(
                partial(
                    serve,
                    Served(handle, entropy),
                    _listeners(config, credentials, share),
                    shutdown=shutdown,
                    limits=limits,
                )
            )
            urls = {door.scheme: door.url for door in reversed(bound)}
            if first:
                await runner.run_sync(credentials.write_kubeconfig, urls["https"])
                await _start_kubernetes_service(background, config, parts, bound, health)
            health.started()
            task_status.started(Running(urls["https"], urls.get("http"), credentials, log, health))
            # Only now: watches from before the start are served from the log until then.
            background.start_soon(parts.bus.start, FILL_REST)
            background.start_soon(prepare_for_writes, runner)
            await stop.wait()
            if share is not None:
                # Watches end with all that any worker has answered until now.
                with suppress(StorageError):
                    freshness.take_over()
            health.stopping()
            await trio.sleep(config.shutdown_delay)
            # The doors take no new connections before watches end: a watch that ended would be begun again at once.
            shutdown.set()
            await trio.lowlevel.checkpoint()
            # Watches see the end of the bus and say how far they came; other requests end in their own time.
            parts.bus.close()
        background.cancel_scope.cancel()


async def prepare_for_writes(runner: Runner) -> None:
    """Import, some time after the start, what the first writes would wait for."""
    await trio.sleep(FOR_WRITES_SECONDS)
    for name in FOR_WRITES:
        await runner.run_sync(import_module, name)


async def _start_controllers(
    nursery: trio.Nursery,
    config: Config,
    parts: _Parts,
    custom: Definitions,
    credentials: Credentials,
    health: Health,
) -> None:
    """Start what makes a bare API server livable, each under a supervisor. Raises StartError."""
    store, bus = parts.store, parts.bus
    namespaces = Namespaces(store, bus)
    try:
        await namespaces.create_initial()
    except StatusError as error:
        raise StartError(f"the initial namespaces cannot be made: {error}") from error
    controllers: dict[str, Controller] = {
        "definitions": custom,
        "namespaces": namespaces,
        "namespace-contents": NamespaceContents(store, bus, credentials.ca_certificate),
        "garbage": Garbage(store, bus),
        "event-expiry": EventExpiry(store, bus, ttl_seconds=config.event_ttl),
        **dormant(Needs(store, bus, parts.ledger, partial(_sign, parts.issuer), credentials.ca_certificate)),
    }
    for name, controller in controllers.items():
        if name not in config.controllers:
            continue
        supervisor = Supervisor(name, controller)
        health.add(f"controller-{name}", partial(getattr, supervisor, "failure"), [HEALTHZ])
        await nursery.start(supervisor.run)


class _Followed(msgspec.Struct, frozen=True):
    """Custom kinds as the first worker has settled them."""

    custom: Definitions
    freshness: Freshness

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the definitions until cancelled or the log closes."""
        await self.custom.follow(self.freshness.installed, task_status=task_status)


def _fresh(handle: Handle, freshness: Freshness) -> Handle:
    """Return an API that finds what any request before has done, whichever worker answered that."""

    async def fresh(request: Request) -> Response:
        try:
            await freshness.wait()
        except StorageError as error:
            # Reads are of what is stored, whatever this worker has taken over; writes find out for themselves.
            logger.warning("what others have committed cannot be read: %s", error)
        return await handle(request)

    return fresh


async def _follow_first(
    nursery: trio.Nursery, log: Log, parts: _Parts, custom: Definitions, freshness: Freshness, health: Health
) -> None:
    """Keep up with what the first worker settles."""

    def publish(records: list[Record]) -> None:
        freshness.publish(records)
        parts.publish(records)

    # Before it is followed, so that no change of a definition goes by unnoticed.
    log.subscribe(publish)
    supervisor = Supervisor("definitions", _Followed(custom, freshness))
    health.add("controller-definitions", partial(getattr, supervisor, "failure"), [HEALTHZ])
    await nursery.start(supervisor.run)


def _sign(issuer: Issuer, account: dict[str, Any], secret: dict[str, Any]) -> str:
    """Return a token that lives as long as its Secret and its ServiceAccount do."""
    return issuer.issue(account, {"secret": secret}, audiences=API_AUDIENCES, seconds=SECRET_TOKEN_SECONDS)


async def _start_kubernetes_service(
    nursery: trio.Nursery, config: Config, parts: _Parts, bound: Sequence[Bound], health: Health
) -> None:
    """Start what pods find this server by; only now its port is known."""
    if "kubernetes-service" not in config.controllers:
        return
    door = next(door for door in bound if door.scheme == "https")
    ranges = config.service_cluster_ip_range
    controller = KubernetesService(parts.store, parts.bus, ranges=ranges, port=door.address.port, address=advertised(door))
    supervisor = Supervisor("kubernetes-service", controller)
    health.add("controller-kubernetes-service", partial(getattr, supervisor, "failure"), [HEALTHZ])
    await nursery.start(supervisor.run)


def _listeners(config: Config, credentials: Credentials, share: Share | None) -> list[Listener]:
    sockets = {} if share is None else share.sockets
    tls = Tls(credentials.server_file, alpn=config.alpn)
    listeners = [Listener(config.bind, tls, sockets.get("https", ()))]
    if config.insecure_http is not None:
        listeners.append(Listener(config.insecure_http, sockets=sockets.get("http", ())))
    return listeners


def _health(config: Config, log: Log) -> Health:
    health = Health()
    # Whether answered writes survive a power cut is part of the answer to "is it well" (DESIGN section 4).
    name = "log-durability-relaxed" if config.durability is Durability.RELAXED else "log"
    # Not in /livez: a restart would end the reads too, and those are still true.
    health.add(name, lambda: getattr(log, "failed", None), [HEALTHZ, READYZ])
    return health


async def _compact(log: Log, retention: Retention, clock: Clock) -> None:
    """Keep history within its bounds for as long as the log takes writes."""
    try:
        await compact.run(log, retention, clock)
    except LogClosed as error:
        # Reads go on: what is stored is still true, and /readyz tells of the log.
        logger.error("compaction has stopped: %s", error)  # noqa: TRY400 - the reason is the log's, not a bug's
