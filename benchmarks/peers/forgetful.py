"""watchd that keeps no managedFields: what they cost shows beside it. `python -m benchmarks.peers.forgetful` is its command."""

from __future__ import annotations

from typing import Any

from benchmarks.peers.watchd import Watchd
from watchd import server
from watchd.cli import main
from watchd.registry.managed.texts import Known
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.writes import Caller

Object = dict[str, Any]


class ForgetfulStore(Store):
    """A Store that keeps no managedFields."""

    def _track(
        self,
        endpoint: Endpoint,
        new: Object,
        old: Object | None,
        known: Known | None,
        subresource: str,
        caller: Caller,
    ) -> Known | None:
        """Leave the object as it is."""


class Forgetful(Watchd):
    """`watchd serve` over a ForgetfulStore."""

    name = "watchd without managedFields"
    module = "benchmarks.peers.forgetful"


if __name__ == "__main__":
    # The composition root takes its Store from here.
    vars(server)["Store"] = ForgetfulStore
    main()
