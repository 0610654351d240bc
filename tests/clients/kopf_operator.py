"""An operator as kopf's users write them: `kopf run` starts it for tests/clients/test_python_kopf.py.

WIDGET_GROUP names the group of its custom resource. It keeps a ConfigMap for each Widget and a tombstone for each gone.
"""

from __future__ import annotations

import os

import kopf
import kubernetes

WIDGETS = {"group": os.environ["WIDGET_GROUP"], "version": "v1", "plural": "widgets"}


def core():
    return kubernetes.client.CoreV1Api()


@kopf.on.startup()
def configure(settings, **_):
    settings.networking.error_backoffs = [0.1] * 100  # the test restarts the server


@kopf.on.create(**WIDGETS)
def create(spec, name, namespace, patch, body, **_):
    child = {"metadata": {"name": name}, "data": {"size": str(spec["size"])}}
    kopf.adopt(child)
    core().create_namespaced_config_map(namespace, child)
    kopf.info(body, reason="Made", message="the ConfigMap is there")
    patch.status["phase"] = "Made"
    return {"child": name}


@kopf.on.update(**WIDGETS, field="spec.size")
def resize(new, name, namespace, patch, **_):
    core().patch_namespaced_config_map(name, namespace, {"data": {"size": str(new)}})
    patch.status["size"] = new


@kopf.on.delete(**WIDGETS)
def delete(name, namespace, **_):
    core().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-gone"}})
