from __future__ import annotations

import pytest

from watchd.auth.authorization import (
    Attributes,
    AuthorizerChain,
    Decision,
    default_authorizer,
    forbidden,
    require,
)
from watchd.auth.user import ADMIN, ANONYMOUS, User
from watchd.status import StatusError

ALICE = User("alice").authenticated()


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version", "/version/"])
async def test_everybody_may_read_health_and_version(path):
    await require(default_authorizer(), Attributes(ANONYMOUS, "get", path))


@pytest.mark.parametrize(
    ("verb", "path"), [("get", "/"), ("get", "/api"), ("get", "/apis"), ("get", "/metrics"), ("post", "/healthz"), ("get", "/healthz/x")]
)
async def test_others_may_read_nothing_else(verb, path):
    with pytest.raises(StatusError) as caught:
        await require(default_authorizer(), Attributes(ANONYMOUS, verb, path))
    assert caught.value.code == 403
    assert caught.value.message == f'forbidden: User "system:anonymous" cannot {verb} path "{path}"'


async def test_a_resource_that_is_called_healthz_is_not_public():
    with pytest.raises(StatusError):
        await require(default_authorizer(), Attributes(ANONYMOUS, "get", "/healthz", resource="healthz"))


async def test_who_is_authenticated_may_do_everything():
    for user in (ALICE, ADMIN):
        await require(default_authorizer(), Attributes(user, "delete", "/api/v1/nodes/a", resource="nodes"))
        await require(default_authorizer(), Attributes(user, "post", "/debug"))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            Attributes(ALICE, "list", "", resource="pods", version="v1", namespace="default"),
            'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default"',
        ),
        (
            Attributes(ALICE, "patch", "", resource="deployments", group="apps", subresource="status", namespace="a", name="web"),
            'deployments.apps "web" is forbidden: User "alice" cannot patch resource "deployments/status" in API group "apps" in the namespace "a"',
        ),
        (
            Attributes(User("<b>"), "create", "", resource="nodes"),
            'nodes is forbidden: User "&lt;b&gt;" cannot create resource "nodes" in API group "" at the cluster scope',
        ),
    ],
)
def test_the_words_of_a_refusal(attributes, message):
    error = forbidden(attributes)
    assert error.message == message
    assert error.to_object()["details"]["kind"] == attributes.resource


def test_a_refusal_tells_its_reason():
    assert forbidden(Attributes(ALICE, "get", "/x"), "no rule").message.endswith(": no rule")


class Says:
    def __init__(self, decision, reason=""):
        self.answer = (decision, reason)

    async def authorize(self, attributes):
        return self.answer


async def test_the_first_opinion_decides():
    attributes = Attributes(ALICE, "get", "/x")
    chain = AuthorizerChain([Says(Decision.NO_OPINION, "a"), Says(Decision.DENY, "b"), Says(Decision.ALLOW)])
    assert await chain.authorize(attributes) == (Decision.DENY, "b")
    chain = AuthorizerChain([Says(Decision.NO_OPINION, "a"), Says(Decision.NO_OPINION), Says(Decision.NO_OPINION, "c")])
    assert await chain.authorize(attributes) == (Decision.NO_OPINION, "a, c")
    with pytest.raises(StatusError, match="a, c"):
        await require(chain, attributes)
