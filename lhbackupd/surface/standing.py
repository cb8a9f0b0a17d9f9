"""How a volume stands under a policy, and what class of thing a waiting run waits for.

A volume is protected only if its last run said so, its policy's RPO is kept, and no two due times have passed since
then, unless nothing has touched the volume. Everything else is not protected, and is named by what a person has to do.
"""

from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Mode, Outcome, Run
from lhbackupd.core.protection import UPHELD, Protection
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.words import moment


class Standing(StrEnum):
    """How a volume stands, worst first."""

    #: its last runs failed
    FAILING = "failing"
    #: not in a backup for any other reason: never run, refused, below the threshold, overdue
    UNPROTECTED = "unprotected"
    #: detached, and setting or policy do not allow to attach it
    SUSPENDED = "suspended"
    #: under a policy that touches nothing: whether another one protects the volume is that one's word
    SHADOW = "shadow"
    PROTECTED = "protected"


#: the order in which people want to see them
WORST_FIRST = tuple(Standing)
#: what nobody has to see to; of a shadow nothing is claimed
CALM = frozenset({Standing.PROTECTED, Standing.SHADOW})


def alarming(standing: Standing, rpo: Rpo) -> bool:
    """Whether a volume that stands so under a policy is for somebody to see to: exit code 1.

    One that is left alone by configuration is not, until that breaks what its policy promises.
    """
    return standing in {Standing.FAILING, Standing.UNPROTECTED} or rpo is Rpo.VIOLATED


def overdue(word: Protection, due_before_last: datetime, known: Exposure | None) -> str:
    """Why the last word on a volume is too old to be believed; "" while it is not.

    A backup of last week is no protection while this week's runs wait, unless nothing has touched the volume since.
    """
    if word.last_at is None or word.last_at >= due_before_last:
        return ""
    if known is not None and known.unprotected_since is None:
        return ""
    return f"overdue: no run has finished since {moment(word.last_at)}"


def standing(word: Protection, *, beyond: bool, mode: Mode = Mode.ACTIVE) -> Standing:
    """How a volume stands, by the last word on it; `beyond`: what is exposed has been so for too long."""
    if mode is Mode.SHADOW:
        return Standing.SHADOW
    if word.last_outcome is None:
        return Standing.UNPROTECTED
    if word.last_outcome in UPHELD:
        return Standing.UNPROTECTED if beyond or word.lost else Standing.PROTECTED
    if word.last_outcome is Outcome.SUSPENDED:
        return Standing.SUSPENDED
    return Standing.FAILING if word.failures else Standing.UNPROTECTED


def why(word: Protection, *, beyond: str) -> str:
    """The reason of a standing, in words."""
    if word.last_outcome is None or word.last_at is None:
        return "no run has finished yet"
    if word.last_outcome in UPHELD:
        return word.lost or beyond or word.last_reason
    times = f" ({word.failures} times)" if word.failures > 1 else ""
    reason = f"{word.last_outcome.value}{times}: {word.last_reason}"
    return f"{beyond}; {reason}" if beyond else reason


class Wait(StrEnum):
    """What a run in the queue waits for."""

    #: the time of its next attempt
    TIME = "time"
    #: its policy's window to open
    WINDOW = "window"
    #: the next turn of the scheduler
    TURN = "turn"
    #: Longhorn to answer, or to list the volume
    LONGHORN = "longhorn"
    #: Longhorn's setting to be read
    SETTING = "setting"
    #: the volume to be attached or detached for good
    SETTLING = "settling"
    #: another run of the same volume
    VOLUME = "volume"
    #: a backup that somebody else has running
    BACKUP = "backup"
    #: its policy, or all, to be resumed
    PAUSE = "pause"
    #: a place in the cluster, `limits.cluster`
    CLUSTER = "cluster"
    #: a place on a node, `limits.per_node`, or any node to be Ready
    NODE = "node"
    #: a place on its backup target, or the target to be available
    TARGET = "target"


#: how the reasons begin that `core.machine` and `core.admission` give; a test holds this against both
_BEGINNINGS = (
    ("waits for its window", Wait.WINDOW),
    ("waits for run ", Wait.VOLUME),
    ("waits for backup ", Wait.BACKUP),
    ("waits until the volume has settled", Wait.SETTLING),
    ("waits until Longhorn's setting", Wait.SETTING),
    ("waits until Longhorn lists", Wait.LONGHORN),
    ("waits: policy ", Wait.PAUSE),
    ("waits: every policy is paused", Wait.PAUSE),
    ("waits: backup target ", Wait.TARGET),
    ("waits: strict-local: ", Wait.NODE),
    ("waits: no node is Ready", Wait.NODE),
    ("waits: ", Wait.LONGHORN),
)


def waits_for(run: Run, now: datetime) -> Wait:
    """The class of thing that a run in the queue waits for."""
    if run.not_before is not None and run.not_before > now:
        return Wait.TIME
    return _named(run.reason)


@lru_cache(maxsize=1024)  # thousands wait for the same
def _named(reason: str) -> Wait:
    if reason.startswith("waits for one of "):
        return _place(reason)
    return next((wait for beginning, wait in _BEGINNINGS if reason.startswith(beginning)), Wait.TURN)


def _place(reason: str) -> Wait:
    if reason.endswith("(limits.cluster)"):
        return Wait.CLUSTER
    return Wait.NODE if reason.endswith("(limits.per_node)") else Wait.TARGET
