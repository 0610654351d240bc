"""What clients of a simulated cluster were told, in the order in which they were told it."""

from __future__ import annotations

import attrs

NAMES = ("m-a", "m-b", "m-c", "m-d", "m-e")
"""Of the ConfigMaps that they write and watch."""

SELECTED = "red"
"""The value of the label "app" that some of them select."""

GIVEN_UP = "the write is not stored"
"""What an answer says of a write with which the committer died each time."""


def is_given_up(status: int, answer: object) -> bool:
    """Tell whether an answer says that a write could not be stored: the disk is full, or it was tried often enough."""
    return status == 507 or (status == 500 and GIVEN_UP in str(answer))


@attrs.frozen
class Since:
    """When a client asked."""

    answered: int
    """The highest revision that anybody had been told of."""
    head: int
    """The highest revision on the disk."""


@attrs.frozen
class Window:
    """Between a request and its answer."""

    since: Since
    until: int
    """The highest revision on the disk at the answer."""


@attrs.frozen
class Wrote:
    """A write, and how it went."""

    window: Window
    verb: str
    name: str
    value: str
    expected: int | None
    status: int
    """0 where no answer came."""
    revision: int | None
    message: str = ""

    @property
    def unknown(self) -> bool:
        """Whether nobody knows if it is stored."""
        return self.status == 0

    @property
    def given_up(self) -> bool:
        """Whether it was refused for no fault of the client's; it must not be stored then."""
        return is_given_up(self.status, self.message)


@attrs.frozen
class Read:
    """An object that was read, or that was not there."""

    window: Window
    name: str
    minimum: int
    found: tuple[int, str] | None
    """Revision and value."""


@attrs.frozen
class Listed:
    """A list, be it put together from pages of several workers."""

    window: Window
    minimum: int
    exact: bool
    revision: int
    items: dict[str, tuple[int, str]]
    selected: bool


@attrs.frozen
class Expired:
    """Somebody was told that a revision is gone."""

    revision: int
    floor: int


@attrs.frozen
class Event:
    """An event of a watch."""

    type: str
    name: str
    revision: int
    value: str


@attrs.frozen
class Bookmark:
    """A bookmark, and the highest revision on the disk when it came."""

    revision: int
    head: int


@attrs.define(eq=False)
class Session:
    """What a client saw from its list on, over as many watches as it resumed."""

    selected: bool
    start: int
    state: dict[str, tuple[int, str]] | None
    """What the client had at the start, None where it asked for what comes from then on alone."""
    sure: int = 0
    """Changes up to here may have come before the start."""
    told: list[Event | Bookmark | Expired] = attrs.field(factory=list)
    settled: bool = False
    """Whether it was still followed long after the last write."""

    @property
    def position(self) -> int:
        """Where a client goes on."""
        last = next((told for told in reversed(self.told) if not isinstance(told, Expired)), None)
        return self.start if last is None else last.revision


@attrs.define(eq=False)
class History:
    """All that clients were told."""

    writes: list[Wrote] = attrs.field(factory=list)
    reads: list[Read] = attrs.field(factory=list)
    lists: list[Listed] = attrs.field(factory=list)
    expired: list[Expired] = attrs.field(factory=list)
    sessions: list[Session] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    definitions: int = 0
    """Kinds that were made through one worker and used through another."""
    namespaces: int = 0
    """That came and went."""
