"""Quantities as Go has them: `quantities.json` holds what resource.Quantity (apimachinery 0.37) answered.

A case is `[text]` or `[text, operation, text]`. Answers: of a text its canonical form, sign, AsInt64 and whether there is
one, Value, MilliValue and format; of a comparison the sign; of a sum or difference the canonical form, sign and AsInt64.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchd.schema.quantity import FORMAT_TEXT, NUMBER_TEXT, Quantity, QuantityError, canonical_quantity

CASES = json.loads(Path(__file__).with_name("quantities.json").read_text())
INT64 = 1 << 63


def answer(case):
    try:
        one = Quantity.parse(case[0])
        if len(case) == 1:
            return [str(one), one.sign(), one.as_int64(), one.value(), one.milli_value(), one.format]
        other = Quantity.parse(case[2])
        if case[1] == "cmp":
            return [one.compare(other)]
        result = one.add(other) if case[1] == "add" else one.sub(other)
        return [str(result), result.sign(), result.as_int64()]
    except QuantityError as e:
        return ["error", str(e)]


def recorded(want, found):
    """Bring an answer of Go's to ours: no flags, and what overflowed there says nothing."""
    if len(want) in (4, 7):
        want = [*want[:2], want[2] if want[3] else None, *want[4:]]
    if len(want) == 6:
        # Big negative decimals are rounded up there, small ones away from zero.
        told = [-INT64 <= number < INT64 and (number > 0 or want[2] is not None) for number in found[3:5]]
        want[3:5] = [number if tell else ours for number, ours, tell in zip(want[3:5], found[3:5], told, strict=True)]
    return want


@pytest.mark.parametrize(("case", "want"), CASES, ids=[" ".join(case) for case, _ in CASES])
def test_agrees_with_go(case, want):
    found = answer(case)
    assert found == recorded(want, found)


def test_there_are_answers_of_each_sort():
    assert {len(want) for _, want in CASES} == {1, 2, 4, 7}
    assert len({want[1] for _, want in CASES if want[0] == "error"}) == 3


def test_equal_numbers_are_equal_whatever_their_format():
    same = {Quantity.parse(text) for text in ("1Ki", "1024", "1024000m", "1.024e3", "1.024k")}
    assert len(same) == 1
    assert Quantity.parse("1Ki") != 1024
    assert sorted(map(Quantity.parse, ("2", "1Ki", "500m", "-1")), key=lambda one: one) == [
        Quantity.parse(text) for text in ("-1", "500m", "2", "1Ki")
    ]
    assert -Quantity.parse("5") == Quantity.parse("-5")
    assert not Quantity.parse("500m").is_integer()
    assert Quantity.parse("5e-1").fraction() == Fraction(1, 2)


def test_exponents_without_measure_cost_nothing():
    huge = Quantity.parse("1e2147483647")
    assert huge > Quantity.parse("1e2147483646")
    assert str(huge + Quantity.parse("1")) == "10e2147483646"
    assert huge.as_int64() is None
    assert huge.value() > INT64
    assert hash(Quantity.parse("1e-2147483648")) == hash(Quantity.parse("1n"))
    with pytest.raises(QuantityError, match=NUMBER_TEXT):
        Quantity.parse("1" * 100_001)
    long = Quantity.parse("1" * 9_000 + "Ki")
    assert str(long) == str(Quantity(2**63 - 1))
    assert str(Quantity.parse("1" * 9_000) + Quantity.parse("1n")) == "1" * 9_000 + "000000001n"


def test_canonical_forms_of_long_texts():
    assert canonical_quantity("0" * 100 + "1.5") == "1500m"
    with pytest.raises(QuantityError, match="must match"):
        canonical_quantity("x" * 100)
    assert FORMAT_TEXT.startswith("quantities must match")


NUMBERS = st.builds(Quantity, st.integers(-(10**20), 10**20), st.integers(-9, 12))


@given(NUMBERS, NUMBERS)
def test_arithmetic_is_exact(one, other):
    assert (one + other).fraction() == one.fraction() + other.fraction()
    assert (one - other).fraction() == one.fraction() - other.fraction()
    assert (one < other) == (one.fraction() < other.fraction())
    assert (hash(one) == hash(other)) or one != other


@given(st.integers(-(10**15), 10**15), st.integers(-9, 3))
def test_canonical_forms_read_back(unscaled, scale):
    number = Quantity(unscaled, scale)
    again = Quantity.parse(str(number))
    assert again == number
    assert str(again) == str(number)
