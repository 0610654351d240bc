"""The plain listener's guard against DNS rebinding: a web page must not reach it under a name of its own."""

from __future__ import annotations

import ipaddress

from watchd.api.message import Response
from watchd.serving.answer import status_response
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


def refusal(host: str) -> Response:
    """Answer a request to another name."""
    message = f'host "{host}" is refused: without TLS the server answers to localhost, 127.0.0.1 and [::1] only'
    return status_response(StatusError(Reason.FORBIDDEN, message))
