"""What can be done with a kind, as OpenAPI documents tell it: one description of each operation, for both dialects.

Names, operationIds, parameters and codes are the reference's: kubectl finds its schemas, and whether a server knows
dryRun and fieldValidation, by them. Those of custom kinds are what apiextensions-apiserver
(pkg/controller/openapi/builder) publishes, which says less than it answers (no CBOR, no 201 of a patch that creates).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from conversion.codec import CBOR, JSON, YAML
from conversion.gvk import GroupVersion
from watchd.api.discovery import subresources_of
from watchd.api.patch import PatchType
from watchd.registry.kind import Kind, Subresource, Version

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
SCALE = "io.k8s.api.autoscaling.v1.Scale"

_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
)
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_PATCH = ("dryRun", "fieldManager (patch)", "fieldValidation", "force")
_DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
)

_OPTIONS = {
    "PodAttachOptions": ("container", "stderr", "stdin", "stdout", "tty"),
    "PodExecOptions": ("command", "container", "stderr", "stdin", "stdout", "tty"),
    "PodLogOptions": (
        "container",
        "follow",
        "insecureSkipTLSVerifyBackend",
        "limitBytes",
        "previous",
        "sinceSeconds",
        "stream",
        "tailLines",
        "timestamps",
    ),
    "PodPortForwardOptions": ("ports",),
    **dict.fromkeys(("NodeProxyOptions", "PodProxyOptions", "ServiceProxyOptions"), ("path",)),
}
"""What ways to somewhere take in the query."""

_METHODS = {"create": "post", "delete": "delete", "get": "get", "patch": "patch", "update": "put"}
"""Methods of the verbs that discovery names; proxies take two more, which it names no verbs of."""

PROXY_METHODS = ("delete", "get", "head", "options", "patch", "post", "put")

PATH = "path (in path)"
"""What follows a proxy's own path."""

_BODIES = (JSON, YAML)
_PATCHES = (PatchType.JSON, PatchType.MERGE, PatchType.APPLY_YAML)


@attrs.frozen
class Operation:
    """One method of one path."""

    path: str
    method: str
    id: str
    action: str
    """list, get, post, put, patch, delete, deletecollection, connect."""
    description: str
    gvk: dict[str, str]
    answer: str
    """Name of the answer's schema; empty for a text."""
    kind: str
    """Of what the path leads to, as the description of its name has it."""
    custom: bool
    parameters: tuple[str, ...] = ()
    """In the query, as openapi_meta.json calls them."""
    body: str = ""
    """Name of the body's schema."""

    @property
    def tag(self) -> str:
        """The group version, as the reference's tags have it."""
        parts = self.path.split("/")
        group, version = (parts[2], parts[3]) if parts[1] == "apis" else ("", parts[2])
        name = group_name(group)
        return f"{name[:1].lower()}{name[1:]}_{version}"

    @property
    def consumes(self) -> tuple[str, ...]:
        """Media types of bodies."""
        if self.action == "connect":
            return ("*/*",)
        return _PATCHES if self.action == "patch" else _BODIES

    @property
    def produces(self) -> tuple[str, ...]:
        """Media types of answers."""
        if self.action == "connect":
            return ("*/*",)
        if not self.answer:
            return ("text/plain", JSON, YAML, CBOR)
        return (JSON, YAML) if self.custom else (JSON, YAML, CBOR)

    @property
    def codes(self) -> dict[str, str]:
        """Codes of answers that are no Status of a failure, and what each says."""
        codes = {"200": "OK"}
        if self.action in ("post", "put") or (self.action == "patch" and not self.custom):
            codes["201"] = "Created"
        if self.action in ("post", "delete"):
            codes["202"] = "Accepted"
        return codes


