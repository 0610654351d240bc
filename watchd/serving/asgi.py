"""Hypercorn's side of the door: HTTP/2, and HTTP/1.1 too where the native door is switched off.

Nothing else in the product imports Quart or Hypercorn, and this only the door, for the first client that needs it.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, LifespanState
from hypercorn.utils import wrap_app
from quart.utils import encode_headers
from werkzeug.datastructures import Headers

from watchd.serving.app import create_app
from watchd.serving.connection import Connection
from watchd.serving.incoming import AsgiReceive
from watchd.serving.loopback import is_loopback_name, refusal
from watchd.serving.served import Served
from watchd.serving.sink import AsgiSend

if TYPE_CHECKING:
    from watchd.serving.door import Limits


class AsgiDoor:
    """Makes connections of clients that Hypercorn serves."""

    def __init__(self, served: Served, limits: Limits) -> None:
        """Mount the API on Quart. The application has nothing to do at its start and end: ASGI's lifespan is left out.

        Raises:
            UnknownHypercorn: the installed Hypercorn is not the one whose hazards are known.

        """
        self._config = _config(limits)
        self._context = WorkerContext(None)
        self._app = wrap_app(create_app(served), self._config.wsgi_max_body_size, "asgi")
        self._local = LoopbackOnly(self._app)

    def connection(self, stream: Any, *, tls: bool) -> Connection:
        """Return a client's connection, to be run; without TLS only requests to loopback names are served."""
        app = self._app if tls else self._local
        return Connection(app, self._config, self._context, LifespanState({}), stream)

    async def drain(self) -> None:
        """Have connections serve no further request."""
        await self._context.terminated.set()


class LoopbackOnly:
    """An ASGI application that lets only requests to loopback names through; others are answered 403.

    A page of evil.example whose name resolves to 127.0.0.1 counts as same-origin to the browser that loaded it; its
    requests carry `Host: evil.example`. HTTP/1.0 requests without a Host come from no browser and pass.
    """

    def __init__(self, app: AppWrapper) -> None:
        self._app = app

    async def __call__(
        self, scope: Any, receive: AsgiReceive, send: AsgiSend, sync_spawn: Any, call_soon: Any
    ) -> None:
        """Pass a request on, or refuse it."""
        hosts = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"host"]
        if scope["type"] == "lifespan" or all(map(is_loopback_name, hosts)):
            await self._app(scope, receive, send, sync_spawn, call_soon)
            return
        response = refusal(hosts[0])
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        body = response.body
        headers = encode_headers(Headers([*response.headers, ("Content-Length", str(len(body)))]))  # type: ignore[arg-type]  # bytes
        await send({"type": f"{kind}.start", "status": response.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body, "more_body": False})


def _config(limits: Limits) -> Config:
    """Say every limit of Hypercorn on purpose."""
    config = Config()
    config.accesslog = None  # The audit log says more, and this one costs 60 us a request.
    config.errorlog = logging.getLogger("watchd.serving.hypercorn")
    config.include_date_header = False
    config.include_server_header = False
    config.keep_alive_timeout = limits.idle
    config.keep_alive_max_requests = math.inf  # type: ignore[assignment]  # compared only; clients stay
    config.ssl_handshake_timeout = limits.handshake
    config.h11_max_incomplete_size = limits.header_bytes
    config.h2_max_header_list_size = limits.header_bytes
    config.h2_max_concurrent_streams = limits.streams
    return config
