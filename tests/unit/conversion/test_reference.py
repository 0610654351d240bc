"""What the reference's own decoders made of some 220 bodies, recorded with reference/main.go, and what ours make of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conversion.cbor_codec import CborCodec
from conversion.codec import DecodeError
from conversion.json_codec import JsonCodec
from conversion.yaml_codec import YamlCodec

RECORDED = json.loads((Path(__file__).parent / "reference" / "decoded.json").read_text())
CODECS = {"json": JsonCodec(), "cbor": CborCodec(), "yaml": YamlCodec()}


def outcome(entry):
    data = bytes.fromhex(entry["input"])
    if entry["format"] == "toyaml":
        return {"text": YamlCodec().encode(json.loads(data)).decode()}
    try:
        decoded = CODECS[entry["format"]].decode(data)
    except DecodeError as e:
        return {"error": str(e)}
    return {"value": decoded.value, "strict": list(decoded.strict_errors)}


@pytest.mark.parametrize("entry", RECORDED, ids=lambda e: f"{e['format']}-{e.get('shown') or e['input'][:40]!r}")
def test_as_recorded(entry):
    # Where ours differs on purpose, the entry says how and why.
    assert outcome(entry) == entry.get("ours", entry["reference"])


def test_differences_are_few_and_explained():
    different = [entry for entry in RECORDED if "ours" in entry]
    assert all(entry["because"] for entry in different)
    assert all(entry["ours"] != entry["reference"] for entry in different)
    # Only these change what is accepted, or what value comes out; the rest is the wording of a refusal.
    changed = {bytes.fromhex(e["input"]) for e in different if "error" not in e["reference"] or "error" not in e["ours"]}
    assert changed == {
        bytes.fromhex("a1f601"),
        b"a: 1\n---\nb: 2\n",
        b'{"a":"\\u00e9\\/"}',
        b"%YAML 1.2\n---\na: 1\n",
        next(bytes.fromhex(e["input"]) for e in different if e["format"] == "toyaml"),
    }
