"""Discovery: which groups, versions and resources there are (FEATURES rows 95 to 97, 101, 103).

Plain lists at /api, /apis and below, and everything at once (KEP-3352, `as=APIGroupDiscoveryList`) at /api and /apis.
Answers are kept until the kinds change.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import trio

from conversion.codec import JSON, PROTOBUF, YAML
from conversion.gvk import GroupVersion, version_priority
from watchd.api.message import Request, Response
from watchd.api.negotiate import TYPED_CODECS, Accepted, is_pretty, not_acceptable, parse_accept, transformation_of
from watchd.registry.kind import Kind, Subresource, Version
from watchd.status import method_not_allowed

AGGREGATED_GROUP, AGGREGATED_VERSION, AGGREGATED_KIND = "apidiscovery.k8s.io", "v2", "APIGroupDiscoveryList"
"""What Accept asks for; v2beta1 is no longer served, as in the reference."""

_AGGREGATED = f";g={AGGREGATED_GROUP};v={AGGREGATED_VERSION};as={AGGREGATED_KIND}"

AGGREGATED_TYPE = f"{JSON}{_AGGREGATED}"
"""The Content-Type of the aggregated form in JSON."""

PLAIN_TYPES = (JSON, YAML, PROTOBUF)
"""What the lists of groups and resources are written in; the aggregated form is also written in CBOR, as in the reference."""

CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
"""Verbs of custom kinds, in the order in which the reference lists them."""

HASH_BYTES = 8
"""Length of a storageVersionHash before base64."""

KEPT_ANSWERS = 512
"""Answers kept for one generation: a few forms of each of hundreds of groups."""

OTHER_PATHS = ("/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version")
"""What `/` lists beside discovery."""

Object = dict[str, Any]


class Kinds(Protocol):
    """The installed kinds (watchd.registry.registry.Registry is one)."""

    @property
    def kinds(self) -> Sequence[Kind]:
        """All of them, in the order of their installation."""

    @property
    def generation(self) -> int:
        """A number that changes with them."""


STATUS = Subresource("status")
SCALE = Subresource("scale", group="autoscaling", version="v1", kind="Scale")


def subresources_of(kind: Kind, version: Version) -> list[Subresource]:
    """Return the subresources of a kind at a version: status and scale, or in alphabetical order for built-in kinds."""
    found = [sub for sub, there in ((STATUS, version.status), (SCALE, version.scale is not None)) if there]
    found += kind.subresources
    return found if kind.custom else sorted(found, key=lambda sub: sub.name)


def verbs_of(kind: Kind) -> list[str]:
    """Return a kind's verbs in the reference's order."""
    return [verb for verb in CUSTOM_VERBS if verb in kind.verbs] if kind.custom else list(kind.verbs)


def storage_version_hash(kind: Kind) -> str:
    """Return what tells whether stored objects are still of the version they were (the reference's StorageVersionHash)."""
    stored = kind.hub_gvk
    digest = hashlib.sha256(f"{stored.group}/{stored.version}/{stored.kind}".encode()).digest()
    return base64.b64encode(digest[:HASH_BYTES]).decode()


def page_not_found() -> Response:
    """404 as text, for paths that nobody serves."""
    headers = [("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")]
    return Response(404, headers, b"404 page not found\n")


class Discovery:
    """Answers /, /api, /apis and what is below that is no resource."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._generation = -1
        self._groups: dict[str, dict[str, list[Kind]]] = {}
        """Group -> version -> kinds served there."""
        self._answers: dict[tuple[str, ...], tuple[bytes, str]] = {}
        """(path, media type and form) -> body and its ETag."""

    async def handle(self, request: Request) -> Response:
        """Answer a request that was let through. Raises StatusError (405, 406)."""
        await trio.lowlevel.checkpoint()
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        """Answer a request. Raises StatusError (405, 406)."""
        if self._generation != self._kinds.generation:
            self._generation = self._kinds.generation
            self._groups = _grouped(self._kinds.kinds)
            self._answers.clear()
        path = "/" + request.path.strip("/")
        build = self._builder(path, request)
        if build is None:
            return page_not_found()
        if request.method != "GET" and self._builtin(path):
            raise method_not_allowed()
        accepted, aggregated = _accept(request, aggregates=path in ("/api", "/apis"))
        if aggregated:
            return self._aggregated(path, request, accepted)
        if path == "/api":
            # It names the address that it was reached by, so it is made for each. Protobuf's envelope has to name a
            # version, which the others leave out.
            known = {"apiVersion": "v1"} if accepted.content_type == PROTOBUF else {}
            body = accepted.encode({**build(), **known})
        else:
            body, _ = self._kept((path, accepted.content_type, str(accepted.pretty)), lambda: accepted.encode(build()))
        return Response(200, [("content-type", accepted.content_type), ("vary", "Accept")], body)

    def _builtin(self, path: str) -> bool:
        """Tell whether a path is that of a built-in group: the reference routes GET alone there, and all methods elsewhere."""
        root, _, rest = path[1:].partition("/")
        group = "" if root == "api" else rest.partition("/")[0] or None
        versions = {} if group is None else self._groups.get(group, {})
        return any(not kind.custom for kinds in versions.values() for kind in kinds)

    def _kept(self, form: tuple[str, ...], make: Callable[[], bytes]) -> tuple[bytes, str]:
        found = self._answers.get(form)
        if found is None:
            body = make()
            found = body, f'"{hashlib.sha512(body).hexdigest().upper()}"'
            if len(self._answers) < KEPT_ANSWERS:
                self._answers[form] = found
        return found

    def _builder(self, path: str, request: Request) -> Callable[[], Object] | None:
        """Return the function that makes a path's answer, or None where there is none."""
        build: Callable[[], Object] | None = None
        match path.split("/")[1:]:
            case [""]:
                build = self._paths
            case ["api"] if "" in self._groups:
                build = partial(self._core_versions, request.headers.get("host", ""))
            case ["api", version] if version in self._groups.get("", ()):
                build = partial(self._resources, "", version)
            case ["apis"]:
                build = self._group_list
            case ["apis", group] if group and group in self._groups:
                build = partial(self._group, group, whole=True)
            case ["apis", group, version] if group and version in self._groups.get(group, ()):
                build = partial(self._resources, group, version)
        return build

    # Plain lists

    def _paths(self) -> Object:
        paths = {"/api", "/apis", *OTHER_PATHS} if "" in self._groups else {"/apis", *OTHER_PATHS}
        for group, versions in self._groups.items():
            root = f"/apis/{group}" if group else "/api"
            paths.add(root)
            paths.update(f"{root}/{version}" for version in versions)
        return {"paths": sorted(paths)}

    def _core_versions(self, host: str) -> Object:
        return {
            "kind": "APIVersions",
            "versions": list(self._groups[""]),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}],
        }

    def _group_list(self) -> Object:
        groups = [self._group(group) for group in self._groups if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _group(self, group: str, *, whole: bool = False) -> Object:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._groups[group]]
        head = {"kind": "APIGroup", "apiVersion": "v1"} if whole else {}
        return {**head, "name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, group: str, version: str) -> Object:
        resources = [entry for kind in self._groups[group][version] for entry in _plain(kind, version)]
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": str(GroupVersion(group, version)),
            "resources": resources,
        }

    # Everything at once

    def _aggregated(self, path: str, request: Request, accepted: Accepted) -> Response:
        groups = [group for group in self._groups if (group == "") == (path == "/api")]
        form = (path, accepted.content_type, str(accepted.pretty))
        body, etag = self._kept(form, lambda: accepted.encode(self._group_discovery(groups)))
        headers = [("etag", etag), ("vary", "Accept")]
        if etag in (text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")):
            return Response(304, headers)
        return Response(200, [("content-type", accepted.content_type), *headers], body)

    def _group_discovery(self, groups: Iterable[str]) -> Object:
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": version,
                        "resources": [_aggregated(kind, version) for kind in kinds],
                        "freshness": "Current",
                    }
                    for version, kinds in self._groups[group].items()
                ],
            }
            for group in groups
        ]
        return {
            "kind": AGGREGATED_KIND,
            "apiVersion": f"{AGGREGATED_GROUP}/{AGGREGATED_VERSION}",
            "metadata": {},
            "items": items,
        }


