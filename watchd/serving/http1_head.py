"""The header of an HTTP/1.1 answer whose body is known, as bytes: but for two of its fields most answers have the same."""

from __future__ import annotations

from functools import lru_cache

from watchd.api.message import Response
from watchd.serving.answer import AUDIT_ID_LENGTH, BODILESS, answer_headers
from watchd.serving.http1_sink import head_bytes

KEPT_HEADERS = 256
"""Headers that are kept: a status with a Content-Type each, of which a handful is in use."""

_PLACE = "(audit id)"
"""Stands for the Audit-Id in a header that is kept."""


def whole_head(response: Response, audit: str, *, close: bool) -> bytes:
    """Return the header of an answer whose body is bytes. Raises ValueError where a field holds the end of a line.

    `audit` is the request's Audit-Id, `close` tells whether the connection ends behind the answer.
    """
    length = len(response.body)  # type: ignore[arg-type]  # the caller's promise
    if len(response.headers) == 1 and audit.isascii() and audit.isprintable():
        name, value = response.headers[0]
        kept = _around_audit(response.status, name, value, close)
        if kept is not None:
            before, behind = kept
            return b"%b%b%b%d\r\n\r\n" % (before, audit[:AUDIT_ID_LENGTH].encode(), behind, length)
    headers = answer_headers(response, audit)
    if close:
        headers.append(("Connection", "close"))
    if response.status not in BODILESS:
        headers.append(("Content-Length", str(length)))
    return head_bytes(response.status, headers)


@lru_cache(KEPT_HEADERS)
def _around_audit(status: int, name: str, value: str, close: bool) -> tuple[bytes, bytes] | None:  # noqa: FBT001  # a cache's key
    """Return what stands before the Audit-Id, and from there to the Content-Length's digits; None where it is otherwise."""
    if status in BODILESS:
        return None
    headers = answer_headers(Response(status, [(name, value)]), _PLACE)
    if close:
        headers.append(("Connection", "close"))
    if ("Audit-Id", _PLACE) not in headers:
        return None
    before, _, behind = head_bytes(status, headers).partition(_PLACE.encode())
    return before, behind.removesuffix(b"\r\n") + b"Content-Length: "
