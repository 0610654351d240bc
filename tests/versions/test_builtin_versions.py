"""Built-in kinds over the wire: made at one version, then read, listed, watched and changed at every other one.

All versions are switched on (`api/all=true`). An address is a version of a resource; those of one storage serve the same objects.
"""

from __future__ import annotations

import json
from itertools import permutations

import attrs
import httpx
import pytest
import trustme

from watchd.registry.builtin.table import load
from watchd.testing import serve_in_thread
from watchd.values import CONTROLLERS

ALL = load({"api/all": "true"})

CONTROLLING = tuple(name for name in CONTROLLERS if name != "storage-migrations")
"""One that would write into what is compared."""

LABELS = {"app": "a"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Always"}}
ONCE = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}
WORKLOAD = {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE}}
DEVICE_CLASS = {"spec": {"selectors": [{"cel": {"expression": "device.driver == 'd.example.com'"}}]}}
REQUESTS = {"devices": {"requests": [{"name": "one", "exactly": {"deviceClassName": "c", "allocationMode": "All"}}]}}
WEBHOOK_RULES = {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}]}
MUTATION = {"patchType": "JSONPatch", "jsonPatch": {"expression": '[JSONPatch{op: "add", path: "/metadata/labels/a", value: "b"}]'}}

ROLE = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
SUBJECTS = [{"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"}]

