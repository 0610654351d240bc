"""An operator as kopf's users write them: `kopf run` starts it for tests/clients/test_python_kopf.py.

WIDGET_GROUP names the group of its custom resource, OPERATOR the operator itself where several take turns. It keeps a
ConfigMap for each Widget and a tombstone for each gone; it counts on those that ask for it, and echoes a note.
"""

from __future__ import annotations

import os

import kopf
import kubernetes

CONFLICT = 409

COUNT_TO = 3
"""How far the timer counts."""

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
    patch.status["by"] = os.environ.get("OPERATOR")


def unfinished(status, **_):
    return status.get("ticks", 0) < COUNT_TO


@kopf.timer(**WIDGETS, interval=0.1, annotations={"example.com/count": kopf.PRESENT}, when=unfinished)
def tick(status, patch, **_):
    patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.on.field(**WIDGETS, field="metadata.annotations.note")
def note(old, new, patch, **_):
    if new is not None:
        patch.metadata.annotations["echo"] = f"{old} {new}"


@kopf.index(**WIDGETS)
def sizes(spec, name, **_):
    return {spec.get("size"): name}


@kopf.daemon(**WIDGETS, labels={"watched": "yes"}, cancellation_backoff=0.3, cancellation_timeout=5.0)
def watch_over(stopped, sizes, spec, name, namespace, **_):
    data = {"alike": " ".join(sorted(sizes.get(spec["size"], [])))}
    core().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-watched"}, "data": data})
    stopped.wait()
    core().delete_namespaced_config_map(f"{name}-watched", namespace)


@kopf.on.delete(**WIDGETS)
def delete(name, namespace, **_):
    try:
        core().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-gone"}})
    except kubernetes.client.ApiException as e:
        if e.status != CONFLICT:  # kopf runs this handler again while a daemon keeps the finalizer
            raise
