"""The official Python client: typed calls, watches, its informer, its dynamic client."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

import pytest

from tests.clients.conftest import TOO_BIG

WATCH_SECONDS = 15
"""Seconds after which a watch that brought too little ends."""


@pytest.fixture(scope="module")
def kubernetes(need):
    for part in ("config", "watch", "dynamic", "dynamic.exceptions", "informer", "utils"):
        need.module(f"kubernetes.{part}")
    return need.module("kubernetes")


@pytest.fixture
def api(kubernetes, server):
    with kubernetes.config.new_client_from_config(config_file=str(server.kubeconfig)) as client:
        yield client


@pytest.fixture
def core(kubernetes, api):
    return kubernetes.client.CoreV1Api(api)


def config_map(kubernetes, name, **data):
    return kubernetes.client.V1ConfigMap(metadata=kubernetes.client.V1ObjectMeta(name=name), data=data)


def told(event):
    return event["type"], event["object"].metadata.name, event["object"].data


def test_objects(kubernetes, api, core, namespace):
    made = core.create_namespaced_config_map(namespace, config_map(kubernetes, "one", k="1"))
    assert made.metadata.creation_timestamp.tzinfo is not None
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.create_namespaced_config_map(namespace, config_map(kubernetes, "one"))
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")

    patched = core.patch_namespaced_config_map("one", namespace, {"data": {"k": None, "l": "2"}})
    assert patched.data == {"l": "2"}
    made.data = {"m": "3"}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.replace_namespaced_config_map("one", namespace, made)
    assert refused.value.status == 409
    made.metadata.resource_version = patched.metadata.resource_version
    assert core.replace_namespaced_config_map("one", namespace, made).data == {"m": "3"}
    assert core.read_namespaced_config_map("one", namespace).data == {"m": "3"}

    status = core.delete_namespaced_config_map("one", namespace)
    # Releases differ in the type that they make of it.
    status = status if isinstance(status, dict) else api.sanitize_for_serialization(status)
    assert (status["status"], status["details"]["name"]) == ("Success", "one")
    assert status["details"]["uid"] == made.metadata.uid
    with pytest.raises(kubernetes.client.ApiException) as refused:
        core.read_namespaced_config_map("one", namespace)
    assert refused.value.status == 404


def test_secret_and_account(kubernetes, core, namespace):
    metadata = kubernetes.client.V1ObjectMeta(name="one")
    core.create_namespaced_secret(namespace, kubernetes.client.V1Secret(metadata=metadata, string_data={"k": "héllo"}))
    secret = core.read_namespaced_secret("one", namespace)
    assert base64.b64decode(secret.data["k"]).decode() == "héllo"
    assert secret.type == "Opaque"
    core.create_namespaced_service_account(namespace, kubernetes.client.V1ServiceAccount(metadata=metadata))
    assert core.read_namespaced_service_account("one", namespace).metadata.uid


def test_pages(kubernetes, core, namespace):
    for number in range(7):
        body = config_map(kubernetes, f"c{number}")
        body.metadata.labels = {"mine": "yes"}
        core.create_namespaced_config_map(namespace, body)
    names, versions, token = [], set(), None
    while True:
        page = core.list_namespaced_config_map(namespace, label_selector="mine=yes", limit=3, _continue=token)
        names += [item.metadata.name for item in page.items]
        versions.add(page.metadata.resource_version)
        token = page.metadata._continue
        if not token:
            break
        core.delete_namespaced_config_map("c6", namespace) if "c6" not in names and len(names) == 3 else None
    assert names == [f"c{number}" for number in range(7)]
    assert len(versions) == 1


def test_watch(kubernetes, core, namespace):
    begin = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, config_map(kubernetes, "one", k="1"))
    got = []
    watch = kubernetes.watch.Watch()
    for event in watch.stream(
        core.list_namespaced_config_map,
        namespace,
        resource_version=begin,
        field_selector="metadata.name=one",
        timeout_seconds=WATCH_SECONDS,
    ):
        got.append(told(event))
        if len(got) == 1:
            core.patch_namespaced_config_map("one", namespace, {"data": {"k": "2"}})
        elif len(got) == 2:
            core.delete_namespaced_config_map("one", namespace)
        else:
            watch.stop()
    assert got == [("ADDED", "one", {"k": "1"}), ("MODIFIED", "one", {"k": "2"}), ("DELETED", "one", {"k": "2"})]


def test_watch_resumes_after_restart(kubernetes, core, server, namespace):
    core.create_namespaced_config_map(namespace, config_map(kubernetes, "one", k="0"))
    watch = kubernetes.watch.Watch()
    options = {"field_selector": "metadata.name=one", "timeout_seconds": WATCH_SECONDS}
    for _ in watch.stream(core.list_namespaced_config_map, namespace, **options):
        break
    seen = watch.resource_version
    core.patch_namespaced_config_map("one", namespace, {"data": {"k": "1"}})
    server.restart()
    core.patch_namespaced_config_map("one", namespace, {"data": {"k": "2"}})
    core.delete_namespaced_config_map("one", namespace)
    got = []
    again = kubernetes.watch.Watch()
    for event in again.stream(core.list_namespaced_config_map, namespace, resource_version=seen, **options):
        got.append(told(event))
        if len(got) == 3:
            again.stop()
    assert got == [("MODIFIED", "one", {"k": "1"}), ("MODIFIED", "one", {"k": "2"}), ("DELETED", "one", {"k": "2"})]


def test_informer(kubernetes, core, namespace):
    said: Queue[tuple[str, str]] = Queue()
    informer = kubernetes.informer.SharedInformer(
        core.list_namespaced_config_map, namespace=namespace, label_selector="mine"
    )
    for verb in ("ADDED", "MODIFIED", "DELETED", "ERROR"):
        informer.add_event_handler(verb, lambda o, verb=verb: said.put((verb, o if verb == "ERROR" else o.metadata.name)))
    body = config_map(kubernetes, "one", k="1")
    body.metadata.labels = {"mine": ""}
    core.create_namespaced_config_map(namespace, body)
    informer.start()
    try:
        assert said.get(timeout=WATCH_SECONDS) == ("ADDED", "one")
        core.patch_namespaced_config_map("one", namespace, {"data": {"k": "2"}})
        assert said.get(timeout=WATCH_SECONDS) == ("MODIFIED", "one")
        assert informer.cache.get_by_key(f"{namespace}/one").data == {"k": "2"}
        core.patch_namespaced_config_map("one", namespace, {"metadata": {"labels": {"mine": None}}})
        assert said.get(timeout=WATCH_SECONDS) == ("DELETED", "one")
    finally:
        informer.stop()


def test_dynamic(kubernetes, api, namespace, custom):
    client = kubernetes.dynamic.DynamicClient(api)
    widgets = client.resources.get(api_version=custom.api_version, kind=custom.kind)
    begin = widgets.get(namespace=namespace).metadata.resourceVersion
    made = widgets.create(body=custom.object("one"), namespace=namespace)
    assert made.spec.size == 1
    merge = "application/merge-patch+json"
    widgets.patch(name="one", namespace=namespace, body={"spec": {"size": 2}}, content_type=merge)
    widgets.status.patch(name="one", namespace=namespace, body={"status": {"phase": "Good"}}, content_type=merge)
    assert widgets.get(name="one", namespace=namespace).status.phase == "Good"
    widgets.delete(name="one", namespace=namespace)
    got = []
    for event in widgets.watch(namespace=namespace, resource_version=begin, timeout=WATCH_SECONDS):
        got.append((event["type"], event["object"].spec.size, event["object"].metadata.generation))
        if event["type"] == "DELETED":
            break
    assert got == [("ADDED", 1, 1), ("MODIFIED", 2, 2), ("MODIFIED", 2, 2), ("DELETED", 2, 2)]


def test_dynamic_apply(kubernetes, api, namespace, rich):
    """Server-side apply by the dynamic client: its defaults, a conflict, force, and what is let go."""
    client = kubernetes.dynamic.DynamicClient(api)
    widgets = client.resources.get(api_version=rich.api_version, kind=rich.kind)

    def apply(manager, spec, **options):
        body = rich.object("one") | {"spec": spec}
        return client.server_side_apply(widgets, body, namespace=namespace, field_manager=manager, **options)

    one = apply("left", {"size": 2, "parts": [{"name": "lid"}], "tags": ["a"]})
    assert one.spec.to_dict() == {"size": 2, "color": "grey", "parts": [{"name": "lid", "count": 1}], "tags": ["a"]}
    assert [(entry.manager, entry.operation) for entry in one.metadata.managedFields] == [("left", "Apply")]
    assert apply("left", {"size": 2, "parts": [{"name": "lid"}], "tags": ["a"]}).to_dict() == one.to_dict()
    with pytest.raises(kubernetes.dynamic.exceptions.ConflictError) as refused:
        apply("right", {"size": 3, "parts": [{"name": "leg"}]})
    assert refused.value.summary().startswith("Apply failed with 1 conflict")
    causes = json.loads(refused.value.body)["details"]["causes"]
    assert [(cause["field"], cause["reason"]) for cause in causes] == [(".spec.size", "FieldManagerConflict")]
    apply("right", {"size": 3, "parts": [{"name": "leg"}], "tags": ["b"]}, force_conflicts=True)
    one = apply("left", {"parts": [{"name": "lid", "count": 4}]})
    assert one.spec.to_dict() == {
        "size": 3,
        "color": "grey",
        "parts": [{"name": "lid", "count": 4}, {"name": "leg", "count": 1}],
        "tags": ["b"],
    }
    with pytest.raises(kubernetes.dynamic.exceptions.UnprocessibleEntityError, match=TOO_BIG):
        apply("right", {"size": 11, "color": "red"}, force_conflicts=True)


def test_custom_objects(kubernetes, api, namespace, rich):
    """The custom objects API: defaults, status, scale."""
    objects = kubernetes.client.CustomObjectsApi(api)
    place = (rich.group, rich.version, namespace, rich.plural)
    made = objects.create_namespaced_custom_object(*place, rich.object("one") | {"spec": {"junk": 1}})
    assert made["spec"] == {"size": 1, "color": "grey"}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        objects.create_namespaced_custom_object(
            *place, rich.object("two") | {"spec": {"junk": 1}}, field_validation="Strict"
        )
    assert (refused.value.status, 'unknown field \\"spec.junk\\"' in refused.value.body) == (400, True)
    with pytest.raises(kubernetes.client.ApiException) as refused:
        objects.create_namespaced_custom_object(*place, rich.object("two", size=51))
    assert refused.value.status == 422
    assert [cause["field"] for cause in json.loads(refused.value.body)["details"]["causes"]] == ["spec.size"]

    made["status"] = {"size": 1, "selector": "mine=yes"}
    made["spec"]["size"] = 9
    put = objects.replace_namespaced_custom_object_status(*place, "one", made)
    assert (put["status"]["size"], put["spec"]["size"], put["metadata"]["generation"]) == (1, 1, 1)
    patched = objects.patch_namespaced_custom_object_status(*place, "one", {"status": {"phase": "Good"}})
    assert patched["status"] == {"size": 1, "selector": "mine=yes", "phase": "Good"}
    assert objects.get_namespaced_custom_object_status(*place, "one") == patched

    scale = objects.get_namespaced_custom_object_scale(*place, "one")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 1, "selector": "mine=yes"})
    scale["spec"]["replicas"] = 4
    assert objects.replace_namespaced_custom_object_scale(*place, "one", scale)["spec"] == {"replicas": 4}
    assert objects.patch_namespaced_custom_object_scale(*place, "one", {"spec": {"replicas": 5}})["spec"] == {"replicas": 5}
    one = objects.get_namespaced_custom_object(*place, "one")
    assert (one["spec"]["size"], one["metadata"]["generation"]) == (5, 3)


def test_create_from_dict(kubernetes, api, namespace, custom):
    """The helper that people use in place of `kubectl create`, on a CRD's objects and a built-in kind."""
    built_in = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"k": "1"}}
    kubernetes.utils.create_from_dict(api, built_in, namespace=namespace)
    objects = kubernetes.client.CustomObjectsApi(api)
    place = (custom.group, custom.version, namespace, custom.plural)
    objects.create_namespaced_custom_object(*place, custom.object("one"))
    listed = objects.list_namespaced_custom_object(*place)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["one"]
    patched = objects.patch_namespaced_custom_object(*place, "one", {"spec": {"size": 5}})
    assert patched["spec"]["size"] == 5


def test_many_writers_lose_nothing(kubernetes, core, namespace):
    """Optimistic locking, as a client does it: every increment that was answered is there."""
    writers, rounds = 6, 5
    core.create_namespaced_config_map(namespace, config_map(kubernetes, "counter", n="0"))

    def increment() -> int:
        conflicts = 0
        for _ in range(rounds):
            while True:
                current = core.read_namespaced_config_map("counter", namespace)
                current.data["n"] = str(int(current.data["n"]) + 1)
                try:
                    core.replace_namespaced_config_map("counter", namespace, current)
                    break
                except kubernetes.client.ApiException as e:
                    if e.status != 409:
                        raise
                    conflicts += 1
        return conflicts

    with ThreadPoolExecutor(writers) as pool:
        conflicts = sum(future.result() for future in [pool.submit(increment) for _ in range(writers)])
    assert core.read_namespaced_config_map("counter", namespace).data == {"n": str(writers * rounds)}
    print(f"{conflicts} conflicts")
