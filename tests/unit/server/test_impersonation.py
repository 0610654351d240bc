"""Impersonation: who may ask as whom. What comes of it is held by tests/conformance."""

from __future__ import annotations

import pytest

from watchd.auth.authorization import Decision, default_authorizer
from watchd.auth.impersonation import impersonated
from watchd.auth.user import ADMIN, ANONYMOUS, User
from watchd.status import StatusError


class Asked:
    """Allows what it is told to, and remembers what it was asked."""

    def __init__(self, *refused):
        self.refused = refused
        self.asked = []

    async def authorize(self, attributes):
        what = (attributes.group, attributes.resource, attributes.subresource, attributes.namespace, attributes.name)
        self.asked.append(what)
        assert attributes.verb == "impersonate"
        return (Decision.NO_OPINION if attributes.resource in self.refused else Decision.ALLOW), ""


HEADERS = {
    "impersonate-user": "jane",
    "impersonate-group": "dev, ops",
    "impersonate-uid": "7",
    "impersonate-extra-scopes": "a, b",
    "impersonate-extra-acme.com%2fproject": "p",
}


async def test_each_attribute_is_asked_for():
    authorizer = Asked()
    user = await impersonated(ADMIN, HEADERS, authorizer)
    assert user == User(
        "jane", "7", ("dev", "ops", "system:authenticated"), {"scopes": ("a", "b"), "acme.com/project": ("p",)}
    )
    assert authorizer.asked == [
        ("", "users", "", "", "jane"),
        ("", "groups", "", "", "dev"),
        ("", "groups", "", "", "ops"),
        ("authentication.k8s.io", "userextras", "scopes", "", "a"),
        ("authentication.k8s.io", "userextras", "scopes", "", "b"),
        ("authentication.k8s.io", "userextras", "acme.com/project", "", "p"),
        ("authentication.k8s.io", "uids", "", "", "7"),
    ]


@pytest.mark.parametrize("refused", ["users", "groups", "userextras", "uids"])
async def test_one_that_is_refused_refuses_all(refused):
    with pytest.raises(StatusError) as caught:
        await impersonated(ADMIN, HEADERS, Asked(refused))
    assert caught.value.code == 403
    assert f'cannot impersonate resource "{refused}' in caught.value.message


async def test_a_service_account_is_asked_for_as_one():
    authorizer = Asked()
    user = await impersonated(ADMIN, {"impersonate-user": "system:serviceaccount:ns:bot"}, authorizer)
    assert authorizer.asked == [("", "serviceaccounts", "", "ns", "bot")]
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")


@pytest.mark.parametrize("name", ["system:serviceaccount:ns", "system:serviceaccount:ns:a:b", "system:serviceaccount:N:a"])
async def test_what_only_looks_like_one_is_a_user(name):
    authorizer = Asked()
    await impersonated(ADMIN, {"impersonate-user": name}, authorizer)
    assert authorizer.asked == [("", "users", "", "", name)]


@pytest.mark.parametrize(
    ("headers", "groups"),
    [
        ({"impersonate-user": "jane"}, ("system:authenticated",)),
        ({"impersonate-user": "jane", "impersonate-group": "system:authenticated"}, ("system:authenticated",)),
        ({"impersonate-user": "jane", "impersonate-group": "system:unauthenticated"}, ("system:unauthenticated",)),
        ({"impersonate-user": "system:anonymous"}, ("system:unauthenticated",)),
        ({"impersonate-user": "system:anonymous", "impersonate-group": "a"}, ("a", "system:unauthenticated")),
    ],
)
async def test_groups(headers, groups):
    assert (await impersonated(ADMIN, headers, Asked())).groups == groups


async def test_nobody_is_impersonated_without_a_header():
    authorizer = Asked()
    assert await impersonated(ADMIN, {"user-agent": "x", "impersonate-user": ""}, authorizer) is ADMIN
    assert authorizer.asked == []


async def test_attributes_of_nobody_are_400():
    with pytest.raises(StatusError) as caught:
        await impersonated(ADMIN, {"impersonate-uid": "7", "impersonate-extra-x": "7"}, Asked())
    wanted = '&user.DefaultInfo{Name:"", UID:"7", Groups:[]string(nil), Extra:map[string][]string{"x":[]string{"7"}}}'
    assert caught.value.code == 400
    assert caught.value.message == f"requested {wanted} without impersonating a user name"


async def test_who_shows_no_credential_is_nobody_else():
    with pytest.raises(StatusError) as caught:
        await impersonated(ANONYMOUS, {"impersonate-user": "admin", "impersonate-group": "system:masters"}, default_authorizer())
    assert caught.value.code == 403
