"""Log lines of a serving process: JSON, or for people where they are shown on a terminal."""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from typing import Any

OURS = ("watchd", "storage", "conversion")
"""Packages whose log lines the level is about. Those below warnings of others stay out: HTTP/2 libraries would write
every header there, tokens too."""

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""Attributes that each log record has; others were given with `extra`."""


class JsonLines(logging.Formatter):
    """One JSON object a line, in the keys of structlog's: what was given with `extra`, `event`, `level`, `logger`, `timestamp`.

    By hand: structlog, which writes for people, takes a twentieth of a second to import.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        line: dict[str, Any] = {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        line["event"] = record.getMessage()
        line["level"] = record.levelname.lower()
        line["logger"] = record.name
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line["timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=repr)


def configure_logging(level: str) -> None:
    """Write log lines to stderr from a severity on: for people on a terminal, else as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_for_people() if sys.stderr.isatty() else JsonLines())
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelName(level.upper())), force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())


def _for_people() -> logging.Formatter:
    import structlog  # noqa: PLC0415 - see JsonLines

    before: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.dev.ConsoleRenderer(),
    ]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=last)
