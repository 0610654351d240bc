"""The custom resources that are written and read: a kind of our own, and objects of 1.3 KB with a pod-like spec."""

from __future__ import annotations

from typing import Any

GROUP, VERSION, PLURAL, KIND = "bench.example.com", "v1", "widgets", "Widget"
NAMESPACE, ELSEWHERE = "default", "elsewhere"
"""Where the population is, and where nobody lists or watches."""


def collection(namespace: str) -> str:
    """Return the path of the widgets of a namespace."""
    return f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"


COLLECTION = collection(NAMESPACE)
NAMESPACES = "/api/v1/namespaces"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

PREFIX = "o"
"""The population's names begin with it."""

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "widget", "kind": KIND, "listKind": f"{KIND}List"},
        "versions": [
            {
                "name": VERSION,
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                                "properties": {
                                    "seq": {"type": "integer", "format": "int64", "minimum": 0},
                                    "mark": {"type": "string"},
                                },
                            },
                            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                },
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Seq", "type": "integer", "jsonPath": ".spec.seq"}],
            }
        ],
    },
}
"""The definition: a field with a bound to validate, and a free part, as operators' own kinds often have."""


def _container(index: int) -> str:
    env = ",".join(
        f'{{"name":"VARIABLE_{index}{item}","value":"value-{index * 7919 + item * 104729}"}}' for item in range(4)
    )
    return (
        f'{{"env":[{env}],"image":"registry.example.com/team{index}/image{index}:v1.{index}","name":"container{index}",'
        f'"ports":[{{"containerPort":{8000 + index},"protocol":"TCP"}}],'
        '"resources":{"limits":{"cpu":"500m","memory":"128Mi"}}}'
    )


PAYLOAD = '"containers":[' + ",".join(_container(index) for index in range(3)) + "]"
"""The constant part of a spec, about 1 KB."""


def name_of(index: int, prefix: str = PREFIX) -> str:
    """Return an object's name; names sort by index."""
    return f"{prefix}-{index:07d}"


def widget(name: str, seq: int, *, stamp: int = 0, revision: str = "", namespace: str = NAMESPACE) -> bytes:
    """Return an object's JSON. `seq` is also in its mark, which a watch finds again without decoding.

    `stamp` tells two writes with the same `seq` apart: one that changes nothing is no change, and makes no event.
    """
    version = f',"resourceVersion":"{revision}"' if revision else ""
    return (
        f'{{"apiVersion":"{GROUP}/{VERSION}","kind":"{KIND}","metadata":{{"name":"{name}","namespace":"{namespace}",'
        f'"labels":{{"app":"bench","shard":"s{seq % 10}"}}{version}}},'
        f'"spec":{{"seq":{seq},"mark":"@@{seq}:{stamp}@@",{PAYLOAD}}}}}'
    ).encode()
