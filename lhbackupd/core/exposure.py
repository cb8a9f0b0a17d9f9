"""Since when there may be data in a volume that no completed backup of a policy holds.

Exposure begins with the first sign that something may have been written (`signs`), not with the last backup: a volume
that nobody has touched is protected by its last backup, however old. It ends with a run: a completed backup protects up
to its snapshot's time, an inspection that finds nothing new up to its look. What nobody could watch (the daemon was
down, Longhorn out of reach) is said as a doubt, which an inspection settles.

The claim is never later than the truth, but for what no look could show: every rule here takes the earliest moment that
its evidence allows. `clear` is the latest moment up to which all is known to be held; nothing begins before it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .cluster import Volume
from .model import PROTECTED, Outcome, Phase, Run
from .protection import Protection
from .signs import Look, Sign

#: Longhorn writes whole seconds
_WHOLE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How far a volume's data is outside of the backups of one policy. Times are aware and in UTC."""

    policy: str
    volume: str
    #: when the volume was made, or first seen where Longhorn does not say
    born: datetime
    #: up to when all that was written is held by a completed backup; None before the first one, or an empty inspection
    clear: datetime | None = None
    #: since when there may be data that no completed backup holds; None while there is no sign of any
    since: datetime | None = None
    #: what shows it, in words
    sign: str = ""
    #: since when nobody knows; None while all was watched
    doubt: datetime | None = None
    #: why nobody knows, in words
    why: str = ""
    #: seconds that the last completed run took
    took: float = 0.0
    #: when a look showed that another volume has its name now; None where none did
    anew: datetime | None = None

    @property
    def unprotected_since(self) -> datetime | None:
        """Since when there may be unprotected data, certain or not; None where there is none for all we know."""
        since, doubt = self.since, self.doubt  # asked of every volume for every report and forecast
        if since is None or doubt is None:
            return since or doubt
        return min(since, doubt)

    @property
    def certain(self) -> bool:
        """Whether nothing is in doubt that would make it begin earlier."""
        return self.doubt is None or (self.since is not None and self.since <= self.doubt)

    @property
    def floor(self) -> datetime:
        """Nothing is exposed that was written earlier."""
        return self.clear or self.born


def begin(
    policy: str,
    volume: Volume,
    at: datetime,
    word: Protection | None,
    *,
    watched: datetime | None = None,
    anew: bool = False,
) -> Exposure:
    """The exposure of a volume that was not watched under this policy before `at`, by the last word on it, if any.

    `watched`: since when it was watched all the same, for whatever reason. `anew`: there was another of its name.
    """
    if anew:
        word = None
    known = volume.created is not None and volume.created <= at
    born = volume.created if known and volume.created else at
    fresh = Exposure(policy=policy, volume=volume.name, born=born, anew=at if anew else None)
    until = word.protected_until if word else None
    if word is not None and until is not None and (not known or until >= born):
        fresh = replace(fresh, clear=min(until, at))
        if word.unprotected_bytes:
            return found(fresh, word.unprotected_bytes)
        if fresh.clear is not None and watched is not None and watched <= fresh.clear:
            return fresh
        return replace(fresh, doubt=fresh.clear, why="nobody has watched it since its last inspection")
    when = "it was made then" if known else "it was first seen then"
    if holds_data(volume):
        return replace(fresh, since=born, sign=f"never backed up: {when}, and it holds data")
    return replace(fresh, doubt=born, why=f"never inspected: {when}, and shows no data")


def holds_data(volume: Volume) -> bool:
    """Whether a volume shows that it was ever written to, or may have been."""
    return bool(volume.actual_size or volume.origin_data or volume.last_pod_at or volume.pods)


def shown(known: Exposure, sign: Sign) -> Exposure:
    """What follows from a sign."""
    if sign.ended is not None and known.clear is not None and sign.ended <= known.clear:
        return known
    if known.clear is None:
        start, words = known.born, f"never backed up, and {sign.words}"
    else:
        start, words = max(sign.since, known.clear), sign.words
    if sign.certain:
        earlier = known.since is None or start < known.since
        return replace(known, since=start, sign=words) if earlier else known
    return _doubted(known, start, words)


def unwatched(known: Exposure, since: datetime, why: str) -> Exposure:
    """What follows from a time, from `since` on, in which nobody looked."""
    return _doubted(known, max(since, known.floor), why)


def _doubted(known: Exposure, start: datetime, why: str) -> Exposure:
    present = known.unprotected_since
    return replace(known, doubt=start, why=why) if present is None or start < present else known


