"""Kinds that a package brings: the example as it is installed, and packages that cannot be served."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from watchd.extension import ExtensionError, Resource, Version, schema_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "kites"


def install(place, module, text='kites = "kites:kinds"'):
    """Lay a package out as pip does."""
    shutil.copy(module, place)
    info = place / "kites-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kites\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[watchd.kinds]\n{text}\n".replace('"', ""))


def run(place, *arguments, cwd=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WATCHD_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(place), str(EXAMPLE.parents[1])]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_example_passes_its_own_tests_where_it_is_installed(tmp_path):
    install(tmp_path, EXAMPLE / "kites.py")
    shutil.copy(EXAMPLE / "test_kites.py", tmp_path)
    played = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path, tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "3 passed" in played.stdout


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise RuntimeError('broken')", "RuntimeError: broken"),
        ("def kinds():\n    return [Resource('example.com', 'Kite', 'Kites', 'v1', (Version('v1', Spec),))]", "Kites.example.com: "),
        ("def kinds():\n    return [Resource('example.com', 'Kite', 'kites', 'v1', (Version('v1', Spec),))] * 2", "kites.example.com is there already"),
    ],
    ids=["broken", "no name", "twice"],
)
def test_a_package_that_cannot_be_served_is_one_line(tmp_path, code, why):
    module = tmp_path / "source" / "kites.py"
    module.parent.mkdir()
    module.write_text(f"import msgspec\nfrom watchd.extension import Resource, Version\nclass Spec(msgspec.Struct):\n    a: int = 1\n{code}\n")
    place = tmp_path / "place"
    place.mkdir()
    install(place, module)
    started = run(place, "-m", "watchd", "serve", "--data-dir", tmp_path / "data", "--bind", "127.0.0.1:0")
    assert started.returncode == 1
    (line,) = [line for line in started.stderr.splitlines() if line.startswith("watchd: ")]
    assert why in line


class Inner(msgspec.Struct):
    """Something inside."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    count: int | None = None


class Outer(msgspec.Struct, rename="camel"):
    """The whole."""

    inner_things: list[Inner] = []
    by_name: dict[str, Inner] = {}
    anything: dict = {}


class Tree(msgspec.Struct):
    below: list[Tree] = []


class Either(msgspec.Struct):
    value: int | str


def test_a_schema_says_what_the_type_says():
    inner = {
        "type": "object",
        "description": "Something inside.",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 5},
            "count": {"type": "integer", "nullable": True},
        },
        "required": ["name"],
    }
    assert schema_of(Outer) == {
        "type": "object",
        "description": "The whole.",
        "properties": {
            "innerThings": {"type": "array", "items": inner, "default": []},
            "byName": {"type": "object", "additionalProperties": inner, "default": {}},
            "anything": {"type": "object", "default": {}},
        },
    }


@pytest.mark.parametrize("kind", [Tree, Either])
def test_types_without_a_structural_schema_are_refused(kind):
    with pytest.raises(ExtensionError):
        Resource("example.com", "Thing", "things", "v1", (Version("v1", kind),)).to_kind()
