"""The whole API as a Quart-Trio application, served by Hypercorn or by any ASGI server that runs on Trio.

Quart routes and dispatches; answers go out below Quart's own Response machinery, straight to ASGI: a watch costs no
generator, no second task and no copy, and Quart's RESPONSE_TIMEOUT, which would end it after a minute, never sees it.
"""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import Any, cast

import trio
from quart import request as current_request
from quart.utils import encode_headers
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIHTTPConnection, TrioASGIWebsocketConnection
from quart_trio.wrappers import TrioRequest, TrioResponse
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter, MapAdapter

from watchd.api.message import Request, Response, Sink, SinkClosed, Stream
from watchd.serving import http2
from watchd.serving.answer import (
    BODILESS,
    INTERNAL,
    answer_headers,
    audit_id,
    refuse_websocket,
    status_response,
)
from watchd.serving.compress import GZIP_HEADERS, GzipSink, compresses
from watchd.serving.connection import Connection
from watchd.serving.incoming import AsgiReceive, Body, connection_of, headers_of, raw_path_of, request_of
from watchd.serving.served import Served
from watchd.serving.sink import AsgiSend, AsgiSink
from watchd.status import StatusError, bad_request, internal

log = logging.getLogger(__name__)


def create_app(served: Served) -> Application:
    """Mount the API on a Quart-Trio application.

    Raises:
        UnknownHypercorn: the installed Hypercorn is not the one whose hazards are known.

    """
    http2.apply()
    return Application(served)


class AnyPath(BaseConverter):
    """Any path at all: empty, with double slashes, with line ends."""

    regex = "(?s:.*)"
    part_isolating = False


class ApiRequest(TrioRequest):
    """A Quart request that carries the handler's."""

    incoming: Request


class Answer(TrioResponse):
    """A Quart response that carries the handler's; its status and headers can still be changed by Quart hooks."""

    default_mimetype = None  # type: ignore[assignment]  # werkzeug then adds none to a 304, which must not have one

    def __init__(self, message: Response, audit: str) -> None:
        super().__init__(status=message.status, headers=Headers(answer_headers(message, audit)))
        self.message = message


class HttpExchange(TrioASGIHTTPConnection):
    """One request and its answer."""

    app: Application
    scope: Any

    async def __call__(self, receive: AsgiReceive, send: AsgiSend) -> None:
        """Ask the API and send what it says."""
        # Frames that wait as long as a watch does hold no more than they need: hence the small steps and the list.
        line = connection_of(self.scope)
        audit, gzip, answers = await self._answer(line, receive, send)
        patient = self.app.served.patience
        patience = patient.watch if answers[0].message.watch else patient.answer
        sink = AsgiSink(send, patience, line)
        if line is not None:
            line.begin_answer(patience)
        try:
            await self._send(answers, sink, receive, line, gzip=gzip)
        except SinkClosed:
            pass  # Nobody is there to be told.
        except Exception:  # As below; what was begun is cut off, since its client must not take it for whole.
            log.exception("an answer was cut off", extra={"audit_id": audit})
            if not sink.started:
                with contextlib.suppress(SinkClosed):
                    await self._send([self._failed(audit)], sink, receive, line, gzip=False)
        finally:
            if line is not None:
                line.end_answer(patience)

    async def _answer(
        self, line: Connection | None, receive: AsgiReceive, send: AsgiSend
    ) -> tuple[str, bool, list[Answer]]:
        """Ask the API; return the Audit-Id, whether to compress, and the answer."""
        headers = headers_of(self.scope)
        served = self.app.served
        audit = audit_id(headers, served.entropy)
        body = Body(receive, headers, served.max_body, served.patience.answer)
        answer = await self._ask(audit, headers, body, send)
        # HTTP/2 needs no draining: its streams can end one side at a time.
        if self._http1 and (not await body.drain() or (line is not None and line.draining)):
            answer.headers["Connection"] = "close"
        gzip = compresses(self.scope["method"], headers.get("accept-encoding", ""), answer.message)
        # Quart's hooks may have encoded it.
        return audit, gzip and "Content-Encoding" not in answer.headers, [answer]

    @property
    def _http1(self) -> bool:
        return bool(self.scope["http_version"][0] == "1")

    async def _ask(self, audit: str, headers: dict[str, str], body: Body, send: AsgiSend) -> Answer:
        path = self.scope["path"]
        if not path.startswith("/"):
            # The absolute and the asterisk form, which Quart's routing does not know.
            self.scope = {**self.scope, "path": "/" + raw_path_of(self.scope).lstrip("/")}
        request = cast("ApiRequest", self._create_request_from_scope(send))
        request.incoming = request_of(self.scope, headers, body, audit)
        try:
            answer = await self.app.handle_request(request)
        except Exception:  # The boundary of one request: its client gets a Status, the log the traceback.
            log.exception("error in a handler", extra={"audit_id": audit})
            answer = None
        return answer if isinstance(answer, Answer) else self._failed(audit)

    def _failed(self, audit: str) -> Answer:
        return Answer(status_response(internal(INTERNAL)), audit)

    async def _send(
        self, answers: list[Answer], sink: AsgiSink, receive: AsgiReceive, line: Connection | None, *, gzip: bool
    ) -> None:
        answer = answers.pop()
        body = answer.message.body
        if isinstance(body, bytes) and not gzip:
            if answer.status_code not in BODILESS:
                answer.headers["Content-Length"] = str(len(body))
            await sink.start(answer.status_code, encode_headers(answer.headers))
            await sink.finish(body)
            return
        if gzip:
            gzipped = GzipSink(partial(self._open_body, answer, sink))
            await self._run(_Whole(body) if isinstance(body, bytes) else body, gzipped, receive, line)
            await gzipped.finish()
        else:
            await sink.start(answer.status_code, encode_headers(answer.headers))
            del answer
            await self._run(cast("Stream", body), sink, receive, line)
        await sink.finish()

    async def _open_body(self, answer: Answer, sink: AsgiSink, compressed: bool) -> Sink:  # noqa: FBT001  # OpenBody's
        if compressed:
            answer.headers.extend(GZIP_HEADERS)
        await sink.start(answer.status_code, encode_headers(answer.headers))
        return sink

    async def _run(self, stream: Stream, sink: Sink, receive: AsgiReceive, line: Connection | None) -> None:
        """Run a stream until its end, or until its client leaves."""
        if self._http1 and line is not None:
            # The connection is this answer's alone, and cancels it when the client leaves.
            await stream.run(sink)
            return
        gone = True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
            try:
                await stream.run(sink)
                gone = False
            except SinkClosed:
                pass
            nursery.cancel_scope.cancel()
        if gone:
            raise SinkClosed("the client is gone")


