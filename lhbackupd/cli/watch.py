"""`lhbackupd status --watch`: asks the daemon again and again, and shows what it says.

It is asked every second, or more seldom where an answer takes long: at the pace at which the daemon looks for changes
that it tells its pages of, and without taking one of the few places of those who listen for them. A daemon that does
not answer is asked on.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import click
import msgspec
from rich.live import Live

from lhbackupd.cli.asking import Refused, fetch
from lhbackupd.cli.options import FAILED, UNREACHABLE, USAGE, die, say
from lhbackupd.cli.screen import Screen
from lhbackupd.cli.view import View
from lhbackupd.config import Config
from lhbackupd.surface import changes
from lhbackupd.surface.report import Report

#: seconds that an answer may take, between two pictures, and between two questions at least
_TIMEOUT, _PICTURE, _ASK = 5.0, 1.0, 1.0
#: a question that took so long is followed by a rest of ten times as much
_REST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the daemon said last, and why it says nothing now; "" while it answers."""

    raw: bytes = b""
    report: Report | None = None
    trouble: str = ""
    #: seconds since it last answered, or was first asked
    silent: float = 0.0

    @property
    def code(self) -> int:
        """The exit code, were it to end now."""
        if self.report is None or self.trouble:
            return UNREACHABLE
        return 0 if self.report.fine else FAILED


def looks(config: Config) -> Iterator[Seen]:
    """What is seen, at once and then once a second, for ever."""
    seen, answered = Seen(), time.monotonic()
    # not time.sleep: an event can be waited for, and Ctrl-C ends it as well
    never = threading.Event()
    yield seen
    while True:
        begun = time.monotonic()
        try:
            raw, report = fetch(config, "status.json", Report, timeout=_TIMEOUT)
            answered = time.monotonic()
            seen = Seen(raw=raw, report=report)
        except (OSError, Refused) as error:
            seen = replace(seen, trouble=str(error))
        ended = time.monotonic()
        again = ended + max(_ASK, 0.0 if seen.trouble else _REST * (ended - begun))
        while (left := again - time.monotonic()) > 0:
            yield replace(seen, silent=time.monotonic() - answered)
            never.wait(min(_PICTURE, left))


def watch(config: Config) -> int:
    """Draw what is seen until Ctrl-C; the exit code of that moment."""
    screen = Screen(live=True)
    if not screen.is_terminal or screen.is_dumb_terminal:
        die(["--watch draws on a terminal, and this is none: take --watch --json, or status without --watch"], USAGE)
    _let_go_in_order()
    seen = Seen()
    with Live(console=screen, screen=True, auto_refresh=False) as picture, suppress(KeyboardInterrupt):
        for seen in looks(config):
            picture.update(View(report=seen.report, trouble=seen.trouble, silent=seen.silent), refresh=True)
    return seen.code


def follow(config: Config) -> int:
    """Print the report as one line of JSON at first and after every change until Ctrl-C, troubles on standard error.

    The exit code is that of the moment in which it is ended.
    """
    _let_go_in_order()
    seen, shown, trouble = Seen(), None, ""
    with suppress(KeyboardInterrupt):
        for seen in looks(config):
            if seen.trouble != trouble:
                trouble = seen.trouble
                say(trouble or "the daemon answers again", err=True)
            if seen.report is not None and not trouble and (found := changes.seen(seen.report)) != shown:
                shown = found
                # a line each, whatever the answer looked like
                click.echo(msgspec.json.format(seen.raw, indent=-1))
    return seen.code


def _let_go_in_order() -> None:
    """Let what ends a process end this one as Ctrl-C does, with the terminal as it was."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
