"""kubectl, as it comes: the commands that people and scripts type."""

from __future__ import annotations

import base64
import json
import subprocess

import attrs
import pytest
import yaml

from tests.clients.kubectl import KUBECTL_DEADLINE, config_map, line

FROM_SERVER = "Error from server"
"""How kubectl begins a complaint that is the server's own."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_version(anywhere):
    said = anywhere.json("version")
    assert said["serverVersion"]["major"] == "1"
    assert said["serverVersion"]["gitVersion"].startswith("v1.")


def test_readyz(anywhere):
    said = anywhere("get", "--raw", "/readyz?verbose")
    assert "[+]ping ok" in said
    assert said.endswith("readyz check passed\n")


def test_raw_list(kubectl):
    kubectl.config_map("a", k="1")
    said = json.loads(kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/configmaps"))
    assert said["kind"] == "ConfigMapList"
    assert "a" in [item["metadata"]["name"] for item in said["items"]]


def test_api_resources(anywhere):
    printed = anywhere("api-resources", "--no-headers")
    rows = {row.split()[0]: row.split()[1:] for row in printed.splitlines()}
    assert rows["configmaps"] == ["cm", "v1", "true", "ConfigMap"]
    assert rows["namespaces"] == ["ns", "v1", "false", "Namespace"]
    assert rows["leases"] == ["coordination.k8s.io/v1", "true", "Lease"]
    assert "customresourcedefinitions" in rows
    names = anywhere("api-resources", "-o", "name", "--api-group=apiextensions.k8s.io", "--verbs=list,watch,create")
    assert names.split() == ["customresourcedefinitions.apiextensions.k8s.io"]


def test_api_versions(anywhere):
    said = anywhere("api-versions").split()
    assert {"v1", "apiextensions.k8s.io/v1", "coordination.k8s.io/v1", "events.k8s.io/v1"} <= set(said)


def test_explain(anywhere):
    said = anywhere("explain", "configmap.data")
    assert "KIND:       ConfigMap" in said
    assert "FIELD: data <map[string]string>" in said


def test_explain_custom(anywhere, custom):
    said = anywhere("explain", f"{custom.plural}.spec", "--api-version", custom.api_version)
    assert "What the widget should be." in said
    assert "size\t<integer>" in said


def test_create_and_get(kubectl):
    assert kubectl("create", "-f", "-", stdin=config_map("one", {"k": "v"})) == "configmap/one created\n"
    assert f'{FROM_SERVER} (AlreadyExists): error when creating "STDIN": configmaps "one" already exists' in (
        kubectl.refused("create", "-f", "-", stdin=config_map("one", {}))
    )
    assert "configmap/one\n" in kubectl("get", "configmaps", "-o", "name")
    assert kubectl("get", "cm/one", "-o", "name") == "configmap/one\n"
    written = yaml.safe_load(kubectl("get", "configmap", "one", "-o", "yaml"))
    assert written == kubectl.json("get", "configmap", "one")
    assert written["data"] == {"k": "v"}
    assert written["metadata"]["namespace"] == kubectl.namespace
    assert {"uid", "resourceVersion", "creationTimestamp"} <= written["metadata"].keys()
    head, row = kubectl("get", "configmap", "one").splitlines()
    assert head.split() == ["NAME", "DATA", "AGE"]
    assert row.split()[:2] == ["one", "1"]
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.k}") == "v"
    assert f'{FROM_SERVER} (NotFound): configmaps "two" not found' in kubectl.refused("get", "configmap", "two")
    everywhere = kubectl.json("get", "configmaps", "--all-namespaces", "--field-selector", "metadata.name=one")
    assert kubectl.namespace in [item["metadata"]["namespace"] for item in everywhere["items"]]


def test_create_kinds(kubectl):
    kubectl("create", "configmap", "config", "--from-literal=a=1", "--from-literal=b=2")
    assert kubectl.json("get", "configmap", "config")["data"] == {"a": "1", "b": "2"}
    kubectl("create", "secret", "generic", "secret", "--from-literal=password=hunter2")
    secret = kubectl.json("get", "secret", "secret")
    assert secret["type"] == "Opaque"
    assert base64.b64decode(secret["data"]["password"]) == b"hunter2"
    kubectl("create", "serviceaccount", "robot")
    assert kubectl.json("get", "serviceaccount", "robot")["metadata"]["name"] == "robot"


def test_invalid(kubectl):
    complaint = kubectl.refused("create", "-f", "-", stdin=config_map("Bad_Name", {}))
    assert 'The ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name"' in complaint
    unknown = config_map("x", {}) | {"dta": {}}
    complaint = kubectl.refused("create", "-f", "-", stdin=unknown)
    assert 'unknown field "dta"' in complaint
    assert kubectl.json("get", "configmaps", "--field-selector", "metadata.name=x")["items"] == []


def test_create_namespace(anywhere, name):
    assert anywhere("create", "namespace", name) == f"namespace/{name} created\n"
    assert anywhere("get", "namespace", name, "-o", "jsonpath={.status.phase}") == "Active"
    anywhere("delete", "namespace", name, "--timeout=20s")


def test_namespaces(anywhere, name):
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert anywhere("create", "-f", "-", stdin=manifest) == f"namespace/{name} created\n"
    made = anywhere.json("get", "namespace", name)
    assert made["status"] == {"phase": "Active"}
    assert made["metadata"]["labels"]["kubernetes.io/metadata.name"] == name
    attrs.evolve(anywhere, namespace=name).config_map("in-it")
    assert "deleted" in anywhere("delete", "namespace", name, "--timeout=20s")
    assert "(NotFound)" in anywhere.refused("get", "namespace", name)
    assert f'namespaces "{name}" not found' in (
        anywhere.refused("create", "--namespace", name, "-f", "-", stdin=config_map("late", {}))
    )
    assert anywhere.json("get", "configmaps", "--namespace", name)["items"] == []
    assert "(Forbidden)" in anywhere.refused("delete", "namespace", "kube-system", "--wait=false")


def test_label_and_annotate(kubectl):
    kubectl.config_map("one")
    before = kubectl.json("get", "configmap", "one")["metadata"]["resourceVersion"]
    kubectl("label", "configmap", "one", "tier=front", "drop=me")
    kubectl("annotate", "configmap", "one", "note=for you")
    kubectl("label", "configmap", "one", "drop-", "tier=back", "--overwrite")
    metadata = kubectl.json("get", "configmap", "one")["metadata"]
    assert metadata["labels"] == {"tier": "back"}
    assert metadata["annotations"] == {"note": "for you"}
    assert int(metadata["resourceVersion"]) > int(before)
    kubectl.config_map("two")
    assert kubectl("get", "configmap", "-l", "tier in (back)", "-o", "name") == "configmap/one\n"
    assert "configmap/two\n" in kubectl("get", "configmap", "-l", "!tier", "-o", "name")
    printed = kubectl("get", "configmap", "one", "-L", "tier", "--show-labels").splitlines()[1].split()
    assert printed[-2:] == ["back", "tier=back"]


def test_patch(kubectl):
    kubectl.config_map("one", a="1", b="1")
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"a":"2","b":null}}')
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2"}
    steps = [{"op": "test", "path": "/data/a", "value": "2"}, {"op": "add", "path": "/data/c", "value": "3"}]
    kubectl("patch", "configmap", "one", "--type=json", "-p", json.dumps(steps))
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "c": "3"}
    steps[0]["value"] = "not so"
    kubectl.refused("patch", "configmap", "one", "--type=json", "-p", json.dumps(steps))
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "c": "3"}
    kubectl("patch", "configmap", "one", "-p", '{"data":{"c":"4"}}')  # strategic, kubectl's own default
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "c": "4"}


def test_replace(kubectl):
    kubectl.config_map("one", a="1")
    first = kubectl.json("get", "configmap", "one")
    assert kubectl("replace", "-f", "-", stdin=first | {"data": {"b": "2"}}) == "configmap/one replaced\n"
    assert kubectl.json("get", "configmap", "one")["data"] == {"b": "2"}
    complaint = kubectl.refused("replace", "-f", "-", stdin=first | {"data": {"c": "3"}})
    assert "(Conflict)" in complaint
    assert "the object has been modified" in complaint
    assert kubectl.json("get", "configmap", "one")["data"] == {"b": "2"}
    assert "(NotFound)" in kubectl.refused("replace", "-f", "-", stdin=config_map("none", {}))


def test_delete(kubectl):
    for each in ("one", "two", "three"):
        kubectl.config_map(each)
    kubectl("label", "configmap", "two", "three", "go=now")
    assert 'configmap "one" deleted' in kubectl("delete", "configmap", "one")
    assert "(NotFound)" in kubectl.refused("delete", "configmap", "one")
    kubectl("delete", "configmap", "one", "--ignore-not-found")
    kubectl("delete", "configmap", "-l", "go=now")
    left = kubectl("get", "configmap", "-o", "name")
    assert "configmap/two" not in left
    assert "configmap/three" not in left


def test_finalizer_holds_a_delete(kubectl):
    kubectl("create", "-f", "-", stdin=config_map("one", {}, finalizers=["example.com/hold"]))
    kubectl("delete", "configmap", "one", "--wait=false")
    assert kubectl.json("get", "configmap", "one")["metadata"]["deletionTimestamp"]
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("wait", "--for=delete", "configmap/one", "--timeout=10s")
    assert "(NotFound)" in kubectl.refused("get", "configmap", "one")


def test_wait(kubectl):
    kubectl.config_map("one", state="new")
    with kubectl.following("wait", "--for=jsonpath={.data.state}=done", "configmap/one", "--timeout=20s") as lines:
        kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"state":"done"}}')
        assert line(lines) == "configmap/one condition met"


def test_watch(kubectl):
    kubectl.config_map("first", a="1")
    columns = "custom-columns=:type,:object.metadata.name,:object.data.a"
    selection = ("get", "configmap", "--field-selector", "metadata.name=first", "--no-headers")
    with kubectl.following(*selection, "-w", "-o", columns, "--output-watch-events") as lines:
        assert line(lines).split() == ["ADDED", "first", "1"]
        kubectl("patch", "configmap", "first", "--type=merge", "-p", '{"data":{"a":"2"}}')
        assert line(lines).split() == ["MODIFIED", "first", "2"]
        kubectl.config_map("other")
        kubectl("delete", "configmap", "first")
        assert line(lines).split() == ["DELETED", "first", "2"]
        kubectl.config_map("first", a="3")
        assert line(lines).split() == ["ADDED", "first", "3"]


def test_watch_table(kubectl):
    """The rows of a watch come as Tables too, the head line once."""
    kubectl.config_map("first", a="1")
    with kubectl.following("get", "configmap", "--field-selector", "metadata.name=first", "--watch") as lines:
        assert line(lines).split() == ["NAME", "DATA", "AGE"]
        assert line(lines).split()[:2] == ["first", "1"]
        kubectl("patch", "configmap", "first", "--type=merge", "-p", '{"data":{"b":"2"}}')
        assert line(lines).split()[:2] == ["first", "2"]


def test_apply(kubectl):
    wanted = config_map("one", {"a": "1", "b": "1"})
    complaint = kubectl("apply", "--dry-run=server", "-f", "-", stdin=wanted)
    assert complaint == "configmap/one created (server dry run)\n"
    assert "(NotFound)" in kubectl.refused("get", "configmap", "one")
    assert kubectl("apply", "-f", "-", stdin=wanted) == "configmap/one created\n"
    assert kubectl("apply", "-f", "-", stdin=wanted) == "configmap/one unchanged\n"
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"theirs":"1"}}')
    wanted = config_map("one", {"a": "2"})
    before = kubectl.json("get", "configmap", "one")
    assert (
        kubectl("apply", "--dry-run=server", "-f", "-", stdin=wanted) == "configmap/one configured (server dry run)\n"
    )
    assert kubectl.json("get", "configmap", "one") == before
    assert kubectl("apply", "-f", "-", stdin=wanted) == "configmap/one configured\n"
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "theirs": "1"}


def test_apply_prunes_and_keeps(kubectl):
    """Client-side apply of several manifests, and what it remembers; --prune."""
    one, two = config_map("one", {"a": "1"}, labels={"app": "x"}), config_map("two", {"b": "1"}, labels={"app": "x"})
    pair = yaml.safe_dump_all([one, two])
    assert kubectl("apply", "-f", "-", stdin=pair) == "configmap/one created\nconfigmap/two created\n"
    written = kubectl.json("get", "configmap", "one")
    assert json.loads(written["metadata"]["annotations"][LAST_APPLIED])["data"] == {"a": "1"}
    assert managers(kubectl, "configmap", "one") == [("kubectl-client-side-apply", "Update")]
    selection = ("--prune", "-l", "app=x", "--prune-allowlist=core/v1/ConfigMap")
    assert kubectl("apply", "-f", "-", *selection, stdin=one) == "configmap/one unchanged\nconfigmap/two pruned\n"
    kubectl("apply", "view-last-applied", "configmap", "one")
    kubectl("apply", "set-last-applied", "-f", "-", stdin=config_map("one", {}))
    kubectl("apply", "-f", "-", stdin=config_map("one", {}))
    left = kubectl.json("get", "configmap", "one")
    assert (left["data"], left["metadata"]["labels"]) == ({"a": "1"}, {"app": "x"})


@pytest.fixture
def bundle(kubectl, custom):
    """Three manifests, a custom one among them, and how kubectl names them."""
    manifests = [config_map("one", {"a": "1"}), config_map("two", {"b": "2"}), custom.object("three", size=3)]
    return manifests, ["configmap/one", "configmap/two", f"widget.{custom.group}/three"]


def test_apply_list(kubectl, bundle):
    """For a List kubectl asks for OpenAPI version 2, and for it in protobuf alone."""
    items, names = bundle
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    for text in (json.dumps(listed), yaml.safe_dump(listed)):
        assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=text).splitlines() == [
            f"{name} created (server dry run)" for name in names
        ]
    assert kubectl("apply", "-f", "-", stdin=listed).splitlines() == [f"{name} created" for name in names]
    items[0]["data"]["a"], items[2]["spec"]["size"] = "3", 4
    changed = ["configured", "unchanged", "configured"]
    assert kubectl("apply", "-f", "-", stdin=listed).splitlines() == list(
        map(" ".join, zip(names, changed, strict=True))
    )
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "3"}
    assert kubectl.json("get", names[2])["spec"]["size"] == 4
    # What kubectl prints of many is such a list.
    again = kubectl("get", *names, "-o", "yaml")
    assert yaml.safe_load(again)["kind"] == "List"
    # It has a uid and a resourceVersion, which the annotation of what was applied remembers.
    assert kubectl("apply", "-f", "-", stdin=again).splitlines() == [f"{name} configured" for name in names]
    assert kubectl("diff", "-f", "-", stdin=listed) == ""
    assert kubectl("delete", "-f", "-", stdin=listed).count("deleted") == len(names)


def test_apply_list_of_unknown_fields(kubectl, bundle):
    items, names = bundle
    items[0]["datum"] = {"a": "1"}
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    assert 'unknown field "datum"' in kubectl.refused("apply", "-f", "-", stdin=listed)
    done = kubectl.run("apply", "--validate=warn", "-f", "-", stdin=listed)
    assert done.stdout.splitlines() == [f"{name} created" for name in names]
    assert 'unknown field "datum"' in done.stderr


def test_apply_stream_with_lists(kubectl, bundle):
    """Documents one after another as kustomize prints them, Lists among them."""
    items, names = bundle
    stream = yaml.safe_dump_all([{"apiVersion": "v1", "kind": "List", "items": items[:2]}, items[2]])
    assert kubectl("apply", "-f", "-", stdin=stream).splitlines() == [f"{name} created" for name in names]
    # Each List of a kind is told apart from a List of all kinds.
    typed = {"apiVersion": "v1", "kind": "ConfigMapList", "items": items[:2]}
    stream = yaml.safe_dump_all([items[2], typed])
    said = kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=stream).splitlines()
    assert said == [f"{name} serverside-applied" for name in (names[2], *names[:2])]


def test_apply_kustomization(kubectl, bundle, tmp_path):
    items, names = bundle
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    said = {"resources": ["all.yaml"], "nameSuffix": "-x", "labels": [{"pairs": {"app": "x"}}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(said))
    applied = sorted(kubectl("apply", "-k", str(tmp_path)).splitlines())
    assert applied == sorted(f"{name}-x created" for name in names)
    built = kubectl("kustomize", str(tmp_path))
    assert sorted(kubectl("apply", "-f", "-", stdin=built).splitlines()) == sorted(
        f"{name}-x unchanged" for name in names
    )
    assert kubectl.json("get", f"{names[2]}-x")["metadata"]["labels"] == {"app": "x"}


def test_apply_secret(kubectl):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}, "stringData": {"k": "v"}}
    assert kubectl("apply", "-f", "-", stdin=secret) == "secret/one created\n"
    secret["stringData"] = {"k": "w"}
    assert kubectl("apply", "-f", "-", stdin=secret) == "secret/one configured\n"
    assert base64.b64decode(kubectl.json("get", "secret", "one")["data"]["k"]) == b"w"
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two"}, "data": {"k": "dg=="}}
    server_side = ("apply", "--server-side", "--field-manager=ops", "-f", "-")
    assert kubectl(*server_side, stdin=other) == "secret/two serverside-applied\n"
    kubectl("patch", "secret", "two", "-p", '{"stringData":{"k":"w","l":"x"}}')
    assert kubectl.json("get", "secret", "two")["data"] == {"k": "dw==", "l": "eA=="}
    complaint = kubectl.refused(*server_side, stdin=other)
    assert 'Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: .data.k' in complaint
    kubectl(*server_side, "--force-conflicts", stdin=other)
    assert kubectl.json("get", "secret", "two")["data"] == {"k": "dg==", "l": "eA=="}
    differs = kubectl.run(
        "diff", "--server-side", "--field-manager=ops", "-f", "-", stdin=other | {"data": {"k": "eQ=="}}
    )
    assert differs.returncode == 1, differs.stderr
    assert "***" in differs.stdout
    assert "eQ==" not in differs.stdout


def managers(kubectl, *which: str) -> list[tuple[str, str]]:
    """Who manages fields of an object, and by which operation."""
    fields = kubectl.json("get", *which, "--show-managed-fields")["metadata"]["managedFields"]
    return sorted((entry["manager"], entry["operation"]) for entry in fields)


def test_apply_server_side(kubectl):
    apply = ("apply", "--server-side", "-f", "-")
    wanted = config_map("one", {"a": "1", "b": "1"})
    assert kubectl(*apply, "--dry-run=server", stdin=wanted) == "configmap/one serverside-applied (server dry run)\n"
    assert "(NotFound)" in kubectl.refused("get", "configmap", "one")
    assert kubectl(*apply, stdin=wanted) == "configmap/one serverside-applied\n"
    before = kubectl.json("get", "configmap", "one")
    assert kubectl(*apply, stdin=wanted) == "configmap/one serverside-applied\n"
    assert kubectl.json("get", "configmap", "one") == before
    assert managers(kubectl, "configmap", "one") == [("kubectl", "Apply")]
    assert "managedFields" not in kubectl.json("get", "configmap", "one")["metadata"]

    # Another manager: its own field at once, a field of the first by force alone.
    theirs = ("apply", "--server-side", "--field-manager=ops", "-f", "-")
    kubectl(*theirs, stdin=config_map("one", {"c": "3"}))
    complaint = kubectl.refused(*theirs, stdin=config_map("one", {"a": "2", "c": "3"}))
    assert 'error: Apply failed with 1 conflict: conflict with "kubectl": .data.a' in complaint
    assert "Please review the fields above--they currently have other managers." in complaint
    kubectl(*theirs, "--force-conflicts", stdin=config_map("one", {"a": "2", "c": "3"}))
    kubectl(*apply, stdin=config_map("one", {"b": "1"}))
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "b": "1", "c": "3"}
    kubectl(*theirs, stdin=config_map("one", {"a": "2"}))
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2", "b": "1"}

    # A patch is an update of its own manager.
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"b":"5"}}')
    assert managers(kubectl, "configmap", "one") == [("kubectl-patch", "Update"), ("ops", "Apply")]
    assert 'conflict with "kubectl-patch"' in kubectl.refused(*apply, stdin=config_map("one", {"b": "1"}))


def test_apply_server_side_after_client_side(kubectl):
    """The move that kubectl makes of objects that it applied by the older way."""
    kubectl("apply", "-f", "-", stdin=config_map("one", {"a": "1", "b": "1"}))
    moved = kubectl("apply", "--server-side", "-f", "-", stdin=config_map("one", {"a": "2"}))
    assert moved == "configmap/one serverside-applied\n"
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2"}
    assert managers(kubectl, "configmap", "one") == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]


def test_diff_server_side(kubectl):
    kubectl("apply", "--server-side", "-f", "-", stdin=config_map("one", {"a": "1", "b": "1"}))
    diff = ("diff", "--server-side", "-f", "-")
    assert kubectl(*diff, stdin=config_map("one", {"a": "1", "b": "1"})) == ""
    differs = kubectl.run(*diff, stdin=config_map("one", {"a": "2"}))
    assert differs.returncode == 1, differs.stderr
    assert '-  a: "1"\n-  b: "1"\n+  a: "2"\n' in differs.stdout
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "1", "b": "1"}
    new = kubectl.run(*diff, stdin=config_map("two", {"a": "1"}))
    assert (new.returncode, '+  a: "1"' in new.stdout) == (1, True), new.stderr


def test_edit(kubectl, tmp_path):
    """kubectl edit, by an editor that is a script: what it saves is applied as a patch."""
    kubectl.config_map("one", a="1")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/a: "1"/a: "2"/\' "$1"\n')
    editor.chmod(0o755)
    command = kubectl.command("edit", "configmap", "one")
    environment = kubectl.environment() | {"KUBE_EDITOR": str(editor)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=KUBECTL_DEADLINE, check=False, env=environment
    )
    assert (done.returncode, done.stdout) == (0, "configmap/one edited\n"), done.stderr
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "2"}
    assert ("kubectl-edit", "Update") in managers(kubectl, "configmap", "one")


def test_diff(kubectl):
    kubectl("apply", "-f", "-", stdin=config_map("one", {"a": "1"}))
    kubectl("diff", "-f", "-", stdin=config_map("one", {"a": "1"}))
    differs = kubectl.run("diff", "-f", "-", stdin=config_map("one", {"a": "2"}))
    assert differs.returncode == 1, differs.stderr
    assert '-  a: "1"' in differs.stdout
    assert '+  a: "2"' in differs.stdout
    assert kubectl.json("get", "configmap", "one")["data"] == {"a": "1"}


def test_events(kubectl):
    kubectl.config_map("one")
    uid = kubectl.json("get", "configmap", "one")["metadata"]["uid"]
    about = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": kubectl.namespace, "name": "one", "uid": uid}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "happened.1", "namespace": kubectl.namespace},
        "involvedObject": about,
        "reason": "Happened",
        "message": "it happened",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-02T03:04:05Z",
        "lastTimestamp": "2026-01-02T03:04:05Z",
        "source": {"component": "test"},
    }
    kubectl("create", "-f", "-", stdin=event)
    head, row = kubectl("get", "events").splitlines()
    assert head.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row.split()[1:] == ["Normal", "Happened", "configmap/one", "it", "happened"]
    assert "it happened" in kubectl("describe", "configmap", "one")
    assert kubectl("get", "events", "--field-selector", "involvedObject.name=two", "-o", "name") == ""


def test_custom_resource(server, kubectl, unmade, tmp_path):
    """The life of a CRD and its objects, as in the tutorial of every operator."""
    file = tmp_path / "crd.yaml"
    file.write_text(yaml.safe_dump(unmade.definition()))
    made = kubectl("create", "-f", str(file))
    assert made == f"customresourcedefinition.apiextensions.k8s.io/{unmade.crd} created\n"
    kubectl("wait", "--for=condition=Established", f"crd/{unmade.crd}", "--timeout=20s")
    kind = f"widget.{unmade.group}"
    listed = kubectl("api-resources", "--api-group", unmade.group, "--no-headers", "--cached=false").split()
    assert listed == ["widgets", unmade.api_version, "true", "Widget"]

    assert kubectl("create", "-f", "-", stdin=unmade.object("one", size=1)) == f"{kind}/one created\n"
    got = kubectl.json("get", kind, "one")
    assert got["spec"] == {"size": 1}
    assert got["metadata"]["generation"] == 1
    head, row = kubectl("get", kind).splitlines()
    assert head.split() == ["NAME", "SIZE"]
    assert row.split() == ["one", "1"]
    with kubectl.following("get", kind, "-w", "--no-headers", "--output-watch-events") as lines:
        assert line(lines).split() == ["ADDED", "one", "1"]
        kubectl("patch", kind, "one", "--type=merge", "-p", '{"spec":{"size":2}}')
        assert line(lines).split() == ["MODIFIED", "one", "2"]
        kubectl("apply", "-f", "-", stdin=unmade.object("two", size=7))
        assert line(lines).split() == ["ADDED", "two", "7"]
        kubectl("apply", "-f", "-", stdin=unmade.object("two", size=8))
        assert line(lines).split() == ["MODIFIED", "two", "8"]
        kubectl("delete", kind, "one")
        assert line(lines).split() == ["DELETED", "one", "2"]

    kubectl("patch", kind, "two", "--subresource=status", "--type=merge", "-p", '{"status":{"phase":"Good"}}')
    kubectl("wait", "--for=jsonpath={.status.phase}=Good", f"{kind}/two", "--timeout=10s")
    with kubectl.following("get", kind, "two", "-w", "--no-headers", "--output-watch-events") as lines:
        assert line(lines).split() == ["ADDED", "two", "8"]
        kubectl("delete", "crd", unmade.crd, "--timeout=20s")
        assert line(lines).split() == ["DELETED", "two", "8"]
    assert "(NotFound)" in kubectl.refused("get", "crd", unmade.crd)
    with server.client() as client:
        assert client.get(f"/apis/{unmade.api_version}/{unmade.plural}").status_code == 404


def test_restart_keeps_everything(server, kubectl):
    kubectl.config_map("one", a="1")
    before = kubectl.json("get", "configmap", "one")
    server.restart()
    assert kubectl.json("get", "configmap", "one") == before
    kubectl("patch", "configmap", "one", "--type=merge", "-p", '{"data":{"a":"2"}}')
    after = kubectl.json("get", "configmap", "one")["metadata"]["resourceVersion"]
    assert int(after) > int(before["metadata"]["resourceVersion"])
