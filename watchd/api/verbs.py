"""The verbs of the resource API: create, get, list, watch, update, patch, delete, deletecollection.

Each takes a Call, asks the Store, and answers; refusals are StatusErrors, which the handler makes into answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

import orjson
import trio

from storage.types import path_of
from watchd.api import negotiate, scaling
from watchd.api.call import Call, decoded, deletion_of
from watchd.api.decoding import MAX_BODY_BYTES, copy_of, decode_object
from watchd.api.listing import begin_list, encode_list, finish_list, list_objects, wait_until
from watchd.api.message import Response
from watchd.api.metrics import Metrics
from watchd.api.options import (
    CreateOptions,
    DeleteOptions,
    GetOptions,
    ListOptions,
    PatchOptions,
    UpdateOptions,
)
from watchd.api.patched import check_patched
from watchd.api.plans import ListPlan, Streams, WatchCore
from watchd.api.representation import Representation, representation
from watchd.api.selection import Selection, selectable
from watchd.api.subresources.special import Special
from watchd.api.watching import plan_watch
from watchd.registry import metadata
from watchd.registry.kind import SUBRESOURCE_VERBS
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.translated import ready
from watchd.registry.view import View, load
from watchd.registry.writes import Caller, Written
from watchd.seams import Entropy, Runner, rfc3339
from watchd.status import (
    Reason,
    StatusError,
    bad_request,
    method_not_allowed,
    method_not_supported,
    no_such_resource,
    not_found,
    success,
)

Object = dict[str, Any]

if TYPE_CHECKING:
    from watchd.api.applying import Applied

SCALE = "scale"

PATCH_ATTEMPTS = 5
"""Lost races after which a patch gives up, as the reference does."""

SHUTTING_DOWN = "The apiserver is shutting down, please try again later."
"""What the reference answers while it shuts down: clients ask again, for the same revision."""

ACTIONS = {"deletecollection": "delete", "update": "update"}


class Verbs:
    """The verbs, over one store."""

    def __init__(
        self,
        store: Store,
        core: WatchCore,
        streams: Streams,
        entropy: Entropy,
        metrics: Metrics,
        runner: Runner,
        special: Special,
    ) -> None:
        self._store = store
        self._special = special
        self._streams = streams
        self._core = core
        self._entropy = entropy
        self._runner = runner
        self._metrics = metrics
        self._verbs: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "create": self._create,
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def answer(self, call: Call) -> Response:
        """Answer a call. Raises StatusError."""
        info, endpoint = call.info, call.endpoint
        self._check_supported(call)
        if endpoint.kind.namespaced and not info.namespace and info.verb not in {"list", "watch", "deletecollection"}:
            raise bad_request("namespace is required")
        if endpoint.kind.virtual or (info.subresource and endpoint.kind.subresource(info.subresource) is not None):
            answer = await self._special.answer(call)
            if answer is not None:
                return answer
        return await self._verbs[info.verb](call)

    def _check_supported(self, call: Call) -> None:
        """Refuse what the resource or subresource cannot do. Raises StatusError 404, 405."""
        info, kind, version = call.info, call.endpoint.kind, call.endpoint.version
        subresource = info.subresource
        if not subresource:
            if kind.virtual and info.name and "get" not in kind.verbs:
                # Of what is not stored nothing has a path of its own.
                raise no_such_resource()
            if info.verb == "watch" and kind.virtual and "list" in kind.verbs:
                raise method_not_supported(kind.group, kind.names.plural, info.verb)
            # The reference takes a POST to a custom object's own path for one to its collection.
            if info.verb not in kind.verbs or (info.verb == "create" and info.name and not kind.custom):
                raise self._not_supported(call)
            if info.verb in {"update", "patch"} and not info.name:
                raise bad_request("name must be provided") if kind.custom else self._not_supported(call)
            return
        verbs: Collection[str]
        if (found := kind.subresource(subresource)) is not None:
            verbs = found.verbs
        elif (subresource == "status" and version.status) or (subresource == SCALE and version.scale is not None):
            verbs = SUBRESOURCE_VERBS
        else:
            raise not_found(kind.group, kind.names.plural, info.name) if kind.custom else no_such_resource()
        # What has no verb is some method that only a proxy lets come so far.
        if info.verb not in verbs and (info.verb or found is None):
            raise self._not_supported(call)

    @staticmethod
    def _not_supported(call: Call) -> StatusError:
        kind = call.endpoint.kind
        if kind.custom:
            return method_not_supported(kind.group, kind.names.plural, ACTIONS.get(call.info.verb, call.info.verb))
        return method_not_allowed()

    # Reading

    async def _get(self, call: Call) -> Response:
        accepted = call.accept()
        if call.request.query:
            await wait_until(self._core, GetOptions.parse(call.request.query).minimum())
        stored = await self._store.get(call.endpoint, call.info.namespace, call.info.name)
        await ready(call.endpoint.kind, call.endpoint.version.name, [stored])
        if call.info.subresource == SCALE:
            obj = load(call.endpoint.kind, call.endpoint.version.name, stored)
            return self._respond_scale(call, accepted, scaling.scale_of(call.endpoint, obj))
        view = self._view(call, accepted)
        if accepted.pretty:
            return call.respond(200, accepted, view.object(stored))
        return call.send(200, accepted, view.body(stored))

    def _view(
        self, call: Call, accepted: negotiate.Accepted, selection: Selection | None = None, *, listing: bool = False
    ) -> View:
        if accepted.transformation is None and not selection:
            return call.endpoint.view(accepted.codec)
        shown = self._representation(call, accepted, listing=listing)
        return View(
            call.endpoint.kind,
            call.endpoint.version.name,
            accepted.codec,
            selector=selection or None,
            projection=None if shown is None else shown.item if listing else shown.one,
            form=None if shown is None or not listing else shown.form,
        )

    def _representation(
        self, call: Call, accepted: negotiate.Accepted, *, listing: bool = False
    ) -> Representation | None:
        if accepted.transformation is None:
            return None
        include = call.request.param("includeObject")
        return representation(
            _shown(call), accepted.transformation, include=include, listing=listing, clock=self._store.clock
        )

    async def _list(self, call: Call) -> Response:
        accepted = call.accept(listing=True)
        options, selection = self._selected(call)
        view = self._view(call, accepted, selection, listing=True)
        body = await list_objects(
            self._core, call.endpoint, call.info.namespace, options, view, pretty=accepted.pretty
        )
        sent = self._streams.list(body) if isinstance(body, ListPlan) else body
        return Response(200, call.headers(accepted.content_type), sent)

    async def _watch(self, call: Call) -> Response:
        if self._core.bus.closed:
            # A watch that ended at once would make informers list everything again.
            raise StatusError(Reason.TOO_MANY_REQUESTS, SHUTTING_DOWN, retry_after=1)
        accepted = call.accept(watching=True)
        options, selection = self._selected(call)
        plan = plan_watch(
            self._core,
            call.endpoint,
            call.info,
            options,
            selection,
            accepted.codec,
            self._representation(call, accepted),
            entropy=self._entropy,
            metrics=self._metrics,
        )
        await trio.lowlevel.checkpoint()
        return Response(200, call.headers(accepted.content_type), self._streams.watch(plan), watch=True)

    def _selected(self, call: Call) -> tuple[ListOptions, Selection]:
        """Read the options of a list, watch or deletecollection."""
        options = ListOptions.parse(call.request.query, legacy_watch=call.info.legacy_watch)
        fields = options.field_selector
        if call.info.legacy_watch and call.info.name:
            fields = fields.and_name(call.info.name)
        endpoint = call.endpoint
        fields.check_fields(selectable(endpoint), endpoint.kind.strategy.unknown_field)
        return options, Selection(options.label_selector, fields)

    # Writing

    async def _create(self, call: Call) -> Response:
        accepted = call.accept()
        options = CreateOptions.parse(call.request.query)
        obj = await self._body(call, options)
        caller = call.caller(options)
        written = await self._store.create(call.endpoint, call.info.namespace, obj, caller)
        return await self._written(call, 201, accepted, written)

    async def _update(self, call: Call) -> Response:
        accepted = call.accept()
        options = UpdateOptions.parse(call.request.query)
        obj = await self._body(call, options)
        namespaced = call.endpoint.kind.namespaced
        metadata.check_namespace(obj["metadata"], call.info.namespace, namespaced=namespaced)
        metadata.check_name(obj["metadata"], call.info.name)
        if call.info.subresource == SCALE:
            caller, uid = call.caller(options), obj["metadata"].get("uid", "")
            return await self._scale(call, accepted, caller, self._scaled(caller, lambda _: copy_of(obj)), uid=uid)

        encoded = orjson.dumps(obj)
        unused = [obj]

        async def make() -> Object:
            # Whoever asks takes the object over, and only a lost race has it asked for again.
            return unused.pop() if unused else orjson.loads(encoded)

        async def replace(_: Object) -> Object:
            return await make()

        written = await self._store.update(
            call.endpoint,
            call.info.namespace,
            call.info.name,
            replace,
            call.caller(options),
            subresource=call.info.subresource,
            uid=obj["metadata"].get("uid", ""),
            create=make if call.endpoint.kind.strategy.create_on_update and not call.info.subresource else None,
            replaces=True,
        )
        return await self._written(call, 201 if written.created else 200, accepted, written)

    async def _patch(self, call: Call) -> Response:
        # What patches take is imported with the first one.
        from watchd.api import patch  # noqa: PLC0415 - see above
        from watchd.api.applying import load_applied  # noqa: PLC0415 - see above

        accepted = call.accept()
        change = patch.parse(call.request.headers.get("content-type", ""), custom=call.endpoint.kind.custom)
        options = PatchOptions.parse(call.request.query, apply=change.apply)
        body = await call.request.read_body(MAX_BODY_BYTES)
        if change.apply:
            applied = await decoded(self._runner, body, load_applied, body, change.cbor)
            return await self._apply(call, accepted, options, applied)
        read = await decoded(self._runner, body, change.decode, body)
        try:
            checked = options.strict or options.warn
            document = change.document(read, call.endpoint.version.schema or {}, checked=checked)
        except StatusError:
            # Of a body that parses, the reference asks what patch it is only when it has an object to patch.
            await self._store.get(call.endpoint, call.info.namespace, call.info.name)
            raise
        caller = call.caller(options)
        said = len(call.warnings)

        endpoint = _shown(call)

        def patched(current: Object) -> Object:
            del call.warnings[said:]
            obj: Object = document.apply(current)
            call.warnings += check_patched(endpoint, call.info.name, obj, document.warnings, options, current=current)
            call.warnings += metadata.drop_duplicate_owners(obj["metadata"], changed=True)
            if call.info.subresource == SCALE:
                # The Store sees the object and not its Scale.
                namespaced = call.endpoint.kind.namespaced
                metadata.check_namespace(obj["metadata"], call.info.namespace, namespaced=namespaced)
            return obj

        if call.info.subresource == SCALE:
            return await self._scale(call, accepted, caller, self._scaled(caller, patched), attempts=PATCH_ATTEMPTS)

        async def apply(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            return patched(current)

        written = await self._store.update(
            call.endpoint,
            call.info.namespace,
            call.info.name,
            apply,
            caller,
            subresource=call.info.subresource,
            attempts=PATCH_ATTEMPTS,
        )
        return await self._written(call, 200, accepted, written)

    async def _apply(
        self, call: Call, accepted: negotiate.Accepted, options: PatchOptions, applied: Applied
    ) -> Response:
        """Apply an object on behalf of a field manager; it is created where it is not there."""
        from watchd.api.applying import merged, uid_of_nothing  # noqa: PLC0415 - see _patch

        info, endpoint = call.info, call.endpoint
        caller = call.caller(options)
        said = len(call.warnings)
        time = rfc3339(self._store.clock.now_ms())
        whose = _shown(call)

        def merge(live: Object | None) -> Object:
            del call.warnings[said:]
            obj = merged(whose, live, applied, options, subresource=info.subresource, time=time)
            applied.check(options, call.warnings)
            if live is None and obj["metadata"].get("uid"):
                raise uid_of_nothing(endpoint, info.name, obj["metadata"]["uid"])
            metadata.check_namespace(obj["metadata"], info.namespace, namespaced=endpoint.kind.namespaced)
            metadata.check_name(obj["metadata"], info.name)
            return obj

        if info.subresource == SCALE:
            return await self._scale(call, accepted, caller, merge, attempts=PATCH_ATTEMPTS)

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            return merge(current)

        async def make() -> Object:
            await trio.lowlevel.checkpoint()
            return merge(None)

        written = await self._store.update(
            endpoint,
            info.namespace,
            info.name,
            change,
            caller,
            subresource=info.subresource,
            attempts=PATCH_ATTEMPTS,
            create=None if info.subresource else make,
            tracked=True,
        )
        return await self._written(call, 201 if written.created else 200, accepted, written)

    async def _scale(
        self,
        call: Call,
        accepted: negotiate.Accepted,
        caller: Caller,
        change: Callable[[Object], Object],
        *,
        uid: str = "",
        attempts: int | None = None,
    ) -> Response:
        """Change an object through its Scale; `change` makes the new Scale, with its managedFields, of the current one."""
        endpoint = call.endpoint

        async def through(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            return scaling.changed(endpoint, current, change)

        written = await self._store.update(
            endpoint,
            call.info.namespace,
            call.info.name,
            through,
            caller,
            subresource=SCALE,
            uid=uid,
            attempts=attempts,
            tracked=True,
        )
        return self._respond_scale(call, accepted, scaling.after_write(endpoint, written.object))

    def _scaled(self, caller: Caller, change: Callable[[Object], Object]) -> Callable[[Object], Object]:
        """Return a change of a Scale that keeps its managedFields, for updates and patches."""
        time = rfc3339(self._store.clock.now_ms())
        return lambda scale: scaling.tracked(scale, change(scale), manager=caller.manager, time=time)

    async def _delete(self, call: Call) -> Response:
        accepted = call.accept()
        options = await self._delete_options(call)
        deletion = deletion_of(options)
        caller = call.caller(options)
        written = await self._store.delete(call.endpoint, call.info.namespace, call.info.name, deletion, caller)
        if not written.removed or call.endpoint.kind.strategy.returns_deleted:
            return await self._written(call, 200, accepted, written)
        status = success(
            name=call.info.name,
            group=call.endpoint.group,
            kind=call.endpoint.resource,
            uid=written.object["metadata"].get("uid", ""),
        )
        return call.respond(200, accepted, status)

    async def _delete_collection(self, call: Call) -> Response:
        """Delete what a selection holds; the answer lists it as it was (FEATURES row 5)."""
        accepted = call.accept(listing=True)
        delete_options = await self._delete_options(call)
        options, selection = self._selected(call)
        view = self._view(call, accepted, selection, listing=True)
        endpoint, namespace = call.endpoint, call.info.namespace
        reading = await begin_list(self._core, endpoint, namespace, options.read_in_pages(), view)
        await finish_list(self._core.log, endpoint.prefix(namespace), reading, view)
        deletion = deletion_of(delete_options)
        caller = call.caller(delete_options)
        for stored in reading.items:
            owner, _, name = path_of(stored.key).rpartition("/")
            try:
                await self._store.delete(endpoint, owner, name, deletion, caller)
            except StatusError as error:
                if error.reason is not Reason.NOT_FOUND:
                    raise
        return Response(200, call.headers(accepted.content_type), await encode_list(endpoint, reading, view))

    async def _delete_options(self, call: Call) -> DeleteOptions:
        body = await call.request.read_body(MAX_BODY_BYTES)
        if not body:
            return DeleteOptions.parse(call.request.query)
        codec = negotiate.content(call.request, typed=True)
        return DeleteOptions.parse(call.request.query, await decoded(self._runner, body, negotiate.decode, codec, body))

    # Both

    async def _body(self, call: Call, options: CreateOptions | UpdateOptions) -> Object:
        codec = negotiate.content(call.request, typed=not call.endpoint.kind.custom)
        body = await call.request.read_body(MAX_BODY_BYTES)
        return await decoded(self._runner, body, decode_object, _shown(call), body, codec, options, call.warnings)

    async def _written(self, call: Call, code: int, accepted: negotiate.Accepted, written: Written) -> Response:
        view = self._view(call, accepted)
        if written.stored is not None and not accepted.pretty:
            await ready(call.endpoint.kind, call.endpoint.version.name, [written.stored])
            return call.send(code, accepted, view.body(written.stored))
        obj = written.object if view.projection is None else view.projection(written.object)
        return call.respond(code, accepted, obj)

    def _respond_scale(self, call: Call, accepted: negotiate.Accepted, scale: Object) -> Response:
        """Answer a Scale, in the form that was asked for."""
        shown = self._representation(call, accepted)
        return call.respond(200, accepted, scale if shown is None else shown.one(scale))


def _shown(call: Call) -> Endpoint:
    """Return the endpoint whose objects a call brings and is answered."""
    return scaling.endpoint_of(call.endpoint) if call.info.subresource == SCALE else call.endpoint
