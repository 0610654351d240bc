"""kill -9 under load: writers write, watchers watch, the server dies at some instant and comes back, again and again.

In between the process that commits for it dies alone, which no client may notice.

Shown at the end: each answered write is there; an unanswered one is there whole or not at all; revisions are dense; each
watcher, which only ever resumed from its last resourceVersion, saw each change of its selection once and in order.
"""

from __future__ import annotations

import base64
import gc
import json
import os
import random  # noqa: TID251 - the load's own choices, from a seed that is printed
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import httpx
import pytest
import trio
import yaml

SEED = int(os.environ.get("WATCHD_KILL_SEED", "20260101"))
ROUNDS = 5
WRITERS = 8
NAMES = 4
"""Objects of each writer: nobody else writes them, so it knows what each must be."""

WRITES = (40, 160)
"""How many answered writes a round has at least, before the kill: drawn between these two."""

PADDING = 700
"""Bytes by which an object's size varies, so that records span pages."""

SECONDS = 60.0
"""The whole test may take this long on a busy machine; it takes a quarter of it on an idle one."""

POLL = 0.01
"""Seconds between two tries to reach a server that is starting."""

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = {"Content-Type": "application/merge-patch+json"}


@attrs.define
class Server:
    """The server's process; it lives on after a kill as the next one, on the same data and port."""

    directory: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    up: trio.Event = attrs.field(factory=trio.Event)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    async def start(self) -> None:
        command = ["serve", "--data-dir", str(self.data), "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; nothing waits for its end but kill()
                [sys.executable, "-m", "watchd", *command], stdout=log, stderr=log
            )
        while not await self._ready():
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
            await trio.sleep(POLL)
        async with self.client() as client:
            self.port = urlsplit(str(client.base_url)).port or 0
        self.up.set()

    async def _ready(self) -> bool:
        try:
            async with self.client() as client:
                return (await client.get("/readyz")).status_code == httpx.codes.OK
        except (FileNotFoundError, httpx.TransportError):
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.up = trio.Event()
        self.process.kill()
        self.process.wait()

    def kill_committer(self) -> int:
        """Kill the process that commits, wherever it is in a batch; return its id."""
        assert self.process is not None
        # By whichever thread it was started.
        children = [file.read_text() for file in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
        (committer,) = (int(pid) for text in children for pid in text.split())
        os.kill(committer, signal.SIGKILL)
        return committer

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        document = yaml.safe_load((self.data / "kubeconfig").read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        tls: ssl.SSLContext | bool = False
        if authority := cluster.get("certificate-authority-data"):
            tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        headers = {"Authorization": f"Bearer {user['token']}"}
        async with httpx.AsyncClient(base_url=cluster["server"], verify=tls, headers=headers, timeout=30) as client:
            yield client


@attrs.frozen
class State:
    """What an object is; None stands for "not there"."""

    value: int

    def data(self) -> dict[str, str]:
        return {"value": str(self.value), "again": str(self.value), "pad": "x" * (self.value % 5 * PADDING)}


def state_of(body: dict[str, Any]) -> State:
    """Read an object back; one of which a part is missing fails here."""
    state = State(int(body["data"]["value"]))
    assert body["data"] == state.data(), f"half an object: {body}"
    return state


@attrs.define
class Tally:
    answered: int = 0
    landed: int = 0
    """Unanswered, and there after the restart."""
    lost: int = 0
    """Unanswered, and not there."""
    stop: bool = False
    target: int = 0
    reached: trio.Event = attrs.field(factory=trio.Event)

    def answer(self) -> None:
        self.answered += 1
        if self.answered >= self.target:
            self.reached.set()

    async def reach(self, more: int) -> None:
        """Wait until so many more writes have been answered."""
        self.target, self.reached = self.answered + more, trio.Event()
        await self.reached.wait()


@attrs.define
class Writer:
    number: int
    server: Server
    tally: Tally
    rng: random.Random
    known: dict[str, tuple[State, str] | None] = attrs.field(factory=dict)
    """Each object's state and resourceVersion, or None."""
    histories: dict[str, list[State | None]] = attrs.field(factory=dict)
    """The changes of each object that have certainly happened, in order."""
    revisions: dict[int, tuple[str, State]] = attrs.field(factory=dict)
    """What the server answered to have written under which revision."""
    value: int = 0

    async def run(self) -> None:
        for index in range(NAMES):
            name = f"kill-{self.number}-{index}"
            self.known[name], self.histories[name] = None, []
        async with self.server.client() as client:
            while not self.tally.stop:
                await self.server.up.wait()
                name = self.rng.choice(sorted(self.known))
                await self._write(client, name)

    async def _write(self, client: httpx.AsyncClient, name: str) -> None:
        before = self.known[name]
        self.value += 1
        wanted: State | None = State(self.value)
        if before is None:
            request = client.post(MAPS, json=self._body(name, wanted))
        elif (choice := self.rng.random()) < 0.5:
            request = client.put(f"{MAPS}/{name}", json=self._body(name, wanted, resourceVersion=before[1]))
        elif choice < 0.8:
            request = client.patch(f"{MAPS}/{name}", json={"data": wanted.data()}, headers=MERGE)
        else:
            request, wanted = client.delete(f"{MAPS}/{name}"), None
        try:
            answer = await request
        except httpx.TransportError:
            await self._find_out(client, name, wanted)
            return
        expected = httpx.codes.CREATED if before is None else httpx.codes.OK
        assert answer.status_code == expected, f"{name}: {before} -> {wanted}: {answer.status_code} {answer.text}"
        body = answer.json()
        self.tally.answer()
        if wanted is None:
            self._happened(name, None)
        else:
            assert state_of(body) == wanted
            version = body["metadata"]["resourceVersion"]
            self.revisions[int(version)] = (name, wanted)
            self._happened(name, (wanted, version))

    def _body(self, name: str, state: State, **metadata: str) -> dict[str, Any]:
        labels = {"test": "kill", "parity": "odd" if self.number % 2 else "even"}
        return {"metadata": {"name": name, "labels": labels, **metadata}, "data": state.data()}

    def _happened(self, name: str, now: tuple[State, str] | None) -> None:
        self.known[name] = now
        self.histories[name].append(now[0] if now else None)

    async def _find_out(self, client: httpx.AsyncClient, name: str, wanted: State | None) -> None:
        """Look, once the server is back, whether an unanswered write has happened."""
        while True:
            await self.server.up.wait()
            try:
                answer = await client.get(f"{MAPS}/{name}")
                break
            except httpx.TransportError:
                await trio.sleep(POLL)
        before = self.known[name]
        if answer.status_code == httpx.codes.NOT_FOUND:
            found = None
        else:
            body = answer.raise_for_status().json()
            found = (state_of(body), body["metadata"]["resourceVersion"])
        if found == before:
            self.tally.lost += 1
        else:
            assert (found[0] if found else None) == wanted, f"{name} was {before}, is {found}; asked for {wanted}"
            self.tally.landed += 1
            self._happened(name, found)


@attrs.define
class Watcher:
    """Watches from a revision on, and after each end from the last one that it saw."""

    server: Server
    selector: str
    last: int
    resumed: int = -1
    seen: list[tuple[int, str, str, State]] = attrs.field(factory=list)
    """Revision, type, name, state."""
    moved: trio.Event = attrs.field(factory=trio.Event)

    async def run(self) -> None:
        async with self.server.client() as client:
            while True:
                await self.server.up.wait()
                try:
                    await self._follow(client)
                except httpx.TransportError:
                    await trio.sleep(POLL)

    async def _follow(self, client: httpx.AsyncClient) -> None:
        query = {
            "watch": "true",
            "resourceVersion": str(self.last),
            "labelSelector": self.selector,
            "allowWatchBookmarks": "true",
        }
        async with client.stream("GET", MAPS, params=query, timeout=SECONDS) as response:
            assert response.status_code == httpx.codes.OK, await response.aread()
            self.resumed += 1
            buffer = b""
            async for chunk in response.aiter_bytes():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    self._take(json.loads(line))

    def _take(self, event: dict[str, Any]) -> None:
        assert event["type"] != "ERROR", event
        metadata = event["object"]["metadata"]
        revision = int(metadata["resourceVersion"])
        if event["type"] == "BOOKMARK":
            assert revision >= self.last
        else:
            assert revision > self.last, f"{event['type']} {metadata['name']} at {revision} after {self.last}"
            self.seen.append((revision, event["type"], metadata["name"], state_of(event["object"])))
        self.last = revision
        self.moved.set()

    async def reach(self, revision: int) -> None:
        while not self.seen or self.seen[-1][0] < revision:
            self.moved = trio.Event()
            await self.moved.wait()


def changes(server: Server) -> list[dict[str, Any]]:
    """The whole change log of a server that has ended, by its own command."""
    command = [sys.executable, "-m", "watchd", "log", "--data-dir", str(server.data)]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stderr
    return [json.loads(line) for line in printed.stdout.splitlines()]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        if server.log.exists():
            print(server.log.read_text(errors="replace")[-4000:])


async def load(server: Server, tally: Tally, writers: list[Writer]) -> None:
    """Let the writers write, kill the server in each round at some moment of it, and end with writes all answered."""
    rng = random.Random(SEED)
    async with trio.open_nursery() as writing:
        for writer in writers:
            writing.start_soon(writer.run)
        for _ in range(ROUNDS):
            await tally.reach(rng.randint(*WRITES))
            committers = {server.kill_committer()}
            await tally.reach(rng.randint(*WRITES))
            committers.add(server.kill_committer())
            assert len(committers) == 2, "a new one commits"
            await tally.reach(rng.randint(*WRITES))
            server.kill()
            await server.start()
        await tally.reach(WRITES[0])
        tally.stop = True


# httpx leaves the body of a request that broke to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_kill_under_load(server):
    print(f"seed {SEED}: WATCHD_KILL_SEED repeats its choices")
    tally = Tally()
    writers = [Writer(number, server, tally, random.Random(f"{SEED}/{number}")) for number in range(WRITERS)]
    with trio.fail_after(SECONDS):
        await server.start()
        async with server.client() as client:
            begin = int((await client.get(MAPS)).raise_for_status().json()["metadata"]["resourceVersion"])
        watchers = [Watcher(server, "test=kill", begin) for _ in range(2)]
        watchers.append(Watcher(server, "test=kill,parity=even", begin))
        async with trio.open_nursery() as watching:
            for watcher in watchers:
                watching.start_soon(watcher.run)
            await load(server, tally, writers)
            async with server.client() as client:
                query = {"labelSelector": "test=kill"}
                listed = (await client.get(MAPS, params=query)).raise_for_status().json()["items"]
            # The watchers may be behind: what they still miss they get after one more restart.
            server.kill()
            log = changes(server)
            await server.start()
            mine = [c for c in log if c["resource"] == "configmaps" and c["name"].startswith("kill-")]
            even = [c for c in mine if c["object"]["metadata"]["labels"]["parity"] == "even"]
            expected = [[told(c) for c in chosen] for chosen in (mine, mine, even)]
            for watcher, events in zip(watchers, expected, strict=True):
                await watcher.reach(events[-1][0])
            watching.cancel_scope.cancel()
    print(f"{tally}; {len(log)} changes; the watchers resumed {[watcher.resumed for watcher in watchers]} times")

    assert [c["revision"] for c in log] == list(range(1, len(log) + 1)), "revisions are dense"
    assert [watcher.seen for watcher in watchers] == expected, "each change once and in order"
    check_writes(writers, expected[0])
    left = {name: known[0] for writer in writers for name, known in writer.known.items() if known}
    assert {item["metadata"]["name"]: state_of(item) for item in listed} == left
    assert all(watcher.resumed >= ROUNDS for watcher in watchers)
    assert tally.landed + tally.lost >= ROUNDS, "the kills hit writes under way"
    gc.collect()


def told(change: dict[str, Any]) -> tuple[int, str, str, State]:
    return change["revision"], change["type"], change["name"], state_of(change["object"])


def check_writes(writers: list[Writer], events: list[tuple[int, str, str, State]]) -> None:
    """Hold the log to what the writers were answered, and to every object's history."""
    stored = {revision: (name, state) for revision, verb, name, state in events if verb != "DELETED"}
    for writer in writers:
        found = {revision: stored.get(revision) for revision in writer.revisions}
        assert found == writer.revisions, "each answered write is there, under the revision that was answered"
        for name, history in writer.histories.items():
            assert [None if verb == "DELETED" else state for _, verb, which, state in events if which == name] == history
