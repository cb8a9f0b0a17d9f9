"""Log lines: one per move of a run, for machines (JSON) or people (console)."""

import logging

import structlog

from lhbackupd.engine.events import Event, Moved


def configure(style: str, level: str) -> None:
    """Set up logging once for the process."""
    logging.basicConfig(level=level.upper())
    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level.upper() if style else "INFO"),
    )


class LogListener:
    """Writes a line for every event."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._log = log

    def __call__(self, event: Event) -> None:
        if isinstance(event, Moved):
            run = event.after
            self._log.info(run.reason, action=run.phase.value, run=run.id, policy=run.policy, volume=run.volume)
