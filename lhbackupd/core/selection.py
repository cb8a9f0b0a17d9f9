"""Which policies a volume falls under.

The keys of a policy's `match` are all asked for, of a key's values one is enough; values are globs (`*`, `?`, `[a-z]`)
and tell upper from lower case. A volume without a PVC has neither PVC name nor namespace: no glob fits it there, not
even `*`. Groups cost a request per volume, so they may not be known yet: a policy that hangs on them is then neither
matched nor not, and says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Match, Policy

#: the group of a volume that no recurring job is set on
DEFAULT_GROUP = "default"


class Matching(StrEnum):
    """The answer to whether a policy is for a volume."""

    YES = "yes"
    NO = "no"
    #: it hangs on the volume's groups, and those have not been read
    GROUPS_UNKNOWN = "groups-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The policies of one volume, in the order of the configuration."""

    policies: tuple[Policy, ...]
    #: those that may turn out to be for it once its groups are known
    undecided: tuple[Policy, ...] = ()


def groups_of(*, groups: Iterable[str], jobs: Iterable[str]) -> frozenset[str]:
    """The groups a volume is in, from what `recurringJobList` lists (recordings 420 to 429).

    A volume on which neither job nor group is set belongs to `default`, and Longhorn says so by itself (420);
    versions that list nothing mean the same.
    """
    listed = frozenset(groups)
    return listed if listed or any(True for _ in jobs) else frozenset({DEFAULT_GROUP})


def matches(match: Match, volume: Volume, groups: frozenset[str] | None) -> Matching:
    """Whether `match` is for `volume`; `groups` is None while they are not known."""
    for globs, value in ((match.name, volume.name), (match.namespace, volume.pvc_namespace), (match.pvc, volume.pvc)):
        if globs and not (value and _fits(globs, value)):
            return Matching.NO
    if not match.group:
        return Matching.YES
    if groups is None:
        return Matching.GROUPS_UNKNOWN
    return Matching.YES if any(_fits(match.group, group) for group in groups) else Matching.NO


def covering(policies: Iterable[Policy], volume: Volume, groups: frozenset[str] | None) -> Coverage:
    """All policies that are for `volume`; all of them apply."""
    answers = [(policy, matches(policy.match, volume, groups)) for policy in policies]
    return Coverage(
        policies=tuple(policy for policy, answer in answers if answer is Matching.YES),
        undecided=tuple(policy for policy, answer in answers if answer is Matching.GROUPS_UNKNOWN),
    )


def _fits(globs: tuple[str, ...], value: str) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)
