"""Odd scalars of YAML, as the reference reads and writes them: its answers are recorded in reference/scalars.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conversion.codec import DecodeError
from conversion.yaml_codec import YamlCodec

RECORDED = json.loads((Path(__file__).parent / "reference" / "scalars.json").read_text())

ODD_BREAKS = frozenset("\x85\u2028\u2029")
"""Line breaks that the reference writes without an escape, so that they cannot be read back as they were; ours can."""

codec = YamlCodec()


@pytest.mark.parametrize("entry", RECORDED["read"], ids=lambda entry: repr(entry["text"])[:40])
def test_read(entry):
    body = f"spec:\n  x: {entry['text']}\n".encode()
    if entry.get("refused"):
        with pytest.raises(DecodeError):
            codec.decode(body)
        return
    found = codec.decode(body).value["spec"]
    wanted = entry["spec"] if "spec" in entry else {"x": entry["value"]}
    if isinstance(found.get("x"), float):
        wanted = {"x": float(wanted["x"])}
    assert found == wanted
    assert type(found.get("x")) is type(wanted.get("x"))


@pytest.mark.parametrize("entry", RECORDED["written"], ids=lambda entry: repr(entry["text"])[:40])
def test_written(entry):
    text = codec.encode({"spec": {"x": entry["text"]}}).decode()
    assert codec.decode(text.encode()).value == {"spec": {"x": entry["text"]}}
    if not ODD_BREAKS & set(entry["text"]):
        lines = text.removeprefix("spec:\n").split("\n")
        assert "\n".join(line.removeprefix("  ") for line in lines) == entry["yaml"]
