"""How a volume stands under a policy, and what class of thing a waiting run waits for.

A volume is protected only if its last run said so and no two due times have passed since: a backup of last week is no
protection while this week's runs wait. Everything else is not protected, and is named by what a person has to do.
"""

from datetime import datetime
from enum import StrEnum

from lhbackupd.core.model import PROTECTED, Mode, Outcome, Run
from lhbackupd.core.protection import Protection
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


def late(word: Protection, due_before_last: datetime) -> bool:
    """Whether no run has finished since the due time before the last one."""
    return word.last_at is not None and word.last_at < due_before_last


def standing(word: Protection, *, late: bool, mode: Mode = Mode.ACTIVE) -> Standing:
    """How a volume stands, by the last word on it."""
    if mode is Mode.SHADOW:
        return Standing.SHADOW
    if word.last_outcome is None:
        return Standing.UNPROTECTED
    if word.last_outcome in PROTECTED:
        return Standing.UNPROTECTED if late else Standing.PROTECTED
    if word.last_outcome is Outcome.SUSPENDED:
        return Standing.SUSPENDED
    return Standing.FAILING if word.failures else Standing.UNPROTECTED


def why(word: Protection, *, late: bool) -> str:
    """The reason of a standing, in words."""
    if word.last_outcome is None or word.last_at is None:
        return "no run has finished yet"
    overdue = f"overdue: no run has finished since {moment(word.last_at)}"
    if word.last_outcome in PROTECTED:
        return overdue if late else word.last_reason
    times = f" ({word.failures} times)" if word.failures > 1 else ""
    reason = f"{word.last_outcome.value}{times}: {word.last_reason}"
    return f"{overdue}; {reason}" if late else reason


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
    ("waits: backup target ", Wait.TARGET),
    ("waits: strict-local: ", Wait.NODE),
    ("waits: no node is Ready", Wait.NODE),
    ("waits: ", Wait.LONGHORN),
)


def waits_for(run: Run, now: datetime) -> Wait:
    """The class of thing that a run in the queue waits for."""
    if run.not_before is not None and run.not_before > now:
        return Wait.TIME
    if run.reason.startswith("waits for one of "):
        return _place(run.reason)
    return next((wait for beginning, wait in _BEGINNINGS if run.reason.startswith(beginning)), Wait.TURN)


def _place(reason: str) -> Wait:
    if reason.endswith("(limits.cluster)"):
        return Wait.CLUSTER
    return Wait.NODE if reason.endswith("(limits.per_node)") else Wait.TARGET
