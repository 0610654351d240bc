"""Call: one request for a resource on its way, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from watchd.api import negotiate
from watchd.api.message import Request, Response
from watchd.api.options import CreateOptions, DeleteOptions, PatchOptions, UpdateOptions
from watchd.api.representation import SERVED
from watchd.api.requestinfo import RequestInfo
from watchd.api.warning import warning_headers
from watchd.auth.user import User
from watchd.registry.registry import Endpoint
from watchd.registry.writes import Caller, Deletion
from watchd.seams import Runner, T, Ts

Object = dict[str, Any]

DECODED_IN_LINE = 32 << 10
"""Bytes of a body that is decoded on the loop: about 3 ms where it is YAML or has to be parsed exactly, 0.3 ms else."""


class Call(msgspec.Struct):
    """One request for a resource, on its way."""

    request: Request
    info: RequestInfo
    endpoint: Endpoint
    user: User
    warnings: list[str] = msgspec.field(default_factory=list)
    """Texts for Warning headers."""

    def accept(
        self, *, listing: bool = False, watching: bool = False, transformations: Collection[str] = SERVED
    ) -> negotiate.Accepted:
        """Choose how the call is answered. Raises StatusError 406."""
        typed = not self.endpoint.kind.custom
        return negotiate.accept(
            self.request, listing=listing, watching=watching, transformations=transformations, typed=typed
        )

    def caller(self, options: CreateOptions | UpdateOptions | PatchOptions | DeleteOptions) -> Caller:
        """Return who writes, and how."""
        manager = ""
        if not isinstance(options, DeleteOptions):
            manager = options.manager(self.request.headers.get("user-agent", ""))
        return Caller(self.user, options.dry_run, self.warnings, manager)

    def headers(self, content_type: str) -> list[tuple[str, str]]:
        """Return the answer's headers."""
        headers = [("content-type", content_type)]
        if self.warnings:
            headers += warning_headers(self.warnings)
        return headers

    def respond(self, code: int, accepted: negotiate.Accepted, obj: Object) -> Response:
        """Answer an object."""
        codec = accepted.codec
        return self.send(code, accepted, codec.encode_pretty(obj) if accepted.pretty else codec.encode(obj))

    def send(self, code: int, accepted: negotiate.Accepted, body: bytes) -> Response:
        """Answer an object that is encoded already."""
        return Response(code, self.headers(accepted.content_type), body + accepted.codec.terminator)


def deletion_of(options: DeleteOptions) -> Deletion:
    """Return what a delete's options ask the Store for."""
    return Deletion(
        uid=options.uid or "",
        resource_version=options.resource_version or "",
        propagation=options.propagation_policy,
        grace=options.grace_period_seconds,
    )


async def decoded(runner: Runner, body: bytes, decode: Callable[[*Ts], T], *args: *Ts) -> T:
    """Decode here, or where a body is large on the Runner: the loop has others to serve meanwhile."""
    if len(body) <= DECODED_IN_LINE:
        return decode(*args)
    return await runner.run_sync(decode, *args)
