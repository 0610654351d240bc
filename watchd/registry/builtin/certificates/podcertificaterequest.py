"""PodCertificateRequest: a kubelet asks for a Pod's certificate, and a signer answers once (certificates.k8s.io/v1, KEP-4317)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from watchd.names import dns1123_subdomain, qualified_name
from watchd.registry.builtin.certificates.certificatesigningrequest import PACKAGE, signer_problems
from watchd.registry.builtin.certificates.pem import CERTIFICATE, Block, blocks
from watchd.registry.builtin.common.conditions import condition_problems
from watchd.registry.builtin.common.fields import invalid, not_supported, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.builtin.common.values import too_long
from watchd.registry.columns import NAME, Column
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import Object, Strategy
from watchd.registry.value import equal
from watchd.status import OMITTED, FieldError, Written

DAY = 86_400
DEFAULT_SECONDS = DAY
MIN_SECONDS = 3600
MAX_SECONDS = 91 * DAY
MAX_OWN_SECONDS = DAY
"""What Kubernetes' own signers give at most."""

UID_MAX = 128
REQUEST_MAX = 10 << 10
CHAIN_MAX = 100 << 10
"""Bytes."""

REFRESH_SECONDS = 600
"""How far the time of the next request is from both ends of a certificate's life, at least."""

RSA_BITS = (3072, 4096)

ISSUED, DENIED, FAILED = "Issued", "Denied", "Failed"
ENDS = (ISSUED, DENIED, FAILED)
"""Conditions, one of which ends a request."""

REQUEST = "spec.stubPKCS10Request"
CHAIN = "status.certificateChain"
SPEC = f"{PACKAGE}.PodCertificateRequestSpec"

KEY_FIELD, OLD_FIELDS = '"StubPKCS10Request"', '"PKIXPublicKey":null,"ProofOfPossession":null,'
"""How messages call the key, and what stands before it: fields of an older version."""

NAMES = (("podName", "podUID"), ("serviceAccountName", "serviceAccountUID"), ("nodeName", "nodeUID"))
"""Whose certificate it is to be: names, each with its uid."""