SAMPLES = {
    "controllerrevisions.apps": {"data": {"a": {"b": 1}}, "revision": 3},
    "daemonsets.apps": WORKLOAD,
    "deployments.apps": {"spec": {**WORKLOAD["spec"], "replicas": 2, "strategy": {"type": "Recreate"}}},
    "replicasets.apps": WORKLOAD,
    "statefulsets.apps": {"spec": {**WORKLOAD["spec"], "serviceName": "s"}},
    "horizontalpodautoscalers.autoscaling": {
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "minReplicas": 2,
            "maxReplicas": 3,
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}}}],
        }
    },
    "cronjobs.batch": {"spec": {"schedule": "0 0 * * *", "timeZone": "Etc/UTC", "jobTemplate": {"spec": {"template": ONCE}}}},
    "jobs.batch": {"spec": {"template": ONCE, "parallelism": 2}},
    "clustertrustbundles.certificates.k8s.io": {"spec": {"trustBundle": trustme.CA().cert_pem.bytes().decode()}},
    "ingressclasses.networking.k8s.io": {"spec": {"controller": "example.com/c"}},
    "ingresses.networking.k8s.io": {
        "spec": {
            "defaultBackend": {"service": {"name": "s", "port": {"name": "http"}}},
            "rules": [
                {
                    "host": "h.example.com",
                    "http": {
                        "paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]
                    },
                }
            ],
        }
    },
    "ipaddresses.networking.k8s.io": {
        "metadata": {"name": "192.0.2.7"},
        "spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "s"}},
    },
    "networkpolicies.networking.k8s.io": {
        "spec": {
            "podSelector": {"matchLabels": LABELS},
            "ingress": [{"ports": [{"port": 80}], "from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
        }
    },
    "servicecidrs.networking.k8s.io": {"spec": {"cidrs": ["192.0.2.0/24"]}},
    "poddisruptionbudgets.policy": {"spec": {"minAvailable": 1, "selector": {}}},
    "mutatingadmissionpolicies.admissionregistration.k8s.io": {
        "spec": {"matchConstraints": WEBHOOK_RULES, "reinvocationPolicy": "Never", "failurePolicy": "Fail", "mutations": [MUTATION]}
    },
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": {"spec": {"policyName": "p"}},
    "leasecandidates.coordination.k8s.io": {
        "spec": {"leaseName": "l", "binaryVersion": "1.0.0", "emulationVersion": "1.0.0", "strategy": "OldestEmulationVersion"}
    },
    "leases.coordination.k8s.io": {"spec": {"holderIdentity": "h", "leaseDurationSeconds": 15}},
    "clusterroles.rbac.authorization.k8s.io": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "roles.rbac.authorization.k8s.io": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    "clusterrolebindings.rbac.authorization.k8s.io": {"roleRef": {**ROLE, "kind": "ClusterRole"}, "subjects": SUBJECTS},
    "rolebindings.rbac.authorization.k8s.io": {"roleRef": ROLE, "subjects": SUBJECTS},
    "runtimeclasses.node.k8s.io": {"handler": "h"},
    "priorityclasses.scheduling.k8s.io": {"value": 7, "description": "d"},
    "csidrivers.storage.k8s.io": {"spec": {"attachRequired": False}},
    "csinodes.storage.k8s.io": {"spec": {"drivers": [{"name": "d.example.com", "nodeID": "n", "topologyKeys": ["k"]}]}},
    "csistoragecapacities.storage.k8s.io": {"storageClassName": "s", "capacity": "1Gi"},
    "storageclasses.storage.k8s.io": {"provisioner": "p.example.com", "parameters": {"a": "b"}},
    "volumeattachments.storage.k8s.io": {
        "spec": {"attacher": "a.example.com", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
    },
    "volumeattributesclasses.storage.k8s.io": {"driverName": "d.example.com", "parameters": {"a": "b"}},
    "podgroups.scheduling.k8s.io": {"spec": {"schedulingPolicy": {"basic": {}}}},
    "workloads.scheduling.k8s.io": {"spec": {"podGroupTemplates": [{"name": "g", "schedulingPolicy": {"basic": {}}}]}},
    "endpointslices.discovery.k8s.io": {
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "zone": "z"}],
        "ports": [{"port": 80}],
    },
    "deviceclasses.resource.k8s.io": DEVICE_CLASS,
    "devicetaintrules.resource.k8s.io": {
        "spec": {"deviceSelector": {"driver": "d.example.com"}, "taint": {"key": "k", "effect": "NoSchedule"}}
    },
    "resourceclaims.resource.k8s.io": {"spec": REQUESTS},
    "resourceclaimtemplates.resource.k8s.io": {"spec": {"spec": REQUESTS}},
    "resourceslices.resource.k8s.io": {
        "spec": {"driver": "d.example.com", "nodeName": "n", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1}}
    },
    "storageversionmigrations.storagemigration.k8s.io": {"spec": {"resource": {"group": "apps", "resource": "deployments"}}},
    "events": {
        "involvedObject": {"namespace": "default", "kind": "Pod", "name": "p"},
        "reason": "R",
        "type": "Normal",
        "action": "a",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingComponent": "example.com/c",
        "reportingInstance": "i",
    },
}
"""What is made of each storage, as its hub has it."""


@attrs.frozen(eq=False)
class Address:
    """A version of a resource."""

    kind: object
    version: str

    @property
    def api_version(self) -> str:
        return self.kind.api_version(self.version)

    @property
    def collection(self) -> str:
        root = f"/apis/{self.api_version}" if self.kind.group else f"/api/{self.version}"
        return f"{root}/namespaces/default/{self.plural}" if self.kind.namespaced else f"{root}/{self.plural}"

    @property
    def plural(self) -> str:
        return self.kind.names.plural

    def sample(self) -> dict:
        """Return an object to be made at this version."""
        hub = self.kind.hub_gvk
        body = json.loads(json.dumps(SAMPLES[self.kind.storage_name]))
        # Versions of old take labels of the template for those of an object that has none.
        metadata = {"name": "sample", **body.pop("metadata", {}), "annotations": {"kept": "yes"}, "labels": {"kept": "yes"}}
        obj = {"apiVersion": str(hub.group_version), "kind": hub.kind, "metadata": metadata, **body}
        return obj if self.kind.is_hub(self.version) else self.kind.from_hub(obj, self.version)

    def __str__(self) -> str:
        return f"{self.api_version}-{self.plural}"


