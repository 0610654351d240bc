"""Reviews say what requests are held to; their words are held by tests/conformance."""

from __future__ import annotations

import pytest

ACCESS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
OWN_RULES = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
ASKED = {"verb": "delete", "resource": "nodes"}


async def allowed(core, **spec):
    answer = await core.call("POST", ACCESS, {"spec": spec})
    assert answer.status == 201, answer.body
    return answer.json["status"]["allowed"]


@pytest.mark.parametrize(
    ("groups", "may"),
    [
        (["system:masters"], True),
        (["dev", "system:authenticated"], True),
        (["system:unauthenticated"], False),
        (["dev"], False),
    ],
)
async def test_who_may_change_things(core, groups, may):
    assert await allowed(core, user="jane", groups=groups, resourceAttributes=ASKED) is may
    answer = await core.call("DELETE", "/api/v1/nodes/none", headers=as_jane(groups))
    assert answer.status == (404 if may or groups == ["dev"] else 403)


def as_jane(groups):
    """Return headers to ask as jane; who has a credential is authenticated, whatever groups are named."""
    return {"impersonate-user": "jane", "impersonate-group": ", ".join(groups)}


async def test_everybody_may_read_health(core):
    nobody = {"user": "system:anonymous", "groups": ["system:unauthenticated"]}
    assert await allowed(core, **nobody, nonResourceAttributes={"verb": "get", "path": "/healthz"})
    assert not await allowed(core, **nobody, nonResourceAttributes={"verb": "get", "path": "/metrics"})


async def test_rules_are_of_the_one_who_asks(core):
    answer = await core.call("POST", OWN_RULES, {"spec": {"namespace": "default"}}, headers=as_jane(["dev"]))
    assert answer.json["status"]["resourceRules"] == [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert (await core.call("POST", OWN_RULES, {"spec": {"namespace": "default"}}, token="")).status == 403
