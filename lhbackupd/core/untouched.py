"""Whether a detached volume may be let alone, because nobody seems to have had it since its last inspection.

To attach a volume only to find it unchanged wears the cluster out. What speaks for letting it alone: our own inspection
and detach are on record; looks at Longhorn's events, none further from the next than events surely live, have shown our
own attach and nobody else's since; no look at the volume has shown a sign of use, and it shows what it showed before.

That is evidence and no proof. Kubernetes drops events (a client writes 25 about one object, then one in five minutes),
and a client that has a volume for four seconds leaves nothing else behind. So such a run protects nothing anew, and
each volume is inspected again after the policy's `no_touch` at the latest. What is unknown, or cannot be dated, means:
inspect.
"""

from datetime import UTC, datetime, timedelta

from .evidence import NEAR, Evidence
from .model import Policy, Run
from .moves import opens
from .order import following
from .protection import Protection
from .spread import offset

#: evidence of events that were last looked at longer ago is none
FRESH = timedelta(minutes=10)

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def inspect_by(policy: Policy, word: Protection) -> datetime | None:
    """When a volume is to be inspected again at the latest; None where each run inspects it."""
    if policy.no_touch is None or word.last_check is None:
        return None
    return word.last_check + policy.no_touch


def _turn(word: Protection, period: timedelta) -> datetime | None:
    """The first of the volume's own moments after its last inspection, which lie a `period` apart.

    Where in the period they lie hangs on the names of policy and volume, so that volumes that were all inspected in one
    night are not all inspected in one night ever after.
    """
    if word.last_check is None:
        return None
    first = _EPOCH + offset(word.policy, word.volume, period)
    return first + ((word.last_check - first) // period + 1) * period


def doubtful(evidence: Evidence, now: datetime) -> str:
    """What speaks against it that nobody has had the volume since its last inspection, in words; "" if nothing does."""
    word, known, trail, lookout = evidence.word, evidence.known, evidence.trail, evidence.lookout
    if word is None or word.last_check is None or word.attached_at is None:
        return "no inspection by an attach of ours, with all in a backup, is on record"
    if word.lost:
        return word.lost
    if word.failures:
        return "its last run failed"
    if known is None:
        return "nobody has watched it yet"
    if known.unprotected_since is not None:
        return known.sign if known.since is not None else known.why
    if lookout is None or not timedelta() <= now - lookout.last <= FRESH:
        return "Longhorn's events could not be looked at lately"
    if lookout.since >= word.last_check:
        return f"Longhorn's events have been watched without a gap only since {lookout.since:%Y-%m-%d %H:%M:%S} UTC"
    if trail is None or trail.rest is None or trail.ours is None or trail.ours < word.attached_at - NEAR:
        return "Longhorn's events have not shown our own attach of it"
    return trail.words if trail.touched is not None and trail.touched >= word.last_check else ""


def rests_on(evidence: Evidence, policy: Policy, now: datetime) -> str:
    """What it rests on that a volume is not inspected, and until when at the latest; "" if something speaks against."""
    word, lookout = evidence.word, evidence.lookout
    by = inspect_by(policy, word) if word is not None else None
    if word is None or word.last_check is None or by is None or lookout is None or doubtful(evidence, now):
        return ""
    return (
        f"no attach but ours in Longhorn's events, which were last looked at {lookout.last:%Y-%m-%d %H:%M:%S} UTC; no "
        f"sign of use, and no change, since the inspection of {word.last_check:%Y-%m-%d %H:%M:%S} UTC; to be inspected "
        f"again by {by:%Y-%m-%d %H:%M} UTC"
    )


def let_alone(run: Run, evidence: Evidence | None, policy: Policy, now: datetime) -> str:
    """Why `run` need not inspect its detached volume, in words; "" where it has to.

    It has to where it is the volume's turn, or where the run after it would come too late. One that a person asked for
    always does.
    """
    word = evidence.word if evidence is not None else None
    if evidence is None or word is None or policy.no_touch is None or run.manual:
        return ""
    by, turn = inspect_by(policy, word), _turn(word, policy.no_touch)
    if by is None or turn is None or turn <= now or _after(run, policy, now) > by:
        return ""
    return rests_on(evidence, policy, now)


def _after(run: Run, policy: Policy, now: datetime) -> datetime:
    """When the run after `run` may start."""
    due = following(policy.cron, policy.timezone, run.due)
    if due <= now:
        due = following(policy.cron, policy.timezone, now)
    due += offset(policy.name, run.volume, policy.spread)
    return opens(policy, due) or due


def conceals(run: Run, evidence: Evidence | None, now: datetime) -> bool:
    """Whether data that `run` finds was hidden: runs had let the volume alone, and to this moment no sign showed it."""
    if evidence is None or evidence.word is None or not evidence.word.let_alone:
        return False
    return bool(run.new_bytes) and not doubtful(evidence, now)
