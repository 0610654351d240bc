"""Makes scenarios.json, for main.go to play: `python generate.py > scenarios.json && go run . < scenarios.json > expected.jsonl`."""

from __future__ import annotations

import copy
import json
import random  # noqa: TID251  # seeded: what is generated is committed
import sys

SEED = 20261123
SCENARIOS = 120
GROUP = "test.example.com"

STRING = {"type": "string"}
INTEGER = {"type": "integer"}

CONTAINER = {
    "type": "object",
    "properties": {
        "name": STRING,
        "image": STRING,
        "args": {"type": "array", "items": STRING},
        "env": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": STRING, "value": STRING}},
        },
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {
                "type": "object",
                "properties": {"port": INTEGER, "protocol": {**STRING, "default": "TCP"}, "note": STRING},
            },
        },
    },
}

SPEC = {
    "type": "object",
    "properties": {
        "size": INTEGER,
        "width": INTEGER,
        "ratio": {"type": "number"},
        "color": STRING,
        "on": {"type": "boolean"},
        "amount": {"x-kubernetes-int-or-string": True},
        "nested": {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": {"type": "object", "properties": {"d": STRING}}}},
        "labels": {"type": "object", "additionalProperties": STRING},
        "atomicMap": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": STRING},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "numbers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "number"}},
        "atoms": {"type": "array", "x-kubernetes-list-type": "atomic", "items": STRING},
        "containers": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": CONTAINER,
        },
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "half": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"known": INTEGER}},
    },
}

META = {
    "type": "object",
    "properties": {
        "name": STRING,
        "namespace": STRING,
        "uid": STRING,
        "labels": {"type": "object", "additionalProperties": STRING},
        "annotations": {"type": "object", "additionalProperties": STRING},
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {
                "type": "object",
                "x-kubernetes-map-type": "atomic",
                "properties": {"apiVersion": STRING, "kind": STRING, "name": STRING, "uid": STRING},
            },
        },
        "managedFields": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "object"}},
    },
}

STATUS = {"type": "object", "properties": {"ready": {"type": "boolean"}, "count": INTEGER}}

WRONG = [
    {"size": "x", "width": "x"},
    {"color": 5, "on": {"a": 1}},
    {"nested": 1},
    {"tags": [["a"]]},
    {"tags": "a"},
    {"containers": [{"image": "a"}]},
    {"containers": [{"name": "a"}, {"name": "a"}]},
    {"unknown": 1},
]
"""Values that do not fit their types."""

WORDS = ["a", "b", "c", 'q"<x>', "é"]


def root(version: str, spec: dict = SPEC) -> dict:
    return {
        "type": "object",
        "x-kubernetes-group-version-kind": [{"group": GROUP, "version": version, "kind": "Thing"}],
        "properties": {"apiVersion": STRING, "kind": STRING, "metadata": META, "spec": spec, "status": STATUS},
    }


def other_spec() -> dict:
    """The same fields with other list and map types, as if the schema had changed since."""
    spec = copy.deepcopy(SPEC)
    properties = spec["properties"]
    properties["nested"]["x-kubernetes-map-type"] = "atomic"
    properties["labels"]["x-kubernetes-map-type"] = "atomic"
    properties["atomicMap"]["x-kubernetes-map-type"] = "granular"
    properties["tags"]["x-kubernetes-list-type"] = "atomic"
    properties["atoms"]["x-kubernetes-list-type"] = "set"
    properties["containers"]["items"]["properties"]["env"]["x-kubernetes-list-type"] = "atomic"
    del properties["containers"]["items"]["properties"]["env"]["x-kubernetes-list-map-keys"]
    return spec


class Maker:
    def __init__(self, rng: random.Random, *, duplicates: bool, nulls: bool) -> None:
        self.rng, self.duplicates, self.nulls = rng, duplicates, nulls

    def value(self, schema: dict, depth: int = 0):  # noqa: C901, PLR0911  # a case for each type
        rng = self.rng
        if self.nulls and depth > 1 and rng.random() < 0.04:
            return None
        if schema.get("x-kubernetes-int-or-string"):
            return rng.choice([1, 2, "50%"])
        match schema["type"]:
            case "string":
                return rng.choice(WORDS)
            case "integer":
                return rng.randrange(3)
            case "number":
                return rng.choice([0, 1, 1.5, 2.25, -3])
            case "boolean":
                return rng.random() < 0.5
            case "array":
                return self.items(schema, depth)
        if "properties" in schema:
            out = {k: self.value(s, depth + 1) for k, s in schema["properties"].items() if rng.random() < 0.45}
            if schema.get("x-kubernetes-preserve-unknown-fields"):
                out |= self.free(depth)
            return out
        if "additionalProperties" in schema:
            return {rng.choice(WORDS): self.value(schema["additionalProperties"], depth + 2) for _ in range(rng.randrange(3))}
        return self.free(depth)

    def free(self, depth: int):
        rng = self.rng
        kind = rng.randrange(6) if depth < 5 else 0
        out = {}
        for _ in range(rng.randrange(3)):
            out[rng.choice("xyz")] = [1, "s", True, [1, {"a": 2}], self.free(depth + 1) if depth < 5 else 1, {}][kind]
            kind = rng.randrange(6)
        return out

    def items(self, schema: dict, depth: int):
        rng = self.rng
        out = [self.value(schema["items"], depth + 2) for _ in range(rng.randrange(4))]
        if schema.get("x-kubernetes-list-type") == "set":
            out = [item for item in out if item is not None]
        keys = schema.get("x-kubernetes-list-map-keys")
        if keys:
            out = [item for item in out if item is not None]
            for item in out:
                for key in keys:
                    if key != "protocol" or rng.random() < 0.3:
                        item[key] = {"port": rng.randrange(3), "protocol": rng.choice(["TCP", "UDP"])}.get(key, rng.choice(WORDS))
                    else:
                        item.pop(key, None)
        if schema.get("x-kubernetes-list-type") in ("set", "map") and not (self.duplicates and rng.random() < 0.3):
            seen, unique = set(), []
            for item in out:
                mark = json.dumps([item.get(k, "TCP") for k in keys] if keys else item)
                if mark not in seen:
                    seen.add(mark)
                    unique.append(item)
            out = unique
        return out

    def changed(self, schema: dict, value, depth: int = 0):
        """A copy with a few changes."""
        if isinstance(value, dict) and "properties" in schema:
            out = {}
            for key, inner in value.items():
                roll = self.rng.random()
                if roll < 0.12:
                    continue
                known = key in schema["properties"]
                out[key] = self.changed(schema["properties"][key], inner, depth + 1) if known and roll < 0.6 else inner
            for key, inner in schema["properties"].items():
                if key not in out and self.rng.random() < 0.1:
                    out[key] = self.value(inner, depth + 1)
            return out
        return self.value(schema, depth) if self.rng.random() < 0.6 else value


