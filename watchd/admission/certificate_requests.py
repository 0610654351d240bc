"""CertificateRequests: who may approve and sign for which signer, and what no client can ask for.

The reference's plugins CertificateApproval, CertificateSigning and CertificateSubjectRestriction.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from watchd.registry.attributes import Attributes, Operation, UserInfo
from watchd.registry.kind import Kind
from watchd.status import StatusError, forbidden, go_quote

GROUP, REQUESTS = "certificates.k8s.io", "certificatesigningrequests"

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"

MASTERS = "system:masters"
"""Group that may do everything: a certificate for it could not be taken back."""

MaySign = Callable[[UserInfo, str, str], Awaitable[bool]]
"""Tell whether a user may `approve` or `sign` (second) for a signer (third; `DOMAIN/*` for all of a domain)."""


class CertificateRequests:
    """Admission member."""

    custom_kinds = False

    def __init__(self, may: MaySign) -> None:
        self._may = may

    async def mutate(self, attributes: Attributes) -> None:
        """Change nothing."""

    async def validate(self, attributes: Attributes) -> None:
        """Refuse what the user, or nobody, may do. Raises StatusError 403."""
        if not _is_request(attributes.kind) or attributes.operation is Operation.DELETE:
            return
        if attributes.operation is Operation.CREATE:
            _check_subject(attributes)
        elif attributes.subresource == "approval":
            await self._check(attributes, "approve")
        elif attributes.subresource == "status" and _signs(attributes):
            await self._check(attributes, "sign")

    async def _check(self, attributes: Attributes, verb: str) -> None:
        signer = (attributes.old or {}).get("spec", {}).get("signerName", "")
        user = attributes.user
        if user is None:
            return
        every = f"{signer.partition('/')[0]}/*"
        if not await self._may(user, verb, signer) and not await self._may(user, verb, every):
            raise _refused(attributes, f"user not permitted to {verb} requests with signerName {go_quote(signer)}")


def _is_request(kind: Kind) -> bool:
    return kind.group == GROUP and kind.names.plural == REQUESTS


def _signs(attributes: Attributes) -> bool:
    new, old = ((obj or {}).get("status") or {} for obj in (attributes.object, attributes.old))
    return any(new.get(field) != old.get(field) for field in ("certificate", "conditions"))


def _check_subject(attributes: Attributes) -> None:
    spec = (attributes.object or {}).get("spec", {})
    if spec.get("signerName") != CLIENT_SIGNER:
        return
    # Only here: few servers are asked for certificates, and the library for them is a large one.
    from watchd.registry.builtin.certificates.pem import Malformed, organizations  # noqa: PLC0415 - see above

    try:
        groups = organizations(base64.b64decode(spec.get("request", "")))
    except Malformed as error:
        raise _refused(attributes, f"failed to parse CSR: {error}") from error
    if MASTERS in groups:
        raise _refused(attributes, f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed")


def _refused(attributes: Attributes, why: str) -> StatusError:
    return forbidden(GROUP, REQUESTS, attributes.name, why)