def camel(text: str) -> str:
    """Join what is between other characters than letters and digits, each part with a capital.

    A digit at the very front is lost, as in the reference, whose identifiers begin with letters.
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"^\d|[^A-Za-z0-9_]+", text))


def group_name(group: str) -> str:
    """Return a group as operationIds have it: `Core`, `Apps`, `DiscoveryExampleCom`."""
    return camel(group.removesuffix(".k8s.io")) if group else "Core"


def schema_name(kind: Kind, version: str) -> str:
    """Return the name of a kind's schema: the group's labels backwards, or where the reference has its Go package."""
    return _schema_name(kind, version, kind.names.kind)


def list_schema_name(kind: Kind, version: str) -> str:
    """Return the name of the schema of a kind's list."""
    return _schema_name(kind, version, kind.names.list_kind)


def _schema_name(kind: Kind, version: str, name: str) -> str:
    if kind.custom:
        return ".".join([*reversed(kind.group.split(".")), version, name])
    first = kind.group.partition(".")[0] or "core"
    if first == "apiextensions":
        return f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{name}"
    return f"io.k8s.api.{first}.{version}.{name}"


def operations(kind: Kind, version: Version) -> Iterator[Operation]:
    """Describe all operations of a kind at a version."""
    return _Operations(kind, version).all()