def addresses() -> dict[str, list[Address]]:
    """Return the addresses of each storage that has several."""
    found: dict[str, list[Address]] = {}
    for kind in ALL:
        if not kind.virtual:
            found.setdefault(kind.storage_name, []).extend(Address(kind, version.name) for version in kind.versions)
    return {name: several for name, several in found.items() if len(several) > 1}


ADDRESSES = addresses()
PAIRS = [
    pytest.param(*pair, id=f"{pair[0]}-to-{pair[1]}")
    for several in ADDRESSES.values()
    for pair in permutations(several, 2)
]


@pytest.fixture(scope="module")
def client():
    with (
        serve_in_thread(runtime_config=(("api/all", "true"),), controllers=CONTROLLING) as server,
        httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def stable():
    with serve_in_thread() as server, httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client:
        yield client


def test_every_storage_has_a_sample():
    assert set(SAMPLES) == set(ADDRESSES)


def without_owners(obj):
    """Return what two reads of an object have in common whichever field was set when."""
    metadata = {key: value for key, value in obj["metadata"].items() if key not in ("managedFields", "resourceVersion", "generation")}
    return {**obj, "metadata": metadata}


def of_type(answer, status=200):
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_an_object_of_one_version_at_another(client, one, other):
    sample = one.sample()
    name = sample["metadata"]["name"]
    there, here = f"{one.collection}/{name}", f"{other.collection}/{name}"
    made = of_type(client.post(one.collection, json=sample), 201)
    try:
        assert (made["apiVersion"], made["kind"]) == (one.api_version, one.kind.names.kind)
        # Read and listed.
        found = of_type(client.get(here))
        assert (found["apiVersion"], found["kind"]) == (other.api_version, other.kind.names.kind)
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        listed = of_type(client.get(other.collection))
        assert listed["kind"] == f"{other.kind.names.kind}List"
        assert [item for item in listed["items"] if item["metadata"]["name"] == name] == [
            {key: value for key, value in found.items() if key not in ("apiVersion", "kind")}
        ]
        # Written back as it was read, it is what it was.
        same = of_type(client.put(here, json=found))
        assert without_owners(same) == without_owners(found)
        assert without_owners(of_type(client.get(there))) == without_owners(made)
        # Changed in each way, and nothing of it lost at the first version.
        change = {**same, "metadata": {**same["metadata"], "labels": {**same["metadata"].get("labels", {}), "put": "yes"}}}
        assert of_type(client.put(here, json=change))["metadata"]["labels"]["put"] == "yes"
        patch = {"metadata": {"annotations": {"patched": "yes"}}}
        of_type(client.patch(here, json=patch, headers={"content-type": "application/merge-patch+json"}))
        applied = {
            "apiVersion": other.api_version,
            "kind": other.kind.names.kind,
            "metadata": {"name": name, "labels": {"applied": "yes"}},
        }
        headers = {"content-type": "application/apply-patch+yaml"}
        answer = of_type(client.patch(f"{here}?fieldManager=tests", json=applied, headers=headers))
        assert any(entry["manager"] == "tests" and entry["apiVersion"] == other.api_version for entry in answer["metadata"]["managedFields"])
        last = of_type(client.get(there))
        expected = json.loads(json.dumps(made))
        expected["metadata"].setdefault("labels", {}).update(put="yes", applied="yes")
        expected["metadata"].setdefault("annotations", {}).update(patched="yes")
        assert without_owners(last) == without_owners(expected)
        # Every change was an event at the other version.
        revision = int(made["metadata"]["resourceVersion"]) - 1
        query = f"watch=1&resourceVersion={revision}&fieldSelector=metadata.name={name}"
        with client.stream("GET", f"{other.collection}?{query}") as stream:
            lines = stream.iter_lines()
            events = [json.loads(next(lines))]
            while events[-1]["object"]["metadata"]["resourceVersion"] != last["metadata"]["resourceVersion"]:
                events.append(json.loads(next(lines)))
        assert [event["type"] for event in events] == ["ADDED", *["MODIFIED"] * (len(events) - 1)]
        assert {(event["object"]["apiVersion"], event["object"]["kind"]) for event in events} == {
            (other.api_version, other.kind.names.kind)
        }
        assert without_owners(events[-1]["object"]) == without_owners(of_type(client.get(here)))
    finally:
        assert client.delete(f"{here}?propagationPolicy=Background&gracePeriodSeconds=0").status_code == 200
        if client.get(there).status_code == 200:
            client.patch(there, json={"metadata": {"finalizers": None}}, headers={"content-type": "application/merge-patch+json"})


TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_a_table_has_the_same_rows_at_every_version(client, name):
    several = ADDRESSES[name]
    sample = several[0].sample()
    of_type(client.post(several[0].collection, json=sample), 201)
    try:
        tables = [of_type(client.get(address.collection, headers=TABLE)) for address in several]
        rows = [[row["cells"][:-1] for row in table["rows"] if row["object"]["metadata"]["name"] == sample["metadata"]["name"]] for table in tables]
        assert len(rows[0]) == 1
        assert all(found == rows[0] for found in rows)
    finally:
        client.delete(f"{several[0].collection}/{sample['metadata']['name']}?propagationPolicy=Background&gracePeriodSeconds=0")


def test_the_classic_example(client):
    def names(path):
        return sorted(entry["name"] for entry in of_type(client.get(path))["resources"])

    assert names("/apis/batch/v1") == ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]
    assert names("/apis/batch/v2alpha1") == ["cronjobs", "cronjobs/status", "jobs", "jobs/status", "scheduledjobs", "scheduledjobs/status"]
    group = of_type(client.get("/apis/batch"))
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1", "v2alpha1"]
    assert group["preferredVersion"]["version"] == "v1"
    sample = {
        "apiVersion": "batch/v2alpha1",
        "kind": "ScheduledJob",
        "metadata": {"name": "classic"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": ONCE}}},
    }
    made = client.post("/apis/batch/v2alpha1/namespaces/default/scheduledjobs", json=sample)
    assert of_type(made, 201)["kind"] == "ScheduledJob"
    assert made.headers["warning"] == (
        '299 - "batch/v2alpha1 ScheduledJob is deprecated in v1.5+, unavailable in v1.8+; use batch/v1 CronJob"'
    )
    read = of_type(client.get("/apis/batch/v1/namespaces/default/cronjobs/classic"))
    assert (read["apiVersion"], read["kind"], read["spec"]["schedule"]) == ("batch/v1", "CronJob", "*/5 * * * *")
    assert read["spec"]["concurrencyPolicy"] == "Allow"
    status = {**read, "status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}}
    of_type(client.put("/apis/batch/v1/namespaces/default/cronjobs/classic/status", json=status))
    found = of_type(client.get("/apis/batch/v2alpha1/namespaces/default/scheduledjobs/classic/status"))
    assert found["status"] == {"lastScheduleTime": "2026-01-01T00:00:00Z"}
    assert client.delete("/apis/batch/v2alpha1/namespaces/default/scheduledjobs/classic?propagationPolicy=Background").status_code == 200
    assert client.get("/apis/batch/v1/namespaces/default/cronjobs/classic").status_code == 404


def test_deprecated_versions_warn_on_each_request_and_are_counted(client):
    text = '299 - "apps/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment"'
    path = "/apis/apps/v1beta1/namespaces/default/deployments"
    assert client.get(path).headers["warning"] == text
    assert client.get(f"{path}/missing").headers["warning"] == text
    assert client.post(path, json={"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "bad"}}).headers["warning"] == text
    with client.stream("GET", f"{path}?watch=1&timeoutSeconds=1") as stream:
        assert stream.headers["warning"] == text
    assert "warning" not in client.get("/apis/apps/v1/namespaces/default/deployments").headers
    assert client.get("/api/v1/endpoints").headers["warning"] == (
        '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"'
    )
    metrics = client.get("/metrics").text
    labels = 'group="apps",removed_release="1.16",resource="deployments",subresource="",version="v1beta1"'
    assert f"apiserver_requested_deprecated_apis{{{labels}}} 1.0" in metrics
    assert 'group="apps",removed_release="",resource="deployments"' not in metrics


def test_shared_objects_are_counted_and_deleted_once(client):
    of_type(client.post("/api/v1/namespaces", json={"metadata": {"name": "shared"}}), 201)
    kind = next(address for address in ADDRESSES["deployments.apps"] if address.kind.group == "extensions")
    path = "/apis/extensions/v1beta1/namespaces/shared/deployments"
    sample = kind.sample()
    owner = of_type(client.post(path, json=sample), 201)
    reference = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "name": "sample", "uid": owner["metadata"]["uid"]}
    owned = {"metadata": {"name": "owned", "ownerReferences": [reference]}}
    revision = of_type(client.post("/api/v1/namespaces/shared/configmaps", json=owned), 201)["metadata"]["resourceVersion"]
    counted = [line for line in client.get("/metrics").text.splitlines() if line.startswith("apiserver_resource_objects") and "deployments" in line]
    assert len(counted) <= 1
    # An owner that was named by one version is gone at all of them.
    assert client.delete("/apis/apps/v1/namespaces/shared/deployments/sample?propagationPolicy=Foreground").status_code == 200
    with client.stream("GET", f"/api/v1/namespaces/shared/configmaps?watch=1&resourceVersion={revision}") as stream:
        for line in stream.iter_lines():
            event = json.loads(line)
            if event["type"] == "DELETED" and event["object"]["metadata"]["name"] == "owned":
                break
    of_type(client.post(path, json=sample), 201)
    assert client.delete("/api/v1/namespaces/shared").status_code == 200
    with client.stream("GET", f"/api/v1/namespaces?watch=1&resourceVersion={revision}&fieldSelector=metadata.name=shared") as stream:
        for line in stream.iter_lines():
            if json.loads(line)["type"] == "DELETED":
                break
    assert of_type(client.get("/apis/apps/v1/deployments"))["items"] == []


def test_quotas_count_an_object_by_whichever_name_it_is_made(client):
    of_type(client.post("/api/v1/namespaces", json={"metadata": {"name": "limited"}}), 201)
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"count/deployments.apps": "1"}}}
    revision = of_type(client.post("/api/v1/namespaces/limited/resourcequotas", json=quota), 201)["metadata"]["resourceVersion"]
    with client.stream("GET", f"/api/v1/namespaces/limited/resourcequotas?watch=1&resourceVersion={revision}") as stream:
        # Until it has been counted for the first time, a quota lets nothing pass.
        assert json.loads(next(stream.iter_lines()))["object"]["status"]["used"] == {"count/deployments.apps": "0"}
    sample = next(address for address in ADDRESSES["deployments.apps"] if address.kind.group == "extensions").sample()
    path = "/apis/extensions/v1beta1/namespaces/limited/deployments"
    of_type(client.post(path, json=sample), 201)
    sample["metadata"]["name"] = "second"
    assert "exceeded quota" in of_type(client.post(path, json=sample), 403)["message"]
    assert client.delete("/api/v1/namespaces/limited").status_code == 200


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/apis/apps/v1", False),
        ("/apis/apps/v1beta2", True),
        ("/apis/extensions/v1beta1", True),
        ("/apis/extensions/v1beta1?propagationPolicy=Background", False),
    ],
)
def test_versions_of_old_leave_dependents_behind(client, path, kept):
    root, _, query = path.partition("?")
    collection = f"{root}/namespaces/default/replicasets"
    kind = next(address for address in ADDRESSES["replicasets.apps"] if f"/apis/{address.api_version}" == root)
    sample = kind.sample()
    sample["metadata"]["name"] = f"owner-{sample['apiVersion'].replace('/', '-')}-{bool(query)}".lower()
    owner = of_type(client.post(collection, json=sample), 201)
    name = owner["metadata"]["name"]
    reference = {"apiVersion": owner["apiVersion"], "kind": "ReplicaSet", "name": name, "uid": owner["metadata"]["uid"]}
    owned = {"metadata": {"name": name, "ownerReferences": [reference]}}
    revision = of_type(client.post("/api/v1/namespaces/default/configmaps", json=owned), 201)["metadata"]["resourceVersion"]
    assert client.delete(f"{collection}/{name}?{query}").status_code == 200
    with client.stream(
        "GET", f"/api/v1/namespaces/default/configmaps?watch=1&resourceVersion={revision}&fieldSelector=metadata.name={name}"
    ) as stream:
        event = json.loads(next(stream.iter_lines()))
    assert event["type"] == ("MODIFIED" if kept else "DELETED")
    assert ("ownerReferences" in event["object"]["metadata"]) is not kept


