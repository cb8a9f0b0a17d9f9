"""What a process and its journal come to at one moment, and whether that grows.

Memory is compared between the second quarter of a soak and the last, when all that is ever loaded is loaded: it may
grow by a twentieth. Files and tasks may not grow at all. Samples are taken when nothing runs, so that a task or a file
too many is one that was left behind.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean

import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from lhbackupd.engine.schema import NOTES, PROTECTION, RUNS

#: how much of the second quarter's mean the last quarter's may be
GROWTH = 1.05
#: glibc's malloc.h
_M_ARENA_MAX = -8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look; bytes, and counts."""

    memory: int
    #: what the garbage collector keeps track of, in the whole process
    objects: int
    files: int
    tasks: int
    #: rows of runs, protections and notes in the journal
    runs: int
    protections: int
    notes: int
    #: finished runs that the journal should have forgotten
    overdue: int
    #: of the journal's pages
    journal: int
    series: int
    #: volumes that are no more and have series all the same
    ghosts: int


def look(engine: sa.Engine, registry: CollectorRegistry, *, volumes: set[str], oldest: datetime) -> Sample:
    """A sample of this process; no finished run of before `oldest` should be left, nor series of other `volumes`."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    series, ghosts = len(samples), len({sample.labels.get("volume") for sample in samples} - volumes - {None})
    del samples
    gc.collect()
    _trim()
    with engine.begin() as connection:
        runs, protections, notes = (
            connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in (RUNS, PROTECTION, NOTES)
        )
        overdue = sa.select(sa.func.count()).select_from(RUNS).where(RUNS.c.finished < oldest.timestamp())
        pages, size = (connection.scalar(sa.text(f"PRAGMA page_{word}")) or 0 for word in ("count", "size"))
        return Sample(
            memory=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            objects=len(gc.get_objects()),
            files=len(list(Path("/proc/self/fd").iterdir())),
            tasks=len(asyncio.all_tasks()),
            runs=runs,
            protections=protections,
            notes=notes,
            overdue=connection.scalar(overdue) or 0,
            journal=pages * size,
            series=series,
            ghosts=ghosts,
        )


def one_arena() -> None:
    """Have threads that come later share the allocator's one arena. Only glibc has several.

    It gives each thread one, and the threads of a poll over HTTP, which are the soak's own, leave what they have not
    given back in theirs: steps of half a list of volumes that have nothing to do with the daemon.
    """
    if tune := getattr(ctypes.CDLL(None), "mallopt", None):
        tune(_M_ARENA_MAX, 1)


def _trim() -> None:
    """Have the allocator give back what is free: that it keeps some is no growth of ours. Only glibc can."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that must not grow: what it came to, the bound, and whether that is kept."""

    what: str
    second: float
    last: float
    bound: float

    @property
    def held(self) -> bool:
        return self.last <= self.bound


def verdicts(samples: Sequence[Sample]) -> Iterator[Verdict]:
    """Every bound that is judged, over the samples of a whole soak; at least eight of them."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    for what in ("memory", "objects", "runs", "protections", "notes", "journal", "series"):
        before, after = (mean(getattr(sample, what) for sample in part) for part in (second, last))
        yield Verdict(what=what, second=before, last=after, bound=before * GROWTH)
    for what in ("files", "tasks"):
        before, after = (max(getattr(sample, what) for sample in part) for part in (second, last))
        yield Verdict(what=what, second=before, last=after, bound=before)
    for what in ("overdue", "ghosts"):
        before, after = (max(getattr(sample, what) for sample in part) for part in (second, samples))
        yield Verdict(what=what, second=before, last=after, bound=0)


def lines(found: Sequence[Verdict]) -> Iterator[str]:
    """The verdicts in words."""
    for each in found:
        held = "held" if each.held else "BROKEN"
        yield f"{each.what:<12} second quarter {each.second:>13,.0f}   last {each.last:>13,.0f}   {held}"