def _accept(request: Request, *, aggregates: bool) -> tuple[Accepted, bool]:
    """Choose how discovery is answered, and tell whether everything at once is asked for. Raises StatusError (406)."""
    pretty = is_pretty(request)
    everything = (AGGREGATED_GROUP, AGGREGATED_VERSION, AGGREGATED_KIND)
    for clause in parse_accept(request.headers.get("accept", "").strip() or "*/*"):
        asked = transformation_of(clause.params)
        aggregated = aggregates and asked is not None and (asked.group, asked.version, asked.kind) == everything
        for media_type, codec in TYPED_CODECS.items():
            if aggregated and clause.takes(media_type):
                return Accepted(codec, f"{media_type}{_AGGREGATED}", pretty), True
            if asked is None and media_type in PLAIN_TYPES and clause.takes(media_type):
                return Accepted(codec, media_type, pretty or clause.params.get("pretty") == "1"), False
    raise not_acceptable(", ".join(PLAIN_TYPES))


def _grouped(kinds: Sequence[Kind]) -> dict[str, dict[str, list[Kind]]]:
    """Sort kinds into groups and served versions.

    Built-in groups come as they were installed, the others in alphabetical order; versions by preference, and kinds by
    plural.
    """
    groups = dict.fromkeys(kind.group for kind in kinds if not kind.custom)
    groups |= dict.fromkeys(sorted(kind.group for kind in kinds if kind.custom))
    out: dict[str, dict[str, list[Kind]]] = {}
    for group in groups:
        members = sorted((kind for kind in kinds if kind.group == group), key=lambda kind: kind.names.plural)
        served = {version.name for kind in members for version in kind.versions if version.served}
        if served:
            out[group] = {
                name: [kind for kind in members if (found := kind.version(name)) is not None and found.served]
                for name in sorted(served, key=version_priority)
            }
    return out


