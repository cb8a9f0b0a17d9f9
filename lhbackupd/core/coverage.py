"""Who backs a volume up: policies, Longhorn's own recurring jobs, both, nobody, or nobody on purpose.

One answer for status, metrics, log and doctor. It says what is configured, not what has been done: whether the backups
are there is the word of `protection`. What cannot be known (yet) is said as not known, and never as covered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from .cluster import Setting, Volume
from .model import Exclude, Mode, Policy
from .recurring import Membership, NativeJob
from .selection import Matching, covering, matches, selects


class Cover(StrEnum):
    """By whom a volume is covered."""

    POLICY = "policy"
    #: by a recurring job of Longhorn alone
    NATIVE = "native"
    #: by a policy and by a recurring job of Longhorn
    DOUBLE = "double"
    #: by nobody, on purpose
    EXCLUDED = "excluded"
    #: only by policies that touch nothing
    SHADOW = "shadow"
    NOTHING = "nothing"
    #: its groups, or Longhorn's jobs, have not been read
    UNKNOWN = "unknown"


#: whatever else is said of it, nobody is known to back up such a volume, and nobody wants that
BARE = frozenset({Cover.SHADOW, Cover.NOTHING, Cover.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The answer for one volume, with the names of all who are for it."""

    cover: Cover
    policies: tuple[str, ...] = ()
    #: policies that only write down what they would do
    shadows: tuple[str, ...] = ()
    #: recurring jobs of Longhorn that make backups
    jobs: tuple[str, ...] = ()
    #: all of it in words
    reason: str


def coverage(
    volume: Volume,
    *,
    policies: Iterable[Policy],
    groups: Membership | None,
    jobs: Iterable[NativeJob] | None,
    excludes: Iterable[Exclude],
    setting: Setting,
) -> Coverage:
    """Who backs up `volume`. `groups` and `jobs` are None while they are not known."""
    policies = tuple(policies)
    selected = covering(policies, volume, groups)
    active = tuple(policy.name for policy in selected.policies if policy.mode is Mode.ACTIVE)
    shadows = tuple(policy.name for policy in selected.policies if policy.mode is Mode.SHADOW)
    native = None if jobs is None else tuple(job for job in jobs if job.backs_up)
    of = tuple(job.name for job in native or () if groups is not None and job.has(groups))
    left_out = [(exclude.reason, matches(exclude.match, volume, groups)) for exclude in excludes]
    on_purpose = next((reason for reason, answer in left_out if answer is Matching.YES), None)
    open_ = any(policy.mode is Mode.ACTIVE for policy in selected.undecided)
    open_ = open_ or any(answer is Matching.GROUPS_UNKNOWN for _, answer in left_out)
    if active:
        cover, words = (Cover.DOUBLE if of else Cover.POLICY), f"backed up by {_policies(active)}"
    elif on_purpose is not None:
        cover, words = Cover.EXCLUDED, f"excluded: {on_purpose}"
    elif of:
        cover, words = Cover.NATIVE, "no policy"
    elif native is None:
        cover, words = Cover.UNKNOWN, "no policy matches it, and Longhorn's recurring jobs are not known"
    elif groups is None and (native or open_):
        cover, words = Cover.UNKNOWN, "its groups have not been read yet"
    else:
        cover, words = (Cover.SHADOW if shadows else Cover.NOTHING), _bare(policies, volume, groups)
    words += _natively(of, volume, setting)
    if shadows:
        words += f"; {_policies(shadows)} only as a shadow, which touches nothing"
    return Coverage(cover=cover, policies=active, shadows=shadows, jobs=of, reason=words)


@dataclass(frozen=True, kw_only=True)
class Covers:
    """The answers for all volumes, by name."""

    volumes: Mapping[str, Coverage] = field(default_factory=dict)
    #: policies that are for no volume at all, which is seldom meant; none while any volume is not decided on
    unused: tuple[str, ...] = ()

    def named(self, *of: Cover) -> frozenset[str]:
        """The volumes that are covered in any of these ways."""
        by_cover = self._by_cover
        return frozenset[str]().union(*(by_cover.get(cover, ()) for cover in of))

    @cached_property
    def _by_cover(self) -> Mapping[Cover, list[str]]:
        found: dict[Cover, list[str]] = {}
        for name, each in self.volumes.items():
            found.setdefault(each.cover, []).append(name)
        return found


def covers(
    volumes: Iterable[Volume],
    *,
    policies: Iterable[Policy],
    groups: Mapping[str, Membership],
    jobs: Iterable[NativeJob] | None,
    excludes: Iterable[Exclude],
    setting: Setting,
    known: Mapping[str, Coverage] | None = None,
) -> Covers:
    """Who backs up each of `volumes`; of some of them that is `known`."""
    policies, excludes, known = tuple(policies), tuple(excludes), known or {}
    jobs = None if jobs is None else tuple(jobs)
    found = {
        volume.name: known.get(volume.name)
        or coverage(
            volume, policies=policies, groups=groups.get(volume.name), jobs=jobs, excludes=excludes, setting=setting
        )
        for volume in volumes
    }
    used = {name for each in found.values() for name in (*each.policies, *each.shadows)}
    sure = all(each.cover is not Cover.UNKNOWN for each in found.values())
    unused = tuple(policy.name for policy in policies if sure and policy.name not in used)
    return Covers(volumes=found, unused=unused)


def _policies(names: tuple[str, ...]) -> str:
    return " and ".join(f"policy {name}" for name in names)


def _natively(jobs: tuple[str, ...], volume: Volume, setting: Setting) -> str:
    """What is to be said of the recurring jobs that the volume is in."""
    if not jobs:
        return ""
    names = " and ".join(jobs)
    idle = volume.state == "detached" and setting is not Setting.ALLOWED
    return f"; Longhorn's recurring job {names} backs it up" + (" only while it is attached" if idle else "")


def _bare(policies: tuple[Policy, ...], volume: Volume, groups: Membership | None) -> str:
    """Why nobody is for a volume."""
    out = tuple(
        policy.name
        for policy in policies
        if matches(policy.match, volume, groups) is Matching.YES
        and selects(policy, volume, groups) is Matching.NO
        and policy.mode is Mode.ACTIVE
    )
    if out:
        step = "where nothing is to back it up, say so with [[exclude]] and a reason"
        return f"{_policies(out)} would match it, and its exclude leaves it out; {step}"
    return "no policy matches it"
