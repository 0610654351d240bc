"""What every door does the same: the headers of each answer, and Statuses that the door itself answers."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from watchd.api.message import Request, Response
from watchd.seams import Entropy
from watchd.serving.served import Handle
from watchd.status import StatusError, bad_request

AUDIT_ID = "audit-id"
"""The header, in lower case, under which an answer can be found in the audit log. A client may choose it."""

AUDIT_ID_LENGTH = 64
"""Characters of a client's own Audit-Id that are sent back, as in the reference."""

BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body and may not state its length (RFC 9110 section 8.6)."""

INTERNAL = "Internal Server Error"
"""All that a client is told of an error that nobody expected; the log says more."""

FIRST_REFUSAL = 400
"""The lowest status of answers that are refusals."""

NO_WEBSOCKETS = "this server does not serve websockets: send the request without Upgrade"
"""What a websocket handshake is answered."""

CACHE_CONTROL = "no-cache, private"
"""Of answers that do not say otherwise: what a credential unlocked is nothing for a shared cache."""


def audit_id(headers: Mapping[str, str], entropy: Entropy) -> str:
    """Return the request's Audit-Id: a fresh one if the client sent none."""
    return headers.get(AUDIT_ID) or entropy.uid()


def answer_headers(response: Response, audit: str) -> list[tuple[str, str]]:
    """Return an answer's headers, with those that all answers have; what it says itself stands."""
    names = {name.lower() for name, _ in response.headers}
    common = []
    if AUDIT_ID not in names:
        common.append(("Audit-Id", audit[:AUDIT_ID_LENGTH]))
    if "cache-control" not in names:
        common.append(("Cache-Control", CACHE_CONTROL))
    return common + response.headers


def status_response(error: StatusError) -> Response:
    """Answer what a door refuses before any handler is asked."""
    headers = [("Content-Type", "application/json")]
    if error.retry_after:
        headers.append(("Retry-After", str(error.retry_after)))
    return Response(error.code, headers, orjson.dumps(error.to_object()) + b"\n")


async def refuse_websocket(handle: Handle, request: Request) -> Response:
    """Answer a websocket's handshake, given as a GET: refused with what that is refused with, and for the websocket else."""
    response = await handle(request)
    refused = response.status >= FIRST_REFUSAL and isinstance(response.body, bytes)
    return response if refused else status_response(bad_request(NO_WEBSOCKETS))
