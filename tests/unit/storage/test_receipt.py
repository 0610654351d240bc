"""A receipt tells its log, and no other, which appends of a request are stored."""

from __future__ import annotations

import pytest

from storage.errors import Conflict, StorageError
from storage.receipt import TOKEN_BYTES, Asked, pack_receipt, stored_by
from storage.types import Key, Op, Record, Revision

ASKED = Asked(3, b"t" * TOKEN_BYTES, 7)


def record(revision: int) -> Record:
    return Record(Revision(revision), Key(b"k"), Op.PUT, b"", b"", 0, Revision(1), Revision(0), b"", 0)


LOST = Conflict(Key(b"k"), Revision(1), Revision(2))


@pytest.mark.parametrize(
    "outcomes",
    [
        [record(5)],
        [LOST, record(5), record(6), LOST, record(7)],
        # What is committed singly may end in the midst, or go on behind one that found no room.
        [record(5), StorageError(), record(6)],
        [LOST] * 9 + [record(2**40)] + [LOST] * 300,
    ],
)
def test_what_is_stored_is_told(outcomes: list[object]) -> None:
    row = pack_receipt(ASKED, outcomes)
    expected = [outcome.revision if isinstance(outcome, Record) else None for outcome in outcomes]
    assert stored_by(row, ASKED, len(outcomes)) == expected
    assert stored_by(row, ASKED, len(outcomes) + 2) == [*expected, None, None]


def test_nothing_is_told_to_others_nor_of_other_requests() -> None:
    row = pack_receipt(ASKED, [record(5)])
    for asked in (Asked(3, b"u" * TOKEN_BYTES, 7), Asked(3, ASKED.token, 8)):
        assert stored_by(row, asked, 1) == [None]
    assert stored_by(None, ASKED, 1) == [None]
    assert pack_receipt(ASKED, [LOST]) is None
