"""Authorization: may this user do that (FEATURES rows 137 and 140)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from watchd.auth.user import AUTHENTICATED, MASTERS, User
from watchd.registry.attributes import UserInfo
from watchd.status import Reason, StatusError, go_quote, qualified

PUBLIC_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version", "/version/"})
"""What everybody may read, by GET or HEAD: the reference's ClusterRole system:public-info-viewer."""


class Attributes(msgspec.Struct, frozen=True):
    """One action that a user asks for (the reference's authorizer.Attributes)."""

    user: User
    verb: str
    """An API verb (`get`, `list`, `deletecollection`), or the method in lower case where `resource` is empty."""
    path: str
    resource: str = ""
    """Plural; empty for a path that is no resource's."""
    group: str = ""
    version: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""


class ResourceRule(msgspec.Struct, frozen=True):
    """Actions on resources that are allowed (authorization.k8s.io/v1 ResourceRule)."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Empty for all."""


class PathRule(msgspec.Struct, frozen=True):
    """Actions on other paths that are allowed (NonResourceRule)."""

    verbs: tuple[str, ...]
    paths: tuple[str, ...]


class Rules(msgspec.Struct, frozen=True):
    """What a user may do in a namespace, as far as it can be listed."""

    resources: tuple[ResourceRule, ...] = ()
    paths: tuple[PathRule, ...] = ()
    incomplete: bool = False
    """Whether more may be allowed than is listed."""
    error: str = ""
    """Why, where something failed."""


NOTHING = Rules()

EVERYTHING = Rules((ResourceRule(("*",), ("*",), ("*",)),), (PathRule(("*",), ("*",)),))


class Decision(Enum):
    """What an authorizer says of an action."""

    ALLOW = "allow"
    DENY = "deny"
    """Refused, whatever later authorizers would say."""
    NO_OPINION = "no opinion"
    """Left to the next one; refused after the last."""


class Authorizer(Protocol):
    """Decides on actions."""

    async def authorize(self, attributes: Attributes) -> tuple[Decision, str]:
        """Return the decision and its reason, which a refusal shows to the user."""

    async def rules(self, user: User, namespace: str) -> Rules:
        """List what a user may do in a namespace, by this authorizer alone."""


class Masters:
    """Allows everything to system:masters."""

    async def authorize(self, attributes: Attributes) -> tuple[Decision, str]:
        """Decide on an action."""
        return (Decision.ALLOW, "") if MASTERS in attributes.user.groups else (Decision.NO_OPINION, "")

    async def rules(self, user: User, namespace: str) -> Rules:
        """List what a user may do."""
        del namespace
        return EVERYTHING if MASTERS in user.groups else NOTHING


class PublicPaths:
    """Allows everybody to read health and version."""

    async def authorize(self, attributes: Attributes) -> tuple[Decision, str]:
        """Decide on an action."""
        public = not attributes.resource and attributes.verb in {"get", "head"} and attributes.path in PUBLIC_PATHS
        return (Decision.ALLOW, "") if public else (Decision.NO_OPINION, "")

    async def rules(self, user: User, namespace: str) -> Rules:
        """List what a user may do."""
        del user, namespace
        return Rules(paths=(PathRule(("get",), tuple(sorted(PUBLIC_PATHS))),))


class AlwaysAllow:
    """Allows everything to everybody who is authenticated."""

    async def authorize(self, attributes: Attributes) -> tuple[Decision, str]:
        """Decide on an action."""
        return (Decision.ALLOW, "") if AUTHENTICATED in attributes.user.groups else (Decision.NO_OPINION, "")

    async def rules(self, user: User, namespace: str) -> Rules:
        """List what a user may do."""
        del namespace
        return EVERYTHING if AUTHENTICATED in user.groups else NOTHING


class AuthorizerChain:
    """Several authorizers as one: the first with an opinion decides."""

    def __init__(self, members: Sequence[Authorizer]) -> None:
        self._members = tuple(members)

    async def authorize(self, attributes: Attributes) -> tuple[Decision, str]:
        """Return the first opinion; NO_OPINION with all the reasons where nobody has one."""
        reasons = []
        for member in self._members:
            decision, reason = await member.authorize(attributes)
            if decision is not Decision.NO_OPINION:
                return decision, reason
            if reason:
                reasons.append(reason)
        return Decision.NO_OPINION, ", ".join(reasons)

    async def rules(self, user: User, namespace: str) -> Rules:
        """List what any member allows; beside everything nothing else is worth naming."""
        found = [await member.rules(user, namespace) for member in self._members]
        if EVERYTHING in found:
            return EVERYTHING
        return Rules(
            tuple(rule for rules in found for rule in rules.resources),
            tuple(rule for rules in found for rule in rules.paths),
            any(rules.incomplete for rules in found),
            "; ".join(rules.error for rules in found if rules.error),
        )


def default_authorizer() -> Authorizer:
    """Return the rules of a server without RBAC: who has a credential may do everything, others read health only."""
    return AuthorizerChain([Masters(), PublicPaths(), AlwaysAllow()])


def permits(authorizer: Authorizer, group: str, resource: str) -> Callable[[UserInfo, str, str], Awaitable[bool]]:
    """Return a question of somebody who knows no authorizers: may a user do this (a verb) with that (a name)?"""

    async def ask(user: UserInfo, verb: str, name: str) -> bool:
        who = User(user.name, user.uid, user.groups, user.extra)
        asked = Attributes(user=who, verb=verb, path="", resource=resource, group=group, version="*", name=name)
        decision, _ = await authorizer.authorize(asked)
        return decision is Decision.ALLOW

    return ask


async def require(authorizer: Authorizer, attributes: Attributes) -> None:
    """Let an action pass, or raise StatusError 403 in the reference's words."""
    decision, reason = await authorizer.authorize(attributes)
    if decision is not Decision.ALLOW:
        raise forbidden(attributes, reason)


def forbidden(attributes: Attributes, reason: str = "") -> StatusError:
    """403 for an action that no authorizer allows (apiserver responsewriters.Forbidden)."""
    # The reference escapes these so that no browser takes the message for HTML.
    said = _sanitize(_message(attributes))
    message = f"{said}: {reason}" if reason else said
    if not attributes.resource:
        return StatusError(Reason.FORBIDDEN, f"forbidden: {message}")
    head = qualified(attributes.group, attributes.resource)
    if attributes.name:
        head += f" {go_quote(attributes.name)}"
    return StatusError(
        Reason.FORBIDDEN,
        f"{head} is forbidden: {message}",
        name=attributes.name,
        group=attributes.group,
        kind=attributes.resource,
    )


def _message(attributes: Attributes) -> str:
    user = go_quote(attributes.user.name)
    if not attributes.resource:
        return f"User {user} cannot {attributes.verb} path {go_quote(attributes.path)}"
    resource = f"{attributes.resource}/{attributes.subresource}" if attributes.subresource else attributes.resource
    what = f"User {user} cannot {attributes.verb} resource {go_quote(resource)} in API group {go_quote(attributes.group)}"
    if attributes.namespace:
        return f"{what} in the namespace {go_quote(attributes.namespace)}"
    return f"{what} at the cluster scope"


def _sanitize(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
