"""The example manifests of the built-in kinds, `manifests/GROUP.PLURAL.{minimal,full}.yaml` (`core` for the group without a name).

Run as a program it writes the conformance cases that create each of them: tests/conformance/cases/kinds-manifests.yaml.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import orjson
import yaml

DIRECTORY = Path(__file__).parent / "manifests"
CASES = Path(__file__).parents[1] / "conformance" / "cases" / "kinds-manifests.yaml"
SIZES = ("minimal", "full")
"""As a user writes it, and with as many fields as go together."""

VIRTUAL = frozenset({("", "componentstatuses")})
"""Kinds that are listed and not stored."""

UNSTABLE = ("alpha", "beta")

HEAD = """\
# Each example manifest of the built-in kinds is created, so that what a kind is filled up with is compared for all of them.
# Made by `python -m tests.kinds.manifests` of tests/kinds/manifests; a test holds that it is up to date.
"""

LONGEST = 50
"""Characters of a case's name."""

DRY = ("namespaces",)
"""Kinds that are created in a dry run alone: the reference has nobody who ends a namespace."""

VERSION = "metadata.resourceVersion"
"""Not compared: controllers on either side may have written in between."""

COMPARED: dict[str, dict[str, list[str]]] = {
    # What a server draws for a Service.
    "services": {"loose": [VERSION, "spec.clusterIP", "spec.clusterIPs.*", "spec.ports.*.nodePort", "spec.healthCheckNodePort"]},
    # All but the uid of the user, which not every user has.
    "certificatesigningrequests": {"loose": [VERSION], "only": ["kind", "metadata", "status", "spec.request", "spec.usages", "spec.expirationSeconds", "spec.username", "spec.groups"]},
}
"""What of the answers is compared, where it is not everything."""


@attrs.frozen
class Stored:
    """A built-in kind at the version that its manifests are of."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        return f"{self.group or 'core'}.{self.plural}"

    def path(self, namespace: str) -> str:
        """Return the path of its collection."""
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{root}/{self.plural}"

    def manifest(self, size: str, namespace: str) -> dict[str, Any]:
        """Return its manifest as an object of a namespace."""
        text = (DIRECTORY / f"{self.name}.{size}.yaml").read_text()
        loaded: dict[str, Any] = yaml.safe_load(text.replace("${namespace}", namespace))
        return loaded


def stored_kinds() -> list[Stored]:
    """Return the kinds that are stored, each at its preferred stable version."""
    found: dict[tuple[str, str], Stored] = {}
    for entry in orjson.loads(files("watchd.registry.builtin").joinpath("kinds.json").read_bytes()):
        key = entry["group"], entry["resource"]
        if "list" in entry["verbs"] and key not in VIRTUAL and not any(word in entry["version"] for word in UNSTABLE):
            found.setdefault(key, Stored(*key[:1], entry["version"], key[1], entry["kind"], entry["namespaced"]))
    return list(found.values())


def case(kind: Stored) -> dict[str, Any]:
    """Return the conformance case of a kind: each manifest is created, and goes again."""
    path = kind.path("${ns}")
    steps: list[dict[str, Any]] = []
    for size in SIZES:
        manifest = kind.manifest(size, "${ns}")
        if kind.plural in DRY:
            steps.append({"POST": path, "query": {"dryRun": "All"}, "body": manifest})
            continue
        one = f"{path}/{manifest['metadata']['name']}"
        steps += [
            {"POST": path, "body": manifest, **COMPARED.get(kind.plural, {"loose": [VERSION]})},
            {"PATCH": one, "merge-patch": {"metadata": {"finalizers": None}}, "only": ["kind", "message"]},
            {"DELETE": one, "query": {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}, "only": ["kind", "details", "message"]},
        ]
    name = f"all-{kind.plural}-{kind.group.partition('.')[0]}"[:LONGEST].rstrip("-")
    return {"case": name, "about": f"{kind.kind} of {kind.api_version}", "steps": steps}


def cases() -> str:
    """Return the file of the cases."""
    document = {"capability": "kinds-manifests", "cases": [case(kind) for kind in stored_kinds()]}
    return HEAD + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=200)


if __name__ == "__main__":
    CASES.write_text(cases())
