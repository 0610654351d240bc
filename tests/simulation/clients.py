"""Clients of a simulated cluster: each asks any worker at any time, and notes what it was told, for promises.py to judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import attrs
import orjson
import trio

from tests.simulation.cluster import Cluster
from tests.simulation.history import (
    NAMES,
    SELECTED,
    Bookmark,
    Event,
    Expired,
    History,
    Listed,
    Read,
    Session,
    Since,
    Window,
    Wrote,
    is_given_up,
)
from tests.simulation.worker import Cut, SimulatedWorker, whole_body
from watchd.api.message import Request, Response

MAPS = "/api/v1/namespaces/default/configmaps"
SPACES = "/api/v1/namespaces"
SERVICES = "/api/v1/namespaces/default/services"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"
APPS = ("red", "blue")

POLL_SECONDS = 0.02

ANSWER_SECONDS = 2.5
"""What a request may take in simulated time: a committer that dies and is replaced twice over, and late messages."""


def revision_of(obj: Mapping[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


def shown(obj: Mapping[str, Any]) -> tuple[int, str]:
    return revision_of(obj), obj["data"]["value"]


@attrs.define(eq=False)
class Client:
    """One client, who may ask any worker."""

    cluster: Cluster
    history: History
    number: int
    written: int = 0

    @property
    def draw(self) -> Any:
        return self.cluster.random

    # Asking ----------------------------------------------------------------------------------------------------

    def any_worker(self) -> SimulatedWorker:
        return self.draw.choice([self.cluster.workers[index] for index in sorted(self.cluster.workers)])

    def now(self) -> Since:
        return Since(self.cluster.truth.answered, self.cluster.truth.head)

    def window(self, since: Since) -> Window:
        return Window(since, self.cluster.truth.head)

    def learn(self, revision: int) -> None:
        """Somebody knows of a revision now."""
        self.cluster.truth.answered = max(self.cluster.truth.answered, revision)

    async def send(
        self, worker: SimulatedWorker, method: str, path: str, query: Mapping[str, Any], body: Any, kind: str
    ) -> Response:
        """Ask a worker. Raises Cut."""
        data = b"" if body is None else orjson.dumps(body)

        async def read_body(_limit: int) -> bytes:
            await trio.lowlevel.checkpoint()
            return data

        headers = {"authorization": f"Bearer {self.cluster.credentials.admin_token}", "content-type": kind}
        await trio.sleep(self.cluster.delay())
        asked = trio.current_time()
        try:
            return await worker.ask(Request(method, path, urlencode(query), headers, read_body))
        finally:
            if trio.current_time() - asked > ANSWER_SECONDS:
                self.history.problems.append(f"live: {method} {path} took {trio.current_time() - asked:.1f} s")

    async def ask(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, Any]:
        """Ask any worker and return the status and the document. Raises Cut."""
        response = await self.send(self.any_worker(), method, path, query or {}, body, kind)
        document = await whole_body(response)
        await trio.sleep(self.cluster.delay())
        if response.status < 400 and isinstance(document, dict) and document.get("metadata", {}).get("resourceVersion"):
            self.learn(revision_of(document))
        return response.status, document

    async def insist(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Ask until there is an answer."""
        while True:
            try:
                status, document = await self.ask(method, path, body=body)
            except Cut:
                await trio.sleep(POLL_SECONDS)
                continue
            if not is_given_up(status, document):
                return status, document
            await trio.sleep(POLL_SECONDS)

    def unexpected(self, what: str, status: int, document: Any) -> None:
        message = document.get("message") if isinstance(document, dict) else document
        self.history.problems.append(f"answers: {what}: {status} {message}")

    async def rest(self) -> None:
        await trio.sleep(self.draw.choice((0, 0.005, 0.03, 0.1)))

    # Writing ---------------------------------------------------------------------------------------------------

    async def keep_writing(self) -> None:
        while True:
            await self.rest()
            name = self.draw.choice(NAMES)
            found = await self.read(name)
            if found is None:
                await self.write("create", name, None)
            else:
                await self.rest()
                await self.write(self.draw.choice(("update", "update", "patch", "delete")), name, found[0])

    async def write_last(self) -> None:
        """Write once more where nobody dies any more."""
        found = await self.read(NAMES[0])
        await self.write("create" if found is None else "patch", NAMES[0], None)

    async def write(self, verb: str, name: str, expected: int | None) -> None:
        self.written += 1
        value = f"{self.number}-{self.written}"
        labels = {"app": self.draw.choice(APPS)}
        body: dict[str, Any] = {"metadata": {"name": name, "labels": labels}, "data": {"value": value}}
        method, path, kind = "PUT", f"{MAPS}/{name}", "application/json"
        if verb == "create":
            method, path = "POST", MAPS
        elif verb == "update":
            body["metadata"]["resourceVersion"] = str(expected)
        elif verb == "patch":
            method, kind, expected = "PATCH", MERGE, None
        else:
            method, body = "DELETE", {"preconditions": {"resourceVersion": str(expected)}}
        since = self.now()
        try:
            status, document = await self.ask(method, path, None, body, kind)
        except Cut:
            status, document = 0, {}
        revision = revision_of(document) if status in (200, 201) and verb != "delete" else None
        wrote = Wrote(self.window(since), verb, name, value, expected, status, revision, str(document.get("message", "")))
        self.history.writes.append(wrote)
        if status not in (0, 200, 201, 404, 409) and not wrote.given_up:
            self.unexpected(f"{verb} {name}", status, document)

    # Reading ---------------------------------------------------------------------------------------------------

    async def read(self, name: str) -> tuple[int, str] | None:
        """Read an object from anybody, often with a revision that the one who is asked may not have seen."""
        while True:
            since = self.now()
            minimum = self.draw.choice((0, since.answered))
            try:
                status, document = await self.ask("GET", f"{MAPS}/{name}", {"resourceVersion": minimum} if minimum else {})
            except Cut:
                await self.rest()
                continue
            if status not in (200, 404):
                self.unexpected(f"GET {name} at {minimum}", status, document)
                await self.rest()
                continue
            found = shown(document) if status == 200 else None
            self.history.reads.append(Read(self.window(since), name, minimum, found))
            return found

    async def list(self, *, selected: bool) -> Listed | None:
        """List once, whole or in pages, each from anybody; None where it was cut off or came too late."""
        since = self.now()
        query: dict[str, Any] = {"labelSelector": f"app={SELECTED}"} if selected else {}
        minimum = self.draw.choice((0, since.answered, max(1, since.answered - self.draw.choice((1, 5, 60)))))
        exact = bool(minimum) and self.draw.random() < 0.5
        if minimum:
            query |= {"resourceVersion": minimum, "resourceVersionMatch": "Exact" if exact else "NotOlderThan"}
        if self.draw.random() < 0.6:
            query["limit"] = self.draw.choice((1, 2, 4))
        items: dict[str, tuple[int, str]] = {}
        revision = 0
        while True:
            try:
                status, document = await self.ask("GET", MAPS, query)
            except Cut:
                # A page can be asked for again.
                if not revision:
                    return None
                await self.rest()
                continue
            if status == 410:
                self.history.expired.append(Expired(revision or minimum, self.cluster.truth.floor))
                return None
            if status != 200:
                self.unexpected(f"LIST {query}", status, document)
                return None
            if revision and revision_of(document) != revision:
                self.history.problems.append(f"snapshot: a page of {revision} is of {revision_of(document)}")
            revision = revision_of(document)
            items |= {item["metadata"]["name"]: shown(item) for item in document["items"] if item["metadata"]["name"] in NAMES}
            token = document["metadata"].get("continue")
            if not token:
                listed = Listed(self.window(since), minimum, exact, revision, items, selected)
                self.history.lists.append(listed)
                return listed
            query = {key: query[key] for key in ("labelSelector", "limit") if key in query} | {"continue": token}
            await self.rest()

    async def keep_reading(self) -> None:
        while True:
            await self.rest()
            if self.draw.random() < 0.5:
                await self.read(self.draw.choice(NAMES))
            else:
                await self.list(selected=self.draw.random() < 0.3)

    async def keep_compacting(self) -> None:
        while True:
            await trio.sleep(0.1 + self.draw.random() * 0.5)
            upto = max(0, self.cluster.truth.answered - self.draw.choice((0, 5, 20)))
            try:
                status, document = await self.ask("POST", "/debug/watchd/compact", {"revision": upto})
            except Cut:
                continue
            # The committer may have died twice.
            if status != 200 and "has died" not in str(document):
                self.unexpected(f"compact {upto}", status, document)

    # Watching --------------------------------------------------------------------------------------------------

    async def keep_watching(self) -> None:
        while True:
            selected = self.draw.random() < 0.5
            begin = self.draw.choice((self.begin_by_list, self.begin_by_list, self.begin_by_watch, self.begin_now))
            session = await begin(selected)
            while session is not None and not isinstance(session.told[-1] if session.told else None, Expired):
                await self.watch(session)
                await trio.sleep(self.draw.choice((0, 0.05, 0.1, 1.5)))
            await self.rest()

    async def begin_by_list(self, selected: bool) -> Session | None:
        listed = await self.list(selected=selected)
        if listed is None:
            return None
        session = Session(selected, listed.revision, listed.items)
        self.history.sessions.append(session)
        return session

    async def begin_now(self, selected: bool) -> Session | None:
        """Let come what happens from now on."""
        since = self.now()
        if not since.answered:
            # It could not say where it goes on.
            return None
        session = Session(selected, since.answered, None)
        query = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
        if not await self.watch(session, query):
            return None
        self.history.sessions.append(session)
        return session

    async def begin_by_watch(self, selected: bool) -> Session | None:
        """Let the state come as events, of a revision that is known already, and go on from there."""
        since = self.now()
        session = Session(selected, 0, {})
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": since.answered or ""}
        if not await self.watch(session, query) or not session.start:
            return None
        listed = Listed(self.window(since), since.answered, False, session.start, dict(session.state or {}), selected)
        self.history.lists.append(listed)
        self.history.sessions.append(session)
        return session

    async def watch(self, session: Session, initial: Mapping[str, Any] | None = None) -> bool:
        """Watch for a while from where a session stands, or as `initial` says; tell whether it has begun."""
        query: dict[str, Any] = {"watch": "true", "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": session.position} if initial is None else initial
        if session.selected:
            query["labelSelector"] = f"app={SELECTED}"
        if self.draw.random() < 0.2:
            query["timeoutSeconds"] = 1
        worker = self.any_worker()
        try:
            response = await self.send(worker, "GET", MAPS, query, None, "application/json")
            if response.status != 200:
                self.unexpected(f"WATCH {query}", response.status, await whole_body(response))
                return False
            line = worker.watch(response.body, inline=self.draw.random() < 0.7)
        except Cut:
            return False
        begun = initial is None or session.state is None
        if initial is not None and begun:
            session.sure = self.cluster.truth.head
        try:
            rest = b""
            with trio.move_on_after(1000 if self.cluster.calm or not begun else self.draw.choice((0.02, 0.2, 2))) as patience:
                while not patience.cancelled_caught:
                    data = await line.read()
                    if not data:
                        break
                    with trio.CancelScope(shield=True):
                        await trio.sleep(self.cluster.delay())
                    *lines, rest = (rest + data).split(b"\n")
                    for text in lines:
                        begun = self.tell(session, orjson.loads(text), begun=begun)
        finally:
            line.close()
        return begun

    def tell(self, session: Session, event: Mapping[str, Any], *, begun: bool) -> bool:
        """Take one event; tell whether the state has come."""
        obj, truth = event["object"], self.cluster.truth
        if event["type"] == "ERROR":
            if obj["code"] == 410:
                session.told.append(Expired(session.position, truth.floor))
            else:
                self.unexpected(f"watch after {session.position}", obj["code"], obj)
            return begun
        revision = revision_of(obj)
        if event["type"] == "BOOKMARK":
            if not begun:
                session.start = revision
            session.told.append(Bookmark(revision, truth.head))
            self.learn(revision)
            return True
        name = obj["metadata"]["name"]
        if name not in NAMES:
            return begun
        if not begun:
            assert session.state is not None
            session.state[name] = shown(obj)
            return False
        session.told.append(Event(event["type"], name, *shown(obj)))
        self.learn(revision)
        return True

    # What workers keep in memory -------------------------------------------------------------------------------

    async def keep_defining(self) -> None:
        """Make a kind through one worker, and use it through others as soon as one says that it is there."""
        for number in range(1000):
            plural = f"things{number}"
            name, things = f"{plural}.example.com", f"/apis/example.com/v1/namespaces/default/{plural}"
            await self.insist("POST", DEFINITIONS, definition(plural, number))
            while True:
                status, document = await self.insist("GET", f"{DEFINITIONS}/{name}")
                if status != 200:
                    self.unexpected(f"GET {name}", status, document)
                    return
                conditions = document.get("status", {}).get("conditions") or ()
                if any(one["type"] == "Established" and one["status"] == "True" for one in conditions):
                    break
                await trio.sleep(POLL_SECONDS)
            thing = {"apiVersion": "example.com/v1", "kind": f"Thing{number}", "metadata": {"name": "a"}}
            for method, path, body in (("POST", things, thing), ("GET", f"{things}/a", None), ("GET", things, None)):
                status, document = await self.insist(method, path, body)
                # One that was cut off may have been stored.
                if status not in (200, 201) and (method, status) != ("POST", 409):
                    self.unexpected(f"{method} {path} of a kind that is established", status, document)
            self.history.definitions += 1
            await self.insist("DELETE", f"{DEFINITIONS}/{name}")

    async def keep_ending(self) -> None:
        """Make a namespace, and let it go while others create in it."""
        for number in range(1000):
            space = f"space-{number}"
            await self.insist("POST", SPACES, {"metadata": {"name": space}})
            async with trio.open_nursery() as nursery:
                for creator in range(3):
                    nursery.start_soon(self._create_in, space, f"{creator}-")
                await trio.sleep(0.1 + self.draw.random() * 0.2)
                await self.insist("DELETE", f"{SPACES}/{space}")
            while (await self.insist("GET", f"{SPACES}/{space}"))[0] != 404:  # noqa: ASYNC110 - only the server knows
                await trio.sleep(POLL_SECONDS)
            self.history.namespaces += 1

    async def _create_in(self, space: str, prefix: str) -> None:
        """Create until the namespace has none of it any more."""
        status, document = 201, {}
        number = 0
        while status in (201, 409):
            await self.rest()
            number += 1
            body = {"metadata": {"name": f"{prefix}{number}"}}
            status, document = await self.insist("POST", f"{SPACES}/{space}/configmaps", body)
        if status not in (403, 404):
            self.unexpected(f"POST into {space}", status, document)

    async def keep_serving(self) -> None:
        """Make and remove Services, which take addresses of a common stock."""
        names = [f"s-{self.number}-{number}" for number in range(3)]
        while True:
            await self.rest()
            name = self.draw.choice(names)
            body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}
            method, path = self.draw.choice((("POST", SERVICES), ("POST", SERVICES), ("DELETE", f"{SERVICES}/{name}")))
            try:
                status, document = await self.ask(method, path, None, body if method == "POST" else None)
            except Cut:
                continue
            if status not in (200, 201, 404, 409) and not is_given_up(status, document):
                self.unexpected(f"{method} {name}", status, document)


def definition(plural: str, number: int) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": plural, "singular": f"thing{number}", "kind": f"Thing{number}"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.example.com"}, "spec": spec}
