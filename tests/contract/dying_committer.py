"""A process that commits, and dies at its next batch as a file says: before the transaction, or before its answer.

The file's name is in WATCHD_TEST_DEATH, its content "before", "after", or "always" (before, and again the next time).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from storage import committer_child, committer_wire
from storage.committer import Writer

DEATH = Path(os.environ["WATCHD_TEST_DEATH"])


def answer_of(writer: Writer, request: committer_wire.Request) -> committer_wire.Answer:
    death = DEATH.read_text() if DEATH.exists() else ""
    if death not in ("", "always"):
        DEATH.unlink()
    if death == "after":
        _answer_of(writer, request)
    if death:
        os.kill(os.getpid(), signal.SIGKILL)
    return _answer_of(writer, request)


_answer_of = committer_child.answer_of
committer_child.answer_of = answer_of
committer_child.main(*map(int, sys.argv[1:]))
