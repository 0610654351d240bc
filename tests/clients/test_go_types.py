"""Every built-in kind against Go's own types: reading, storing, owners and strategic merge patches of drawn objects.

The Go test binary answers (go/types_test.go) with the scheme of client-go: what its decoder makes of an object and says of a
broken one, what comes back from protobuf, which fields structured-merge-diff finds in it, what strategicpatch makes of it.
"""

from __future__ import annotations

import copy
import os
import subprocess
from importlib.resources import files
from pathlib import Path

import attrs
import orjson
import pytest

from tests.clients.drawn_objects import Drawing, quantity
from tests.unit.schema.test_quantity import CASES, answer, recorded
from watchd.api.strategic import StrategicMergePatch
from watchd.registry.builtin.table import PACKAGES, UNSTABLE, component_of
from watchd.registry.managed.compare import field_set
from watchd.registry.managed.typed import typing_of_whole
from watchd.registry.schemas import whole
from watchd.schema.goscalars import TypeMismatch
from watchd.schema.typed import prune_and_check
from watchd.schema.unstructured import misfit
from watchd.status import StatusError

SOURCES = Path(__file__).parent / "go"
ENTRIES = orjson.loads(files("watchd.registry.builtin").joinpath("kinds.json").read_bytes())
KINDS = sorted(
    {
        (entry["group"], entry["version"], entry["kind"])
        for entry in ENTRIES
        if entry["group"] not in PACKAGES and not any(word in entry["version"] for word in UNSTABLE)
    }
)
QUANTITIES = 4000
EACH = 30
"""Objects of a kind, broken ones and patches, of each so many."""
DEPTH_OF_PATCHES = 6


@attrs.frozen
class Case:
    """A question and its answer."""

    question: dict
    answer: dict

    @property
    def schema(self):
        return whole(component_of(self.question["Group"], self.question["Version"], self.question["Kind"]))


def drawn(group, version, kind):
    """Return objects of a kind, broken ones, and patches."""
    schema, api_version = whole(component_of(group, version, kind)), f"{group}/{version}" if group else version
    about = {"Group": group, "Version": version, "Kind": kind}
    seed = KINDS.index((group, version, kind)) * 1000
    plain, odd, broken = Drawing(seed), Drawing(seed + 1, odd=0.25), Drawing(seed + 2, odd=0.1)
    objects, wrong, misfits, patches = [], [], [], []
    for number in range(EACH):
        objects.append({**about, "Object": odd.object(api_version, kind, schema)})
        obj = broken.object(api_version, kind, schema)
        broken.break_(obj)
        wrong.append({**about, "Object": obj})
        misfits.append({**about, "Object": obj, "Patch": {}})
        original, other = (plain.object(api_version, kind, schema, depth=DEPTH_OF_PATCHES) for _ in range(2))
        prune_and_check(original, schema)
        if number % 2:
            prune_and_check(other, schema)
            modified = {**original, **{name: value for name, value in other.items() if plain.random.random() < 0.5}}
            patches.append({**about, "Object": original, "Modified": modified})
        else:
            patch = odd.object(api_version, kind, schema, depth=DEPTH_OF_PATCHES)
            odd.direct(patch)
            patches.append({**about, "Object": original, "Patch": patch})
    return {"objects": objects, "broken": wrong, "misfits": misfits, "patches": patches}


@pytest.fixture(scope="session")
def ask(need):
    """Return what asks Go a list of questions."""
    need.program("go", "install Go 1.26 or later")
    built = subprocess.run([SOURCES / "build.sh"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    program = built.stdout.strip()

    def ask(questions):
        told = subprocess.run(
            [program],
            input=b"\n".join(map(orjson.dumps, questions)),
            env=os.environ | {"CLIENTS_TYPES": "1"},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        return [orjson.loads(line) for line in told.splitlines()]

    return ask


@pytest.fixture(scope="session")
def asked(ask):
    """Return the cases of each kind, by what they are about."""
    drawings = {kind: drawn(*kind) for kind in KINDS}
    questions = [question for found in drawings.values() for some in found.values() for question in some]
    answers = iter(ask(questions))
    return {kind: {topic: [Case(question, next(answers)) for question in some] for topic, some in found.items()} for kind, found in drawings.items()}


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_objects_come_back_from_storage_as_in_go(asked, kind):
    for case in asked[kind]["objects"]:
        obj = copy.deepcopy(case.question["Object"])
        assert "error" not in case.answer
        assert prune_and_check(obj, case.schema) == []
        assert obj == case.answer["stored"]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_fields_are_those_that_go_finds(asked, kind):
    node = typing_of_whole(whole(component_of(*kind))).root
    for case in asked[kind]["objects"]:
        if "owned" in case.answer:
            assert field_set(node, case.answer["decoded"]).to_fields() == case.answer["owned"]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_broken_objects_are_refused_in_gos_words(asked, kind):
    for case in asked[kind]["broken"]:
        obj = copy.deepcopy(case.question["Object"])
        try:
            unknown, error = prune_and_check(obj, case.schema), ""
        except TypeMismatch as e:
            unknown, error = [], str(e)
        assert error == case.answer.get("error", "")
        warned = "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown) if unknown else ""
        assert error or warned == case.answer.get("strict", "")


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_patches_lead_to_what_they_do_in_go(asked, kind):
    for case in asked[kind]["patches"]:
        error = case.answer.get("error", "")
        if "patch" not in case.answer:
            assert error, "Go makes patches of most changes"
            continue
        patch = StrategicMergePatch(case.answer["patch"], case.schema)
        if error or "misfit" in case.answer:
            with pytest.raises(StatusError) as caught:
                patch.apply(case.question["Object"])
            # Of several errors Go tells any: its maps have no order.
            assert error or caught.value.message.endswith(case.answer["misfit"])
        else:
            assert patch.apply(case.question["Object"]) == case.answer["patched"]


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_what_a_patch_makes_is_refused_in_gos_words(asked, kind):
    for case in asked[kind]["misfits"]:
        assert misfit(case.question["Object"], case.schema, case.schema.get("$defs", {})) == case.answer.get("misfit", "")


def test_the_drawn_objects_are_of_every_sort(asked):
    cases = {topic: [case for found in asked.values() for case in found[topic]] for topic in ("objects", "broken", "patches")}
    assert sum("owned" in case.answer for case in cases["objects"]) > len(KINDS) * EACH / 2
    assert sum("error" in case.answer for case in cases["broken"]) > len(KINDS) * EACH / 4
    assert sum("strict" in case.answer for case in cases["broken"]) > len(KINDS) / 2
    assert sum("patched" in case.answer for case in cases["patches"]) > len(KINDS) * EACH / 2
    assert len(KINDS) > 60


def test_quantities_are_gos(ask):
    draw = Drawing(1).random
    cases = [case for case, _ in CASES]
    cases += ([quantity(draw)] for _ in range(QUANTITIES // 2))
    cases += ([quantity(draw), draw.choice(("cmp", "add", "sub")), quantity(draw)] for _ in range(QUANTITIES // 2))
    told = [found.get("quantity") or ["error", found["error"]] for found in ask([{"Quantity": case} for case in cases])]
    assert told[: len(CASES)] == [want for _, want in CASES], "what is recorded is not what Go answers"
    for case, want in zip(cases, told, strict=True):
        found = answer(case)
        assert (case, found) == (case, recorded(want, found))
