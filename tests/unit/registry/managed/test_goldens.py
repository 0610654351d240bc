"""managedFields as the reference answered them in the conformance goldens, from this engine alone."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml

from watchd.registry import schemas
from watchd.registry.managed.errors import ApplyConflict, BadApply
from watchd.registry.managed.fieldpath import field
from watchd.registry.managed.fieldset import paths
from watchd.registry.managed.manager import FieldManager
from watchd.registry.managed.scale import SCALE_VERSION, ScaleFields
from watchd.registry.managed.typed import DEDUCED_TYPING, typing_of_schema, typing_of_whole

CONFORMANCE = Path(__file__).parents[3] / "conformance"
TIME = "2026-01-01T00:00:00Z"
AGENT = "conf-replay"
_CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"


def conformance(name):
    cases = yaml.safe_load((CONFORMANCE / "cases" / f"{name}.yaml").read_text())
    goldens = json.loads((CONFORMANCE / "goldens" / f"{name}.json").read_text())
    return cases, goldens["cases"]


def schema_of(crd):
    status = crd.get("status", {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    return {"type": "object", "properties": {"spec": crd["schema"], "status": status}}


def merge_patch(target, patch):
    out = dict(target)
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge_patch(out.get(name) or {}, value) if isinstance(value, dict) else value
    return out


class Server:
    """One object and what a server does around the engine: the subresources' rules, and nothing else."""

    def __init__(self, crd, group):
        self.version = f"{group}/v1"
        typing = typing_of_schema(schema_of(crd))
        self.fields = FieldManager("Thing", {self.version: typing}.__getitem__, lambda obj, version: obj)
        self.status = "status" in (crd.get("version") or {}).get("subresources", {})
        self.objects = {}

    def step(self, step):  # noqa: C901  # a branch for each kind of step that a case may have
        verb = next(name for name in ("POST", "PUT", "PATCH") if name in step)
        path = step[verb].removeprefix("${url}").strip("/").split("/")
        agent = step.get("headers", {}).get("User-Agent", AGENT).partition("/")[0]
        manager = step.get("query", {}).get("fieldManager", agent)
        name = path[0] or step["object"]["metadata"]["name"]
        subresource = path[1] if len(path) > 1 else ""
        live = self.objects.get(name)
        options = {
            "manager": manager,
            "api_version": self.version,
            "time": TIME,
            "subresource": subresource,
            "reset_fields": {self.version: paths(*(("metadata", "spec") if subresource else ("status",) * self.status))},
        }
        if "apply" in step:
            applied = {"apiVersion": self.version, "kind": "Thing", **step["apply"]}
            force = step.get("query", {}).get("force") == "true"
            new = self.fields.apply(live, applied, force=force, **options).obj
        else:
            if "merge-patch" in step:
                new = merge_patch(live, step["merge-patch"])
            elif "json-patch" in step:
                new = copy.deepcopy(live)
                for change in step["json-patch"]:
                    parent, _, leaf = change["path"].strip("/").rpartition("/")
                    node = new
                    for part in parent.split("/"):
                        node = node[part]
                    node[leaf] = change["value"]
            else:
                new = {"apiVersion": self.version, "kind": "Thing", **copy.deepcopy(step["object"])}
                if live is not None:
                    # The strategy keeps the server's own metadata; the reference does so before it looks at owners.
                    kept = {k: v for k, v in live["metadata"].items() if k == "uid"}
                    new["metadata"] = {**kept, **new["metadata"]}
            managed = self.fields.update(live, new, **options)
            new = {**new, "metadata": {k: v for k, v in new["metadata"].items() if k != "managedFields"}}
            if managed:
                new["metadata"]["managedFields"] = managed
        if subresource == "status":
            managed = new["metadata"].get("managedFields")
            new = {**live, "metadata": {**live["metadata"], "managedFields": managed}, "status": new.get("status")}
        elif self.status:
            new = {k: v for k, v in new.items() if k != "status"}
            if live is not None and "status" in live:
                new["status"] = live["status"]
        self.objects[name] = copy.deepcopy({**new, "metadata": {"uid": "uid", **new["metadata"]}})
        return new


