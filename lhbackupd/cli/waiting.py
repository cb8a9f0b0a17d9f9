"""Waits for runs that the daemon drives, and tells how each ended."""

import threading
from collections.abc import Iterable
from pathlib import Path

from lhbackupd.cli.door import Declined, Unanswered, ask
from lhbackupd.cli.options import FAILED, UNREACHABLE, die, say
from lhbackupd.core.model import PROTECTED
from lhbackupd.surface.orders import RunState

#: seconds between two looks, and for one answer
_PAUSE, _TIMEOUT = 1.0, 30.0


def until_finished(socket: Path, runs: Iterable[RunState], *, quiet: bool) -> tuple[RunState, ...]:
    """The runs as they ended, each told as it ends unless `quiet`; ends the command where nobody answers any more."""
    runs = tuple(runs)
    ended: dict[str, RunState] = {}
    # not time.sleep: an event can be waited for, and Ctrl-C ends it as well
    never = threading.Event()
    while True:
        for run in runs:
            if run.run not in ended and (state := _look(socket, run.run)).finished:
                ended[run.run] = state
                if not quiet:
                    say(told(state))
        if len(ended) == len(runs):
            return tuple(ended[run.run] for run in runs)
        never.wait(_PAUSE)


def _look(socket: Path, run: str) -> RunState:
    try:
        return ask(socket, "GET", f"/v1/runs/{run}", RunState, timeout=_TIMEOUT)[1]
    except Unanswered as error:
        die([f"{error}; run {run} is in the journal and goes on with the daemon: lhbackupd history"], UNREACHABLE)
    except Declined as error:
        die([str(error)], FAILED)


def told(run: RunState) -> str:
    """How a run ended, in one line."""
    outcome = run.outcome.value if run.outcome else run.phase.value
    follows = f"; tried again as run {run.followed_by}" if run.followed_by else ""
    return f"{run.volume}: {outcome}: {run.reason}{follows} (run {run.run} of {run.policy})"


def protected(run: RunState) -> bool:
    """Whether its volume's data is in a backup."""
    return run.outcome in PROTECTED
