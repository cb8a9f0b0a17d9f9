"""Thirty days of a volume in one line: a cell a day, with a mark for what came of that day's runs.

The mark and the words in the cell say the same as its colour. A day counts as good by its last run that looked into the
volume: a backup that came after two failures is a backup.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from lhbackupd.core.model import PROTECTED, Outcome, Run
from lhbackupd.surface.markup import Html, el
from lhbackupd.surface.pages.parts import BAD, GOOD, QUIET, WARN

DAYS = 30


def strip(runs: Sequence[Run], now: datetime) -> Html:
    """The days up to today, oldest first, from finished runs, newest first."""
    by_day: dict[date, list[Run]] = defaultdict(list)
    for run in runs:
        if run.finished_at is not None:
            by_day[run.finished_at.date()].append(run)
    days = [now.date() - timedelta(days=number) for number in reversed(range(DAYS))]
    return el("ol", *(_day(day, by_day.get(day, [])) for day in days), class_="strip")


def _day(day: date, runs: list[Run]) -> Html:
    tone, mark = _looks(runs)
    words = f"{day}: {_words(runs)}"
    return el(
        "li",
        el("span", mark, aria_hidden="true"),
        el("small", f"{day:%d}", aria_hidden="true"),
        el("span", words, class_="unseen"),
        class_=tone,
        title=words,
    )


def _looks(runs: list[Run]) -> tuple[str, str]:
    """Tone and mark of a day."""
    outcomes = [run.outcome for run in runs]
    if not outcomes:
        return QUIET, "·"
    if {*outcomes} == {Outcome.NOT_INSPECTED}:
        return QUIET, "○"
    telling = next((outcome for outcome in outcomes if outcome in PROTECTED or outcome is Outcome.FAILED), None)
    match telling:
        case Outcome.COMPLETED:
            return GOOD, "✓"
        case Outcome.UNCHANGED:
            return GOOD, "="
        case Outcome.FAILED:
            return BAD, "✗"
        case _:
            return WARN, "~"


def _words(runs: list[Run]) -> str:
    count = Counter(run.outcome.value for run in runs if run.outcome)
    return ", ".join(f"{number} {outcome}" for outcome, number in count.most_common()) or "no run"


def legend() -> Html:
    """What the marks mean."""
    marks = (
        (GOOD, "✓", "backed up"),
        (GOOD, "=", "unchanged"),
        (QUIET, "○", "not inspected"),
        (BAD, "✗", "failed"),
        (WARN, "~", "not done"),
        (QUIET, "·", "no run"),
    )
    items = [el("li", el("span", mark, class_=f"key {tone}"), f" {words}") for tone, mark, words in marks]
    return el("ul", *items, class_="legend")
