"""How long a run spent in each phase: a bar in proportion, and the same in words."""

from datetime import datetime
from itertools import pairwise

from lhbackupd.core.model import Phase, Run
from lhbackupd.surface.markup import Html, el, join
from lhbackupd.surface.words import span


def spent(run: Run) -> list[tuple[Phase, float]]:
    """The phases of a finished run with the seconds in each, in order; phases that it left out are not there."""
    entered: list[tuple[Phase, datetime]] = [(Phase.QUEUED, run.queued_at)]
    entered += [(phase, run.entered[phase.value]) for phase in Phase if phase.value in run.entered]
    if run.finished_at is not None and entered[-1][0] is not Phase.FINISHED:
        entered.append((Phase.FINISHED, run.finished_at))
    return [(phase, max(0.0, (after - at).total_seconds())) for (phase, at), (_, after) in pairwise(entered)]


def phases(run: Run) -> Html:
    """The bar, without the time in the queue, and the words, with it."""
    times = spent(run)
    words = ", ".join(f"{phase.value} {span(seconds)}" for phase, seconds in times)
    return join((_bar([part for part in times if part[0] is not Phase.QUEUED]), el("small", words)))


def _bar(times: list[tuple[Phase, float]]) -> Html:
    whole = sum(seconds for _, seconds in times)
    if not whole:
        return Html()
    parts, at = [], 0.0
    for phase, seconds in times:
        share = 100 * seconds / whole
        parts.append(el("rect", x=f"{at:.2f}%", width=f"{share:.2f}%", height="8", class_=f"phase {phase.value}"))
        at += share
    return el("svg", *parts, class_="phases", width="100%", height="8", aria_hidden="true")
