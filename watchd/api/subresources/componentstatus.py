"""ComponentStatus: the health of a cluster's other components. This server has none, and its own is told at /readyz."""

from __future__ import annotations

from watchd.api.call import Call
from watchd.api.message import Response
from watchd.status import not_found


async def answer(call: Call) -> Response:
    """Answer a list with no items, and 404 for a name. Raises StatusError."""
    if call.info.name:
        raise not_found("", "componentstatus", call.info.name)
    accepted = call.accept(listing=True, transformations=())
    return call.respond(200, accepted, {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": []})