class PodCertificateRequestStrategy(Strategy):
    """The rules of PodCertificateRequest: written once, answered once."""

    unconditional_update = False
    selectable_fields = ("spec.signerName", "spec.podName", "spec.nodeName")
    resets: Mapping[str, Sequence[str]] = {"": ("status",), "status": ("metadata", "spec")}

    def default(self, obj: Object) -> None:
        """Ask for a day."""
        spec = obj.setdefault("spec", {})
        if spec.get("maxExpirationSeconds") is None:
            spec["maxExpirationSeconds"] = DEFAULT_SECONDS

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave metadata and spec as they are where the status is written."""
        if subresource == "status":
            managed = obj["metadata"].get("managedFields")
            revision = obj["metadata"].get("resourceVersion")
            obj["metadata"] = {name: value for name, value in old["metadata"].items() if name != "managedFields"}
            given = {"managedFields": managed, "resourceVersion": revision}
            obj["metadata"].update((name, value) for name, value in given.items() if value)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check signer, names, time and key."""
        spec = obj["spec"]
        signer, seconds = spec.get("signerName", ""), spec["maxExpirationSeconds"]
        out = signer_problems(signer, "spec.signerName") + _annotation_problems(spec.get("unverifiedUserAnnotations") or {})
        for name, uid in NAMES:
            out += _name_problems(spec, name, uid)
        most = MAX_OWN_SECONDS if _own(signer) else MAX_SECONDS
        if not MIN_SECONDS <= seconds <= most:
            out.append(invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [{MIN_SECONDS}, {most}]"))
        return out + _key_problems(spec)

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the spec, and the status once it is an answer."""
        if subresource == "status":
            return _status_problems(obj, old)
        if equal(obj["spec"], old["spec"]):
            return []
        whole = internal(obj["spec"], SPEC).replace(KEY_FIELD, f"{OLD_FIELDS}{KEY_FIELD}", 1)
        return [invalid("spec", Written(whole), IMMUTABLE)]

    def fields(self, obj: Object) -> dict[str, str]:
        """Return whose certificate is asked for, and of whom."""
        spec = obj.get("spec", {})
        return {path: spec.get(path.removeprefix("spec."), "") for path in self.selectable_fields}


def _own(signer: str) -> bool:
    """Tell whether a signer is one of Kubernetes' own."""
    domain = signer.partition("/")[0]
    return domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


def _annotation_problems(annotations: Mapping[str, str]) -> list[FieldError]:
    path = "spec.unverifiedUserAnnotations"
    out: list[FieldError] = []
    for key in annotations:
        if "/" not in key:
            out.append(invalid(path, key.lower(), 'must be a domain-prefixed key (such as "acme.io/foo")'))
        else:
            out += [invalid(path, key.lower(), text) for text in qualified_name(key.lower())]
    return out


def _name_problems(spec: Object, name: str, uid: str) -> list[FieldError]:
    out = [invalid(f"spec.{name}", spec.get(name, ""), text) for text in dns1123_subdomain(spec.get(name, ""))]
    if not spec.get(uid):
        out.append(invalid(f"spec.{uid}", "", "must not be empty"))
    elif len(spec[uid].encode()) > UID_MAX:
        out.append(too_long(f"spec.{uid}", UID_MAX))
    return out


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode(text or "")
    except binascii.Error:
        return b""


def _key_problems(spec: Object) -> list[FieldError]:
    if spec.get("stubPKCS10Request"):
        return _request_problems(_bytes(spec["stubPKCS10Request"]))
    # The other way is that of an older version.
    why = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
    return [invalid("spec", OMITTED, why)]


def _request_problems(data: bytes) -> list[FieldError]:
    if len(data) > REQUEST_MAX:
        return [too_long(REQUEST, REQUEST_MAX)]
    try:
        found = x509.load_der_x509_csr(data)
        key = found.public_key()
    except ValueError:
        return [invalid(REQUEST, OMITTED, "must be a valid PKCS#10 CSR")]
    match key:
        case rsa.RSAPublicKey() if key.key_size not in RSA_BITS:
            return [invalid(REQUEST, f"{key.key_size}-bit modulus", "RSA keys must have modulus size 3072 or 4096")]
        case ec.EllipticCurvePublicKey() if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            why = "elliptic public keys must use curve P256, P384, or P521"
            return [invalid(REQUEST, f"curve {key.curve.name}", why)]
        case rsa.RSAPublicKey() | ec.EllipticCurvePublicKey() | ed25519.Ed25519PublicKey():
            return [] if found.is_signature_valid else [invalid(REQUEST, OMITTED, "invalid signature")]
    return [invalid(REQUEST, OMITTED, "unknown public key type; supported types are Ed25519, ECDSA, and RSA")]


def _ended(status: Object) -> str:
    """Return how a request has ended, or empty."""
    holds = (found.get("type", "") for found in status.get("conditions") or () if found.get("status") == "True")
    return next((kind for kind in holds if kind in ENDS), "")


def _status_problems(obj: Object, old: Object) -> list[FieldError]:
    status: Object = obj.get("status") or {}
    was: Object = old.get("status") or {}
    if out := _end_problems(status) + condition_problems(status.get("conditions") or [], "status.conditions"):
        return out
    why = ""
    if _ended(was):
        if not equal(status, was):
            why = "immutable after PodCertificateRequest is issued, denied, or failed"
    elif _ended(status) == ISSUED:
        return list(_certificate_problems(status, old["spec"]))
    elif _ended(status):
        if status.keys() - {"conditions"}:
            why = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
    elif not equal(status, was):
        why = 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"'
    return [invalid("status", OMITTED, why)] if why else []


def _end_problems(status: Object) -> list[FieldError]:
    out: list[FieldError] = []
    known = 0
    for index, condition in enumerate(status.get("conditions") or ()):
        path, kind = f"status.conditions.[{index}]", condition.get("type", "")
        if kind not in ENDS:
            out.append(not_supported(f"{path}.type", kind, ENDS))
            continue
        known += 1
        if known > 1:
            why = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            out.append(invalid(f"{path}.type", kind, why))
        if condition.get("status") != "True":
            out.append(not_supported(f"{path}.status", condition.get("status", ""), ("True",)))
    return out


def _certificate_problems(status: Object, spec: Object) -> Iterator[FieldError]:
    """Yield what is wrong with an issued certificate: the first thing, or all times that are missing."""
    chain = status.get("certificateChain", "")
    if len(chain.encode()) > CHAIN_MAX:
        yield too_long(CHAIN, CHAIN_MAX)
        return
    found = list(blocks(chain.encode()))
    if why := _chain_problem(found):
        yield invalid(CHAIN, chain, why)
        return
    leaf = x509.load_der_x509_certificate(found[0].data)
    if not _for_key(leaf, spec):
        yield invalid(CHAIN, chain, "leaf certificate was not issued to the requested public key")
        return
    missing = [
        required(f"status.{field}", f"must be present and {text}")
        for field, text in (
            ("notBefore", "consistent with the issued certificate"),
            ("notAfter", "consistent with the issued certificate"),
            ("beginRefreshAt", "in the range [notbefore+10min, notafter-10min]"),
        )
        if not status.get(field)
    ]
    yield from missing or _time_problems(status, leaf, spec)


def _chain_problem(found: Sequence[Block]) -> str:
    if not found:
        return "issued certificate chain must contain at least one certificate"
    for index, block in enumerate(found):
        if block.type != CERTIFICATE:
            return "issued certificate chain must consist entirely of CERTIFICATE PEM blocks"
        try:
            x509.load_der_x509_certificate(block.data)
        except ValueError:
            return f"{'intermediate' if index else 'leaf'} certificate does not parse as valid X.509"
    return ""


def _for_key(leaf: x509.Certificate, spec: Object) -> bool:
    return leaf.public_key() == x509.load_der_x509_csr(_bytes(spec.get("stubPKCS10Request"))).public_key()


def _time_problems(status: Object, leaf: x509.Certificate, spec: Object) -> list[FieldError]:
    """Return the first thing that is wrong with the times."""
    begin, end, refresh = (datetime.fromisoformat(status[name]).astimezone(UTC) for name in ("notBefore", "notAfter", "beginRefreshAt"))
    life = int((leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds())
    most = spec["maxExpirationSeconds"]
    checks = (
        (begin == leaf.not_valid_before_utc, "notBefore", "must be set to the NotBefore time encoded in the leaf certificate"),
        (end == leaf.not_valid_after_utc, "notAfter", "must be set to the NotAfter time encoded in the leaf certificate"),
        (life >= MIN_SECONDS, "certificateChain", "leaf certificate lifetime must be >= 1 hour"),
        (life <= most, "certificateChain", f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({most})"),
        ((refresh - begin).total_seconds() >= REFRESH_SECONDS, "beginRefreshAt", "must be at least 10 minutes after status.notBefore"),
        ((end - refresh).total_seconds() >= REFRESH_SECONDS, "beginRefreshAt", "must be at least 10 minutes before status.notAfter"),
    )
    return next(([invalid(f"status.{field}", status[field], why)] for good, field, why in checks if not good), [])


def _text(name: str) -> Column:
    title = name[:1].upper() + name[1:]
    return Column(title, lambda obj, _: (obj.get("spec") or {}).get(name, ""), field=(SPEC, name))


def _annotations(obj: Object, _: int) -> str:
    given = (obj.get("spec") or {}).get("unverifiedUserAnnotations") or {}
    return ",".join(f"{key}={given[key]}" for key in sorted(given)) or "<none>"


STRATEGY = PodCertificateRequestStrategy()

COLUMNS = (
    NAME,
    *map(_text, ("podName", "serviceAccountName", "nodeName", "signerName")),
    Column("State", lambda obj, _: _ended(obj.get("status") or {}) or "Pending", description="Is the request Pending, Issued, Denied, or Failed?"),
    Column("UnverifiedUserAnnotations", _annotations, field=(SPEC, "unverifiedUserAnnotations")),
)
