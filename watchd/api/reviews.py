"""Reviews: what the server's authenticators and authorizers say, asked for by a POST (FEATURES rows 131 and 138).

None is stored. Rules and words are those of the reference (pkg/apis/authorization/validation, pkg/registry/authorization).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from watchd.api.selectors import FieldSelector, LabelSelector
from watchd.api.subresources.posting import Posted
from watchd.auth.authentication import API_AUDIENCES, AuthenticatorChain, TokenRefused
from watchd.auth.authorization import Attributes, Authorizer, Decision
from watchd.auth.user import User
from watchd.names import label_value, qualified_name
from watchd.registry.builtin.common.fields import forbidden, invalid, required
from watchd.registry.builtin.common.internal import internal
from watchd.registry.metadata import OBJECT_META
from watchd.seams import Clock, rfc3339
from watchd.status import FieldError, StatusError, Written, bad_request, go_json
from watchd.status import invalid as invalid_object

Object = dict[str, Any]

GROUP = "authorization.k8s.io"
PACKAGE = "io.k8s.api.authorization.v1"

ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"

ATTRIBUTES = "spec.resourceAttributes"

WITH_VALUES = ("In", "NotIn")
WITHOUT_VALUES = ("Exists", "DoesNotExist")


def user_info(user: User) -> Object:
    """Return a user as authentication.k8s.io/v1 UserInfo."""
    extra = {key: list(values) for key, values in user.extra.items()}
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    return {field: value for field, value in info.items() if value}


@attrs.frozen
class AuthenticationReviews:
    """Answers who somebody is."""

    authenticator: AuthenticatorChain
    clock: Clock

    async def own(self, posted: Posted) -> Object:
        """SelfSubjectReview: who asks (KEP-3325)."""
        await posted.admit()
        return {
            "kind": posted.object["kind"],
            "apiVersion": posted.object["apiVersion"],
            "metadata": {"creationTimestamp": rfc3339(self.clock.now_ms())},
            "status": {"userInfo": user_info(posted.call.user)},
        }

    async def token(self, posted: Posted) -> Object:
        """TokenReview: whose a token is."""
        spec = posted.object.get("spec") or {}
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        await posted.admit()
        status: Object
        try:
            found = await self.authenticator.review(spec["token"], spec.get("audiences") or API_AUDIENCES)
        except TokenRefused as error:
            status = {"user": {}, "error": str(error)}
        else:
            status = {"authenticated": True, "user": user_info(found.user), "audiences": list(found.audiences)}
        return {**posted.object, "status": status}


@attrs.frozen
class AccessReviews:
    """Answers what somebody may do."""

    authorizer: Authorizer

    async def of_anybody(self, posted: Posted) -> Object:
        """SubjectAccessReview."""
        spec = posted.object.get("spec") or {}
        self._refuse([*_either(spec), *_subject(spec), *_attributes(spec), *_no_metadata(posted.object)])
        return await self._answer(posted, spec, _user_of(spec))

    async def of_anybody_here(self, posted: Posted) -> Object:
        """LocalSubjectAccessReview: what somebody may do in the request's namespace."""
        spec = posted.object.get("spec") or {}
        problems = [*_either(spec), *_subject(spec), *_attributes(spec)]
        problems += _no_metadata(posted.object, but="namespace")
        resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if resource is not None and resource.get("namespace", "") != posted.namespace:
            problems.append(invalid(f"{ATTRIBUTES}.namespace", resource.get("namespace", ""), "must match metadata.namespace"))
        if path is not None:
            problems.append(invalid("spec.nonResourceAttributes", _path(path), "disallowed on this kind of request"))
        self._refuse(problems)
        return await self._answer(posted, spec, _user_of(spec))

    async def own(self, posted: Posted) -> Object:
        """SelfSubjectAccessReview: what the one who asks may do."""
        spec = posted.object.get("spec") or {}
        self._refuse([*_either(spec), *_attributes(spec), *_no_metadata(posted.object)])
        return await self._answer(posted, spec, posted.call.user)

    async def own_rules(self, posted: Posted) -> Object:
        """SelfSubjectRulesReview: all that the one who asks may do in a namespace, as far as it can be listed."""
        namespace = (posted.object.get("spec") or {}).get("namespace")
        if not namespace:
            raise bad_request("no namespace on request")
        await posted.admit()
        rules = await self.authorizer.rules(posted.call.user, namespace)
        resources = [
            {"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources, "resourceNames": rule.names}
            for rule in rules.resources
        ]
        status: Object = {
            "resourceRules": [{field: list(value) for field, value in rule.items() if value} for rule in resources],
            "nonResourceRules": [{"verbs": list(rule.verbs), "nonResourceURLs": list(rule.paths)} for rule in rules.paths],
            "incomplete": rules.incomplete,
        }
        if rules.error:
            status["evaluationError"] = rules.error
        head = {field: posted.object[field] for field in ("kind", "apiVersion")}
        return {**head, "metadata": {}, "spec": {}, "status": status}

    @staticmethod
    def _refuse(problems: list[FieldError]) -> None:
        if problems:
            # Which kind it was the reference does not say.
            raise invalid_object(GROUP, "", "", problems)

    async def _answer(self, posted: Posted, spec: Object, user: User) -> Object:
        await posted.admit()
        resource = spec.get("resourceAttributes")
        if resource is not None:
            asked = Attributes(
                user=user,
                verb=resource.get("verb", ""),
                path="",
                resource=resource.get("resource", ""),
                group=resource.get("group", ""),
                version=resource.get("version") or "*",
                subresource=resource.get("subresource", ""),
                namespace=resource.get("namespace", ""),
                name=resource.get("name", ""),
            )
        else:
            path = spec["nonResourceAttributes"]
            asked = Attributes(user=user, verb=path.get("verb", ""), path=path.get("path", ""))
        decision, reason = await self.authorizer.authorize(asked)
        status: Object = {"allowed": decision is Decision.ALLOW}
        if decision is Decision.DENY:
            status["denied"] = True
        if reason:
            status["reason"] = reason
        if unread := _unreadable(resource or {}):
            status["evaluationError"] = unread
        return {**posted.object, "status": status}


def _user_of(spec: Mapping[str, Any]) -> User:
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)


