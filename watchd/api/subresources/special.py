"""Who answers what is no plain object, imported by the first such request: a server for plain objects needs nothing of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from watchd.api.call import Call
from watchd.api.message import Response
from watchd.auth.authentication import AuthenticatorChain
from watchd.auth.authorization import Authorizer
from watchd.auth.serviceaccounts import Issuer
from watchd.registry.attributes import Admission
from watchd.registry.store import Store
from watchd.seams import Runner

if TYPE_CHECKING:
    from watchd.api.subresources.connecting import Connect
    from watchd.api.subresources.posting import Post, Posts
    from watchd.api.subresources.table import Where

# ruff: noqa: PLC0415 - see above


class Services(msgspec.Struct, frozen=True):
    """What those who answer work with."""

    store: Store
    admission: Admission
    authenticator: AuthenticatorChain
    authorizer: Authorizer
    issuer: Issuer
    runner: Runner


class Special:
    """Answers calls for what is no plain object."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @cached_property
    def _posts(self) -> Posts:
        from watchd.api.subresources.posting import Posts

        services = self._services
        return Posts(services.admission, clock=services.store.clock, runner=services.runner)

    @cached_property
    def _posted(self) -> dict[Where, Post]:
        from watchd.api.subresources.table import posted

        return posted(self._services)

    @cached_property
    def _connected(self) -> dict[Where, Connect]:
        from watchd.api.subresources.table import connected

        return connected(self._services)

    async def answer(self, call: Call) -> Response | None:
        """Answer a call whose verb the resource has; None where it is for a plain object. Raises StatusError."""
        where = (call.endpoint.group, call.endpoint.resource, call.info.subresource)
        post = self._posted.get(where)
        if post is not None:
            return await self._posts.answer(call, post)
        connect = self._connected.get(where)
        return None if connect is None else await connect(call)
