"""What ends, and what lasts as long as something else: Jobs, signing requests, token Secrets, claims, volumes, pods under deletion."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

N = "/api/v1/namespaces/default"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
HOUR = 3600


def time(core, seconds=0):
    return dt.datetime.fromtimestamp(core.clock.now_ms() / 1000 + seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def later(core, seconds):
    """Let time pass, on both clocks."""
    core.clock.advance(seconds)
    await trio.sleep(seconds)


async def put(core, resource, obj, group="", namespace="default", version="v1"):
    """Write an object as it is stored, past all rules: what they say of it is others' business."""
    endpoint = core.endpoint(resource, group, version)
    key_namespace = namespace if endpoint.kind.namespaced else ""
    meta = {"uid": core.entropy.uid(), "creationTimestamp": time(core), **obj["metadata"]}
    if key_namespace:
        meta["namespace"] = key_namespace
    api_version = endpoint.kind.api_version(endpoint.version.name)
    whole = {"apiVersion": api_version, "kind": endpoint.kind.names.kind, **obj, "metadata": meta}
    key = endpoint.key(key_namespace, meta["name"])
    await core.store._put(endpoint, key, whole, None, [])
    return whole


# Jobs


def job(core, *, finished=True, seconds=60, **metadata):
    conditions = [{"type": "Complete", "status": "True", "lastTransitionTime": time(core)}] if finished else []
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    return {
        "metadata": {"name": "a", **metadata},
        "spec": {"ttlSecondsAfterFinished": seconds, "template": template},
        "status": {"conditions": conditions},
    }


async def test_a_finished_job_goes_after_its_time_with_its_pods(cluster, autojump_clock):
    made = await put(cluster, "jobs", job(cluster), "batch")
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "a", "uid": made["metadata"]["uid"], "blockOwnerDeletion": True}
    await put(cluster, "pods", {"metadata": {"name": "a-1", "ownerReferences": [owner]}, "spec": {"containers": []}})
    await later(cluster, 50)
    assert await cluster.exists(f"{JOBS}/a")
    await later(cluster, 11)
    await cluster.gone(f"{JOBS}/a")
    await cluster.gone(f"{N}/pods/a-1")


@pytest.mark.parametrize("change", [{"finished": False}, {"seconds": None}])
async def test_other_jobs_stay(cluster, autojump_clock, change):
    await put(cluster, "jobs", job(cluster, **change), "batch")
    await later(cluster, 10 * HOUR)
    assert await cluster.exists(f"{JOBS}/a")


async def test_a_job_that_is_given_more_time_has_it(cluster, autojump_clock):
    made = await put(cluster, "jobs", job(cluster), "batch")
    await later(cluster, 50)
    made["spec"]["ttlSecondsAfterFinished"] = 600
    await put(cluster, "jobs", made, "batch")
    await later(cluster, 100)
    assert await cluster.exists(f"{JOBS}/a")
    await later(cluster, 600)
    await cluster.gone(f"{JOBS}/a")


async def test_a_job_whose_time_was_over_while_the_server_was_down_goes_at_the_start(start, clock, autojump_clock):
    before = await start()
    await put(before, "jobs", job(before), "batch")
    clock.advance(HOUR)
    after = await start(before.log.log.fork(), controllers=True)
    await after.gone(f"{JOBS}/a")


# Signing requests


def request(core, kind="", certificate=b""):
    conditions = [{"type": kind, "status": "True", "lastUpdateTime": time(core)}] if kind else []
    status = {"conditions": conditions, **({"certificate": base64.b64encode(certificate).decode()} if certificate else {})}
    return {"metadata": {"name": "a"}, "spec": {"signerName": "e.com/s", "request": ""}, "status": status}


