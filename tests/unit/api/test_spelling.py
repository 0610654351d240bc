"""How a JSON patch compares what it is to find: the answers are those of the reference to the same bodies."""

from __future__ import annotations

import pytest

from watchd.api.patch import Change, PatchType
from watchd.status import StatusError

OBJECT = {
    "n": 1, "f": 1.5, "z": 0, "big": 1e21, "tiny": 1e-7, "small": 1e-5, "lt": "a<b", "u": "ü", "line": "\u2028", "slash": "/",
    "nothing": None, "list": [1, 2.5, "x"], "map": {"k": 1},
}  # fmt: skip


def applied(body: str):
    change = Change(PatchType.JSON)
    return change.load(body.encode(), {}).apply(OBJECT)


def passes(operations: str) -> bool:
    try:
        applied(operations)
    except StatusError:
        return False
    return True


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("n", ["1", " 1 "], ["1.0", "1e0", "10e-1", '"1"']),
        ("f", ["1.5"], ["1.50", "15e-1"]),
        ("z", ["0"], ["-0", "0.0"]),
        ("big", ["1e+21"], ["1e21", "1000000000000000000000"]),
        ("tiny", ["1e-7"], ["1e-07", "0.0000001"]),
        ("small", ["0.00001"], ["1e-5", "1e-05"]),
        ("lt", [r'"a\u003cb"'], ['"a<b"', r'"a\u003Cb"']),
        ("u", ['"ü"'], [r'"\u00fc"']),
        ("line", [r'"\u2028"'], ['"\u2028"']),
        ("slash", ['"/"'], [r'"\/"']),
        ("nothing", ["null"], ["0", "{}"]),
        ("list", ['[ 1 , 2.5, "x"]'], ['[1.0,2.5,"x"]', r'[1,2.5,"\u0078"]']),
        ("map", ['{"k":1}', r'{"\u006b":1}'], ['{"k":1.0}']),
        ("absent", ["null"], ["0"]),
    ],
)
def test_scalars_are_compared_as_they_are_written(field, good, bad):
    def found(value: str) -> bool:
        return passes(f'[{{"op":"test","path":"/{field}","value":{value}}}]')

    assert [value for value in good if not found(value)] == []
    assert [value for value in bad if found(value)] == []


@pytest.mark.parametrize(
    ("put", "same", "other"),
    [
        ("1.0", "1.0", "1"),
        ("1", "1", "1.0"),
        ('"<"', '"<"', r'"\u003c"'),
        (r'"\u003c"', r'"\u003c"', '"<"'),
        ('{"x":[1.0]}', '{"x":[1.0]}', '{"x":[1]}'),
    ],
)
def test_what_is_put_in_keeps_its_text(put, same, other):
    def found(value: str, op: str = "add") -> bool:
        return passes(f'[{{"op":"{op}","path":"/t","value":{put}}},{{"op":"test","path":"/t","value":{value}}}]')

    assert found(same)
    assert found(same, "replace")
    assert not found(other)


@pytest.mark.parametrize(
    ("put", "same", "other"), [("1.0", "1.0", "1"), ('"<"', r'"\u003c"', '"<"'), ('{"x":1.0}', '{"x":1.0}', '{"x":1}')]
)
def test_what_is_copied_is_escaped(put, same, other):
    def found(value: str) -> bool:
        copy = f'{{"op":"add","path":"/t","value":{put}}},{{"op":"copy","from":"/t","path":"/c"}}'
        return passes(f'[{copy},{{"op":"test","path":"/c","value":{value}}}]')

    assert found(same)
    assert not found(other)


def test_spellings_do_not_reach_the_object():
    body = (
        r'[{"op":"add","path":"/t","value":{"a":[1.0,"\u00fc"]}},{"op":"move","from":"/t","path":"/m"},'
        r'{"op":"copy","from":"/m","path":"/list/0"},{"op":"test","path":"/m/a/0","value":1.0}]'
    )
    assert applied(body) == {**OBJECT, "m": {"a": [1, "ü"]}, "list": [{"a": [1, "ü"]}, 1, 2.5, "x"]}
    assert OBJECT["list"] == [1, 2.5, "x"]


def test_tests_of_odd_bodies():
    # Twice the same field: the last one counts. Escaped names are names. A null is no operation.
    assert passes(r'[{"op":"test","path":"/n","value":1.0,"value":1}]')
    assert not passes(r'[{"\u006fp":"te\u0073t","path":"/n","v\u0061lue":1.0}]')
    assert not passes('[null,{"op":"test","path":"/n","value":1.0}]')
