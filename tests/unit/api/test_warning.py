"""Warning headers: quoted, each said once, and bounded."""

from __future__ import annotations

import pytest

from watchd.api.warning import warning_headers


def test_each_text_is_said_once_and_quoted():
    said = [value for _, value in warning_headers(['unknown field "a"', "b\\c", "", 'unknown field "a"', "größe"])]
    assert said == ['299 - "unknown field \\"a\\""', '299 - "b\\\\c"', '299 - "größe"']


@pytest.mark.parametrize("char", ["\n", "\x00", "\x7f", "\x85", "\ud800"])
def test_what_no_header_can_hold_is_left_out(char):
    assert warning_headers(["a" + char]) == []


def test_beyond_four_kilobytes_texts_are_cut_and_then_left_out():
    longest = "x" * 1000
    texts = [f"{number} {longest}" for number in range(4)] + [f"{number} short" for number in range(600)]
    said = [value.removeprefix('299 - "').removesuffix('"') for _, value in warning_headers(texts)]
    # All that had come when the limit was passed, each of at most 256 characters; then until the limit is reached again.
    assert said[:4] == [text[:256] for text in texts[:4]]
    assert said == [text[:256] for text in texts[: len(said)]]
    assert sum(map(len, said[:-1])) < 4096 <= sum(map(len, said))
    assert warning_headers(texts[:4])[0][1] == f'299 - "{texts[0]}"'
