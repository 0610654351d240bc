"""Health: the checks behind /healthz, /livez and /readyz, in the reference's text form (FEATURES row 153)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

Check = Callable[[], "str | None"]
"""Returns None while all is well, else why not. Called for each request: it looks at memory only."""

READYZ = "readyz"
LIVEZ = "livez"
HEALTHZ = "healthz"

ENDPOINTS = (HEALTHZ, LIVEZ, READYZ)
"""The paths, without the slash. /healthz is the old name of /livez and /readyz together."""

PING = "ping"
"""The check that is answered by answering."""


class Report(msgspec.Struct, frozen=True):
    """The answer to a health request, text/plain."""

    status: int
    text: str


class _Named(msgspec.Struct, frozen=True):
    name: str
    check: Check
    endpoints: frozenset[str]


def _ping() -> str | None:
    return None


class Health:
    """The checks of one server, in the order they were added."""

    def __init__(self) -> None:
        self._checks = [_Named(PING, _ping, frozenset(ENDPOINTS))]
        self._starting = True
        self._stopping = False
        self.add("startup", lambda: "the server is starting" if self._starting else None, [READYZ, HEALTHZ])
        self.add("shutdown", lambda: "the server is shutting down" if self._stopping else None, [READYZ])

    def add(self, name: str, check: Check, endpoints: Iterable[str] = ENDPOINTS) -> None:
        """Add a check to some of the endpoints. A check of /livez says that a restart would help."""
        self._checks.append(_Named(name, check, frozenset(endpoints)))

    def started(self) -> None:
        """Let /readyz succeed: everything serves."""
        self._starting = False

    def stopping(self) -> None:
        """Let /readyz fail from now on."""
        self._stopping = True

    @property
    def ready(self) -> bool:
        """Whether /readyz succeeds."""
        return all(named.check() is None for named in self._checks if READYZ in named.endpoints)

    def report(
        self, endpoint: str, name: str = "", *, verbose: bool = False, exclude: Iterable[str] = ()
    ) -> Report | None:
        """Answer a health request.

        Args:
            endpoint: one of ENDPOINTS.
            name: of a single check (`/livez/ping`), or empty for all.
            verbose: whether a success lists the checks too; a failure always does.
            exclude: names of checks that do not count.

        Returns:
            The answer, or None where there is no check of this name.

        """
        checks = [named for named in self._checks if endpoint in named.endpoints]
        if name:
            for named in checks:
                if named.name == name:
                    why = named.check()
                    return Report(200, "ok") if why is None else Report(500, f"internal server error: {why}\n")
            return None
        excluded = list(exclude)
        lines = []
        failed = False
        for named in checks:
            if named.name in excluded:
                lines.append(f"[+]{named.name} excluded: ok\n")
            elif named.check() is None:
                lines.append(f"[+]{named.name} ok\n")
            else:
                # Everybody may read this page; the reason is on the check's own, which asks for a credential.
                lines.append(f"[-]{named.name} failed: reason withheld\n")
                failed = True
        unknown = [text for text in excluded if text not in {named.name for named in checks}]
        if unknown:
            listed = ", ".join(f'"{text}"' for text in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {listed}\n")
        if failed:
            return Report(500, "".join([*lines, f"{endpoint} check failed\n"]))
        return Report(200, "".join([*lines, f"{endpoint} check passed\n"]) if verbose else "ok")
