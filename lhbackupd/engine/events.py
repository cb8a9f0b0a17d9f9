"""What the engine tells: frozen values for whoever counts, logs or notifies. The engine knows none of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from lhbackupd.core.audit import Loss
from lhbackupd.core.cluster import Fault
from lhbackupd.core.coverage import Covers
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.leases import Lease
from lhbackupd.core.model import Run
from lhbackupd.core.pausing import Pause
from lhbackupd.core.retention import Verdict
from lhbackupd.core.rpo import Judgement, Rpo
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.scheduler import Changes
from lhbackupd.engine.wreck import Wreck


@dataclass(frozen=True, slots=True)
class Moved:
    """A run has moved, or its state has changed; `before` is None for a run that is new."""

    before: Run | None
    after: Run


@dataclass(frozen=True, slots=True)
class Polled:
    """Longhorn has been polled; the picture's `fault` says whether that failed."""

    before: Picture
    after: Picture


@dataclass(frozen=True, slots=True)
class Missed:
    """Due times that passed while nobody was there to see them; the last one is made up for by `run`."""

    run: Run
    count: int


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """Schedules were added, removed or changed."""

    changes: Changes


@dataclass(frozen=True, slots=True)
class CoverChanged:
    """Some volume is covered otherwise than it was, or a policy has come to match no volume, or some again."""

    before: Covers
    after: Covers


@dataclass(frozen=True, slots=True)
class Pruned:
    """Backups of a policy were deleted, each for the reason that is with it, as far as `fault` let us."""

    policy: str
    volume: str
    deleted: tuple[Verdict, ...]
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class PruningRests:
    """Old backups are not deleted after `run`, because clocks disagree as `why` says."""

    run: Run
    why: str


@dataclass(frozen=True, slots=True)
class GaveBack:
    """A ticket of ours that no run holds was withdrawn, unless `fault` says that it was not."""

    lease: Lease
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Ordered:
    """An operator has ordered something: what, who (`uid 0`), in words, and the facts (policy, volume, run)."""

    order: str
    by: str
    text: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PauseOverdue:
    """A pause should be over, and nobody has ended it; `text` says which."""

    pause: Pause
    text: str


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set by `seconds` (negative: back); due times were worked out anew."""

    seconds: float


@dataclass(frozen=True, slots=True)
class JournalTrouble:
    """The journal could not be read or written (`text`), or can be again (`text` is empty)."""

    text: str


@dataclass(frozen=True, slots=True)
class JournalReplaced:
    """The journal was damaged: it was put aside, and a new one made."""

    wreck: Wreck


@dataclass(frozen=True, slots=True)
class RpoMoved:
    """A volume will miss its policy's RPO, misses it, or no longer does, by its exposure."""

    exposure: Exposure
    rpo: timedelta
    before: Rpo
    verdict: Judgement


@dataclass(frozen=True, slots=True)
class ExposuresMoved:
    """More is known of some volume's exposure: by a poll, by a run, or from the journal after a start."""


@dataclass(frozen=True, slots=True)
class BackupLost:
    """A completed backup that protected a volume is no longer on its backup target, and not by our doing."""

    loss: Loss


@dataclass(frozen=True, slots=True)
class Defect:
    """A run met a defect of lhbackupd, and is driven on from what the journal says; or the keeper's turn did: None."""

    run: Run | None
    error: Exception


#: what is told of troubles around runs
Trouble = JournalTrouble | JournalReplaced | PruningRests | GaveBack | ClockStepped | RpoMoved | BackupLost | Defect
Event = (
    Moved | Polled | Missed | Rescheduled | CoverChanged | ExposuresMoved | Pruned | Ordered | PauseOverdue | Trouble
)
Tell = Callable[[Event], None]


def to_all(listeners: Iterable[Tell]) -> Tell:
    """One listener that passes every event on to each of `listeners`."""
    everybody = tuple(listeners)

    def tell(event: Event) -> None:
        for listener in everybody:
            listener(event)

    return tell
