"""What the commands share: their options, and how a fault of the user's ends one.

Exit codes: 0 fine, 1 something is unprotected or failed, 2 usage or configuration, 3 not reachable.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from typing_extensions import override

from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.clock import Clock
from lhbackupd.config import Config, ConfigFault, load
from lhbackupd.config.values import read_span
from lhbackupd.longhorn.errors import visible

T = TypeVar("T")

FAILED, USAGE, UNREACHABLE = 1, 2, 3
#: seconds that an order may take, with a look at Longhorn
_TIMEOUT = 120.0

#: characters of one line or cell
LONGEST = 4096

DEFAULT_CONFIG = Path("/etc/lhbackupd/config.toml")

config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    metavar="FILE",
    help="The configuration.",
)


class _ClockType(click.ParamType[Clock]):
    name = "SPEED[@EPOCH]"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Clock:
        if isinstance(value, Clock):
            return value
        try:
            return Clock.parse(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


clock_option = click.option(
    "--clock",
    type=_ClockType(),
    default="1",
    metavar="SPEED[@EPOCH]",
    help="Let time run faster, for rehearsals against `lhbackupd simulate`: 60@1767225600 means 60 times as fast, "
    "from that second since 1970 on. Give both the same.",
)


def say(*lines: str, err: bool = False) -> None:
    """Print lines, in which foreign text can neither break a line nor steer the terminal."""
    for line in lines:
        click.echo(visible(line, LONGEST), err=err)


class SpanType(click.ParamType[float]):
    """A duration as in the configuration, in seconds."""

    name = "SPAN"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        span = read_span(value)
        if span is None or not span:
            self.fail(f'{value!r} is not a duration such as "30m", "2h", "1d" or "1h30m"', param, ctx)
        return span.total_seconds()


def die(lines: Iterable[str], code: int) -> NoReturn:
    """End the command with lines on standard error and an exit code."""
    say(*lines, err=True)
    sys.exit(code)


def order(config: Config, route: str, body: object, shape: type[T], *, timeout: float = _TIMEOUT) -> tuple[bytes, T]:
    """The daemon's answer to an order, as it came and as a value, within `timeout` seconds.

    Or the end of the command, with one line why not.
    """
    try:
        return ask(config.control.socket, "POST", route, shape, timeout=timeout, body=body)
    except Unanswered as error:
        die([f"{error}; start it first, or see its log: without {config.control.socket.parent} it takes no orders"],
            UNREACHABLE)  # fmt: skip
    except Declined as error:
        die([str(error)], FAILED)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """What went wrong, tasks' groups taken apart."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def read_config(path: Path) -> Config:
    """The configuration, or the end of the command with one line per fault."""
    try:
        return load(path)
    except ConfigFault as error:
        die((str(fault) for fault in error.faults), USAGE)


def refused_channels(config: Config) -> tuple[str, ...]:
    """The channels of [notify] that Apprise does not take, one line each; to ask takes a second if there are any."""
    if config.notify.urls_file is None:
        return ()
    from lhbackupd.messengers import refused

    return refused(config.notify)