def _version(kind: Kind, name: str) -> Version:
    found = kind.version(name)
    assert found is not None, "kinds are grouped by the versions they have"  # noqa: S101  # an invariant of _grouped
    return found


def _plain(kind: Kind, version: str) -> list[Object]:
    """Return the APIResources of a kind: itself and its subresources."""
    names = kind.names
    entry: Object = {
        "name": names.plural,
        "singularName": names.singular,
        "namespaced": kind.namespaced,
        "kind": names.kind,
        "verbs": verbs_of(kind),
    }
    if names.short_names:
        entry["shortNames"] = list(names.short_names)
    if names.categories:
        entry["categories"] = list(names.categories)
    if not kind.virtual:
        entry["storageVersionHash"] = storage_version_hash(kind)
    out = [entry]
    for sub in subresources_of(kind, _version(kind, version)):
        below: Object = {"name": f"{names.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
        if sub.kind:
            below |= {name: text for name, text in (("group", sub.group), ("version", sub.version)) if text}
        out.append({**below, "kind": sub.kind or names.kind, "verbs": list(sub.verbs)})
    return out


def _aggregated(kind: Kind, version: str) -> Object:
    """Return the APIResourceDiscovery of a kind."""
    names = kind.names
    # Of a built-in kind the reference leaves out what stands around it.
    home = (kind.group, version) if kind.custom else ("", "")
    own = {"group": home[0], "version": home[1], "kind": names.kind}
    entry: Object = {
        "resource": names.plural,
        "responseKind": own,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": names.singular,
        "verbs": verbs_of(kind),
    }
    if names.short_names:
        entry["shortNames"] = list(names.short_names)
    if names.categories:
        entry["categories"] = list(names.categories)
    subresources = [
        {
            "subresource": sub.name,
            "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind} if sub.kind else own,
            "verbs": list(sub.verbs),
        }
        for sub in subresources_of(kind, _version(kind, version))
    ]
    if subresources:
        entry["subresources"] = subresources
    return entry
