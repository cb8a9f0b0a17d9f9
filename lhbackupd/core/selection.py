"""Which policies a volume falls under.

The keys of a `match` are all asked for, of a key's values one is enough; names are globs (`*`, `?`, `[a-z]`) and tell
upper from lower case. A volume without a PVC has neither PVC name nor namespace: no glob fits it there, not even `*`.
A volume that fits an `exclude` of the policy, read in the same way, is left out. Groups and labels cost a request per
volume, so they may not be known yet: a policy that hangs on them is then neither matched nor not, and says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from .cluster import Volume
from .model import Exclude, Match, Policy
from .recurring import Membership


class Matching(StrEnum):
    """The answer to whether a volume is meant."""

    YES = "yes"
    NO = "no"
    #: it hangs on the volume's groups, and those have not been read
    GROUPS_UNKNOWN = "groups-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The policies of one volume, in the order of the configuration."""

    policies: tuple[Policy, ...]
    #: those that may turn out to be for it once its groups are known
    undecided: tuple[Policy, ...] = ()


def matches(match: Match, volume: Volume, groups: Membership | None) -> Matching:
    """Whether `match` is for `volume`; `groups` is None while they are not known."""
    for globs, value in ((match.name, volume.name), (match.namespace, volume.pvc_namespace), (match.pvc, volume.pvc)):
        if globs and not (value and _fits(globs, value)):
            return Matching.NO
    for words, value in ((match.access_mode, volume.access_mode), (match.data_engine, volume.data_engine)):
        if words and value not in words:
            return Matching.NO
    if not (match.min_size or 0) <= volume.size <= (volume.size if match.max_size is None else match.max_size):
        return Matching.NO
    if not hangs_on_groups(match):
        return Matching.YES
    if groups is None:
        return Matching.GROUPS_UNKNOWN
    asked = ((match.group, groups.groups), (match.label, groups.labels))
    return Matching.YES if all(not globs or _any_fits(globs, values) for globs, values in asked) else Matching.NO


def selects(policy: Policy, volume: Volume, groups: Membership | None) -> Matching:
    """Whether `policy` is for `volume`: matched, and not excluded."""
    matched = matches(policy.match, volume, groups)
    if matched is Matching.NO:
        return matched
    out = {matches(exclude, volume, groups) for exclude in policy.exclude}
    if Matching.YES in out:
        return Matching.NO
    return Matching.GROUPS_UNKNOWN if Matching.GROUPS_UNKNOWN in out else matched


def covering(policies: Iterable[Policy], volume: Volume, groups: Membership | None) -> Selection:
    """All policies that are for `volume`; all of them apply."""
    answers = [(policy, selects(policy, volume, groups)) for policy in policies]
    return Selection(
        policies=tuple(policy for policy, answer in answers if answer is Matching.YES),
        undecided=tuple(policy for policy, answer in answers if answer is Matching.GROUPS_UNKNOWN),
    )


def hangs_on_groups(match: Match) -> bool:
    """Whether a volume's groups and labels must be known to answer for it."""
    return bool(match.group or match.label)


def wants_groups(policies: Iterable[Policy], excludes: Iterable[Exclude] = ()) -> bool:
    """Whether groups and labels have to be asked for, one request a volume."""
    matches_ = [match for policy in policies for match in (policy.match, *policy.exclude)]
    return any(map(hangs_on_groups, (*matches_, *(exclude.match for exclude in excludes))))


def _any_fits(globs: tuple[str, ...], values: Iterable[str]) -> bool:
    return any(_fits(globs, value) for value in values)


def _fits(globs: tuple[str, ...], value: str) -> bool:
    return any(fnmatchcase(value, glob) for glob in globs)
