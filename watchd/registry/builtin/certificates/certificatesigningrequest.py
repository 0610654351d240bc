"""CertificateSigningRequest: who asks for a certificate, who lets them have it, and the certificate (certificates.k8s.io/v1)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from watchd.names import dns1123_label, dns1123_subdomain
from watchd.registry.attributes import UserInfo
from watchd.registry.builtin.certificates.pem import Malformed, check_certificates, check_request
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import forbidden, invalid, not_supported, required
from watchd.registry.columns import AGE, NAME, Column, human_duration
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
DECISIONS = (APPROVED, DENIED)
LASTING = (*DECISIONS, FAILED)
"""Conditions that are True or absent, and stay."""

APPROVAL = "approval"

LEGACY_SIGNER = "kubernetes.io/legacy-unknown"

MIN_SECONDS = 600
"""The shortest time that a certificate can be asked for."""

DOMAIN_MAX = 253
"""Characters of a signer's domain."""

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)

STATUSES = ("False", "True", "Unknown")

PACKAGE = "io.k8s.api.certificates.v1"


class CertificateSigningRequestStrategy(Strategy):
    """The rules of CertificateSigningRequest: its spec is written once, conditions by way of approval and status."""

    name_format = NameFormat.PATH_SEGMENT
    status_reset = False
    selectable_fields = ("spec.signerName",)
    resets: Mapping[str, Sequence[str]] = {
        "": ("spec", "status"),
        "status": ("spec", "status.conditions"),
        APPROVAL: ("spec", "status.certificate"),
    }

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin undecided."""
        del clock, entropy
        obj["status"] = {}

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave each part to its subresource."""
        obj["spec"] = old["spec"]
        status: Object = obj.get("status") or {}
        before: Object = old.get("status") or {}
        if subresource == "status":
            for kind in DECISIONS:
                _keep(status, before, kind)
            obj["status"] = status
        elif subresource == APPROVAL:
            kept = {field: value for field, value in before.items() if field != "conditions"}
            obj["status"] = {"conditions": status["conditions"], **kept} if status.get("conditions") else kept
        else:
            obj["status"] = before

    def record(self, obj: Object, old: Object | None, subresource: str, *, user: UserInfo | None, time: str) -> None:
        """Write down who asks, and when conditions came."""
        if old is None:
            _sign(obj["spec"], user)
        elif subresource:
            before = _conditions(old)
            for condition in _conditions(obj):
                condition["lastUpdateTime"] = condition.get("lastUpdateTime") or time
                condition["lastTransitionTime"] = condition.get("lastTransitionTime") or _since(condition, before) or time

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the request, what it is to be used for, and who is to sign it."""
        return _problems(obj, None)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold conditions and certificate once they are there; what was let pass before stays."""
        out, unions = _problems(obj, old), _union_problems(obj, old)
        for kind in LASTING:
            if len(_of(obj, kind)) < len(_of(old, kind)):
                out.append(forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"'))
        if subresource != APPROVAL:
            for kind in DECISIONS:
                if len(_of(obj, kind)) > len(_of(old, kind)):
                    out.append(forbidden("status.conditions", f'updates may not add a condition of type "{kind}"'))
        held, given = ((one.get("status") or {}).get("certificate", "") for one in (old, obj))
        if held and given != held:
            out.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
        return out + unions

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the signer's name."""
        return {"spec.signerName": obj.get("spec", {}).get("signerName", "")}


def _sign(spec: Object, user: UserInfo | None) -> None:
    for field in ("username", "uid", "groups", "extra"):
        spec.pop(field, None)
    if user is None:
        return
    extra = {key: list(values) for key, values in user.extra.items()}
    said = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    spec.update((field, value) for field, value in said.items() if value)


def _conditions(obj: Object) -> list[Object]:
    return (obj.get("status") or {}).get("conditions") or []


def _of(obj: Object, kind: str) -> list[Object]:
    return [condition for condition in _conditions(obj) if condition.get("type") == kind]


def _keep(status: Object, before: Object, kind: str) -> None:
    """Put back conditions of a type that only approval may change, in place; added and removed ones are refused later."""
    conditions, old = status.get("conditions") or [], [c for c in before.get("conditions") or () if c.get("type") == kind]
    places = [index for index, condition in enumerate(conditions) if condition.get("type") == kind]
    if len(places) == len(old):
        for index, condition in zip(places, old, strict=True):
            conditions[index] = dict(condition)


def _since(condition: Object, before: list[Object]) -> str:
    alike = (c for c in before if all(c.get(field) == condition.get(field) for field in ("type", "status")))
    return next((c["lastTransitionTime"] for c in alike if c.get("lastTransitionTime")), "")


def _problems(obj: Object, old: Object | None) -> list[FieldError]:
    spec = obj["spec"]
    was: Object = {} if old is None else old["spec"]
    out: list[FieldError] = []
    try:
        check_request(base64.b64decode(spec.get("request") or ""))
    except Malformed as error:
        out.append(invalid("spec.request", spec.get("request") or None, str(error)))
    out += _usages(spec.get("usages") or [], was.get("usages") or [])
    signer = spec.get("signerName", "")
    if signer == LEGACY_SIGNER and was.get("signerName") != LEGACY_SIGNER:
        out.append(invalid("spec.signerName", signer, "the legacy signerName is not allowed via this API version"))
    else:
        out += signer_problems(signer, "spec.signerName")
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < MIN_SECONDS:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        out.append(invalid("spec.expirationSeconds", seconds, why))
    return out + _condition_problems(obj, [] if old is None else _conditions(old)) + _certificate_problems(obj, old)


def _usages(usages: Sequence[str], was: Sequence[str]) -> list[FieldError]:
    out = [] if usages else [required("spec.usages")]
    if all(usage in USAGES for usage in was):
        unknown = ((index, usage) for index, usage in enumerate(usages) if usage not in USAGES)
        out += [not_supported(f"spec.usages[{index}]", usage, USAGES) for index, usage in unknown]
    if len(set(was)) == len(was):
        again = ((index, usage) for index, usage in enumerate(usages) if usage in usages[:index])
        out += [duplicate(f"spec.usages[{index}]", usage) for index, usage in again]
    return out


def signer_problems(name: str, path: str) -> list[FieldError]:
    """Return what is wrong with a signer's name: a domain and a path."""
    if not name:
        return [required(path)]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        return [invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    out: list[FieldError] = []
    labels = domain.split(".")
    if len(domain) > DOMAIN_MAX:
        out.append(invalid(path, domain, f"may not be more than {DOMAIN_MAX} bytes"))
    out += _first(labels, domain, path, dns1123_label)
    if len(labels) < 2:
        out.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    return out + _first(rest.split("."), rest, path, dns1123_subdomain)


def _first(labels: Sequence[str], whole: str, path: str, check: Any) -> list[FieldError]:
    """Tell of the first label that is wrong."""
    for label in labels:
        if texts := check(label):
            return [invalid(path, whole, f'validating label "{label}": {text}') for text in texts]
    return []


def _condition_problems(obj: Object, was: list[Object]) -> list[FieldError]:
    conditions = _conditions(obj)
    known = [condition.get("type", "") for condition in was]
    twice, nameless = len(set(known)) < len(known), "" in known
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        path, kind, status = f"status.conditions[{index}]", condition.get("type", ""), condition.get("status", "")
        if not kind and not nameless:
            out.append(required(f"{path}.type"))
        allowed = ("True",) if kind in LASTING else STATUSES
        if not status:
            out.append(required(f"{path}.status"))
        elif status not in allowed:
            out.append(not_supported(f"{path}.status", status, allowed))
        if kind in seen and not twice:
            out.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
    return out


def _union_problems(obj: Object, old: Object) -> list[FieldError]:
    """Tell of a request that is both approved and denied."""
    if not all(_of(obj, kind) for kind in DECISIONS) or all(_of(old, kind) for kind in DECISIONS):
        return []
    members = [f'conditions[{{"type": "{kind}"}}]' for kind in DECISIONS]
    why = f"must specify at most one of: {', '.join(f'`{member}`' for member in members)}"
    return [invalid("status.conditions", f"{{{', '.join(members)}}}", why)]


def _certificate_problems(obj: Object, old: Object | None) -> list[FieldError]:
    given = (obj.get("status") or {}).get("certificate") or ""
    if not given or (old is not None and (old.get("status") or {}).get("certificate") == given):
        return []
    try:
        check_certificates(base64.b64decode(given))
    except Malformed as error:
        return [invalid("status.certificate", "<certificate data>", str(error))]
    return []


def _state(obj: Object, _: int) -> str:
    kinds = {condition.get("type") for condition in _conditions(obj)}
    out = next((kind for kind in (DENIED, APPROVED) if kind in kinds), "Pending")
    if FAILED in kinds:
        out += f",{FAILED}"
    return f"{out},Issued" if (obj.get("status") or {}).get("certificate") else out


def _duration(obj: Object, _: int) -> str:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return "<none>" if seconds is None else human_duration(seconds)


STRATEGY = CertificateSigningRequestStrategy()

COLUMNS = (
    NAME,
    AGE,
    Column("SignerName", lambda obj, _: (obj.get("spec") or {}).get("signerName") or "<none>", field=(f"{PACKAGE}.CertificateSigningRequestSpec", "signerName")),
    Column("Requestor", lambda obj, _: (obj.get("spec") or {}).get("username", ""), description="Base64-encoded PKCS#10 CSR data"),
    Column("RequestedDuration", _duration, field=(f"{PACKAGE}.CertificateSigningRequestSpec", "expirationSeconds")),
    Column("Condition", _state, description="Conditions applied to the request, such as approval or denial."),
)
