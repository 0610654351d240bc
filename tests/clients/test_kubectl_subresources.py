"""kubectl with what is no plain object: who am I, what may I, tokens, certificates, drains, and Pods that nobody runs."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SIGNER = "example.com/kites"


def pod(name, **spec):
    container = {"name": "c", "image": "i", "ports": [{"containerPort": 80}]}
    body = {"terminationGracePeriodSeconds": 0, "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}}, "spec": body}


@pytest.fixture
def certificate_request(anywhere):
    """The name of a request that is made, and gone at the end."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    text = base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": text, "signerName": SIGNER, "usages": ["client auth"], "expirationSeconds": 3600}
    head = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    anywhere("create", "-f", "-", stdin={**head, "metadata": {"name": "jane"}, "spec": spec})
    yield "jane"
    anywhere("delete", "csr", "jane")


@pytest.fixture
def node(anywhere, namespace):
    name = f"{namespace}-node"
    anywhere("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    yield name
    anywhere("delete", "node", name)


def test_whoami(anywhere):
    said = anywhere.json("auth", "whoami")["status"]["userInfo"]
    assert said == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}


def test_as_somebody_else(anywhere):
    said = anywhere.json("auth", "whoami", "--as", "jane", "--as-group", "dev", "--as-group", "ops")["status"]["userInfo"]
    assert said == {"username": "jane", "groups": ["dev", "ops", "system:authenticated"]}
    assert anywhere("auth", "can-i", "get", "pods", "--as", "jane").strip() == "yes"
    refused = anywhere.run("auth", "can-i", "get", "pods", "--as", "jane", "--as-group", "system:unauthenticated")
    assert "cannot create resource" in refused.stderr


def test_can_i(kubectl):
    assert kubectl("auth", "can-i", "create", "pods", "--subresource=eviction").strip() == "yes"
    rows = [row.split() for row in kubectl("auth", "can-i", "--list", "--no-headers").splitlines()]
    assert rows == [["*.*", "[]", "[]", "[*]"], ["[*]", "[]", "[*]"]]


def test_token(kubectl):
    kubectl("create", "serviceaccount", "bot")
    token = kubectl("create", "token", "bot", "--duration", "10m").strip()
    said = kubectl.json("--token", token, "auth", "whoami")["status"]["userInfo"]
    assert said["username"] == f"system:serviceaccount:{kubectl.namespace}:bot"
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 600
    assert "not found" in kubectl.refused("create", "token", "nobody")
    assert "may not specify a duration less than 10 minutes" in kubectl.refused("create", "token", "bot", "--duration", "1m")


def test_the_key_of_tokens_is_found_where_others_look(anywhere):
    told = json.loads(anywhere("get", "--raw", "/.well-known/openid-configuration"))
    assert told["jwks_uri"].endswith("/openid/v1/jwks")
    assert told["id_token_signing_alg_values_supported"] == ["ES256"]


def test_certificate_approve(anywhere, certificate_request):
    rows = anywhere("get", "csr", certificate_request, "--no-headers").split()
    assert rows[2:] == [SIGNER, "admin", "60m", "Pending"]
    anywhere("certificate", "approve", certificate_request)
    assert anywhere("get", "csr", certificate_request, "--no-headers").split()[-1] == "Approved"
    assert "already Approved" in anywhere.refused("certificate", "deny", certificate_request)


def test_certificate_deny(anywhere, certificate_request):
    anywhere("certificate", "deny", certificate_request)
    condition = anywhere.json("get", "csr", certificate_request)["status"]["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("Denied", "KubectlDeny")
    assert condition["lastTransitionTime"]


def test_drain(kubectl, node):
    kubectl("create", "-f", "-", stdin=pod("web", nodeName=node))
    kubectl("patch", "pod", "web", "--subresource=status", "-p", ready())
    kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=1")
    budget({"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1}, kubectl)
    refused = kubectl.refused("drain", node, "--force", "--timeout=2s")
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused
    budget({"disruptionsAllowed": 1}, kubectl)
    assert "drained" in kubectl("drain", node, "--force", "--timeout=20s")
    assert kubectl("get", "pods", "-o", "name") == ""
    assert kubectl.json("get", "pdb", "web")["status"]["disruptionsAllowed"] == 0
    assert kubectl.json("get", "node", node)["spec"]["unschedulable"] is True


def ready():
    return json.dumps({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})


def budget(status, kubectl):
    counted = {"observedGeneration": 1, "expectedPods": 1, **status}
    kubectl("patch", "pdb", "web", "--subresource=status", "--type=merge", "-p", json.dumps({"status": counted}))


@pytest.mark.parametrize("command", [("exec", "web", "--", "ls"), ("attach", "web"), ("cp", "web:/x", "x")])
def test_a_pod_without_a_node_has_nobody_to_ask(kubectl, command):
    kubectl("create", "-f", "-", stdin=pod("web"))
    assert "pod web does not have a host assigned" in kubectl.refused(*command)
    assert kubectl("logs", "web") == ""


def test_a_node_without_a_kubelet_is_told_of(kubectl, node):
    kubectl("create", "-f", "-", stdin=pod("web", nodeName=node))
    kubectl("patch", "pod", "web", "--subresource=status", "-p", ready())
    for command in (("logs", "web"), ("exec", "web", "--", "ls"), ("port-forward", "web", ":80")):
        assert "this server has no kubelet" in kubectl.refused(*command)
    assert "this server has no kubelet" in kubectl.refused("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz")
