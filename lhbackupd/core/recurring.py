"""Longhorn's own recurring jobs, and which volumes are in them.

A volume is in a job if the job is set on it, or a group that the job names: Kubernetes labels of the volume, by which
the job finds it (longhorn-manager, app/recurring_job.go). The API shows no labels, and what is set on a volume neither
in the list nor in the volume: `recurringJobSelector` is null also where a job is set (recording 830). So each volume
has to be asked (recordings 420 to 429). A group needs no job: it may be set on a volume as a label of one's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

#: the group of a volume that no recurring job is set on
DEFAULT_GROUP = "default"

#: the only labels of a volume that Longhorn's API shows, by the jobs and groups that are set on it
JOB_LABEL, GROUP_LABEL = "recurring-job.longhorn.io/", "recurring-job-group.longhorn.io/"

#: the label that Longhorn gives to what its jobs make, with the job's name (recording 831)
MADE_BY_JOB = "RecurringJob"

#: the tasks of a job that make backups
BACKUP_TASKS = frozenset({"backup", "backup-force-create"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The jobs and groups that are set on a volume."""

    groups: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()

    @property
    def labels(self) -> frozenset[str]:
        """The same as the labels that they are on the volume."""
        return frozenset({JOB_LABEL + job for job in self.jobs} | {GROUP_LABEL + group for group in self.groups})


def membership(*, groups: Iterable[str] = (), jobs: Iterable[str] = ()) -> Membership:
    """What a volume is in, from what `recurringJobList` lists.

    A volume on which neither job nor group is set belongs to `default`, and Longhorn says so by itself (420); versions
    that list nothing mean the same.
    """
    listed = Membership(groups=frozenset(groups), jobs=frozenset(jobs))
    return listed if listed.groups or listed.jobs else Membership(groups=frozenset({DEFAULT_GROUP}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeJob:
    """A recurring job of Longhorn."""

    name: str
    task: str
    #: in the zone of Longhorn's managers
    cron: str
    groups: tuple[str, ...] = ()
    #: how many of its backups of a volume stay
    retain: int = 0
    #: "count-based", or "age-based" with `retain_age`
    retention: str = ""
    retain_age: str = ""
    #: volumes at once
    concurrency: int = 1
    #: such as `full-backup-interval`
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def backs_up(self) -> bool:
        """Whether it makes backups; others take snapshots, clean up or trim."""
        return self.task in BACKUP_TASKS

    def has(self, of: Membership) -> bool:
        """Whether a volume with that membership is in this job."""
        return self.name in of.jobs or not of.groups.isdisjoint(self.groups)