def shown(managed):
    """managedFields as the goldens have them: times hidden, in an order of their own."""
    out = [{**entry, "time": "<time>"} if "time" in entry else entry for entry in managed or []]
    return sorted(out, key=lambda e: (e["manager"], e["operation"], e["apiVersion"], e.get("subresource", "")))


def managed_of(body):
    return body["metadata"].get("managedFields") if "metadata" in body else body.get("metadata.managedFields")


@pytest.mark.parametrize(
    ("file", "case"),
    [
        *(
            ("apply", case)
            for case in (
                "apply-creates",
                "apply-updates",
                "apply-conflict",
                "apply-conflict-with-update-manager",
                "apply-force",
                "apply-shared-ownership",
                "apply-removes-owned-fields",
                "apply-list-map-merge",
                "apply-list-set-merge",
                "apply-atomic",
                "apply-status",
                "apply-managed-fields-must-be-nil",
                "update-transfers-ownership",
                "managed-fields-of-update",
            )
        ),
        ("patch", "patch-managed-fields-clear"),
        ("subresources", "create-drops-status"),
        ("subresources", "status-put"),
        ("subresources", "status-patch"),
    ],
)
def test_golden(file, case):
    cases, goldens = conformance(file)
    found = next(one for one in cases["cases"] if one["case"] == case)
    crd = found.get("crd") or cases["crd"]
    server = Server(crd, f"{case}.{file}.example.com" if "crd" in found else f"{file}.example.com")
    checked = 0
    for step, golden in zip(found["steps"], goldens[case], strict=True):
        if "GET" in step:
            continue
        body = golden["body"]
        if golden["status"] >= 400:
            with pytest.raises((ApplyConflict, BadApply)) as caught:
                server.step(step)
            assert caught.value.to_status().to_object() == body
        else:
            new = server.step(step)
            assert shown(managed_of(new)) == shown(managed_of(body))
            assert new.get("spec") == body.get("spec", new.get("spec"))
            assert new.get("status") == body.get("status", new.get("status"))
        checked += 1
    assert checked


def test_golden_of_a_built_in_kind_starts_from_the_empty_struct():
    _, goldens = conformance("crd-lifecycle")
    body = copy.deepcopy(goldens["create-establishes"][0]["body"])
    typing = typing_of_whole(schemas.whole(_CRD))
    expected = body["metadata"].pop("managedFields")
    # The status is the strategy's, which runs after the field manager.
    body["status"] = copy.deepcopy(typing.empty["status"])
    fields = FieldManager("CustomResourceDefinition", lambda _: typing, lambda obj, _: obj)
    managed = fields.update(None, body, manager=AGENT, api_version="apiextensions.k8s.io/v1", time=TIME)
    assert shown(managed) == shown(expected)


@pytest.mark.parametrize(("case", "replicas"), [("scale-put", 4), ("scale-patch", 5)])
def test_golden_of_scale(case, replicas):
    _, goldens = conformance("subresources")
    before, after = goldens[case][0]["body"], goldens[case][2]["body"]
    version = before["apiVersion"]
    entries = [{**entry, "time": TIME} for entry in before["metadata"]["managedFields"]]
    scale = ScaleFields(entries, version, {version: (field("spec"), field("replicas"))})
    live = {"apiVersion": SCALE_VERSION, "kind": "Scale", "metadata": {"name": "a", "uid": "u"}, "spec": {"replicas": 1}}
    live["metadata"]["managedFields"] = scale.to_scale()
    new = {**live, "spec": {"replicas": replicas}}
    fields = FieldManager("Scale", lambda _: DEDUCED_TYPING, lambda obj, _: obj)
    options = {"manager": AGENT, "api_version": SCALE_VERSION, "time": TIME, "subresource": "scale"}
    assert shown(scale.to_parent(fields.update(live, new, **options))) == shown(after["metadata"]["managedFields"])
