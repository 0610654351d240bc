"""A process that commits, and dies at its next transaction as a file says: before it, or after it and before its answer.

The file's name is in WATCHD_TEST_DEATH, its content "before", "after", or "always" (before, and again the next time).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage import committer_child
from storage.committer import Writer

DEATH = Path(os.environ["WATCHD_TEST_DEATH"])


def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*args: object) -> object:
        death = DEATH.read_text() if DEATH.exists() else ""
        if death not in ("", "always"):
            DEATH.unlink()
        if death == "after":
            call(*args)
        if death:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args)

    return called


for name in ("commit", "allot", "compact"):
    setattr(Writer, name, deadly(getattr(Writer, name)))
committer_child.main(int(sys.argv[1]))