async def _cancel_when_gone(receive: AsgiReceive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class _Whole:
    """A body that is known at once, as a stream."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def run(self, sink: Sink) -> None:
        await sink.send_all(self._body)


class _NoBody(Body):
    """The body of a request that has none."""

    def __init__(self) -> None:
        self._data = b""


class WebsocketRefusal(TrioASGIWebsocketConnection):
    """A websocket handshake, answered with a Status."""

    app: Application
    scope: Any

    async def __call__(self, receive: AsgiReceive, send: AsgiSend) -> None:
        """Answer it (ASGI's "websocket.http.response" extension)."""
        await receive()
        given = headers_of(self.scope)
        audit = audit_id(given, self.app.served.entropy)
        request = request_of({**self.scope, "method": "GET"}, given, _NoBody(), audit)
        response = await refuse_websocket(self.app.served.handle, request)
        headers = Headers(answer_headers(response, audit))
        body = cast("bytes", response.body)
        headers["Content-Length"] = str(len(body))
        if self.scope["http_version"][0] == "1":
            headers["Connection"] = "close"
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1000})
            return
        await send(
            {
                "type": "websocket.http.response.start",
                "status": response.status,
                "headers": encode_headers(headers),
            }
        )
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


class Application(QuartTrio):
    """The API's Quart application: one handler for each path and method, none of the framework's own answers."""

    asgi_http_class = HttpExchange
    asgi_websocket_class = WebsocketRefusal
    request_class = ApiRequest
    response_class = TrioResponse

    def __init__(self, served: Served) -> None:
        super().__init__("watchd", static_folder=None)
        self.served = served
        # Errors come to HttpExchange, not to a page.
        self.config["PROPAGATE_EXCEPTIONS"] = True
        self.config["MAX_CONTENT_LENGTH"] = None
        self.config["BODY_TIMEOUT"] = None
        self.config["RESPONSE_TIMEOUT"] = None
        self.url_map.merge_slashes = False
        self.url_map.strict_slashes = False
        self.url_map.converters["any_path"] = AnyPath
        for rule in ("/api/<any_path:path>", "/apis/<any_path:path>", "/<any_path:path>"):
            # No methods named: all of them, also those that HTTP does not know.
            self.url_map.add(self.url_rule_class(rule, endpoint="api", methods=None))
        self.view_functions["api"] = self._api
        self.register_error_handler(HTTPException, self._refused)

    async def _api(self, path: str) -> Answer:  # noqa: ARG002  # the handler takes the path as it came
        request = cast("ApiRequest", current_request)
        incoming = request.incoming
        return Answer(await self.served.handle(incoming), incoming.audit_id)

    async def _refused(self, error: HTTPException) -> Answer:
        """Answer what Quart itself would not route, as a Status."""
        incoming = cast("ApiRequest", current_request).incoming
        status: StatusError = bad_request(error.description or error.name)
        return Answer(status_response(status), incoming.audit_id)

    def create_url_adapter(self, request: Any) -> MapAdapter | None:
        """Route by path and method alone: a strange Host header is no reason not to answer."""
        if request is None:
            return None
        return self.url_map.bind("localhost", path_info=request.path, default_method=request.method)
