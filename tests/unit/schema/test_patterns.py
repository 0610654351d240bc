"""Patterns are Go's, and take linear time whatever they are."""

from __future__ import annotations

import time

import pytest

from watchd.schema.patterns import Pattern


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a", "xax", True),
        ("^a$", "a\n", False),
        (r"^\p{L}+$", "日本", True),
        ("[[:alpha:]]", "1", False),
        ("(?i)^AB$", "ab", True),
        (r"^\d+$", "\u0661", False),
        ("^.$", "é", True),
        ("", "", True),
        ("(?P<x>a)", "a", True),
    ],
)
def test_matches_as_go_does(pattern, text, found):
    assert Pattern(pattern).matches(text) is found


def test_a_pattern_that_backtracks_elsewhere_takes_no_time():
    started = time.perf_counter()
    assert not Pattern("^(a+)+$").matches("a" * 5000 + "!")
    assert time.perf_counter() - started < 0.5


def test_a_bad_pattern_matches_nothing_and_says_why():
    bad = Pattern("(a")
    assert not bad.matches("a")
    assert bad.error == "error parsing regexp: missing closing ): `(a`"
    assert Pattern("a").error == ""