def found(known: Exposure, size: int) -> Exposure:
    """What follows from an inspection that finds data which no backup holds: it was written after `clear`."""
    if known.since is not None:
        return known
    return replace(known, since=known.floor, sign=f"an inspection found {size} bytes that no backup holds")


def lost(known: Exposure, until: datetime | None, words: str) -> Exposure:
    """What follows from a backup that is gone, as `words` say: what is left holds all that was written `until` then."""
    return replace(known, clear=until, since=until or known.born, sign=words, doubt=None, why="")


def ran(
    known: Exposure, run: Run, last: Look | None, looked: datetime | None, *, stirred: datetime | None = None
) -> Exposure:
    """What follows from where a run stands. `last` is the last look that shows the volume, of the time `looked`.

    `stirred`: when something last showed that somebody may have had it, or that nobody had looked.
    """
    if run.finished and run.outcome in PROTECTED:
        return _protected(known, run, last, looked, stirred)
    going = run.phase in {Phase.SNAPSHOTTING, Phase.BACKING_UP} and bool(run.ticket)
    if not (run.new_bytes or going) or known.since is not None:
        return known
    if run.ticket:
        return found(known, run.new_bytes or 0)
    # others have it attached, and may have written this only since the last look, or long before
    known = _doubted(known, known.floor, "an inspection found data that may be older than the volume's attachment")
    start = max(looked or known.floor, known.floor)
    return replace(known, since=start, sign="attached by others while it was backed up")


def _protected(
    known: Exposure, run: Run, last: Look | None, looked: datetime | None, stirred: datetime | None
) -> Exposure:
    """All that was written up to the run's snapshot, or its look, is held.

    A run with a ticket had the volume to itself from its inspection on, so who used it before is out; who was seen to
    use it afterwards has it again. What stirred between the ticket's end and the run's was hidden by what the backup
    holds, and is a doubt now. On a volume that others had attached all goes on.
    """
    until = held_until(run)
    if until is None or (known.anew and run.queued_at < known.anew):  # of a volume of that name that is gone
        return known
    took = known.took
    if run.outcome is Outcome.COMPLETED and run.finished_at and run.started_at:
        took = max(0.0, (run.finished_at - run.started_at).total_seconds())
    known = replace(known, clear=until, since=None, sign="", doubt=None, why="", took=took)
    use = last.use if last else None
    if run.ticket:
        alone = run.entered.get(Phase.INSPECTING.value, until)
        use = use if looked is not None and looked >= alone else None
        free = run.entered.get((Phase.BACKING_UP if run.let_go else Phase.DETACHING).value, until)
        if stirred is not None and stirred >= free:
            known = _doubted(known, max(until, free), "somebody may have had it since its last run let it go")
    elif use is None and not (last is not None and last.held):
        use = Sign(since=until, certain=True, words="attached by others while it was backed up")
    return shown(known, use) if use else known


def held_until(run: Run) -> datetime | None:
    """Up to when a protected run holds what was written, by our clock; None where nothing says.

    Longhorn's clock may differ from ours, so the time of a snapshot is believed only where it lies between our asking
    for the snapshot and our seeing it ready; otherwise the earliest of the three counts.
    """
    until = run.protected_until
    asked = run.entered.get(Phase.SNAPSHOTTING.value)
    ready = run.entered.get(Phase.BACKING_UP.value)
    if not run.own_snapshot or asked is None or ready is None:
        return until or run.entered.get(Phase.INSPECTING.value)
    if until is None:
        return min(asked, ready)
    if asked - _WHOLE < until <= ready and asked <= ready:
        return max(asked, until)
    return min(asked, until, ready)


def bring_back(known: Exposure, now: datetime) -> Exposure:
    """`known` where it holds a time later than `now`: when that really was a clock that was ahead cannot tell."""
    times = (known.born, known.clear, known.since, known.doubt)
    if all(moment is None or moment <= now for moment in times):
        return known
    born, sure = min(known.born, now), known.clear is None or known.clear <= now
    clear = known.clear if sure else born
    floor = clear or born
    since = known.since if known.since is None or known.since <= now else floor
    doubt, why = known.doubt, known.why
    if not sure or (doubt is not None and doubt > now):
        doubt, why = floor, "what is known of it was noted by a clock that was ahead"
    return replace(known, born=born, clear=clear, since=since, doubt=doubt, why=why)


def set_back(known: Exposure, by: timedelta) -> Exposure:
    """`known` after the wall clock was set back: what it said before is that much too late."""

    def moved(moment: datetime | None) -> datetime | None:
        return moment - by if moment else None

    return replace(
        known, born=known.born - by, clear=moved(known.clear), since=moved(known.since), doubt=moved(known.doubt)
    )
