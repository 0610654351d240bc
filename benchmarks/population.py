"""The objects that servers hold before something is measured."""

from __future__ import annotations

import time

from benchmarks.asking import ask_object, wait_until_ok
from benchmarks.errors import PeerFailed
from benchmarks.peers.peer import READY_SECONDS, Peer
from benchmarks.widgets import COLLECTION, name_of, widget

WARM_SECONDS = 180.0
"""For a first whole list: with 100,000 objects the reference needs a minute until its cache is full."""

REST_SECONDS = 2.0
"""Until a server that was just started has come to rest: what it does behind its first answers is done."""


def populate(peer: Peer, have: int, want: int) -> None:
    """Give a server that knows widgets `want` of them, of which `have` are there. Raises PeerFailed.

    The first is created over its API; the others are clones of it, written where the server keeps them.
    """
    if not have:
        ask_object(peer.endpoint, "POST", COLLECTION, widget(name_of(0), 0))
        have = 1
    if want > have:
        peer.clone(have, want)
    if (there := held(peer)) != want:
        raise PeerFailed(f"{peer.name} has {there} objects, not {want}")


def held(peer: Peer) -> int:
    """Return how many objects a server says that it has. Raises PeerFailed."""
    wait_until_ok(peer.endpoint, f"{COLLECTION}?limit=1", within=READY_SECONDS)
    listed = ask_object(peer.endpoint, "GET", f"{COLLECTION}?limit=1")
    more: int = listed["metadata"].get("remainingItemCount", 0)
    return len(listed["items"]) + more


def warm(peer: Peer) -> None:
    """Ask for a whole list, until there is one. Raises PeerFailed."""
    wait_until_ok(peer.endpoint, COLLECTION, within=WARM_SECONDS)


def anew(peer: Peer) -> None:
    """Start a server anew, have it fill its caches, and wait until it rests: its memory is that of its objects alone. Raises PeerFailed."""
    peer.stop_server()
    peer.start()
    warm(peer)
    time.sleep(REST_SECONDS)
