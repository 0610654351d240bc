"""The health pages: /healthz, /livez and /readyz, whole or a single check (FEATURES row 153)."""

from __future__ import annotations

import msgspec

from watchd.api.message import Request, Response
from watchd.health import Health

HEADERS = (
    ("content-type", "text/plain; charset=utf-8"),
    ("cache-control", "no-cache, private"),
    ("x-content-type-options", "nosniff"),
)
"""Of every page. The API server's own health is never a cache's business."""


class HealthPages(msgspec.Struct, frozen=True):
    """Answers the paths under the three endpoints."""

    health: Health

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through, whatever its method, as the reference does."""
        endpoint, _, name = request.path.strip("/").partition("/")
        query = request.query
        report = self.health.report(endpoint, name, verbose="verbose" in query, exclude=query.get("exclude", ()))
        if report is None:
            return Response(404, list(HEADERS), b"404 page not found\n")
        return Response(report.status, list(HEADERS), report.text.encode())
