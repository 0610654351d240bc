"""The examples that come with k8s.io/api: an object of each kind with every field set, in JSON and in protobuf.

They are read where the Go module of the clients finds that package, in the version that it names.
"""

from __future__ import annotations

import copy
import subprocess
from importlib.resources import files
from pathlib import Path

import orjson
import pytest

from conversion.protobuf_codec import ProtobufCodec
from watchd.registry.builtin.table import PACKAGES, component_of
from watchd.registry.schemas import whole
from watchd.schema.typed import prune_and_check

CODEC = ProtobufCodec()
KINDS = sorted(
    {(entry["group"], entry["version"], entry["kind"]) for entry in orjson.loads(files("watchd.registry.builtin").joinpath("kinds.json").read_bytes())}
)
"""All kinds of the table, those of versions that are not served included."""


@pytest.fixture(scope="session")
def examples(need):
    """Return the directory with the examples, `GROUP.VERSION.KIND.json` and `.pb`."""
    need.program("go", "install Go 1.26 or later")
    command = ["go", "mod", "download", "-json", "k8s.io/api"]
    found = subprocess.run(command, cwd=Path(__file__).parent / "go", capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return Path(orjson.loads(found.stdout)["Dir"]) / "testdata" / "HEAD"


def read(examples, group, version, kind):
    name = f"{group or 'core'}.{version}.{kind}"
    return orjson.loads((examples / f"{name}.json").read_bytes()), (examples / f"{name}.pb").read_bytes()


@pytest.mark.parametrize(("group", "version", "kind"), [kind for kind in KINDS if kind[0] not in PACKAGES])
def test_an_example_is_read_as_go_wrote_it(examples, group, version, kind):
    example, protobuf = read(examples, group, version, kind)
    fitted = copy.deepcopy(example)
    assert prune_and_check(fitted, whole(component_of(group, version, kind))) == []
    assert fitted == example
    assert CODEC.decode(protobuf).value == example
    assert CODEC.encode(example) == protobuf


def test_the_examples_have_every_field(examples):
    bare = []
    for group, version, kind in KINDS:
        if group not in PACKAGES:
            example, _ = read(examples, group, version, kind)
            schema = whole(component_of(group, version, kind))
            bare += [(kind, name) for name in schema["properties"] if name not in example]
    assert bare == []
