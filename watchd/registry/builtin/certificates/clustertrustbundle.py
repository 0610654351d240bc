"""ClusterTrustBundle: certificates that are to be trusted, for one signer or for nobody in particular (certificates.k8s.io/v1)."""

from __future__ import annotations

from cryptography import x509

from watchd.names import dns1123_subdomain
from watchd.registry.builtin.certificates.certificatesigningrequest import PACKAGE, signer_problems
from watchd.registry.builtin.certificates.pem import CERTIFICATE, Block, blocks
from watchd.registry.builtin.common.fields import immutable, invalid
from watchd.registry.builtin.common.values import too_long
from watchd.registry.columns import NAME, Column
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.status import FieldError

BUNDLE_MAX = 1 << 20
"""Bytes of a bundle."""

BUNDLE = "spec.trustBundle"
OMITTED = "<value omitted>"


class ClusterTrustBundleStrategy(Strategy):
    """The rules of ClusterTrustBundle."""

    name_format = NameFormat.PATH_SEGMENT
    unconditional_update = False
    selectable_fields = ("spec.signerName",)

    def validate(self, obj: Object) -> list[FieldError]:
        """Check name, signer and certificates."""
        return _problems(obj) + _bundle_problems(obj["spec"].get("trustBundle", ""))

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Hold the signer; a bundle that is as it was stays, whatever it is."""
        del subresource
        spec, was = obj["spec"], old["spec"]
        out = _problems(obj)
        if spec.get("trustBundle") != was.get("trustBundle"):
            out += _bundle_problems(spec.get("trustBundle", ""))
        return out + immutable(spec.get("signerName", ""), was.get("signerName", ""), "spec.signerName")

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the signer's name."""
        return {"spec.signerName": obj.get("spec", {}).get("signerName", "")}


def _problems(obj: Object) -> list[FieldError]:
    signer, name = obj["spec"].get("signerName", ""), obj["metadata"].get("name", "")
    out = [invalid("metadata.name", name, text) for text in _name_problems(name, signer)] if name else []
    return out + (signer_problems(signer, "spec.signerName") if signer else [])


def _name_problems(name: str, signer: str) -> list[str]:
    """Return what is wrong with a bundle's name: it begins with its signer's, and of no signer's has a colon."""
    if not signer:
        colon = 'ClusterTrustBundle without signer name must not have ":" in its name'
        return [colon] if ":" in name else dns1123_subdomain(name)
    prefix = f"{signer.replace('/', ':')}:"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return dns1123_subdomain(name.removeprefix(prefix))


def _bundle_problems(text: str) -> list[FieldError]:
    if len(text.encode()) > BUNDLE_MAX:
        return [too_long(BUNDLE, BUNDLE_MAX)]
    places: dict[bytes, list[int]] = {}
    out: list[FieldError] = []
    for index, block in enumerate(blocks(text.encode())):
        if why := _block_problem(block):
            out.append(invalid(BUNDLE, OMITTED, f"entry {index} {why}"))
        else:
            places.setdefault(block.data, []).append(index)
    if out:
        return out
    if not places:
        return [invalid(BUNDLE, OMITTED, "at least one trust anchor must be provided")]
    twice = (found for found in places.values() if len(found) > 1)
    return [invalid(BUNDLE, OMITTED, f"duplicate trust anchor (indices [{' '.join(map(str, found))}])") for found in twice]


def _block_problem(block: Block) -> str:
    if block.type != CERTIFICATE:
        return f"has bad block type: {block.type}"
    if block.headers:
        return "has PEM block headers"
    try:
        extensions = x509.load_der_x509_certificate(block.data).extensions
    except ValueError:
        return "does not parse as X.509"
    try:
        authority = extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    return "" if authority else "does not have the CA bit set"


STRATEGY = ClusterTrustBundleStrategy()

COLUMNS = (
    NAME,
    Column(
        "SignerName",
        lambda obj, _: (obj.get("spec") or {}).get("signerName") or "<none>",
        field=(f"{PACKAGE}.ClusterTrustBundleSpec", "signerName"),
    ),
)