def test_versions_that_are_not_served_are_not_there(stable):
    for path in ("/apis/apps/v1beta1", "/apis/extensions", "/apis/extensions/v1beta1/deployments", "/apis/batch/v2alpha1/scheduledjobs"):
        assert stable.get(path).status_code == 404
    assert [version["version"] for version in of_type(stable.get("/apis/apps"))["versions"]] == ["v1"]


@pytest.mark.parametrize(
    ("runtime", "gone", "there"),
    [
        ((("api/ga", "false"), ("/v1", "true")), "/apis/apps/v1", "/api/v1/namespaces/default/configmaps"),
        ((("/v1", "false"),), "/api/v1/namespaces", "/apis/apps/v1/deployments"),
        ((("discovery.k8s.io/v1", "false"),), "/apis/discovery.k8s.io", "/api/v1/namespaces/default"),
        ((("apiextensions.k8s.io/v1", "false"),), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/api/v1"),
        ((("apps/v1", "false"), ("apps/v1beta1/deployments", "")), "/apis/apps/v1/deployments", "/apis/apps/v1beta1/deployments"),
    ],
)
def test_a_server_starts_whatever_is_switched_off(runtime, gone, there):
    with serve_in_thread(runtime_config=runtime) as server:
        assert httpx.get(server.http_url + gone, headers=server.headers).status_code == 404
        assert httpx.get(server.http_url + there, headers=server.headers).status_code == 200
        assert httpx.get(f"{server.http_url}/readyz").status_code == 200


def test_what_was_stored_through_a_version_is_there_when_it_is_not_served(tmp_path):
    settings = {"memory": False, "data_dir": tmp_path / "data"}
    path = "/apis/extensions/v1beta1/namespaces/default/ingresses"
    sample = next(address for address in ADDRESSES["ingresses.networking.k8s.io"] if address.kind.group == "extensions").sample()
    with serve_in_thread(runtime_config=(("extensions/v1beta1", ""),), **settings) as server:
        headers = {**server.headers, "user-agent": "tests"}
        assert httpx.post(server.http_url + path, json=sample, headers=headers).status_code == 201
    with serve_in_thread(**settings) as server:
        assert httpx.get(server.http_url + path, headers=server.headers).status_code == 404
        own = f"{server.http_url}/apis/networking.k8s.io/v1/namespaces/default/ingresses/sample"
        found = httpx.get(own, headers=server.headers).json()
        assert found["spec"]["defaultBackend"] == {"service": {"name": "s", "port": {"name": "http"}}}
        assert [entry["apiVersion"] for entry in found["metadata"]["managedFields"]] == ["extensions/v1beta1"]
        # Owners of fields at a version that is served no more are still known.
        answer = httpx.patch(
            f"{own}?fieldManager=other",
            json={"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {"defaultBackend": {"service": {"name": "t"}}}},
            headers={**server.headers, "content-type": "application/apply-patch+yaml"},
        )
        assert answer.status_code == 409, answer.text
        assert 'conflict with "tests" using extensions/v1beta1' in answer.json()["message"]
