"""How log lines get out: JSON for machines or a console for people, one line per happening, on one stream.

Lines of libraries go the same way. Text that comes from elsewhere can neither break a line nor steer a terminal:
whatever is not printable is escaped. Tracebacks show code, never the values of variables, among which secrets may be.
A stream that nobody reads any more is given up; the daemon goes on.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor
from typing_extensions import override

from lhbackupd.longhorn.errors import visible

Form = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]
Fields = MutableMapping[str, Any]

#: characters that one value in a line may have
LONGEST = 4096
_TRACEBACK = "exception"
#: libraries that tell on INFO what we tell better, or what would show addresses of every request
_TALKATIVE = ("apscheduler", "asyncio", "httpcore", "httpx", "lhbackupd.apscheduler", "sqlalchemy", "uvicorn")

#: warns of every request that makes no sense, so that anybody who can connect could fill the disk
_PROVOKED = "uvicorn.error"


class Lines(logging.StreamHandler[TextIO]):
    """Writes lines, and writes on to nowhere once the stream has been closed at its other end."""

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Called while an exception out of writing `record` is handled."""
        if isinstance(sys.exception(), BrokenPipeError):
            self._give_up()
        elif not isinstance(sys.exception(), OSError):  # a full disk passes
            super().handleError(record)

    def line(self, text: str) -> None:
        """Write one that is finished."""
        self.acquire()
        try:
            self.stream.write(f"{text}{self.terminator}")
            self.flush()
        except Exception:  # noqa: BLE001 -- as in `emit`
            self.handleError(logging.makeLogRecord({"msg": text}))
        finally:
            self.release()

    debug = info = warning = error = critical = line

    def _give_up(self) -> None:
        # the descriptor itself, so that what is left in the buffer does no harm at exit either
        with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self.stream.fileno())


def configure(*, form: Form, level: Level, stream: TextIO, now: Callable[[], datetime]) -> None:
    """Send all log lines of this process to `stream`, from `level` on, with times of `now`.

    `form` "auto" is a console on a terminal, and JSON elsewhere. To call it again replaces what was set up before.
    """
    console = form == "console" or (form == "auto" and stream.isatty())
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _timestamp(now),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        printable,
    ]
    renderer = (
        _console(colours=stream.isatty() and not os.environ.get("NO_COLOR"))
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = Lines(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), *first],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _route(handler, threshold)
    # our own lines do not go by way of `logging`, which takes twice as long: ten thousand runs may be due at once
    structlog.configure(
        processors=[*first, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: handler,
        cache_logger_on_first_use=False,
    )


def _route(handler: logging.Handler, threshold: int) -> None:
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, Lines):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.getLogger(_PROVOKED).setLevel(max(threshold, logging.ERROR))
    logging.captureWarnings(capture=True)


def logger() -> FilteringBoundLogger:
    """The daemon's logger, to be handed to whoever logs."""
    found: FilteringBoundLogger = structlog.get_logger("lhbackupd").bind()
    return found


def _timestamp(now: Callable[[], datetime]) -> Processor:
    def stamp(_logger: Any, _method: str, fields: Fields) -> Fields:
        fields["timestamp"] = now().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return fields

    return stamp


def printable(_logger: Any, _method: str, fields: Fields) -> Fields:
    """Escape what could break a line or steer a terminal; of a traceback the line ends stay."""
    for key, value in fields.items():
        if key == _TRACEBACK and isinstance(value, str):
            fields[key] = "\n".join(visible(line, LONGEST) for line in value.splitlines())
        elif isinstance(value, str):
            fields[key] = visible(value, LONGEST)
    return fields


def _console(*, colours: bool) -> Processor:
    # the plain formatter: the usual one prints the values of all variables
    return structlog.dev.ConsoleRenderer(
        colors=colours, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
