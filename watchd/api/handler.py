"""The API: every request, from its line to its answer. No web framework, no sockets (DESIGN section 6)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from conversion.errors import ConversionError
from storage.errors import StorageError
from watchd.api import negotiate
from watchd.api.call import Call
from watchd.api.discovery import page_not_found
from watchd.api.message import BAD_ESCAPE, Request, Response
from watchd.api.metrics import Metrics
from watchd.api.requestinfo import RequestInfo
from watchd.api.verbs import Verbs
from watchd.api.warning import warning_headers
from watchd.auth.authentication import AuthenticatorChain, Credentials
from watchd.auth.authorization import Attributes, Authorizer, require
from watchd.auth.impersonation import impersonated, impersonates
from watchd.auth.user import User
from watchd.registry.refusals import storage_failure
from watchd.registry.registry import Endpoint, Registry
from watchd.status import Reason, StatusError, method_not_allowed, no_such_resource

Answer = Callable[[Request], Awaitable[Response]]
"""Answers the paths below one that are no resource's. Raises StatusError."""

FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ConversionError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a fault in the program shows itself as. What a client's leaving or the end of the server raises is none."""

PROXY = "proxy"
"""The subresource behind which is another server."""

logger = logging.getLogger(__name__)

class API:
    """Authenticates, authorizes and answers."""

    def __init__(
        self,
        registry: Registry,
        verbs: Verbs,
        *,
        authenticator: AuthenticatorChain,
        authorizer: Authorizer,
        metrics: Metrics,
        pages: Mapping[str, Answer],
    ) -> None:
        """Put the parts together.

        Args:
            registry: says which resources there are.
            verbs: answers requests for them.
            authenticator: says who asks.
            authorizer: says who may.
            metrics: counts.
            pages: answers to other paths, by the path's first segment; "" for `/` itself. Discovery has `api` and `apis`.

        """
        self._registry = registry
        self._verbs = verbs
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._metrics = metrics
        self._pages = pages

    async def handle(self, request: Request) -> Response:
        """Answer a request. Every failure is an answer; only cancellation passes."""
        if "%" in request.raw_path and BAD_ESCAPE.search(request.raw_path):
            return Response(400, [("content-type", "text/plain; charset=utf-8")], b"400 Bad Request")
        info = RequestInfo.parse(request.method, request.raw_path, request.query)
        began, status = self._metrics.begin(info), 0
        try:
            try:
                response = await self._answer(request, info)
            except StatusError as error:
                response = refusal(request, error)
            except StorageError as error:
                response = refusal(request, storage_failure(error))
            except FAULTS:
                # A fault of ours: said to the log whole, to the client without what may be secret.
                logger.exception("a request failed: %s %s", request.method, request.raw_path)
                response = refusal(request, StatusError(Reason.INTERNAL_ERROR, "Internal error occurred"))
            status = response.status
        finally:
            self._metrics.end(info, began, status, dry_run=bool(request.param("dryRun")))
        return response

    async def _answer(self, request: Request, info: RequestInfo) -> Response:
        asking = await self._authenticator.authenticate(Credentials(request.headers, request.peer_certificate))
        headers = request.headers
        user = await impersonated(asking, headers, self._authorizer) if impersonates(headers) else asking
        await require(self._authorizer, _attributes(user, info))
        if not info.is_resource:
            return await self._page(request)
        endpoint = self._registry.endpoint(info.group, info.version, info.resource)
        # Behind a proxy is a path of its own, and all methods are its business.
        proxied = endpoint is not None and info.subresource == PROXY and endpoint.kind.subresource(PROXY) is not None
        # What follows the subresource of a custom object is nobody's, and the reference reads past it.
        if endpoint is None or (info.extra and not endpoint.kind.custom and not proxied):
            return self._unknown(info)
        # All namespaces of a built-in kind can be read at once, and no more; other paths out of scope are nobody's.
        across = not endpoint.kind.custom and endpoint.kind.namespaced and not info.namespace and not info.name
        in_scope = _in_scope(endpoint, info)
        if not in_scope and not (across and _listed(endpoint)):
            return self._unknown(info)
        # The reference routes HEAD to custom kinds alone (PROTOCOL.md section 3).
        head = request.method == "HEAD" and not endpoint.kind.custom and not proxied
        # Custom kinds say themselves that they have no such verb, and first whether they have the subresource.
        verbless = not info.verb and not endpoint.kind.custom and not proxied
        if head or verbless or not in_scope:
            raise method_not_allowed()
        call = Call(request, info, endpoint, user)
        if endpoint.version.deprecation_warning:
            call.warnings.append(endpoint.version.deprecation_warning)
            self._metrics.deprecated(info, endpoint.version.removed_release)
        try:
            return await self._verbs.answer(call)
        except StatusError as error:
            response = refusal(request, error)
            if not error.details:
                # The reference's router, which answers with empty details, has not come to what warns.
                response.headers += warning_headers(call.warnings)
            return response

    async def _page(self, request: Request) -> Response:
        if request.method == "CONNECT":
            # Whatever succeeds would have opened a tunnel.
            raise method_not_allowed()
        answer = self._pages.get(request.path.strip("/").partition("/")[0])
        return page_not_found() if answer is None else await answer(request)

    def _unknown(self, info: RequestInfo) -> Response:
        """Answer a resource that is not served: in words where a built-in group is asked, as the reference does."""
        builtin = any(not kind.custom and kind.group == info.group for kind in self._registry.kinds)
        if builtin and self._registry.serves_group_version(info.group, info.version):
            raise no_such_resource()
        return page_not_found()


def _in_scope(endpoint: Endpoint, info: RequestInfo) -> bool:
    """Tell whether a path names a namespace exactly where the kind wants one."""
    kind = endpoint.kind
    if not kind.namespaced:
        # A Namespace stands under its own name, and under no other namespace: authorization goes by that.
        return not info.namespace or (info.resource == "namespaces" and not info.group and info.namespace == info.name)
    return bool(info.namespace) or (info.verb in {"list", "watch"} and _listed(endpoint))


def _listed(endpoint: Endpoint) -> bool:
    """Tell whether a kind has a collection over all namespaces."""
    return "list" in endpoint.kind.verbs


def _attributes(user: User, info: RequestInfo) -> Attributes:
    return Attributes(
        user=user,
        verb=info.verb,
        path=info.path,
        resource=info.resource,
        group=info.group,
        version=info.version,
        subresource=info.subresource,
        namespace=info.namespace,
        name=info.name,
    )


def refusal(request: Request, error: StatusError) -> Response:
    """Return a Status as an answer, in the format that the client takes, JSON where it takes none of ours."""
    accepted = negotiate.accept_or_json(request)
    headers = [("content-type", accepted.content_type)]
    if error.retry_after:
        headers.append(("retry-after", str(error.retry_after)))
    return Response(error.code, headers, accepted.encode(error.to_object()))
