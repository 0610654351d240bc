"""The continue token of paged lists (PROTOCOL.md section 2)."""

from __future__ import annotations

import base64
import json
import posixpath
from typing import Any, NoReturn

import msgspec

from storage.types import KEY_LIMIT
from watchd.status import StatusError, bad_request, expired, go_quote, json_type

VERSION = "meta.k8s.io/v1"
"""What the reference writes into `v`."""

INCONSISTENT = -1
"""The revision of a token that goes on at the newest state, whatever was changed meanwhile."""

_INT64 = range(-(1 << 63), 1 << 63)

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
"""What a token of a compacted revision is answered (410, with the inconsistent token)."""


class Continuation(msgspec.Struct, frozen=True):
    """Where a paged list goes on."""

    revision: int
    """The snapshot all pages are of, or INCONSISTENT."""
    start: str
    """The first path that may come next, relative to the collection: the last one sent and a NUL."""
    remaining: int | None = None
    """How many items this page and the later ones hold; None where it is not known."""

    @classmethod
    def after(cls, revision: int, last: str, remaining: int | None = None) -> Continuation:
        """Go on behind a path that was sent; it is relative to the collection."""
        return cls(revision, f"{last}\0", remaining)

    def encode(self) -> str:
        """Return the token: base64url without padding of the reference's JSON, and `remaining` where it is known."""
        start = self.start if self.revision == INCONSISTENT else f"/{self.start}"
        token: dict[str, Any] = {"v": VERSION, "rv": self.revision, "start": start}
        if self.remaining is not None:
            token["remaining"] = self.remaining
        return base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode()).rstrip(b"=").decode()

    def inconsistent(self) -> Continuation:
        """Return the token that a 410 offers instead of this one."""
        return Continuation(INCONSISTENT, self.start)

    @classmethod
    def decode(cls, token: str) -> Continuation:
        """Read a token. Raises StatusError (400)."""
        fields = _object(_json(_base64(token)))
        version, revision, start = fields["v"], fields["rv"], fields["start"]
        if version != VERSION:
            _refuse(f": server does not recognize this encoded version {version}")
        if revision == 0:
            _refuse(f": incorrect encoded start resourceVersion (version {VERSION})")
        if not start:
            _refuse(f": encoded start key empty (version {VERSION})")
        key = start if start.startswith("/") else f"/{start}"
        # A start that climbs would leave its collection.
        if key.startswith("//") or posixpath.normpath(key) != key or not _fits(start):
            _refuse(f": {start}")
        remaining = fields.get("remaining")
        return cls(revision, key[1:], remaining if type(remaining) is int and remaining >= 0 else None)


def expired_continuation(continuation: Continuation) -> StatusError:
    """410 for a token whose revision is compacted."""
    return expired(EXPIRED, continuation.inconsistent().encode())


def _refuse(why: str) -> NoReturn:
    raise bad_request(f"invalid continue token: continue key is not valid{why}")


def _fits(start: str) -> bool:
    try:
        return len(start.encode()) <= KEY_LIMIT
    except UnicodeEncodeError:
        return False


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _base64(token: str) -> bytes:
    """Decode base64url without padding; errors carry the offset that Go's decoder names."""
    text = []
    for offset, char in enumerate(token.encode("utf-8", "replace").decode("latin-1")):
        if char in "\r\n":
            continue
        if char not in _ALPHABET:
            _refuse(f": illegal base64 data at input byte {offset}")
        text.append(char)
    if len(text) % 4 == 1:
        _refuse(f": illegal base64 data at input byte {len(token) - 1}")
    return base64.urlsafe_b64decode("".join(text) + "=" * (-len(text) % 4))


_EXPECTATIONS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}
"""Python's JSON errors and the ends of encoding/json's."""


def _no_constant(_: str) -> NoReturn:
    raise json.JSONDecodeError("Expecting value", "N", 0)


def _json(data: bytes) -> Any:
    # One character a byte, as Go's scanner counts and quotes them.
    text = data.decode("latin-1")
    try:
        json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as e:
        expectation = next((end for msg, end in _EXPECTATIONS.items() if e.msg.startswith(msg)), None)
        if expectation is None or e.pos >= len(text):
            _refuse(": unexpected end of JSON input")
        quoted = "'" + go_quote(text[e.pos])[1:-1] + "'"
        _refuse(f": invalid character {quoted} {expectation}")
    except (RecursionError, ValueError):
        _refuse(": exceeded max depth")
    return json.loads(data.decode("utf-8", "replace"))


_FIELDS: dict[str, tuple[type, str, Any]] = {"v": (str, "string", ""), "rv": (int, "int64", 0), "start": (str, "string", "")}
"""The token's fields: Python's type, Go's, and the value of an absent one."""


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        _refuse(f": json: cannot unmarshal {json_type(value)} into Go value of type storage.continueToken")
    out = dict(value)
    for name, (kind, go_type, absent) in _FIELDS.items():
        found = value.get(name)
        if found is None:
            out[name] = absent
        elif type(found) is not kind or (kind is int and found not in _INT64):
            shown = f"number {found}" if type(found) in (int, float) and go_type == "int64" else json_type(found)
            _refuse(f": json: cannot unmarshal {shown} into Go struct field continueToken.{name} of type {go_type}")
    return out
