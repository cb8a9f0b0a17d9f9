"""`lhbackupd demo`: the command, its exit codes, and what it prints around the performance."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text
from typing_extensions import override

from lhbackupd.cli.demo.outside import OutsideError
from lhbackupd.cli.demo.play import LIMIT, Performance
from lhbackupd.cli.demo.show import Glyphs, verdict
from lhbackupd.cli.options import FAILED, die
from lhbackupd.clock import Clock

#: the exit code of a command that Ctrl-C ended, as shells have it
_INTERRUPTED = 130
#: where the text of /proc/self/stat has the time of the start, counted after the command's name (proc(5), field 22)
_START = 19
#: seconds that starting usually takes, where the system does not tell
_USUAL_AGE = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Printer(Console):
    """A console that falls silent when nobody reads on (`lhbackupd demo | head`): the demo is played to its end."""

    @override
    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


@click.command("demo")
def command() -> None:
    """Show the main job on a simulated cluster, in half a minute, and check it against the cluster's own ledger.

    Needs nothing, touches nothing, leaves nothing behind. Exit code 0 if all promises held, 1 if one did not or the
    demo could not be played.

    \b
    lhbackupd demo
    """
    import uvloop

    terminal = sys.stdout.isatty()
    console = Printer(force_terminal=None if terminal else False, highlight=False)
    live = terminal and not console.is_dumb_terminal
    performance = Performance(console=console, live=live, limit=LIMIT - age())
    began = Clock().monotonic()
    try:
        uvloop.run(until_signal(performance))
    except TimeoutError:
        die([f"the demo was not over after {performance.limit:.0f} s: {performance.stuck()}"], FAILED)
    except asyncio.CancelledError:
        die(["interrupted; nothing is left behind"], _INTERRUPTED)
    except (OutsideError, OSError) as error:
        die([f"the demo cannot be played: {error}"], FAILED)
    except ExceptionGroup as group:
        die([f"the demo broke: {type(error).__name__}: {error}" for error in group.exceptions], FAILED)
    sys.exit(report(performance, seconds=Clock().monotonic() - began))


def age() -> float:
    """Seconds of real time since this process began, which on a busy machine takes a while to get here."""
    try:
        stat = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
        began = int(stat.rpartition(")")[2].split()[_START]) / os.sysconf("SC_CLK_TCK")
        seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, ValueError, IndexError, AttributeError):
        return _USUAL_AGE
    # a container's /proc may count from another boot than its clock
    return seconds if 0 <= seconds < LIMIT / 2 else _USUAL_AGE


async def until_signal(performance: Performance) -> None:
    """Play; SIGINT, SIGTERM and SIGHUP end it with CancelledError once all is taken down."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in _SIGNALS:
        loop.add_signal_handler(number, task.cancel)
    try:
        await performance.play()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def report(performance: Performance, *, seconds: float) -> int:
    """Print what was promised and what came of it; the exit code."""
    console, findings = performance.console, performance.findings
    broken = sum(1 for _, finding in findings if not finding.held)
    console.print(Padding(verdict(findings, console=console), (1, 0)))
    minutes, rest = divmod(round(performance.simulated), 60)
    held = f"All {len(findings)} promises held" if not broken else f"{broken} of {len(findings)} promises BROKEN"
    line = f"{held}: {minutes} min {rest} s of a simulated night, played in {seconds:.0f} s."
    console.print(Text(Glyphs.of(console).plain(line), "bold red" if broken else "bold green"))
    console.print(Text("Nothing is left behind. To begin in earnest: lhbackupd config example"))
    return FAILED if broken or not findings else 0
