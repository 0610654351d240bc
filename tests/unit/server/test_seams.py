from __future__ import annotations

import threading
import uuid

from watchd.seams import UIDS_AT_ONCE, SystemEntropy


def test_uids_are_version_4_and_never_the_same():
    entropy = SystemEntropy()
    uids = [entropy.uid() for _ in range(3 * UIDS_AT_ONCE + 1)]
    assert len(set(uids)) == len(uids)
    for uid in uids:
        parsed = uuid.UUID(uid)
        assert (str(parsed), parsed.version, parsed.variant) == (uid, 4, uuid.RFC_4122)


def test_threads_get_uids_of_their_own():
    entropy = SystemEntropy()
    found: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda mine=mine: mine.extend(entropy.uid() for _ in range(5000))) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({uid for mine in found for uid in mine}) == 20_000