class _Operations:
    """The operations of one kind at one version."""

    def __init__(self, kind: Kind, version: Version) -> None:
        group_version = GroupVersion(kind.group, version.name)
        root = f"/apis/{group_version}" if kind.group else f"/api/{group_version}"
        self._kind = kind
        self._version = version
        self._all = f"{root}/{kind.names.plural}"
        self._collection = f"{root}/namespaces/{{namespace}}/{kind.names.plural}" if kind.namespaced else self._all
        self._prefix = group_name(kind.group) + camel(version.name)
        self._name = ("Namespaced" if kind.namespaced else "") + kind.names.kind
        self._schema = schema_name(kind, version.name)
        self._list_schema = list_schema_name(kind, version.name)
        self._gvk = {"group": kind.group, "version": version.name, "kind": kind.names.kind}

    def _operation(self, path: str, method: str, verb: str, action: str, what: str, **rest: Any) -> Operation:
        name = rest.pop("name", self._name)
        rest.setdefault("kind", self._kind.names.kind)
        rest.setdefault("gvk", self._gvk)
        rest.setdefault("answer", self._schema)
        return Operation(
            path=path,
            method=method,
            id=f"{verb}{self._prefix}{name}",
            action=action,
            description=what,
            custom=self._kind.custom,
            **rest,
        )

    def all(self) -> Iterator[Operation]:
        """Describe them: the collection's, the object's, the subresources'."""
        has = self._kind.verbs.__contains__
        yield from self._of_collection()
        one, kind = f"{self._collection}/{{name}}", self._kind.names.kind
        if has("get"):
            yield self._operation(one, "get", "read", "get", f"read the specified {kind}", parameters=("resourceVersion",))
        if has("update"):
            what = f"replace the specified {kind}"
            yield self._operation(one, "put", "replace", "put", what, parameters=_WRITE, body=self._schema)
        if has("delete"):
            yield self._operation(
                one,
                "delete",
                "delete",
                "delete",
                f"delete {_one(kind)}",
                parameters=_DELETE,
                body=f"{META}.DeleteOptions",
                answer=f"{META}.Status",
            )
        if has("patch"):
            what = f"partially update the specified {kind}"
            yield self._operation(one, "patch", "patch", "patch", what, parameters=_PATCH, body=f"{META}.Patch")
        for sub in subresources_of(self._kind, self._version):
            yield from self._of_subresource(sub)

    def _of_collection(self) -> Iterator[Operation]:
        names, has = self._kind.names, self._kind.verbs.__contains__
        listed: dict[str, Any] = {"parameters": _LIST, "answer": self._list_schema}
        if has("list"):
            what = f"list objects of kind {names.kind}"
            yield self._operation(self._collection, "get", "list", "list", what, **listed)
            if self._kind.namespaced:
                yield self._operation(self._all, "get", "list", "list", what, name=f"{names.kind}ForAllNamespaces", **listed)
        if has("create"):
            what = f"create {_one(names.kind)}"
            yield self._operation(self._collection, "post", "create", "post", what, parameters=_WRITE, body=self._schema)
        if has("deletecollection"):
            # Of custom kinds the reference publishes the selection alone, though it takes DeleteOptions all the same.
            custom = self._kind.custom
            yield self._operation(
                self._collection,
                "delete",
                "delete",
                "deletecollection",
                f"delete collection of {names.kind}",
                parameters=_LIST if custom else (*_DELETE, *_LIST),
                body="" if custom else f"{META}.DeleteOptions",
                answer=f"{META}.Status",
                name=f"Collection{self._name}",
            )

    def _of_subresource(self, sub: Subresource) -> Iterator[Operation]:
        path = f"{self._collection}/{{name}}/{sub.name}"
        gvk, schema = self._gvk, self._schema
        if sub.kind in _OPTIONS:
            yield from self._of_way(sub, path)
            return
        if sub.name == "log":
            parameters = _named("PodLogOptions")
            what = f"read log of the specified {self._kind.names.kind}"
            yield self._operation(path, "get", "read", "get", what, parameters=parameters, answer="", name=f"{self._name}Log")
            return
        if sub.verbs == ("create",):
            yield self._posted(sub, path)
            return
        if sub.name == "scale":
            schema = SCALE
            gvk = gvk if self._kind.custom else {"group": sub.group, "version": sub.version, "kind": sub.kind}
        given = {"gvk": gvk, "answer": schema, "name": self._name + camel(sub.name)}
        what = f"{sub.name} of the specified {self._kind.names.kind}"
        if "get" in sub.verbs:
            yield self._operation(path, "get", "read", "get", f"read {what}", parameters=("resourceVersion",), **given)
        if "update" in sub.verbs:
            yield self._operation(path, "put", "replace", "put", f"replace {what}", parameters=_WRITE, body=schema, **given)
        if "patch" in sub.verbs:
            what = f"partially update {what}"
            yield self._operation(path, "patch", "patch", "patch", what, parameters=_PATCH, body=f"{META}.Patch", **given)


    def _posted(self, sub: Subresource, path: str) -> Operation:
        """Describe a POST of an object of its own kind."""
        group, version = (sub.group, sub.version) if sub.group else (self._kind.group, self._version.name)
        schema = f"io.k8s.api.{group.partition('.')[0] or 'core'}.{version}.{sub.kind}"
        return self._operation(
            path,
            "post",
            "create",
            "post",
            f"create {sub.name} of {_one(self._kind.names.kind)}",
            parameters=_WRITE,
            body=schema,
            answer=schema,
            gvk={"group": group, "version": version, "kind": sub.kind},
            kind=sub.kind,
            name=self._name + camel(sub.name),
        )

    def _of_way(self, sub: Subresource, path: str) -> Iterator[Operation]:
        """Describe a way to what is no object; a proxy's leads on."""
        proxy = sub.name == "proxy"
        tails = {"": "", "/{path}": "WithPath"} if proxy else {"": ""}
        methods = PROXY_METHODS if proxy else sorted(_METHODS[verb] for verb in sub.verbs)
        for tail, suffix in tails.items():
            for method in methods:
                yield self._operation(
                    f"{path}{tail}",
                    method,
                    "connect",
                    "connect",
                    f"connect {method.upper()} requests to {sub.name} of {self._kind.names.kind}",
                    parameters=_named(sub.kind),
                    answer="",
                    gvk={**self._gvk, "kind": sub.kind},
                    kind=sub.kind,
                    name=f"{method.capitalize()}{self._name}{camel(sub.name)}{suffix}",
                )


def _named(options: str) -> tuple[str, ...]:
    """Return the parameters of a way, as openapi_meta.json calls them."""
    return tuple(f"{name} ({options})" for name in _OPTIONS[options])


def _one(kind: str) -> str:
    """Put an article before a kind, unless it looks like a plural."""
    if kind.endswith("s") and not kind.endswith("ss"):
        return kind
    return f"an {kind}" if kind[0] in "AEIOUaeiou" else f"a {kind}"
