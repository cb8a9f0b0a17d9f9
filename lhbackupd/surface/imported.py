"""Longhorn's recurring jobs as policies, in TOML.

What comes out can be run as it is: every policy is a shadow until somebody makes it active. What has no counterpart is
said in a comment. Names, groups and crons come from Longhorn, so none of them may end a string or a comment.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from lhbackupd.core.recurring import DEFAULT_GROUP, Membership, NativeJob
from lhbackupd.core.timetable import parse_cron

_LONGEST_NAME = 40
_LONGEST_SHOWN = 200
_MOST_KEPT = 10_000
#: no volume can be called otherwise
_NAME_OF_VOLUME = re.compile(r"[a-z0-9.-]{1,253}", re.ASCII)
#: a duration as Go writes it, of whole units: `168h0m0s`
_AGE = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_HEADER = """\
# Longhorn's recurring jobs as policies of lhbackupd. Nothing is backed up by them before `mode` is "active".
# Cron is meant in "UTC" here, and in Longhorn in the zone of its managers: where that is another one, name it.
# Longhorn deletes no backup that is made by lhbackupd, and lhbackupd none that was made by Longhorn.
"""


def quoted(text: str) -> str:
    """A text as a TOML string on one line; what cannot be said in TOML (half a surrogate pair) is replaced."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char.isprintable():
        return char
    code = 0xFFFD if 0xD800 <= ord(char) <= 0xDFFF else ord(char)  # noqa: PLR2004 -- the surrogates
    return f"\\U{code:08X}"


def policies(jobs: Iterable[NativeJob], members: Mapping[str, Membership]) -> str:
    """The configuration that does what `jobs` do; `members` is what is set on each volume."""
    parts, names = [_HEADER], set[str]()
    for job in sorted(jobs, key=lambda job: job.name):
        alone = sorted(
            # one that is in a group of the job as well is backed up by that policy
            volume
            for volume, of in members.items()
            if job.name in of.jobs and of.groups.isdisjoint(job.groups) and _NAME_OF_VOLUME.fullmatch(volume)
        )
        groups = sorted({group for group in job.groups if group})
        if not job.backs_up:
            parts.append(f"# {_shown(job)} makes no backups ({_cut(job.task)}): it stays with Longhorn.\n")
        elif not alone and not groups:
            parts.append(f"# {_shown(job)} has no groups, and is set on no volume: it backs up nothing.\n")
        elif why := _unreadable(job.cron):
            parts.append(f"# {_shown(job)} is left out: its cron {_cut(job.cron)} is not known here: {why}\n")
        else:
            matches = [_by_groups(groups)] if groups else []
            matches += [_by_volumes(alone)] if alone else []
            parts += ["\n".join(_policy(job, _name(job.name, names), match)) + "\n" for match in matches]
    return "\n".join(parts)


def _policy(job: NativeJob, name: str, match: Iterable[str]) -> Iterator[str]:
    yield f"# {_shown(job)}, concurrency {job.concurrency}; how much runs at once is set in [limits], for all policies."
    yield from (
        f"# Its parameter {_cut(key)} = {_cut(value)} is left out." for key, value in sorted(job.parameters.items())
    )
    yield "[[policy]]"
    yield f'name = "{name}"'
    yield 'mode = "shadow"  # for a week: compare `lhbackupd history`; then "active", and delete the job'
    yield f"cron = {quoted(job.cron)}"
    yield 'timezone = "UTC"'
    yield from match
    yield _keep(job)


def _by_groups(groups: Iterable[str]) -> list[str]:
    lines = [f"match.group = [{', '.join(quoted(_literal(group)) for group in groups)}]"]
    for group in groups:
        if group != DEFAULT_GROUP:
            lines.insert(0, f"# With the last job of group {_cut(group)} Longhorn takes the group off its volumes, and")
            lines.insert(1, "# this policy would match none of them: leave a job there that makes no backups.")
    return lines


def _by_volumes(volumes: Iterable[str]) -> list[str]:
    return ["match.name = [", *(f"  {quoted(volume)}," for volume in volumes), "]"]


def _keep(job: NativeJob) -> str:
    if job.retention == "age-based":
        age = _age(job.retain_age)
        if age is None:
            return f"# Its backups are kept for {_cut(job.retain_age)}, which is not known here; all would stay."
        return f'keep = {{ within = "{int(age.total_seconds()) // 3600}h" }}'
    if not 1 <= job.retain <= _MOST_KEPT:
        return f"# It retains {job.retain}; all would stay."
    return f"keep = {{ last = {job.retain} }}"


def _age(text: str) -> timedelta | None:
    """A duration of at least an hour, up to ten years."""
    found = _AGE.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    age = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return age if timedelta(hours=1) <= age <= timedelta(days=3650) else None


def _name(job: str, taken: set[str]) -> str:
    """A policy's name that comes from a job's, and that no other has; `taken` gets it."""
    root = re.sub(r"[^a-z0-9]+", "-", job.lower()).strip("-")[:_LONGEST_NAME].strip("-") or "job"
    name, count = root, 1
    while name in taken:
        count += 1
        end = f"-{count}"
        name = root[: _LONGEST_NAME - len(end)].strip("-") + end
    taken.add(name)
    return name


def _unreadable(cron: str) -> str:
    try:
        parse_cron(cron)
    except ValueError as error:
        return _one_line(str(error))
    return ""


def _shown(job: NativeJob) -> str:
    return f"Longhorn's job {_cut(job.name)}"


def _cut(text: str) -> str:
    return quoted(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


def _one_line(text: str) -> str:
    return quoted(text)[1:-1]


def _literal(text: str) -> str:
    """A glob that fits `text` alone."""
    return re.sub(r"([*?[])", r"[\1]", text)
