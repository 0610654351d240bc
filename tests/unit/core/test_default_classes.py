"""Classes that claims and ingresses get which name none, and what protects storage in use."""

from __future__ import annotations

import pytest

from watchd.admission.chain import Chain
from watchd.admission.default_classes import DefaultClasses
from watchd.admission.volumes import Volumes

CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
INGRESSES = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
VOLUMES = "/api/v1/persistentvolumes"

DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}


@pytest.fixture
async def shop(core):
    members = [DefaultClasses(core.log, core.registry), Volumes(core.log, core.registry, core.clock)]
    core.store._admission = Chain([core.store._admission, *members])
    return core


def claim(name, **spec):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


async def add_class(core, name, **metadata):
    body = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name, **metadata}, "provisioner": "p"}
    assert (await core.call("POST", CLASSES, body)).status == 201


async def class_of(core, name, **spec):
    return (await core.call("POST", CLAIMS, claim(name, **spec))).json["spec"].get("storageClassName")


async def test_the_newest_default_class_counts(shop):
    assert await class_of(shop, "before") is None
    await add_class(shop, "old", annotations=DEFAULT)
    shop.clock.advance(60)
    await add_class(shop, "b", annotations=DEFAULT)
    await add_class(shop, "a", annotations={"storageclass.beta.kubernetes.io/is-default-class": "true"})
    await add_class(shop, "other", annotations={"storageclass.kubernetes.io/is-default-class": "yes"})
    assert await class_of(shop, "one") == "a"
    assert await class_of(shop, "none", storageClassName="") == ""
    assert await class_of(shop, "named", storageClassName="other") == "other"


async def test_an_annotation_of_old_names_a_class(shop):
    await add_class(shop, "a", annotations=DEFAULT)
    body = claim("c")
    body["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "mine"}
    assert "storageClassName" not in (await shop.call("POST", CLAIMS, body)).json["spec"]


async def test_ingresses_get_a_class_of_their_own(shop):
    spec = {"controller": "example.com/c"}
    meta = {"name": "edge", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": meta, "spec": spec}
    assert (await shop.call("POST", "/apis/networking.k8s.io/v1/ingressclasses", body)).status == 201
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    ingress = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"}, "spec": {"defaultBackend": backend}}
    assert (await shop.call("POST", INGRESSES, ingress)).json["spec"]["ingressClassName"] == "edge"


async def test_the_time_of_a_phase_moves_with_it(shop):
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec}
    made = (await shop.call("POST", VOLUMES, body)).json
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
    shop.clock.advance(60)
    body["status"] = {"phase": "Pending"}
    same = (await shop.call("PUT", f"{VOLUMES}/v/status", body)).json["status"]
    assert same == made["status"]
    body["status"] = {"phase": "Bound"}
    bound = (await shop.call("PUT", f"{VOLUMES}/v/status", body)).json["status"]
    assert bound == {"phase": "Bound", "lastPhaseTransitionTime": "2025-06-15T15:07:40Z"}
