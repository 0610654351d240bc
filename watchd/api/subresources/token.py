"""TokenRequest: a token for a ServiceAccount, bound to an object if wanted (FEATURES row 129; authentication.k8s.io/v1)."""

from __future__ import annotations

from typing import Any

import attrs

from watchd.api.subresources.posting import Posted, kind_of
from watchd.auth.authentication import API_AUDIENCES
from watchd.auth.serviceaccounts import BOUND, Issuer
from watchd.registry.builtin.common.fields import invalid as invalid_field
from watchd.registry.store import Store
from watchd.seams import rfc3339
from watchd.status import FieldError, Reason, StatusError, bad_request, conflict, go_quote, invalid

Object = dict[str, Any]

GROUP, KIND = "authentication.k8s.io", "TokenRequest"

TOKEN_REQUEST = kind_of(GROUP, KIND, "io.k8s.api.authentication.v1", "v1")

DEFAULT_SECONDS = 60 * 60
"""How long a token is valid where the client does not say."""

MIN_SECONDS = 10 * 60

MAX_SECONDS = 1 << 32

WEBHOOKS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
ADMISSION_VERSION = "admissionregistration.k8s.io/v1"
GATE = "APIServerWebhookAuthenticationToken"
"""The reference's switch for tokens bound to these, which is off."""


def default(request: Object) -> None:
    """Fill in how long the token is to be valid."""
    spec = request.setdefault("spec", {})
    if spec.get("expirationSeconds") is None:
        spec["expirationSeconds"] = DEFAULT_SECONDS


@attrs.frozen
class TokenRequests:
    """Answers POSTs of TokenRequests."""

    store: Store
    issuer: Issuer

    async def __call__(self, posted: Posted) -> Object:
        """Issue a token for the ServiceAccount of the path. Raises StatusError."""
        request, name = posted.object, posted.name
        meta, spec = request["metadata"], request["spec"]
        if meta.get("name", name) != name:
            why = "must match the service account name if specified"
            raise invalid(GROUP, KIND, name, [invalid_field("metadata.name", meta["name"], why)])
        account = await self.store.find("", "serviceaccounts", posted.namespace, name)
        uid = account["metadata"]["uid"]
        if meta.get("uid", uid) != uid:
            why = f"the UID in the token request ({meta['uid']}) does not match the UID of the service account ({uid})"
            raise conflict(GROUP, KIND, name, why)
        if not spec.get("audiences"):
            spec["audiences"] = list(API_AUDIENCES)
        now_ms = self.store.clock.now_ms()
        meta |= {"name": name, "namespace": posted.namespace, "uid": uid, "creationTimestamp": rfc3339(now_ms)}
        request.pop("status", None)
        if problems := _problems(spec):
            raise invalid(GROUP, KIND, "", problems)
        await posted.admit()
        bound = await self._bound(spec.get("boundObjectRef"), posted.namespace, name)
        seconds = spec["expirationSeconds"]
        token = self.issuer.issue(account, bound, audiences=spec["audiences"], seconds=seconds)
        request["status"] = {"token": token, "expirationTimestamp": rfc3339(now_ms + seconds * 1000)}
        return request

    async def _bound(self, reference: Object | None, namespace: str, account: str) -> dict[str, Object]:
        """Return what the token is to be bound to, by claim. Raises StatusError."""
        if reference is None:
            return {}
        api_version, kind, name = (reference.get(field, "") for field in ("apiVersion", "kind", "name"))
        claim = kind.lower()
        if api_version not in ("", "v1") or kind != claim.capitalize() or claim not in BOUND:
            gate = f" (feature gate {GATE} is disabled)" if _is_webhook(reference) else ""
            group_version = api_version if "/" in api_version else f"/{api_version}"
            raise bad_request(f"cannot bind token to object of type {group_version}, Kind={kind}{gate}")
        found = await self.store.find("", BOUND[claim], "" if claim == "node" else namespace, name)
        bound = {claim: found}
        if claim == "pod":
            if found["spec"].get("serviceAccountName", "") != account:
                why = f"cannot bind token for serviceaccount {go_quote(account)} to pod running with different serviceaccount name."
                raise bad_request(why)
            if node := found["spec"].get("nodeName"):
                bound["node"] = await self._node(node)
        if reference.get("uid") and reference["uid"] != found["metadata"]["uid"]:
            differs = f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record"
            raise conflict("", kind, name, f"{differs}. The object might have been deleted and then recreated")
        return bound

    async def _node(self, name: str) -> Object:
        """Return the node that a Pod runs on, or what is known of one that is not there."""
        try:
            return await self.store.find("", "nodes", "", name)
        except StatusError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
            return {"metadata": {"name": name}}


def _is_webhook(reference: Object) -> bool:
    return reference.get("apiVersion") == ADMISSION_VERSION and reference.get("kind") in WEBHOOKS


def _problems(spec: Object) -> list[FieldError]:
    out: list[FieldError] = []
    seconds, attestations = spec["expirationSeconds"], spec.get("attestations")
    if seconds < MIN_SECONDS:
        out.append(invalid_field("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > MAX_SECONDS:
        out.append(invalid_field("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds"))
    if not _is_webhook(spec.get("boundObjectRef") or {}):
        if attestations:
            why = "attestations may only be specified with a webhook bound object reference"
            return [invalid_field("spec.attestations", attestations, why)]
        return out
    if len(spec["audiences"]) != 1:
        out.append(invalid_field("spec.audiences", spec["audiences"], "must be length 1 when bound to a webhook config"))
    if len(attestations or {}) != 1:
        why = "webhook bound requests require exactly one admissionReviewAPIGroups attestation"
        out.append(invalid_field("spec.attestations", attestations or None, why))
    return out
