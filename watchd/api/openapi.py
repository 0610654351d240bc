"""/openapi/v2 and /openapi/v3: schemas for kubectl's validation and explain, made when they are asked for.

A document's hash comes from its kinds and not from its text, so that the index of all documents builds none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from email.utils import formatdate
from weakref import WeakKeyDictionary

import orjson

from conversion.codec import JSON
from conversion.gvk import GroupVersion, version_priority
from watchd.api.discovery import Kinds, page_not_found
from watchd.api.message import Request, Response
from watchd.api.negotiate import parse_accept
from watchd.api.openapi_build import Object, document_v2, document_v3, meta, schema_name
from watchd.api.version import MAJOR, MINOR, package_version
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import components
from watchd.seams import Clock, Runner
from watchd.status import Reason, StatusError

CACHE_BYTES = 32 << 20
"""Documents kept, in bytes of JSON; the largest definitions in use make about one MiB each."""

YEAR_SECONDS = 365 * 86400
"""How long a document may be kept by a client that named its hash (the reference's Expires)."""

_INDEX, _V2 = "/openapi/v3", "/openapi/v2"

Served = list[tuple[Kind, Version]]


class OpenAPI:
    """Answers /openapi/v2 and /openapi/v3."""

    def __init__(self, kinds: Kinds, *, clock: Clock, runner: Runner) -> None:
        self._kinds = kinds
        self._clock = clock
        self._runner = runner
        self._digests: WeakKeyDictionary[Kind, dict[str, bytes]] = WeakKeyDictionary()
        """Kind -> version -> digest of all that its part of a document depends on."""
        self._documents: dict[str, bytes] = {}
        """Hash -> document, oldest first."""

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through. Raises StatusError (405)."""
        path = request.path.rstrip("/")
        if path not in (_V2, _INDEX) and not path.startswith(f"{_INDEX}/"):
            return page_not_found()
        if request.method not in ("GET", "HEAD"):
            raise StatusError(
                Reason.METHOD_NOT_ALLOWED, "the server does not allow this method on the requested resource"
            )
        kinds = list(self._kinds.kinds)
        # Off the loop: large definitions take their time to be hashed and written.
        return await self._runner.run_sync(self._answer, request, path, kinds)

    def _answer(self, request: Request, path: str, kinds: Sequence[Kind]) -> Response:
        groups = _group_versions(kinds)
        if path == _INDEX:
            return self._index(request, groups)
        if not _takes_json(request):
            return Response(406, [])
        if path == _V2:
            served = [pair for pairs in groups.values() for pair in pairs]
            return self._document(request, self._hash(_V2, served), lambda: document_v2(served))
        found = groups.get(path.removeprefix(f"{_INDEX}/"))
        if found is None:
            return Response(404, [])
        served = found
        etag = self._hash(_INDEX, served)
        asked = request.param("hash")
        if asked and asked != etag:
            return Response(301, [("location", f"{path}?hash={etag}")])
        response = self._document(request, etag, lambda: document_v3(served))
        if asked:
            expires = self._clock.now_ms() // 1000 + YEAR_SECONDS
            response.headers += [("cache-control", "public, immutable"), ("expires", formatdate(expires, usegmt=True))]
        return response

    def _index(self, request: Request, groups: dict[str, Served]) -> Response:
        paths = {
            name: {"serverRelativeURL": f"{_INDEX}/{name}?hash={self._hash(_INDEX, served)}"} for name, served in groups.items()
        }
        body = orjson.dumps({"paths": paths})
        etag = hashlib.sha512(body).hexdigest().upper()
        # The reference leaves the type to a guess, which is text.
        return _conditional(request, etag, [("content-type", "text/plain; charset=utf-8")], lambda: body)

    def _document(self, request: Request, etag: str, build: Callable[[], Object]) -> Response:
        return _conditional(
            request, etag, [("content-type", JSON), ("vary", "Accept")], lambda: self._kept(etag, build)
        )

    def _kept(self, etag: str, build: Callable[[], Object]) -> bytes:
        found = self._documents.get(etag)
        if found is None:
            found = self._documents[etag] = orjson.dumps(build())
            total = sum(map(len, list(self._documents.values())))
            for oldest in list(self._documents):
                if total <= CACHE_BYTES:
                    break
                dropped = self._documents.pop(oldest, b"")
                total -= len(dropped)
        return found

    def _hash(self, dialect: str, served: Served) -> str:
        """Return the hash of a document: SHA-512, hexadecimal in capitals, as the reference's."""
        out = hashlib.sha512(f"{dialect} {MAJOR}.{MINOR} {package_version()}".encode())
        for kind, version in served:
            digests = self._digests.get(kind)
            if digests is None:
                digests = self._digests[kind] = {}
            digest = digests.get(version.name)
            if digest is None:
                digest = digests[version.name] = _digest(kind, version)
            out.update(digest)
        return out.hexdigest().upper()


def _digest(kind: Kind, version: Version) -> bytes:
    names = kind.names
    name = schema_name(kind, version.name)
    schema = version.schema
    if not kind.custom and name in components():
        # Comes with the package, whose version is hashed too.
        schema = sorted(meta()["schemas"])
    parts = [
        [kind.group, version.name, names.plural, names.kind, names.list_kind, kind.namespaced, kind.custom],
        [kind.verbs, kind.subresources, version.status, version.scale is not None, schema],
    ]
    return hashlib.sha512(orjson.dumps(parts)).digest()


def _group_versions(kinds: Sequence[Kind]) -> dict[str, Served]:
    """Sort what is served by the names of its documents: `api/v1`, `apis/apps/v1`."""
    pairs = [(kind, version) for kind in kinds for version in kind.versions if version.served]
    pairs.sort(key=lambda pair: (pair[0].group, version_priority(pair[1].name), pair[0].names.plural))
    out: dict[str, Served] = {}
    for kind, version in pairs:
        root = "apis" if kind.group else "api"
        out.setdefault(f"{root}/{GroupVersion(kind.group, version.name)}", []).append((kind, version))
    return out


def _takes_json(request: Request) -> bool:
    header = request.headers.get("accept", "").strip()
    return not header or any(clause.takes(JSON) for clause in parse_accept(header))


def _conditional(
    request: Request, etag: str, headers: list[tuple[str, str]], body: Callable[[], bytes]
) -> Response:
    """Answer 304 to a client that has this very text, and the text to others."""
    quoted = f'"{etag}"'
    known = (text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(","))
    if quoted in known:
        return Response(304, [("etag", quoted)])
    return Response(200, [*headers, ("etag", quoted)], body())
