"""What a server is asked for, and how its events are read: the Kubernetes API's protocol, or etcd's JSON gateway.

The clients know only this, so that one schedule, one clock and one count of events serve every server.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Protocol

import attrs

from benchmarks.widgets import COLLECTION, NAMESPACE, collection, widget


@attrs.frozen
class Request:
    """One request."""

    method: str
    path: str
    body: bytes = b""


class Dialect(Protocol):
    """One protocol. Updates are numbered from 1; an event tells which update it comes from."""

    def create(self, name: str, number: int, *, namespace: str = NAMESPACE) -> Request:
        """Create an object."""

    def read(self, name: str) -> Request:
        """Read an object."""

    def put(self, name: str, number: int, *, stamp: int, revision: str) -> Request:
        """Replace an object that was last written at a revision; `stamp` makes it differ from any other write."""

    def revision(self, body: bytes) -> str:
        """Return the revision of the write, or of the object read, from an answer."""

    def now(self) -> Request:
        """Ask for something small whose answer `revision` finds the store's revision in."""

    def watch(self, after: str, name: str = "") -> Request:
        """Watch the collection, or the one object of a name, from behind a revision."""

    def events(self, line: bytes) -> Sequence[tuple[int, int]] | None:
        """Return (revision, update) of each event in a line of a watch, None where it has something else."""


class Kubernetes:
    """Custom resources over the Kubernetes API."""

    def create(self, name: str, number: int, *, namespace: str = NAMESPACE) -> Request:
        """POST."""
        return Request("POST", collection(namespace), widget(name, number, namespace=namespace))

    def read(self, name: str) -> Request:
        """GET."""
        return Request("GET", f"{COLLECTION}/{name}")

    def put(self, name: str, number: int, *, stamp: int, revision: str) -> Request:
        """PUT with the resourceVersion that it replaces: a conflict is an error."""
        return Request("PUT", f"{COLLECTION}/{name}", widget(name, number, stamp=stamp, revision=revision))

    def revision(self, body: bytes) -> str:
        """Return metadata.resourceVersion."""
        found: str = json.loads(body)["metadata"]["resourceVersion"]
        return found

    def now(self) -> Request:
        """List one object."""
        return Request("GET", f"{COLLECTION}?limit=1")

    def watch(self, after: str, name: str = "") -> Request:
        """Watch, with a field selector for one object."""
        selected = f"&fieldSelector=metadata.name%3D{name}" if name else ""
        return Request("GET", f"{COLLECTION}?watch=true&timeoutSeconds=600&resourceVersion={after}{selected}")

    def events(self, line: bytes) -> Sequence[tuple[int, int]] | None:
        """Find resourceVersion and the mark of the object: decoding each event would cost more than all the rest."""
        at, mark = line.find(b'"resourceVersion":"'), line.find(b"@@")
        if at < 0 or mark < 0:
            # A bookmark was not asked for, and an error is nothing to be quiet about.
            return None
        at += 19
        return ((int(line[at : line.index(b'"', at)]), int(line[mark + 2 : line.index(b":", mark)])),)


def _base64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


class Etcd:
    """Keys and values over etcd's gateway, in base64 within JSON. Writes replace without a condition."""

    _FIRST, _END = "bench/", "bench0"
    _SIGN = 12
    """Digits that a value begins with: its update. A multiple of 3, so that its base64 stands alone."""

    def create(self, name: str, number: int, *, namespace: str = NAMESPACE) -> Request:
        """Put."""
        return self.put(f"{namespace}/{name}" if namespace != NAMESPACE else name, number, stamp=0, revision="")

    def read(self, name: str) -> Request:
        """Get by key."""
        return self._ask("kv/range", {"key": _base64(self._FIRST + name)})

    def put(self, name: str, number: int, *, stamp: int, revision: str) -> Request:  # noqa: ARG002  # what a put here has no use for
        """Put a value of the same size as the other dialect's object."""
        value = _base64(f"{number:0{self._SIGN}}".encode() + widget(name, number, stamp=stamp))
        return self._ask("kv/put", {"key": _base64(self._FIRST + name), "value": value})

    def revision(self, body: bytes) -> str:
        """Return the header's revision: that of the write, or of the store when it was read."""
        found: str = json.loads(body)["header"]["revision"]
        return found

    def now(self) -> Request:
        """Count the keys."""
        return self._ask("kv/range", {"key": _base64(self._FIRST), "range_end": _base64(self._END), "count_only": True})

    def watch(self, after: str, name: str = "") -> Request:
        """Watch a range or a key. The first line of the answer says that the watch is there."""
        span = {"key": _base64(self._FIRST + name)} | ({} if name else {"range_end": _base64(self._END)})
        return self._ask("watch", {"create_request": span | {"start_revision": str(int(after) + 1)}})

    def events(self, line: bytes) -> Sequence[tuple[int, int]] | None:
        """Take a line apart at its values: one line may have several events."""
        found = []
        for piece in line.split(b'"mod_revision":"')[1:]:
            at = piece.index(b'"value":"') + 9
            found.append((int(piece[: piece.index(b'"')]), int(b64decode(piece[at : at + self._SIGN // 3 * 4]))))
        return found if found or b'"created":true' in line else None

    def _ask(self, what: str, body: object) -> Request:
        return Request("POST", f"/v3/{what}", json.dumps(body).encode())


DIALECTS: dict[str, Dialect] = {"kubernetes": Kubernetes(), "etcd": Etcd()}
"""By the names that servers and jobs call them."""
