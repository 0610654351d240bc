"""POSTs of objects that are answered and not stored: reviews, and subresources such as a Pod's eviction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import attrs
import trio

from conversion.codec import Codec, DecodeError
from watchd.api import negotiate
from watchd.api.call import Call, Object, decoded
from watchd.api.decoding import MAX_BODY_BYTES, decode_object
from watchd.api.message import Response
from watchd.api.options import CreateOptions
from watchd.registry import metadata
from watchd.registry.attributes import Admission, Attributes, Operation
from watchd.registry.kind import Kind, Names, Version
from watchd.registry.managed.tracking import set_managed
from watchd.registry.registry import NO_STORAGE, Endpoint
from watchd.registry.writes import Caller
from watchd.seams import Clock, Runner, rfc3339

SYSTEM_FIELDS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
"""What of metadata a client has no say in."""

SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
"""What is answered where nothing is to be said."""


@attrs.define
class Posted:
    """One object that was posted, decoded and with its managedFields."""

    call: Call
    object: Object
    caller: Caller
    admit: Callable[[], Awaitable[None]]
    """Asks who may still refuse; to be awaited when the object is found valid. Raises StatusError."""

    @property
    def namespace(self) -> str:
        """The request's."""
        return self.call.info.namespace

    @property
    def name(self) -> str:
        """The one in the path, empty where that leads to a collection."""
        return self.call.info.name


class Handler(Protocol):
    """Answers what was posted."""

    async def __call__(self, posted: Posted, /) -> Object:
        """Return the answer, which goes out with 201. Raises StatusError."""


def _as_it_is(obj: Object) -> None:
    del obj


@attrs.frozen
class Post:
    """What a path takes, and what answers it."""

    handler: Handler
    kind: Kind | None = None
    """Of what is posted; None where it is the resource's own kind. It is read by the version that the body names, the first one else."""
    default: Callable[[Object], None] = _as_it_is
    """Fills in what the client left out, in place."""
    keeps_uid: bool = False
    """Whether the object's uid is a precondition, and not to be dropped."""

    def endpoint(self, call: Call, api_version: object) -> Endpoint:
        """Return the endpoint by which a body is read."""
        if self.kind is None:
            return call.endpoint
        named = (version for version in self.kind.versions if self.kind.api_version(version.name) == api_version)
        return Endpoint(self.kind, next(named, self.kind.versions[0]), NO_STORAGE)


def kind_of(group: str, name: str, package: str, *versions: str) -> Kind:
    """Return the kind of what is only ever posted, whose schema is known for `package`."""
    return Kind(
        group=group,
        names=Names(f"{name.lower()}s", name),
        versions=tuple(Version(version, component=f"{package}.{name}") for version in versions),
        hub=versions[0],
        virtual=True,
    )


class Posts:
    """Takes what is posted from its body to its answer."""

    def __init__(self, admission: Admission, *, clock: Clock, runner: Runner) -> None:
        self._admission = admission
        self._clock = clock
        self._runner = runner

    async def answer(self, call: Call, post: Post) -> Response:
        """Answer a call. Raises StatusError."""
        accepted = call.accept(transformations=())
        codec = negotiate.content(call.request, typed=True)
        body = await call.request.read_body(MAX_BODY_BYTES)
        options = CreateOptions.parse(call.request.query)
        endpoint = post.endpoint(call, _api_version(codec, body) if post.kind is not None else None)
        obj = await decoded(self._runner, body, decode_object, endpoint, body, codec, options, call.warnings)
        caller = call.caller(options)
        self._prepare(call, post, endpoint, obj, caller)
        attributes = Attributes(
            operation=Operation.CREATE,
            kind=call.endpoint.kind,
            version=call.endpoint.version,
            namespace=call.info.namespace,
            name=call.info.name,
            subresource=call.info.subresource,
            object=obj,
            old=None,
            dry_run=caller.dry_run,
            user=call.user,
            warnings=call.warnings,
        )
        await self._admission.mutate(attributes)

        async def admit() -> None:
            await self._admission.validate(attributes)

        await trio.lowlevel.checkpoint()
        answer = await post.handler(Posted(call, obj, caller, admit))
        return call.respond(201, accepted, {field: answer[field] for field in sorted(answer, key=_place)})

    def _prepare(self, call: Call, post: Post, endpoint: Endpoint, obj: Object, caller: Caller) -> None:
        """Make of a body the object that it stands for, in place. Raises StatusError 400."""
        meta = obj["metadata"]
        for field in SYSTEM_FIELDS[post.keeps_uid :]:
            meta.pop(field, None)
        metadata.check_namespace(meta, call.info.namespace, namespaced=call.endpoint.kind.namespaced)
        post.default(obj)
        entries = endpoint.kind.managers.update(
            None,
            obj,
            manager=caller.manager,
            api_version=endpoint.kind.api_version(endpoint.version.name),
            time=rfc3339(self._clock.now_ms()),
            subresource=call.info.subresource,
        )
        set_managed(obj, entries)


FIELDS = ("kind", "apiVersion", "metadata", "spec")
"""What an object begins with."""


def _place(field: str) -> int:
    return FIELDS.index(field) if field in FIELDS else len(FIELDS)


def _api_version(codec: Codec, body: bytes) -> object:
    """Return the apiVersion that a body names; whatever is wrong with the body is told by who reads all of it."""
    try:
        value = codec.decode(body).value
    except DecodeError:
        return None
    return value.get("apiVersion") if isinstance(value, dict) else None
