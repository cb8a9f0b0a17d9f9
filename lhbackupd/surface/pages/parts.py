"""What several pages show in the same way: names, times, states, commands to copy.

Colour is never the only sign: a badge always has its word, a cell of a strip its mark.
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote, urlencode

from lhbackupd.core.coverage import BARE
from lhbackupd.core.model import Outcome
from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.markup import Html, badge, el, join, table
from lhbackupd.surface.report import CoveredVolume, Report, UncoveredVolume
from lhbackupd.surface.standing import Standing
from lhbackupd.surface.words import moment, span

GOOD, WARN, BAD, QUIET, PLAIN = "good", "warn", "bad", "quiet", "plain"

#: the state of a volume that nobody backs up, and nobody left out on purpose
UNCOVERED = "uncovered"
STANDING_TONE = {
    Standing.FAILING: BAD,
    Standing.UNPROTECTED: BAD,
    Standing.SUSPENDED: WARN,
    Standing.SHADOW: QUIET,
    Standing.PROTECTED: GOOD,
}
OUTCOME_TONE = {
    Outcome.COMPLETED: GOOD,
    Outcome.UNCHANGED: GOOD,
    Outcome.NOT_INSPECTED: QUIET,
    Outcome.FAILED: BAD,
    Outcome.REFUSED: BAD,
    Outcome.GONE: QUIET,
    Outcome.SHADOWED: QUIET,
    Outcome.CANCELLED: QUIET,
}
RPO_TONE = {Rpo.COMPLIANT: GOOD, Rpo.VIOLATED: BAD, Rpo.AT_RISK: WARN, Rpo.UNCERTAIN: WARN}


def link(words: object, path: str, **query: object) -> Html:
    """A link; `path` is relative to the page that it is on, and a value of "" or None says nothing."""
    asked = {key: value for key, value in query.items() if value not in ("", None)}
    return el("a", words, href=f"{path}?{urlencode(asked)}" if asked else path)


def volume_path(volume: str) -> str:
    """Where the page of a volume is, from the root."""
    return f"volumes/{quote(volume, safe='')}"


@lru_cache(maxsize=2**12, typed=True)
def volume_link(volume: str, pvc: str, namespace: str, *, root: str = "") -> Html:
    """A volume by its claim, which people know, and by its own name."""
    if not pvc:
        return link(el("b", volume), root + volume_path(volume))
    name = link(el("b", f"{namespace}/{pvc}"), root + volume_path(volume))
    return join((name, el("br"), el("small", volume)))


def when(moment_: datetime | None, now: datetime) -> Html:
    """A time in UTC with its date, and how long ago that was or how long it is until then."""
    if moment_ is None:
        return el("span", "never", class_=QUIET)
    return el("span", _time(moment_), " ", el("small", distance(moment_, now)), class_="when")


@lru_cache(maxsize=2**12)  # rows have many times in common, and have most of them again on the next page
def _time(at: datetime) -> Html:
    return el("time", f"{at:%Y-%m-%d %H:%M}", datetime=at.isoformat(), title=moment(at))


def distance(moment_: datetime, now: datetime) -> str:
    """How far away a time is, in words."""
    seconds = (moment_ - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"


def size(count: int) -> str:
    """A number of bytes in the unit that people would use."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def outcome_badge(outcome: Outcome | None) -> Html:
    """How a run ended."""
    return badge(outcome.value, OUTCOME_TONE.get(outcome, WARN)) if outcome else badge("going on", PLAIN)


def standing_badge(standing: Standing) -> Html:
    """How a volume stands."""
    return badge(standing.value, STANDING_TONE[standing])


def rpo_badge(rpo: Rpo) -> Html:
    """How a volume stands to its policy's RPO; nothing where the policy has none."""
    return badge(f"RPO {rpo.value}", RPO_TONE[rpo]) if rpo in RPO_TONE else Html()


def state_of(row: UncoveredVolume) -> str:
    """The state of a volume that no policy backs up: uncovered, or who or what takes it out of that."""
    return UNCOVERED if row.cover in BARE else row.cover.value


def command(*words: str) -> Html:
    """A command to copy: nothing can be changed from a page."""
    line = shlex.join(words)
    button = el("button", "Copy", type="button", class_="copy", hidden=True, aria_label=f"Copy the command {line}")
    # a line is broken between words, and not after the dashes of an option
    code = el("code", join((el("span", shlex.quote(word)) for word in words), " "))
    return el("span", code, button, class_="command")


def section(title: str, *inner: object, id_: str, count: int | None = None) -> Html:
    """A part of a page, under a heading; `id_` names it in the page's address."""
    number = el("span", f"{count:,}", class_="count") if count is not None else ""
    return el("section", el("h2", title, " ", number, id=id_), *inner, aria_labelledby=id_)


def nothing(words: str) -> Html:
    """What stands in the place of an empty table."""
    return el("p", words, class_=QUIET)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names with what is known of each; what is empty is left out."""
    return el("dl", *(join((el("dt", name), el("dd", value))) for name, value in pairs if value not in ("", None)))


def folded_table(
    columns: Sequence[str], rows: Sequence[tuple[object, ...]], *, caption: str, id_: str, first: int = 5
) -> Html:
    """A table of the first rows, and one of the others for whoever opens it; `id_` lets it stay open."""
    seen = table(columns, rows[:first], caption=caption)
    if len(rows) <= first:
        return seen
    others = table(columns, rows[first:], caption=f"{caption}, continued")
    return join((seen, el("details", el("summary", f"{len(rows) - first} more"), others, id=id_)))


def links(report: Report, volumes: Iterable[str]) -> dict[str, Html]:
    """The links of volumes of which only their names are known, from the root."""
    wanted = dict.fromkeys(volumes, ("", ""))
    rows: list[CoveredVolume | UncoveredVolume] = [*report.volumes, *report.uncovered, *report.elsewhere]
    claims = {row.volume: (row.pvc, row.pvc_namespace) for row in rows if row.volume in wanted}
    return {name: volume_link(name, *claim) for name, claim in {**wanted, **claims}.items()}
