"""CustomResourceDefinition: the kind that makes kinds (FEATURES rows 105 to 121)."""

from __future__ import annotations

from watchd.crd import conditions
from watchd.registry.columns import CREATED_AT, NAME, Column
from watchd.registry.kind import Kind, Names, Version
from watchd.registry.schemas import whole
from watchd.registry.strategy import KNOWN_FIELDS, Object, Strategy, Warn
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

GROUP = "apiextensions.k8s.io"

CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Keeps a deleted definition until its objects are gone."""

SERVICE_PORT = 443
"""Of a webhook's service that names none."""

def storage_version(spec: Object) -> str | None:
    """Return the version that a definition's objects are stored at, which may have an empty name; None where none is marked."""
    for version in spec.get("versions") or ():
        if version.get("storage"):
            name: str = version.get("name", "")
            return name
    return None


def default(definition: Object) -> None:
    """Fill in what a client may leave out, in place: names, conversion, the storage version in status."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind and not names.get("singular"):
        names["singular"] = kind.lower()
    if kind and not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", SERVICE_PORT)
    status = definition.setdefault("status", {})
    status.setdefault("conditions", None)
    status.setdefault("acceptedNames", {"plural": "", "kind": ""})
    if not status.get("storedVersions"):
        stored = storage_version(spec)
        status["storedVersions"] = None if stored is None else [stored]


class DefinitionStrategy(Strategy):
    """The rules of CustomResourceDefinition. What definitions are checked with is imported when one is written."""

    unconditional_update = False
    generation = True
    unknown_field = KNOWN_FIELDS
    delete_conflicts_briefly = True

    def default(self, obj: Object) -> None:
        """Fill in what the client left out."""
        default(obj)

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin with nothing accepted."""
        del clock, entropy
        obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}}
        default(obj)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Split spec and status; a new storage version joins those that stored objects may have."""
        if subresource == "status":
            # Labels and their like are written along: so it is in the reference (kubernetes/kubernetes#137681).
            obj["spec"] = old["spec"]
            default(obj)
            return
        status = obj["status"] = {**old["status"]}
        stored = storage_version(obj["spec"])
        if stored is not None and stored not in (status.get("storedVersions") or ()):
            status["storedVersions"] = [*(status.get("storedVersions") or ()), stored]

    def validate(self, obj: Object) -> list[FieldError]:
        """Check a new definition."""
        from watchd.crd import validation  # noqa: PLC0415 - see the class

        out = validation.validate_name(obj) + validation.validate_spec(obj["spec"])
        return out + _status(obj) + validation.validate_stored_versions(obj) + validation.validate_approval(obj, None)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check a changed definition."""
        if subresource == "status":
            return _status(obj)
        from watchd.crd import validation  # noqa: PLC0415 - see the class

        established = conditions.is_true(old, conditions.ESTABLISHED)
        out = validation.validate_spec(obj["spec"], old["spec"], established=established)
        out += validation.validate_spec_update(obj["spec"], old["spec"], established=established)
        out += _status(obj) + validation.validate_stored_versions(obj)
        return out + validation.validate_approval(obj, old)

    def judge(self, obj: Object, old: Object | None, subresource: str, warn: Warn) -> list[FieldError]:
        """Return what is wrong with a definition beyond its metadata, and warn of what has no effect."""
        found = super().judge(obj, old, subresource, warn)
        if not found and not subresource:
            from watchd.crd import validation, warnings  # noqa: PLC0415 - see the class

            schemas, before = validation.all_schemas(obj["spec"]), validation.all_schemas((old or {}).get("spec") or {})
            for text in warnings.warnings(schemas, before):
                warn(text)
        return found

    def finalizers_hold(self, obj: Object) -> bool:
        """Let no definition go before its deletion has begun: its objects have to go first."""
        return "deletionTimestamp" not in obj["metadata"]

    def on_delete(self, obj: Object) -> None:
        """Wait for the clean-up of the objects, and say so."""
        # The reference marks definitions by itself: without a grace period and a new generation.
        obj["metadata"].pop("deletionGracePeriodSeconds", None)
        if obj["metadata"].get("generation", 0) > 1:
            obj["metadata"]["generation"] -= 1
        finalizers = obj["metadata"].setdefault("finalizers", [])
        if CLEANUP_FINALIZER not in finalizers:
            finalizers.append(CLEANUP_FINALIZER)
        conditions.set_at(obj, conditions.DELETION_PENDING, obj["metadata"]["deletionTimestamp"])


def _status(definition: Object) -> list[FieldError]:
    from watchd.crd import validation  # noqa: PLC0415 - see DefinitionStrategy

    return validation.validate_names(definition["status"].get("acceptedNames") or {}, "status.acceptedNames")


KIND = Kind(
    group=GROUP,
    names=Names(
        "customresourcedefinitions",
        "CustomResourceDefinition",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
    ),
    versions=(
        Version(
            "v1",
            status=True,
            own_schema=whole("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"),
        ),
    ),
    hub="v1",
    namespaced=False,
    own_strategy=DefinitionStrategy(),
    own_columns=(
        NAME,
        Column("Scope", lambda obj, _: obj.get("spec", {}).get("scope", ""), description="Cluster/Namespaced"),
        Column(
            "Versions",
            lambda obj, _: ",".join(version["name"] for version in obj.get("spec", {}).get("versions", ())),
            description="Served versions",
        ),
        CREATED_AT,
        Column("Group", lambda obj, _: obj.get("spec", {}).get("group", ""), description="API group", priority=1),
        Column("Kind", lambda obj, _: obj.get("spec", {}).get("names", {}).get("kind", ""), description="CustomResource kind", priority=1),
        Column(
            "ShortNames",
            lambda obj, _: ",".join(obj.get("spec", {}).get("names", {}).get("shortNames") or ()),
            description="Short names",
            priority=1,
        ),
        Column(
            "Established",
            lambda obj, _: (conditions.find(obj, conditions.ESTABLISHED) or {}).get("status", ""),
            description="Established status",
            priority=1,
        ),
    ),
)
"""CustomResourceDefinition itself, installed beside the built-in kinds."""
