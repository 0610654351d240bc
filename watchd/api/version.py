"""/version: what this server says it is (FEATURES row 102)."""

from __future__ import annotations

import platform
from functools import cache

import trio

from conversion.codec import JSON
from watchd.api.message import Request, Response
from watchd.api.negotiate import CODECS, names_one_of, unproduced
from watchd.status import method_not_allowed

MAJOR, MINOR = "1", "37"
"""The release of the reference whose protocol is served: clients switch features by it."""

EARLIEST_MINOR = "36"
"""The release that can be gone back to: one back, as the reference has it."""


@cache
def package_version() -> str:
    """Return the version of this distribution; 0.0.0 where it runs from its sources."""
    # Only here: it brings readers of mail and of archives along.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - see above

    try:
        return version("watchd")
    except PackageNotFoundError:
        return "0.0.0"


def version_info() -> dict[str, str]:
    """Return the body of /version: the reference's fields. What is Go's there is Python's here."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": EARLIEST_MINOR,
        "gitVersion": f"v{MAJOR}.{MINOR}.0+watchd.{package_version()}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{platform.system().lower()}/{machine}",
    }


async def handle(request: Request) -> Response:
    """Answer /version: indented, whoever asks, as the reference does. Raises StatusError (405, 406)."""
    await trio.lowlevel.checkpoint()
    if request.method != "GET":
        raise method_not_allowed()
    if not names_one_of(request.headers.get("accept", ""), JSON):
        raise unproduced(JSON)
    return Response(200, [("content-type", JSON)], CODECS[JSON].encode_pretty(version_info()))
