"""What looks after the connections of a door."""

from __future__ import annotations

import msgspec

from watchd.serving.backlog import Backlog
from watchd.serving.deadlines import Deadlines
from watchd.serving.parking import Parking


class Keepers(msgspec.Struct, frozen=True):
    """Shared by all connections of one door."""

    deadlines: Deadlines
    """End those that wait for too long."""
    parking: Parking
    """Where they are while a watch has nothing to do."""
    backlog: Backlog
    """Counts what waits for their clients."""
