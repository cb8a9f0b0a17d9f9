"""The names we leave in Longhorn, and how to know them again.

A ticket's id says whose it is and until when: `lhbackupd:<instance>:<journal id>:<run>:<deadline>`. No RecurringJob can
be called like our `attachedBy`, because Kubernetes names hold no colon; so deleting a job never detaches a volume of
ours (longhorn-manager, recurring job controller). Snapshots and backups carry labels with policy, run and origin.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .model import Origin, Run

PREFIX = "lhbackupd"
LABEL_POLICY = "lhbackupd.io/policy"
LABEL_RUN = "lhbackupd.io/run"
LABEL_ORIGIN = "lhbackupd.io/origin"
#: which completed backup of volume, policy and origin it is; only where a policy counts them
LABEL_NUMBER = "lhbackupd.io/number"

_DEADLINE = "%Y%m%dT%H%M%SZ"
_PARTS_BUT_PREFIX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketName:
    """What the id of one of our tickets says."""

    instance: str
    journal: str
    run: str
    #: when whoever finds it without its journal may give it back
    deadline: datetime

    def __str__(self) -> str:
        deadline = self.deadline.astimezone(UTC).strftime(_DEADLINE)
        return f"{PREFIX}:{self.instance}:{self.journal}:{self.run}:{deadline}"

    @classmethod
    def parse(cls, ticket_id: str) -> "TicketName | None":
        """What `ticket_id` says, or None where it is not one of ours."""
        # from the right: an instance may be called `site:a`
        parts = ticket_id.removeprefix(f"{PREFIX}:").rsplit(":", _PARTS_BUT_PREFIX - 1)
        if len(parts) != _PARTS_BUT_PREFIX:
            return None
        instance, journal, run, until = parts
        try:
            deadline = datetime.strptime(until, _DEADLINE).replace(tzinfo=UTC)
        except ValueError:
            return None
        name = cls(instance=instance, journal=journal, run=run, deadline=deadline)
        return name if str(name) == ticket_id else None


def attached_by(origin: Origin) -> str:
    """The value of `attachedBy` in our tickets."""
    return f"{PREFIX}:{origin.instance}"


def snapshot_name(run: Run) -> str:
    """The name of the snapshot that a run takes: unique in the cluster, as a run's id is."""
    return f"{PREFIX}-{run.id}"


def labels(run: Run, origin: Origin) -> dict[str, str]:
    """The labels of the snapshot and the backup that a run makes."""
    named = {LABEL_POLICY: run.policy, LABEL_RUN: run.id, LABEL_ORIGIN: origin.journal}
    return named | ({LABEL_NUMBER: str(run.number)} if run.number else {})


def made_by(found: Mapping[str, str], *, policy: str, origin: Origin) -> bool:
    """Whether labels are those of a policy of ours, made with this journal or one that was adopted."""
    return found.get(LABEL_POLICY) == policy and found.get(LABEL_ORIGIN) in {origin.journal, *origin.adopted}


def attempt_id(run_id: str, attempt: int) -> str:
    """The id of another attempt of a run: `k3v9x2q8` is followed by `k3v9x2q8-2`."""
    root = run_id.partition("-")[0]
    return root if attempt == 1 else f"{root}-{attempt}"
