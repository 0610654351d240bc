"""Scenarios that the reference has played (reference/main.go), step by step, must end the same here."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from watchd.registry.managed import entries
from watchd.registry.managed.errors import ApplyConflict, ManagedError, UnknownVersion
from watchd.registry.managed.fieldset import paths
from watchd.registry.managed.manager import FieldManager
from watchd.registry.managed.typed import DEDUCED_TYPING, typing_of_schema

HERE = Path(__file__).parent / "reference"
GROUP = "test.example.com"
TIME = "2023-11-14T22:13:20Z"
V1, V2 = f"{GROUP}/v1", f"{GROUP}/v2"

INPUT = json.loads((HERE / "scenarios.json").read_text())
EXPECTED = [json.loads(line) for line in (HERE / "expected.jsonl").read_text().splitlines()]

TYPINGS = [
    {f"{GROUP}/{name.partition('.')[2]}": typing_of_schema(schema) for name, schema in schemas.items()}
    for schemas in INPUT["schemas"]
]
RESET = {
    "": dict.fromkeys((V1, V2), paths("status")),
    "status": dict.fromkeys((V1, V2), paths("metadata", "spec")),
}


def typing_of(types):
    def find(version):
        if types < 0:
            return DEDUCED_TYPING
        if version not in TYPINGS[types]:
            raise UnknownVersion(version)
        return TYPINGS[types][version]

    return find


def convert(obj, version):
    out = copy.deepcopy(obj)
    if out["apiVersion"] != version:
        old, new = ("size", "width") if version == V2 else ("width", "size")
        spec = out.get("spec")
        if isinstance(spec, dict) and old in spec:
            spec[new] = spec.pop(old)
        out["apiVersion"] = version
    return out


def by_identity(managed):
    return {(e.get("manager"), e["operation"], e["apiVersion"], e.get("subresource")): e for e in managed or []}


def play(steps):
    live = None
    for step in steps:
        manager = FieldManager("Thing", typing_of(step["types"]), convert)
        version = f"{GROUP}/{step['version']}"
        before = None if live is None else convert(live, version)
        options = {
            "manager": step["manager"],
            "api_version": version,
            "time": TIME,
            "subresource": step["subresource"],
            "reset_fields": RESET[step["subresource"]],
        }
        sent = copy.deepcopy(step["object"])
        snapshot = copy.deepcopy((before, sent))
        try:
            if step["op"] == "apply":
                after = manager.apply(before, sent, force=step["force"], **options).obj
            else:
                managed = manager.update(before, sent, **options)
                after = copy.deepcopy(sent)
                after["metadata"].pop("managedFields", None)
                if managed:
                    after["metadata"]["managedFields"] = managed
        except ManagedError as e:
            yield e, None
            continue
        finally:
            assert (before, sent) == snapshot, "arguments stay as they are"
        live = copy.deepcopy(after)
        live["metadata"]["uid"] = "uid"
        yield None, copy.deepcopy(live)


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_scenario_ends_as_in_the_reference(number):
    for at, ((error, obj), expected) in enumerate(
        zip(play(INPUT["scenarios"][number]["steps"]), copy.deepcopy(EXPECTED[number]), strict=True)
    ):
        where = f"step {at}: {json.dumps(INPUT['scenarios'][number]['steps'][at])}"
        if "error" in expected:
            assert error is not None, where
            if isinstance(error, ApplyConflict):
                # The reference lists managers in the order of a Go map.
                order = lambda cause: (cause["message"], cause["field"])  # noqa: E731  # a key, used here twice
                causes = error.to_status().to_object()["details"]["causes"]
                assert sorted(causes, key=order) == sorted(expected["causes"], key=order), where
                assert sorted(str(error).split("\n")) == sorted(expected["error"].split("\n")), where
            else:
                assert sorted(str(error).split("\n")) == sorted(expected["error"].split("\n")), where
            continue
        assert error is None, where
        ours, theirs = obj, expected["object"]
        managed, wanted = ours["metadata"].pop("managedFields", None), theirs["metadata"].pop("managedFields", None)
        assert ours == theirs, where
        assert by_identity(managed) == by_identity(wanted), where
        assert managed == sorted(managed or [], key=lambda e: (e["operation"], e.get("time", ""))) or managed is None
        entries.validate(managed)