def certificate(core, seconds):
    """Make a certificate that is valid for so long."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    now = dt.datetime.fromtimestamp(core.clock.now_ms() / 1000, dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(seconds=seconds))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("kind", "validity", "hours"),
    [("", 0, 24), ("Approved", 0, 24), ("Denied", 0, 1), ("Approved", 10 * HOUR, 1), ("Approved", HOUR // 2, 0.5), ("Failed", 10 * HOUR, 10)],
)
async def test_a_signing_request_goes_when_nobody_can_want_it(cluster, autojump_clock, kind, validity, hours):
    await put(cluster, "certificatesigningrequests", request(cluster, kind, certificate(cluster, validity) if validity else b""), "certificates.k8s.io")
    await later(cluster, hours * HOUR - 60)
    assert await cluster.exists(f"{REQUESTS}/a")
    await later(cluster, 120)
    await cluster.gone(f"{REQUESTS}/a")


# Tokens


TOKEN = "kubernetes.io/service-account-token"


def token_secret(account="default", **fields):
    annotations = {"kubernetes.io/service-account.name": account}
    return {"metadata": {"name": "t", "annotations": annotations}, "type": TOKEN, **fields}


def text(secret, key):
    return base64.b64decode(secret["data"][key]).decode()


async def test_a_token_secret_is_filled_and_lets_its_bearer_in(cluster, autojump_clock):
    assert (await cluster.call("POST", f"{N}/secrets", token_secret())).status == 201
    await trio.sleep(1)
    secret = (await cluster.call("GET", f"{N}/secrets/t")).json
    assert (text(secret, "ca.crt"), text(secret, "namespace")) == ("CA", "default")
    account = (await cluster.call("GET", f"{N}/serviceaccounts/default")).json
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == account["metadata"]["uid"]
    review = await cluster.call(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=text(secret, "token")
    )
    assert review.json["status"]["userInfo"]["username"] == "system:serviceaccount:default:default"
    await cluster.call("DELETE", f"{N}/secrets/t")
    gone = await cluster.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, token=text(secret, "token"))
    assert gone.status == 401


async def test_a_token_that_is_taken_away_comes_again_and_one_that_is_there_stays(cluster, autojump_clock):
    await cluster.call("POST", f"{N}/secrets", token_secret())
    await trio.sleep(1)
    first = (await cluster.call("GET", f"{N}/secrets/t")).json
    await cluster.patch(f"{N}/secrets/t", {"data": {"ca.crt": None}})
    await trio.sleep(1)
    second = (await cluster.call("GET", f"{N}/secrets/t")).json
    assert second["data"] == first["data"]
    await cluster.patch(f"{N}/secrets/t", {"data": {"token": None}})
    await trio.sleep(1)
    assert (await cluster.call("GET", f"{N}/secrets/t")).json["data"]["token"] != first["data"]["token"]


async def test_token_secrets_go_with_their_account(cluster, autojump_clock):
    await cluster.call("POST", f"{N}/serviceaccounts", {"metadata": {"name": "bot"}})
    await cluster.call("POST", f"{N}/secrets", token_secret("bot"))
    await cluster.call("POST", f"{N}/secrets", {"metadata": {"name": "mine"}})
    await trio.sleep(1)
    assert (await cluster.call("GET", f"{N}/secrets/t")).json["data"]["token"]
    await cluster.call("DELETE", f"{N}/serviceaccounts/bot")
    await cluster.gone(f"{N}/secrets/t")
    assert await cluster.exists(f"{N}/secrets/mine")


async def test_a_token_secret_without_its_account_goes(cluster, autojump_clock):
    await cluster.call("POST", f"{N}/secrets", token_secret("nobody"))
    await cluster.gone(f"{N}/secrets/t")


# Claims and volumes


CLAIM = {"metadata": {"name": "c", "finalizers": ["kubernetes.io/pvc-protection"]}, "spec": {}}


def user(name="p", **spec):
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    return {"metadata": {"name": name}, "spec": {"nodeName": "n", "containers": [], "volumes": volumes, **spec}}


async def test_a_claim_goes_once_no_pod_uses_it(cluster, autojump_clock):
    await put(cluster, "persistentvolumeclaims", CLAIM)
    for name in ("p", "q"):
        await put(cluster, "pods", user(name))
    await cluster.call("DELETE", f"{N}/persistentvolumeclaims/c")
    await trio.sleep(60)
    assert "deletionTimestamp" in (await cluster.call("GET", f"{N}/persistentvolumeclaims/c")).json["metadata"]
    await cluster.call("DELETE", f"{N}/pods/p", query="gracePeriodSeconds=0")
    await trio.sleep(60)
    assert await cluster.exists(f"{N}/persistentvolumeclaims/c")
    await cluster.call("DELETE", f"{N}/pods/q", query="gracePeriodSeconds=0")
    await cluster.gone(f"{N}/persistentvolumeclaims/c")


@pytest.mark.parametrize("pod", [user(nodeName=""), user(volumes=[])])
async def test_a_claim_that_no_scheduled_pod_uses_goes_at_once(cluster, autojump_clock, pod):
    await put(cluster, "persistentvolumeclaims", CLAIM)
    await put(cluster, "pods", pod)
    await cluster.call("DELETE", f"{N}/persistentvolumeclaims/c")
    await cluster.gone(f"{N}/persistentvolumeclaims/c")


async def test_a_claim_with_finalizers_of_others_waits_for_them(cluster, autojump_clock):
    both = {"metadata": {"name": "c", "finalizers": ["e.com/mine", "kubernetes.io/pvc-protection"]}, "spec": {}}
    await put(cluster, "persistentvolumeclaims", both)
    await cluster.call("DELETE", f"{N}/persistentvolumeclaims/c")
    await trio.sleep(10)
    assert (await cluster.call("GET", f"{N}/persistentvolumeclaims/c")).json["metadata"]["finalizers"] == ["e.com/mine"]


async def test_a_volume_goes_once_it_is_not_bound(cluster, autojump_clock):
    path = "/api/v1/persistentvolumes/v"
    volume = {"metadata": {"name": "v", "finalizers": ["kubernetes.io/pv-protection"]}, "spec": {}, "status": {"phase": "Bound"}}
    await put(cluster, "persistentvolumes", volume)
    await cluster.call("DELETE", path)
    await trio.sleep(60)
    assert await cluster.exists(path)
    await cluster.patch(f"{path}/status", {"status": {"phase": "Released"}})
    await cluster.gone(path)


async def test_a_class_goes_once_no_claim_and_no_volume_names_it(cluster, autojump_clock):
    path = "/apis/storage.k8s.io/v1/volumeattributesclasses/fast"
    protected = {"metadata": {"name": "fast", "finalizers": ["kubernetes.io/vac-protection"]}, "driverName": "d"}
    await put(cluster, "volumeattributesclasses", protected, "storage.k8s.io")
    await put(cluster, "persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": {"volumeAttributesClassName": "fast"}})
    moving = {"modifyVolumeStatus": {"targetVolumeAttributesClassName": "fast"}}
    await put(cluster, "persistentvolumeclaims", {"metadata": {"name": "d"}, "spec": {}, "status": moving})
    await cluster.call("DELETE", path)
    await trio.sleep(60)
    for claim in "cd":
        assert await cluster.exists(path)
        await cluster.call("DELETE", f"{N}/persistentvolumeclaims/{claim}")
        await trio.sleep(60)
    await cluster.gone(path)


# Pods under deletion


def bound(name="p", node="n", **spec):
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [], "terminationGracePeriodSeconds": 30, **spec}}


async def test_a_pod_on_a_node_that_is_not_there_goes_when_its_time_is_over(cluster, autojump_clock):
    await put(cluster, "pods", bound())
    await cluster.call("DELETE", f"{N}/pods/p")
    await later(cluster, 25)
    assert await cluster.exists(f"{N}/pods/p")
    await later(cluster, 10)
    await cluster.gone(f"{N}/pods/p")


async def test_a_pod_on_a_node_waits_for_its_kubelet_or_for_the_node_to_go(cluster, autojump_clock):
    await cluster.call("POST", "/api/v1/nodes", {"metadata": {"name": "n"}})
    await put(cluster, "pods", bound())
    await cluster.call("DELETE", f"{N}/pods/p")
    await later(cluster, 1000)
    assert await cluster.exists(f"{N}/pods/p")
    await cluster.call("DELETE", "/api/v1/nodes/n")
    await cluster.gone(f"{N}/pods/p")


async def test_a_pod_that_is_not_deleted_stays(cluster, autojump_clock):
    await put(cluster, "pods", bound())
    await later(cluster, 1000)
    assert await cluster.exists(f"{N}/pods/p")
