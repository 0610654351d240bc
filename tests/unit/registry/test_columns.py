"""What kinds show in Tables."""

from __future__ import annotations

import pytest

from tests.builtin import KINDS
from watchd.registry.columns import age, columns_of, human_duration
from watchd.registry.kind import Kind, Names, Version

NOW_MS = 1_700_000_000_000

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86_400, 365 * 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (9 * MINUTE + 59, "9m59s"),
        (10 * MINUTE + 59, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (7 * HOUR + 59 * MINUTE, "7h59m"),
        (8 * HOUR + 59 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (48 * HOUR, "2d"),
        (7 * DAY + 23 * HOUR, "7d23h"),
        (8 * DAY + 23 * HOUR, "8d"),
        (2 * YEAR - 1, "729d"),
        (2 * YEAR, "2y"),
        (7 * YEAR + 364 * DAY, "7y364d"),
        (9 * YEAR + 5 * DAY, "9y"),
    ],
)
def test_durations_read_as_kubectl_writes_them(seconds, text):
    assert human_duration(seconds) == text


def test_ages():
    assert age("2023-11-14T22:13:20Z", NOW_MS) == "0s"
    assert age("2023-11-14T22:11:00.123456Z", NOW_MS) == "2m20s"
    assert age("2023-11-15T00:13:10+02:00", NOW_MS) == "10s"
    assert age(None, NOW_MS) == "<unknown>"
    assert age("yesterday", NOW_MS) == "<invalid>"


def cells(columns, obj):
    found = columns_of(Kind("g", Names("things", "Thing"), (Version("v1", columns=tuple(columns)),), "v1", custom=True), Version("v1", columns=tuple(columns)))
    return [column.cell(obj, NOW_MS) for column in found]


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", "x", "x"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", {"b": [1, 2.0], "a": "<z>"}, '{"a":"\\u003cz\\u003e","b":[1,2]}'),
        ("string", ["x", None], '["x",null]'),
        ("string", None, "<no value>"),
        ("string", 1e6, "1e+06"),
        ("integer", 1e20, -(2**63)),
        ("date", "", "<unknown>"),
        ("date", 5, None),
        ("integer", 5, 5),
        ("integer", 5.9, 5),
        ("integer", "5", None),
        ("integer", True, None),
        ("number", 1.5, 1.5),
        ("boolean", False, False),
        ("boolean", "no", None),
        ("date", "2023-11-14T22:13:15Z", "5s"),
        ("date", "soon", "<invalid>"),
    ],
)
def test_custom_cells(kind, value, cell):
    column = {"name": "C", "type": kind, "jsonPath": ".spec.v"}
    assert cells([column], {"metadata": {"name": "a"}, "spec": {"v": value}}) == ["a", cell]
    assert cells([column], {"metadata": {"name": "a"}}) == ["a", None]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.storage_name + kind.group)
def test_every_cell_bears_an_object_with_nothing_in_it(kind):
    # Bookmarks are such objects.
    for column in columns_of(kind, kind.versions[0]):
        assert column.cell(kind.blank(kind.versions[0].name, {"resourceVersion": "5"}), NOW_MS) is not None


def test_columns_end_at_the_first_whose_path_cannot_be_read():
    columns = [{"name": name, "type": "string", "jsonPath": path} for name, path in (("a", ".a"), ("b", ".b["), ("c", ".c"))]
    assert cells(columns, {"metadata": {"name": "x"}, "a": "1", "b": "2", "c": "3"}) == ["x", "1"]
