"""watchd whose HTTP/1.1 is Hypercorn's, as its HTTP/2 is: what the native door saves shows beside it.

`python -m benchmarks.peers.hypercorn` is its command.
"""

from __future__ import annotations

from functools import partial

from benchmarks.peers.watchd import Watchd
from watchd import server
from watchd.cli import main
from watchd.serving.door import serve


class OnHypercorn(Watchd):
    """`watchd serve` without the native door."""

    name = "watchd on Hypercorn"
    module = "benchmarks.peers.hypercorn"


if __name__ == "__main__":
    # The composition root takes its door from here.
    vars(server)["serve"] = partial(serve, native=False)
    main()
