"""Log lines of `watchd serve`: JSON for machines, text for people."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from watchd.commands.logs import JsonLines

ROOT = Path(__file__).parents[3]

SAY = """
import logging, sys
from watchd.commands.logs import configure_logging
configure_logging("info")
logging.getLogger("watchd.x").info("so %s it goes", 1, extra={"audit_id": "abc"})
logging.getLogger("watchd").debug("not this")
logging.getLogger("hpack").info("not a header")
logging.getLogger("hpack").warning("but this")
"""


def line(error: BaseException | None = None, **record: object) -> dict[str, object]:
    made = logging.makeLogRecord(
        {"name": "watchd", "levelname": "ERROR", "created": 1.5, "exc_info": error and (type(error), error, None), **record}
    )
    text = JsonLines().format(made)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_what_when_and_who():
    assert line(msg="ready %d", args=(1,), url="https://x") == {
        "url": "https://x",
        "event": "ready 1",
        "level": "error",
        "logger": "watchd",
        "timestamp": "1970-01-01T00:00:01.500000Z",
    }


def test_a_line_holds_the_traceback():
    assert line(ValueError("bad\nthing"), msg="oops")["exception"] == "ValueError: bad\nthing"
    assert line(stack_info="Stack:\n x", msg="here")["stack"] == "Stack:\n x"


@pytest.mark.parametrize(("value", "shown"), [(Path("/a"), "PosixPath('/a')"), ("\udcff", "\udcff"), (2**70, 2**70)])
def test_whatever_is_given_makes_a_line(value, shown):
    assert line(msg="x", value=value)["value"] == shown


def test_lines_are_json_unless_people_read_them():
    said = subprocess.run([sys.executable, "-c", SAY], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True).stderr
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(found["logger"], found["level"], found["event"]) for found in lines] == [
        ("watchd.x", "info", "so 1 it goes"),
        ("hpack", "warning", "but this"),
    ]
    assert lines[0]["audit_id"] == "abc"


def test_people_read_text():
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", SAY], cwd=ROOT, stderr=theirs, check=True)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert "so 1 it goes" in said
    assert "abc" in said
    assert "but this" in said
    assert "not" not in said
    assert "{" not in said
