"""The administration endpoint: what only the running server can do for its owner.

    POST /debug/watchd/compact?revision=N   raise the floor to at most N ("head": all that can go);
                                            answers {"floor": F, "head": H}

Who may is the authorizer's business: to it these are paths that are no resource's.
"""

from __future__ import annotations

import msgspec
import orjson

from storage.errors import StorageError
from storage.log import Log
from storage.types import Revision
from watchd.api.message import Request, Response
from watchd.status import bad_request, internal, method_not_allowed, no_such_resource

COMPACT_PATH = "/debug/watchd/compact"
"""Where compaction is asked for."""

REVISION_DIGITS = 18
"""Longest revision that is read: below 2**63, as the log holds it."""



class Admin(msgspec.Struct, frozen=True):
    """Answers the paths under /debug/watchd."""

    log: Log

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through. Raises StatusError."""
        if request.path != COMPACT_PATH:
            raise no_such_resource()
        if request.method != "POST":
            raise method_not_allowed()
        asked = request.param("revision")
        floor = await self.compact(self.log.head if asked == "head" else read_revision(asked))
        body = orjson.dumps({"floor": floor, "head": self.log.head})
        return Response(200, [("Content-Type", "application/json")], body)

    async def compact(self, upto: Revision) -> Revision:
        """Raise the floor to at most a revision; what running lists hold stays. Raises StatusError."""
        if upto > self.log.head:
            raise bad_request(f"revision {upto} is in the future, the head is {self.log.head}")
        try:
            return await self.log.compact(upto)
        except StorageError as error:
            raise internal(f"compaction failed: {error}") from error


def read_revision(text: str) -> Revision:
    """Read a revision. Raises StatusError 400."""
    if not (text.isascii() and text.isdigit()) or len(text) > REVISION_DIGITS:
        raise bad_request(f'revision: "{text[:100]}" is not a revision')
    return Revision(int(text))