def _path(attributes: Object) -> Written:
    return internal(attributes, f"{PACKAGE}.NonResourceAttributes")


def _either(spec: Mapping[str, Any]) -> list[FieldError]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (resource is None) is not (path is None):
        return []
    return [invalid("spec", None if path is None else _path(path), ONE_OF)]


def _subject(spec: Mapping[str, Any]) -> list[FieldError]:
    if spec.get("user") or spec.get("groups"):
        return []
    return [invalid("spec.user", "", "at least one of user or group must be specified")]


def _no_metadata(obj: Object, but: str = "") -> list[FieldError]:
    meta = obj["metadata"]
    if not meta.keys() - {"managedFields", but}:
        return []
    in_order = {field: meta[field] for field in OBJECT_META["properties"] if field in meta}
    why = f"must be empty except for {but}" if but else "must be empty"
    return [invalid("metadata", Written(go_json(in_order, ordered=True)), why)]


def _attributes(spec: Mapping[str, Any]) -> list[FieldError]:
    out: list[FieldError] = []
    for name, key_first in (("fieldSelector", True), ("labelSelector", False)):
        selector = (spec.get("resourceAttributes") or {}).get(name)
        if selector is not None:
            out += _selector(selector, f"{ATTRIBUTES}.{name}", of_fields=key_first)
    return out


def _selector(selector: Mapping[str, Any], path: str, *, of_fields: bool) -> list[FieldError]:
    raw, requirements = selector.get("rawSelector", ""), selector.get("requirements") or []
    out: list[FieldError] = []
    if raw and requirements:
        out.append(invalid(f"{path}.rawSelector", raw, "may not specified at the same time as requirements"))
    if not raw and not requirements:
        out.append(required(f"{path}.requirements", f"when {path} is specified, requirements or rawSelector is required"))
    for index, requirement in enumerate(requirements):
        where = f"{path}.requirements[{index}]"
        out += _field_requirement(requirement, where) if of_fields else _label_requirement(requirement, where)
    return out


def _values(requirement: Mapping[str, Any], path: str) -> list[FieldError]:
    """Hold values against the operator. One that is not known may be a newer client's."""
    operator, values = requirement.get("operator", ""), requirement.get("values")
    if operator in WITH_VALUES and not values:
        return [required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")]
    if operator in WITHOUT_VALUES and values:
        return [forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")]
    return []


def _field_requirement(requirement: Mapping[str, Any], path: str) -> list[FieldError]:
    keyless = [] if requirement.get("key") else [required(f"{path}.key", "must be specified")]
    return keyless + _values(requirement, path)


def _label_requirement(requirement: Mapping[str, Any], path: str) -> list[FieldError]:
    out = _values(requirement, path)
    key = requirement.get("key", "")
    out += [invalid(f"{path}.key", key, text) for text in qualified_name(key)]
    for index, value in enumerate(requirement.get("values") or ()):
        out += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return out


def _unreadable(resource: Mapping[str, Any]) -> str:
    """Say which selectors are passed over: the answer is about more objects than were meant."""
    out = []
    for name, parses, reads in (
        ("fieldSelector", _parses_fields, _readable_fields),
        ("labelSelector", _parses_labels, _readable_labels),
    ):
        selector = resource.get(name) or {}
        requirements = selector.get("requirements") or ()
        read = sum(map(reads, requirements))
        if read < len(requirements) or not parses(selector.get("rawSelector", "")):
            out.append(f"{ATTRIBUTES}.{name} {'partially ' if read else ''}ignored due to parse error")
    return "; ".join(out)


def _parses_fields(text: str) -> bool:
    try:
        FieldSelector.parse(text)
    except StatusError:
        return False
    return True


def _parses_labels(text: str) -> bool:
    try:
        LabelSelector.parse(text)
    except StatusError:
        return False
    return True


def _readable_fields(requirement: Mapping[str, Any]) -> bool:
    return requirement.get("operator") in WITH_VALUES and len(requirement.get("values") or ()) == 1


def _readable_labels(requirement: Mapping[str, Any]) -> bool:
    return requirement.get("operator") in (*WITH_VALUES, *WITHOUT_VALUES)
