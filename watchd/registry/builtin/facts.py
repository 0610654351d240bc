"""Facts of built-in kinds that are one word each: who may be updated how, which names there are, what is not enforced.

From the strategies of kube-apiserver 1.37 (`pkg/registry/*/*/strategy.go`: AllowUnconditionalUpdate, AllowCreateOnUpdate), the
names that its validation asks for, and its answers to unknown field selectors. They hold for every kind whose Strategy does not
say otherwise itself.
"""

from __future__ import annotations

import msgspec

from watchd.registry.strategy import KNOWN_FIELDS, UNKNOWN_FIELD, NameFormat, Strategy

APPS = "apps"
RBAC = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
CERTIFICATES = "certificates.k8s.io"
STORAGE = "storage.k8s.io"
FLOWCONTROL = "flowcontrol.apiserver.k8s.io"

Names = frozenset[tuple[str, str]]
"""Kinds by group and plural."""

CONDITIONAL: Names = frozenset(
    {
        (ADMISSION, "mutatingadmissionpolicies"),
        (ADMISSION, "mutatingadmissionpolicybindings"),
        (ADMISSION, "mutatingwebhookconfigurations"),
        (ADMISSION, "validatingadmissionpolicies"),
        (ADMISSION, "validatingadmissionpolicybindings"),
        (ADMISSION, "validatingwebhookconfigurations"),
        ("apiregistration.k8s.io", "apiservices"),
        (CERTIFICATES, "clustertrustbundles"),
        (CERTIFICATES, "podcertificaterequests"),
        ("coordination.k8s.io", "leases"),
        ("node.k8s.io", "runtimeclasses"),
        ("policy", "poddisruptionbudgets"),
        ("resource.k8s.io", "devicetaintrules"),
        (STORAGE, "csidrivers"),
        (STORAGE, "csinodes"),
        (STORAGE, "csistoragecapacities"),
        (STORAGE, "volumeattachments"),
        ("storagemigration.k8s.io", "storageversionmigrations"),
    }
)
"""Kinds whose PUT has to come with a resourceVersion."""

CREATED_ON_UPDATE: Names = frozenset(
    {
        ("", "endpoints"),
        ("", "events"),
        ("", "limitranges"),
        ("", "services"),
        ("coordination.k8s.io", "leases"),
        ("events.k8s.io", "events"),
        ("node.k8s.io", "runtimeclasses"),
        (RBAC, "clusterrolebindings"),
        (RBAC, "clusterroles"),
        (RBAC, "rolebindings"),
        (RBAC, "roles"),
    }
)
"""Kinds of which PUT creates what is not there."""

RETURNED: Names = frozenset(
    {
        ("", "namespaces"),
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
        ("resource.k8s.io", "deviceclasses"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourceclaimtemplates"),
        ("resource.k8s.io", "resourceslices"),
        (STORAGE, "csidrivers"),
        (STORAGE, "csinodes"),
        (STORAGE, "storageclasses"),
        (STORAGE, "volumeattachments"),
        (STORAGE, "volumeattributesclasses"),
    }
)
"""Kinds whose DELETE answers with what was deleted, and not with a Status (ReturnDeletedObject)."""

NAMES: dict[tuple[str, str], NameFormat] = {
    ("", "events"): NameFormat.PATH_SEGMENT,
    ("", "namespaces"): NameFormat.LABEL,
    ("", "services"): NameFormat.LABEL,
    (APPS, "statefulsets"): NameFormat.LABEL,
    ("apiregistration.k8s.io", "apiservices"): NameFormat.PATH_SEGMENT,
    (CERTIFICATES, "certificatesigningrequests"): NameFormat.PATH_SEGMENT,
    (CERTIFICATES, "clustertrustbundles"): NameFormat.PATH_SEGMENT,
    ("networking.k8s.io", "ipaddresses"): NameFormat.PATH_SEGMENT,
    (RBAC, "clusterrolebindings"): NameFormat.PATH_SEGMENT,
    (RBAC, "clusterroles"): NameFormat.PATH_SEGMENT,
    (RBAC, "rolebindings"): NameFormat.PATH_SEGMENT,
    (RBAC, "roles"): NameFormat.PATH_SEGMENT,
}
"""Kinds whose names are no subdomains. What more APIServices, trust bundles and IP addresses ask of theirs is for their rules."""

OWN_UNKNOWN_FIELD: dict[tuple[str, str], str] = {
    **dict.fromkeys(
        (
            ("", "events"),
            ("", "namespaces"),
            ("", "nodes"),
            ("", "pods"),
            ("", "replicationcontrollers"),
            ("", "secrets"),
            ("", "services"),
            ("events.k8s.io", "events"),
            (CERTIFICATES, "certificatesigningrequests"),
            (CERTIFICATES, "clustertrustbundles"),
            (CERTIFICATES, "podcertificaterequests"),
        ),
        UNKNOWN_FIELD,
    ),
    ("batch", "jobs"): "field label {quoted} not supported for Job",
    ("resource.k8s.io", "resourceslices"): "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}",
}
"""Kinds with fields of their own, and how each answers a selector that names another one; the others say KNOWN_FIELDS."""

NOT_ENFORCED: Names = frozenset(
    {
        (ADMISSION, "mutatingadmissionpolicies"),
        (ADMISSION, "mutatingadmissionpolicybindings"),
        (ADMISSION, "mutatingwebhookconfigurations"),
        (ADMISSION, "validatingadmissionpolicies"),
        (ADMISSION, "validatingadmissionpolicybindings"),
        (ADMISSION, "validatingwebhookconfigurations"),
        ("apiregistration.k8s.io", "apiservices"),
        (FLOWCONTROL, "flowschemas"),
        (FLOWCONTROL, "prioritylevelconfigurations"),
        ("networking.k8s.io", "networkpolicies"),
        (RBAC, "clusterrolebindings"),
        (RBAC, "clusterroles"),
        (RBAC, "rolebindings"),
        (RBAC, "roles"),
    }
)
"""Kinds that say how a server is to treat others, which this one does not do: whoever creates one is told (docs/differences.md)."""


class Facts(msgspec.Struct, frozen=True):
    """The facts of one kind, under the names that a Strategy has for them."""

    unconditional_update: bool
    create_on_update: bool
    returns_deleted: bool
    name_format: NameFormat
    unknown_field: str
    enforced: bool


def facts_of(group: str, plural: str) -> Facts:
    """Return the facts of a built-in kind."""
    key = (group, plural)
    return Facts(
        unconditional_update=key not in CONDITIONAL,
        create_on_update=key in CREATED_ON_UPDATE,
        returns_deleted=key in RETURNED,
        name_format=NAMES.get(key, NameFormat.SUBDOMAIN),
        unknown_field=OWN_UNKNOWN_FIELD.get(key, KNOWN_FIELDS),
        enforced=key not in NOT_ENFORCED,
    )


def says(strategy: Strategy, name: str) -> bool:
    """Tell whether a strategy's own class, and not the base of all, has an attribute."""
    return any(name in vars(cls) for cls in type(strategy).__mro__ if issubclass(cls, Strategy) and cls is not Strategy)


def with_facts(strategy: Strategy, group: str, plural: str) -> Strategy:
    """Give a strategy the facts of its kind that it does not say itself, in place; return it."""
    facts = msgspec.structs.asdict(facts_of(group, plural))
    for name, value in facts.items():
        if not says(strategy, name):
            setattr(strategy, name, value)
    return strategy
