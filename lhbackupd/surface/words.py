"""What people read about times, spans and protection: one wording for log, page and command line."""

from bisect import bisect
from collections.abc import Iterable
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache

from lhbackupd.core.cluster import Setting
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Outcome, Run
from lhbackupd.core.protection import UPHELD, Protection
from lhbackupd.core.rpo import Judgement, Rpo

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
#: names to either side that a name is compared with
_NEAR = 50

#: what each value of Longhorn's setting means for us
MEANING = {
    Setting.ALLOWED: "detached volumes are attached for their backups",
    Setting.FORBIDDEN: 'detached volumes are left alone, unless their policy says detached = "always"',
    Setting.ABSENT: "this Longhorn has no such setting: detached volumes are left alone, unless their policy says "
    'detached = "always"',
    Setting.UNREAD: "it could not be read: due runs of detached volumes wait",
}


def alike(name: str, names: Iterable[str]) -> list[str]:
    """The names that may have been meant by one that is unknown, three at most.

    Those are compared that lie next to it in order: to compare one with ten thousand takes two seconds.
    """
    known = sorted(names)
    at = bisect(known, name)
    near = known[max(0, at - _NEAR) : at + _NEAR]
    return get_close_matches(name, near, n=3, cutoff=0.5) or [one for one in known if name in one][:3]


def moment(when: datetime) -> str:
    """A time to the second, in the zone that it is in (UTC everywhere in lhbackupd)."""
    return f"{when.isoformat(' ', 'seconds')[:19]} {when.tzname() or ''}".strip()


@lru_cache(maxsize=1024)
def span(seconds: float) -> str:
    """A duration in its two greatest units, for example `4 h 10 min`."""
    whole = max(0, round(seconds))
    for unit, name, part, smaller in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name} {rest} {smaller}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def protection(word: Protection, *, late: bool = False) -> str:
    """Up to when a volume's data is in a backup; `late` says that the last word on it is too old to be believed."""
    if word.last_outcome is None:
        return "never backed up"
    if word.lost and word.protected_until is None:
        return "in no backup any more"
    if word.last_outcome in UPHELD and not late and not word.lost:
        return _protected(word)
    if word.unprotected_bytes:
        since = f"since {moment(word.protected_until)}" if word.protected_until else "and never backed up"
        return f"{word.unprotected_bytes} bytes unprotected {since}"
    return f"protected only until {moment(word.protected_until)}" if word.protected_until else "never backed up"


def _protected(word: Protection) -> str:
    if word.last_outcome is Outcome.UNCHANGED:
        return f"protected, unchanged since {moment(word.last_success)}" if word.last_success else "protected, empty"
    since = ", not inspected since" if word.last_outcome is Outcome.NOT_INSPECTED else ""
    return f"protected as of {moment(word.protected_until)}{since}" if word.protected_until else "protected"


def exposure(known: Exposure) -> str:
    """Since when there may be unprotected data, and by what sign."""
    if known.since is None and known.doubt is None:
        return f"nothing has touched it since {moment(known.floor)}" if known.clear else "empty"
    parts = []
    if known.since is not None:
        parts.append(f"exposed since {moment(known.since)}: {known.sign}")
    if known.doubt is not None and not known.certain:
        parts.append(f"uncertain since {moment(known.doubt)}: {known.why}")
    return "; ".join(parts)


def objective(verdict: Judgement, rpo: timedelta | None) -> str:
    """How a volume stands to its policy's RPO; "" where the policy has none."""
    if rpo is None:
        return ""
    name, misses = f"its RPO of {span(rpo.total_seconds())}", verdict.misses_at
    match verdict.state:
        case Rpo.VIOLATED:
            return f"{name} was missed at {moment(misses)}" if misses else f"{name} was missed"
        case Rpo.AT_RISK:
            return f"it will miss {name} at {moment(misses)}" if misses else f"it will miss {name}"
        case Rpo.UNCERTAIN:
            return f"nobody knows whether {name} is kept" + (f", or missed at {moment(misses)}" if misses else "")
        case _:
            return f"{name} is kept"


def waited(run: Run) -> float:
    """Seconds that workloads have waited for a finished run, with a wait that its end cut short."""
    if run.waiting_since is None or run.finished_at is None:
        return run.waited
    return run.waited + max(0.0, (run.finished_at - run.waiting_since).total_seconds())
