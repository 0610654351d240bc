"""Tokens of ServiceAccounts: what they claim, and how long they are accepted."""

from __future__ import annotations

import base64

import orjson
import pytest

from watchd.auth.jwt import decode, encode

NS = "/api/v1/namespaces/default"
ACCOUNT = f"{NS}/serviceaccounts/bot"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ISSUER = "https://kubernetes.default.svc"

HOUR = 3600
LEEWAY = 60


@pytest.fixture
async def account(core):
    made = await core.call("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "bot"}})
    assert made.status == 201
    return made.json


async def issue(core, **spec):
    answer = await core.call("POST", f"{ACCOUNT}/token", {"spec": spec})
    assert answer.status == 201, answer.body
    return answer.json["status"]["token"]


async def who(core, token):
    answer = await core.call("POST", WHOAMI, {}, token=token)
    return answer.json["status"]["userInfo"]["username"] if answer.status == 201 else answer.status


async def review(core, token, *audiences):
    answer = await core.call("POST", REVIEWS, {"spec": {"token": token, "audiences": list(audiences)}})
    assert answer.status == 201, answer.body
    return answer.json["status"]


def claims_of(token):
    return orjson.loads(decode(token.split(".")[1]))


async def test_claims_are_those_of_kubernetes(core, account):
    token = await issue(core, audiences=["a", "b"], expirationSeconds=600)
    claims = claims_of(token)
    now = core.clock.now_ms() // 1000
    assert claims == {
        "iss": ISSUER,
        "sub": "system:serviceaccount:default:bot",
        "aud": ["a", "b"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "jti": claims["jti"],
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "bot", "uid": account["metadata"]["uid"]}},
    }
    assert orjson.loads(decode(token.split(".")[0]))["alg"] == "ES256"


async def test_a_pods_token_tells_the_pod_and_where_it_runs(core, account):
    container = {"name": "c", "image": "i"}
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "serviceAccountName": "bot", "containers": [container]}}
    made = await core.call("POST", f"{NS}/pods", pod)
    assert made.status == 201, made.body
    token = await issue(core, boundObjectRef={"kind": "Pod", "apiVersion": "v1", "name": "p"})
    private = claims_of(token)["kubernetes.io"]
    assert private["pod"] == {"name": "p", "uid": made.json["metadata"]["uid"]}
    assert private["node"] == {"name": "n"}
    extra = (await core.call("POST", WHOAMI, {}, token=token)).json["status"]["userInfo"]["extra"]
    assert extra == {
        "authentication.kubernetes.io/credential-id": [f"JTI={claims_of(token)['jti']}"],
        "authentication.kubernetes.io/node-name": ["n"],
        "authentication.kubernetes.io/pod-name": ["p"],
        "authentication.kubernetes.io/pod-uid": [made.json["metadata"]["uid"]],
    }


async def test_the_user_of_a_token(core, account):
    user = (await core.call("POST", WHOAMI, {}, token=await issue(core))).json["status"]["userInfo"]
    assert user["username"] == "system:serviceaccount:default:bot"
    assert user["uid"] == account["metadata"]["uid"]
    assert user["groups"] == ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]


async def test_it_ends_with_its_time_and_a_minute(core, account):
    token = await issue(core)
    core.clock.advance(HOUR + LEEWAY)
    assert await who(core, token) == "system:serviceaccount:default:bot"
    core.clock.advance(1)
    assert await who(core, token) == 401
    assert "service account token has expired" in (await review(core, token))["error"]


async def test_it_ends_with_its_account(core, account):
    token = await issue(core)
    await core.call("DELETE", ACCOUNT)
    assert await who(core, token) == 401
    assert (await review(core, token))["error"] == '[invalid bearer token, serviceaccounts "bot" not found]'
    again = await core.call("POST", f"{NS}/serviceaccounts", {"metadata": {"name": "bot"}})
    assert await who(core, token) == 401
    uids = again.json["metadata"]["uid"], account["metadata"]["uid"]
    why = f"service account UID ({uids[0]}) does not match claim ({uids[1]})"
    assert (await review(core, token))["error"] == f"[invalid bearer token, {why}]"


@pytest.mark.parametrize(
    ("kind", "collection", "claim"), [("Secret", f"{NS}/secrets", "secret"), ("Node", "/api/v1/nodes", "node")]
)
async def test_it_ends_with_what_it_is_bound_to(core, account, kind, collection, claim):
    made = await core.call("POST", collection, {"metadata": {"name": "x"}})
    assert made.status == 201, made.body
    token = await issue(core, boundObjectRef={"kind": kind, "apiVersion": "v1", "name": "x"})
    assert await who(core, token) == "system:serviceaccount:default:bot"
    await core.call("DELETE", f"{collection}/x")
    assert await who(core, token) == 401
    assert (await review(core, token))["error"] == "[invalid bearer token, service account token has been invalidated]"
    again = await core.call("POST", collection, {"metadata": {"name": "x"}})
    why = f"{claim} UID ({again.json['metadata']['uid']}) does not match service account {claim} ref claim ({made.json['metadata']['uid']})"
    assert (await review(core, token))["error"] == f"[invalid bearer token, {why}]"


async def test_what_goes_away_takes_the_token_along_after_a_minute(core, account):
    await core.patch(ACCOUNT, {"metadata": {"finalizers": ["example.com/stay"]}})
    token = await issue(core)
    await core.call("DELETE", ACCOUNT)
    core.clock.advance(LEEWAY)
    assert await who(core, token) == "system:serviceaccount:default:bot"
    core.clock.advance(1)
    assert await who(core, token) == 401


async def test_it_is_for_its_audiences(core, account):
    token = await issue(core, audiences=["vault"])
    assert await who(core, token) == 401
    assert (await review(core, token, "vault", "other"))["audiences"] == ["vault"]
    refused = (await review(core, token, "other"))["error"]
    assert refused == '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["other"]]'


def altered(token, part, change):
    parts = token.split(".")
    parts[part] = change(parts[part])
    return ".".join(parts)


def as_admin(payload):
    claims = orjson.loads(decode(payload))
    claims["kubernetes.io"]["serviceaccount"]["name"] = "admin"
    return encode(orjson.dumps(claims))


def with_header(**fields):
    return lambda _: encode(orjson.dumps(fields))


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: altered(token, 1, as_admin),
        lambda token: altered(token, 0, with_header(alg="none")),
        lambda token: altered(token, 0, with_header(alg="HS256")),
        lambda token: altered(token, 0, with_header(alg="ES256", kid="other")),
        lambda token: altered(token, 2, lambda _: ""),
        lambda token: altered(token, 2, lambda text: text[:-4]),
        lambda token: altered(token, 2, lambda text: encode(bytes(64))),
        lambda token: altered(token, 2, lambda text: text + "="),
        lambda token: f"{token}.x",
        lambda token: token.rpartition(".")[0],
        lambda token: base64.b64encode(token.encode()).decode(),
    ],
)
async def test_forged_ones_are_refused(core, account, forge):
    token = await issue(core)
    assert await who(core, token) == "system:serviceaccount:default:bot"
    forged = forge(token)
    assert await who(core, forged) == 401
    status = await review(core, forged)
    assert status["user"] == {}
    assert "authenticated" not in status


async def test_the_admins_token_is_still_known(core, account):
    assert await who(core, "nothing") == 401
    assert (await core.call("POST", WHOAMI, {})).status == 201
