"""What became of a batch whose committer died without an answer: the receipt that its transaction left behind tells."""

from __future__ import annotations

from storage.committer import Outcome
from storage.receipt import Asked, stored_by
from storage.snapshot import Snapshot
from storage.types import EVERYTHING, Revision


def aftermath(snapshot: Snapshot, asked: Asked, count: int) -> list[Outcome | None]:
    """Return for each append of a request its record, or None where certainly nothing was stored for it.

    Raises Compacted, Corrupt.
    """
    revisions = stored_by(snapshot.receipt(asked.name), asked, count)
    return [
        None if revision is None else snapshot.read(Revision(revision - 1), EVERYTHING, 1, 0, revision).records[0]
        for revision in revisions
    ]
