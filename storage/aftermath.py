"""What became of a batch whose committer died without an answer: the records that it left behind tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from storage.committer import Append, Outcome
from storage.errors import OutcomeUnknown
from storage.types import Op, Record, Write, stamp

AMBIGUOUS = "the process that commits died, and which of several like writes is stored cannot be told"


def aftermath(appends: Sequence[Append], records: Sequence[Record], *, alone: bool) -> list[Outcome | None]:
    """Find each append's record among all that were committed since; `alone`: by nobody else.

    Returns:
        For each append its record; or None where certainly nothing was committed for it; or OutcomeUnknown where nobody
        can tell: fewer records than appends show the same write, or others may have asked for it too.

    """
    outcomes: list[Outcome | None] = [None] * len(appends)
    alike: dict[Write, list[int]] = defaultdict(list)
    for index, append in enumerate(appends):
        alike[msgspec.structs.replace(append.write, expect=None)].append(index)
    for write, indexes in alike.items():
        found = [record for record in records if _shows(record, write)]
        claims = [index for index in indexes if any(_may_be(appends[index].write, record) for record in found)]
        # A batch is committed in its order.
        sure = alone and len(found) == len(claims) and all(
            _may_be(appends[index].write, record) for index, record in zip(claims, found, strict=True)
        )
        for place, index in enumerate(claims):
            outcomes[index] = found[place] if sure else OutcomeUnknown(f"{AMBIGUOUS}: {write.key!r}")
    return outcomes


def _shows(record: Record, write: Write) -> bool:
    """Tell whether a record may be that of a write."""
    if record.key != write.key or record.op is not write.op:
        return False
    return write.op is Op.DELETE or (
        record.header == write.header and record.body == stamp(write.body, write.stamp_at, record.revision)
    )


def _may_be(write: Write, record: Record) -> bool:
    return write.expect is None or write.expect == record.previous
