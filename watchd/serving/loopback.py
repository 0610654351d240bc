"""The plain listener's guard against DNS rebinding: a web page must not reach it under a name of its own."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypercorn.typing import AppWrapper
from quart.utils import encode_headers
from werkzeug.datastructures import Headers

from watchd.api.message import Response
from watchd.serving.answer import status_response
from watchd.serving.incoming import AsgiReceive
from watchd.serving.sink import AsgiSend
from watchd.status import Reason, StatusError


def is_loopback_name(host: str) -> bool:
    """Tell whether a Host header names this machine and nothing else: localhost, 127.0.0.0/8, [::1], any port."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            return False
    else:
        name = host.partition(":")[0]
    if name.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


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


def refusal(host: str) -> Response:
    """Answer a request to another name."""
    message = f'host "{host}" is refused: without TLS the server answers to localhost, 127.0.0.1 and [::1] only'
    return status_response(StatusError(Reason.FORBIDDEN, message))