def meta(maker: Maker) -> dict:
    out = {"name": "thing"}
    rng = maker.rng
    if rng.random() < 0.4:
        out["labels"] = maker.value(META["properties"]["labels"], 2)
    if rng.random() < 0.25:
        out["finalizers"] = sorted({rng.choice(WORDS) for _ in range(rng.randrange(3))})
    if rng.random() < 0.2:
        out["ownerReferences"] = [
            {"apiVersion": "v1", "kind": "X", "name": rng.choice(WORDS), "uid": uid} for uid in rng.sample("pqr", rng.randrange(3))
        ]
    return out




def versioned(obj: dict, version: str) -> dict:
    """Each version has one of the two names of the size."""
    spec = obj.get("spec")
    if isinstance(spec, dict):
        spec.pop("width" if version == "v1" else "size", None)
    return obj


def scenario(number: int) -> dict:
    rng = random.Random(SEED + number)
    steps = []
    live = {"spec": {}}
    many = number % 20 == 7
    nulls = number % 5 == 3
    for index in range(16 if many else rng.randrange(3, 7)):
        version = "v2" if number % 3 == 0 and (number % 7 != 2 or index < 2) and rng.random() < 0.4 else "v1"
        op = "update" if many or rng.random() < 0.4 else "apply"
        maker = Maker(rng, duplicates=op == "update" and number % 12 in (1, 5), nulls=nulls)
        obj = {"apiVersion": f"{GROUP}/{version}", "kind": "Thing", "metadata": meta(maker)}
        subresource = "status" if index and rng.random() < 0.15 else ""
        if rng.random() < 0.9:
            base = live["spec"] if rng.random() < 0.6 else maker.value(SPEC)
            obj["spec"] = maker.changed(SPEC, copy.deepcopy(base))
        if subresource or rng.random() < 0.1:
            obj["status"] = maker.value(STATUS)
        live = {"spec": copy.deepcopy(obj.get("spec") or {})} if op == "update" or rng.random() < 0.5 else live
        if rng.random() < 0.03:
            obj["spec"] = {**(obj.get("spec") or {}), **rng.choice(WRONG)}
        manager = f"m{index}" if many else rng.choice(["m1", "m2", "m3", "kubectl"])
        if rng.random() < 0.1:
            config = {"apiVersion": f"{GROUP}/{version}", "kind": "Thing", "metadata": {"name": "thing"}}
            config["spec"] = copy.deepcopy(obj.get("spec") or {})
            versioned(config, version)
            obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(config)}
        if op == "update" and index and rng.random() < 0.05:
            obj["metadata"]["managedFields"] = rng.choice([[], [{}], [{"manager": "bad", "operation": "Wrong"}]])
        steps.append(
            {
                "op": op,
                "manager": manager,
                "version": version,
                "subresource": subresource,
                "types": types(rng, number, index),
                "force": rng.random() < 0.35,
                "object": versioned(obj, version),
            }
        )
    return {"steps": steps}


def types(rng: random.Random, number: int, index: int) -> int:
    """Choose the types of a step: those of one schema, after some steps those of another, or none."""
    if number % 9 == 4:
        return -1
    if number % 7 == 2 and index > 1:
        return rng.choice([0, 1, 2])
    return 0


def main() -> None:
    schemas = [
        {f"thing.{version}": root(version) for version in ("v1", "v2")},
        {f"thing.{version}": root(version, other_spec()) for version in ("v1", "v2")},
        {"thing.v1": root("v1")},
    ]
    json.dump({"schemas": schemas, "scenarios": [scenario(n) for n in range(int(sys.argv[1]) if len(sys.argv) > 1 else SCENARIOS)]}, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
