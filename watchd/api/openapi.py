"""/openapi/v2 and /openapi/v3: schemas for kubectl's validation and explain, made when they are asked for.

A document's hash comes from its kinds and not from its text, so that the index of all documents builds none of them.
Making a definition costs nothing here either: its part is hashed when somebody asks for any document, and written when
somebody asks for its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from functools import partial
from weakref import WeakKeyDictionary

import attrs
import orjson
import trio

from conversion.codec import JSON
from conversion.gvk import GroupVersion, version_priority
from conversion.openapi_media import MEDIA_TYPE_V2, MEDIA_TYPE_V3, OLD_MEDIA_TYPE_V2, OLD_MEDIA_TYPE_V3
from watchd.api.discovery import Kinds, page_not_found
from watchd.api.message import Request, Response
from watchd.api.negotiate import parse_accept
from watchd.api.openapi_operations import schema_name
from watchd.api.openapi_schemas import meta
from watchd.api.version import MAJOR, MINOR, package_version
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import component
from watchd.seams import Clock, Runner
from watchd.status import Reason, StatusError

CACHE_BYTES = 32 << 20
"""Documents kept, in bytes; the largest definitions in use make about one MiB each."""

YEAR_SECONDS = 365 * 86400
"""How long a document may be kept by a client that named its hash (the reference's Expires)."""

_INDEX, _V2 = "/openapi/v3", "/openapi/v2"
_VARY = ("vary", "Accept")

Served = list[tuple[Kind, Version]]
Build = Callable[[Served], bytes]


def _build(dialect: str, form: str, served: Served) -> bytes:
    # What makes documents is imported by the first one: most servers make none.
    from watchd.api import openapi_build  # noqa: PLC0415 - see above

    document: Callable[..., bytes] = getattr(openapi_build, f"document_{dialect}")
    return document(served, getattr(openapi_build, form))


_BUILDS_V2: dict[str, Build] = {JSON: partial(_build, "v2", "JSON_FORM"), MEDIA_TYPE_V2: partial(_build, "v2", "PROTOBUF_V2")}
_BUILDS_V3: dict[str, Build] = {JSON: partial(_build, "v3", "JSON_FORM"), MEDIA_TYPE_V3: partial(_build, "v3", "PROTOBUF_V3")}
"""What a document can be had as, the one for any type first."""

_ANSWERED = {OLD_MEDIA_TYPE_V2: MEDIA_TYPE_V2, OLD_MEDIA_TYPE_V3: MEDIA_TYPE_V3}
"""Names asked for -> names answered."""


@attrs.frozen
class _Catalogue:
    """What documents there are while the kinds stay as they are."""

    generation: int
    groups: dict[str, Served]
    """`apis/apps/v1` -> kinds, one document each."""
    served: Served
    """All of them, in the one document of version 2."""
    hashes: dict[str, str]
    """Path -> hash of its document."""
    index: bytes
    index_hash: str


class OpenAPI:
    """Answers /openapi/v2 and /openapi/v3."""

    def __init__(self, kinds: Kinds, *, clock: Clock, runner: Runner) -> None:
        self._kinds = kinds
        self._clock = clock
        self._runner = runner
        self._digests: WeakKeyDictionary[Kind, dict[str, bytes]] = WeakKeyDictionary()
        """Kind -> version -> digest of all that its part of a document depends on."""
        self._catalogue: _Catalogue | None = None
        self._documents: dict[tuple[str, str], bytes] = {}
        """Hash and media type -> document, the one not asked for the longest first."""
        self._building = trio.Lock()
        """One at a time: clients that all come at once get one document, built once."""

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through. Raises StatusError (405)."""
        path = request.path.rstrip("/")
        if path not in (_V2, _INDEX) and not path.startswith(f"{_INDEX}/"):
            return page_not_found()
        if request.method not in ("GET", "HEAD"):
            raise StatusError(
                Reason.METHOD_NOT_ALLOWED, "the server does not allow this method on the requested resource"
            )
        catalogue = await self._current()
        if path == _INDEX:
            known = _not_modified(request, catalogue.index_hash)
            return known or _found(catalogue.index, catalogue.index_hash)
        builds = _BUILDS_V2 if path == _V2 else _BUILDS_V3
        media_type = _media_type(request, builds)
        if media_type is None:
            return Response(406, [_VARY])
        etag = catalogue.hashes.get(path)
        if etag is None:
            return Response(404, [])
        asked = request.param("hash") if path != _V2 else ""
        if asked and asked != etag:
            headers = [("content-type", media_type), ("etag", f'"{etag}"'), ("location", f"{path}?hash={etag}"), _VARY]
            return Response(301, headers)
        response = _not_modified(request, etag)
        if response is None:
            served = catalogue.served if path == _V2 else catalogue.groups[path.removeprefix(f"{_INDEX}/")]
            document = await self._document(builds[media_type], served, (etag, media_type))
            response = _found(document, etag, media_type)
        response.headers.append(_VARY)
        if asked:
            expires = self._clock.now_ms() // 1000 + YEAR_SECONDS
            response.headers += [("cache-control", "public, immutable"), ("expires", formatdate(expires, usegmt=True))]
        return response

    async def _current(self) -> _Catalogue:
        catalogue = self._catalogue
        if catalogue is not None and catalogue.generation == self._kinds.generation:
            await trio.lowlevel.checkpoint()
            return catalogue
        async with self._building:
            catalogue = self._catalogue
            if catalogue is None or catalogue.generation != self._kinds.generation:
                # Off the loop: large definitions take their time to be hashed and written.
                catalogue = await self._runner.run_sync(
                    self._catalogued, self._kinds.generation, list(self._kinds.kinds)
                )
                self._catalogue = catalogue
                current = set(catalogue.hashes.values())
                self._documents = {key: text for key, text in self._documents.items() if key[0] in current}
            return catalogue

    def _catalogued(self, generation: int, kinds: Sequence[Kind]) -> _Catalogue:
        groups = _group_versions(kinds)
        served = [pair for pairs in groups.values() for pair in pairs]
        hashes = {f"{_INDEX}/{name}": self._hash(_INDEX, pairs) for name, pairs in groups.items()}
        paths = {name: {"serverRelativeURL": f"{_INDEX}/{name}?hash={hashes[f'{_INDEX}/{name}']}"} for name in groups}
        hashes[_V2] = self._hash(_V2, served)
        index = orjson.dumps({"paths": paths})
        return _Catalogue(generation, groups, served, hashes, index, hashlib.sha512(index).hexdigest().upper())

    async def _document(self, build: Build, served: Served, key: tuple[str, str]) -> bytes:
        if key not in self._documents:
            async with self._building:
                if key not in self._documents:
                    self._keep(key, await self._runner.run_sync(build, served))
        # Back to the end of the line.
        found = self._documents[key] = self._documents.pop(key)
        return found

    def _keep(self, key: tuple[str, str], document: bytes) -> None:
        self._documents[key] = document
        total = sum(map(len, self._documents.values()))
        for oldest in list(self._documents)[:-1]:
            if total <= CACHE_BYTES:
                break
            total -= len(self._documents.pop(oldest))

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
    if not kind.custom and component(name) is not None:
        # Comes with the package, whose version is hashed too.
        schema = sorted(meta()["schemas"])
    parts = [
        [kind.group, version.name, names.plural, names.kind, names.list_kind, kind.namespaced, kind.custom],
        [kind.verbs, [sub.name for sub in kind.subresources], version.status, version.scale is not None, version.selectable_fields, schema],
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


def _media_type(request: Request, offered: Iterable[str]) -> str | None:
    """Choose how a document is answered, or return None for a client that takes none of it.

    Both forms have one hash, as in the reference: Vary tells caches that the text differs.
    """
    header = request.headers.get("accept", "").strip() or "*/*"
    for clause in parse_accept(header):
        named = f"{clause.type}/{clause.subtype}"
        for media_type in offered:
            if clause.takes(media_type) or _ANSWERED.get(named) == media_type:
                return media_type
    return None


def _not_modified(request: Request, etag: str) -> Response | None:
    """Answer a client that has this very text already."""
    quoted = f'"{etag}"'
    known = (text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(","))
    return Response(304, [("etag", quoted)]) if quoted in known else None


def _found(text: bytes, etag: str, media_type: str = JSON) -> Response:
    return Response(200, [("content-type", media_type), ("etag", f'"{etag}"')], text)
