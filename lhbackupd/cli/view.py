"""The picture that `lhbackupd status --watch` draws: a report in as many lines as the terminal has.

What is wrong comes first. A row is one line, with an ellipsis where it is cut; a part that has no room for all of its
rows says how many more there are. Signs tell what colours tell: the picture can be read without them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from lhbackupd.cli.headlines import headlines
from lhbackupd.cli.options import LONGEST
from lhbackupd.core.rpo import Rpo
from lhbackupd.longhorn.errors import visible
from lhbackupd.surface.report import CoveredVolume, PolicyObjective, Report, RunningRun, UncoveredVolume, WaitingRun
from lhbackupd.surface.standing import CALM, Standing
from lhbackupd.surface.words import moment, span

GOOD, WARN, BAD, PLAIN, QUIET, HEAD = "green", "yellow", "bold red", "", "dim", "bold"
_TONES = {Standing.FAILING: BAD, Standing.UNPROTECTED: BAD, Standing.SUSPENDED: WARN}
#: a sign and a colour for each state of a bar of volumes
_SIGNS = {Rpo.COMPLIANT: ("=", GOOD), Rpo.AT_RISK: ("~", WARN), Rpo.UNCERTAIN: ("?", WARN), Rpo.VIOLATED: ("!", BAD)}
#: cells of a bar
BAR = 20

#: a word and its colour
Cell = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A picture for rich: of a report, None before the first, and of why the daemon says nothing; "" while it does."""

    report: Report | None
    trouble: str
    #: seconds since it last answered, or was first asked
    silent: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self.lines(options.max_width, options.height or console.height)

    def lines(self, width: int, height: int) -> list[Text]:
        """At most `height` lines of at most `width` cells."""
        head = list(self._head())
        parts = list(_parts(self.report, height)) if self.report else []
        room = height - len(head)
        if room < len(parts):
            lines = [*head, *(title for title, *_ in parts)]
            left = len(lines) - height + 1
            lines[height - 1 :] = [_line((f"… and {left} more lines: the terminal is too small", WARN))]
        else:
            lines = [*head, *_fitted(parts, room)]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines

    def _head(self) -> Iterator[Text]:
        if self.trouble:
            yield _line((f"NO ANSWER for {span(self.silent)}: {self.trouble}", BAD))
            what = f"what is shown is as it was at {moment(self.report.at)}; " if self.report else ""
            yield _line((f"{what}it is asked again and again; Ctrl-C ends this", WARN))
        if self.report is None:
            if not self.trouble:
                yield _line(("asking the daemon; Ctrl-C ends this", PLAIN))
            return
        first, *others = headlines(self.report)
        now = "" if self.trouble else f"; {moment(self.report.at)}; Ctrl-C ends this"
        yield _line((first, HEAD if self.report.daemon.ready else BAD), (now, QUIET))
        for line in others:
            wrong = line.startswith(("  ", "PAUSED")) or "NOT REACHABLE" in line
            yield _line((line, BAD if wrong else PLAIN))


def _line(*cells: Cell) -> Text:
    """A line of words in colours, foreign text made harmless."""
    line = Text(no_wrap=True, end="\n")
    for words, style in cells:
        line.append(visible(words, LONGEST), style)
    return line


#: a title, as many rows as could be shown, and how many there are
Part = tuple[Text, list[Text], int]


def _parts(report: Report, most: int) -> Iterator[Part]:
    """What the picture is made of; of ten thousand rows only `most` are made."""
    bad = [row for row in report.volumes if row.standing not in CALM]
    rest = report.uncovered[: max(0, most - len(bad))]
    found = (
        ("RPO by policy", "", len(report.objectives), [_objective(one, report) for one in report.objectives[:most]]),
        ("not protected", "", len(bad) + len(report.uncovered), [*map(_unprotected, bad[:most]), *map(_bare, rest)]),
        ("running", "phase, backup, time in the phase", len(report.running),
            [_running(run, report) for run in report.running[:most]]),
        ("waiting", "for how long, and for what", len(report.waiting),
            [_waiting(run, report) for run in report.waiting[:most]]),
    )  # fmt: skip
    for title, hint, count, rows in found:
        words = f"  {hint}" if rows and hint else ""
        yield _line((f"{title}: {count or 'nothing'}", HEAD), (words, QUIET)), _aligned(rows), count


def _aligned(rows: Sequence[Sequence[Cell]]) -> list[Text]:
    """Rows as lines, all columns but the last as wide as their widest cell."""
    widths = [max(cell_len(visible(words, LONGEST)) for words, _ in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        line = _line(("  ", PLAIN))
        for (words, style), width in zip(row[:-1], widths, strict=False):
            cell = _line((words, style))
            cell.pad_right(width - cell.cell_len + 2)
            line.append_text(cell)
        lines.append(line.append_text(_line(row[-1])))
    return lines


def _fitted(parts: Sequence[Part], room: int) -> Iterator[Text]:
    """The parts in so many lines, at least one for each; an empty line between them if all of it has room."""
    wants = [1 + count for _, _, count in parts]
    airy = sum(wants) + len(parts) <= room
    for (title, rows, count), got in zip(parts, shares(wants, room), strict=True):
        if airy:
            yield Text()
        yield title
        if got > count:
            yield from rows
        elif got > 1:
            yield from rows[: got - 2]
            yield _line((f"  … and {count - got + 2} more", WARN))


def shares(wants: Sequence[int], room: int) -> list[int]:
    """How many lines each part gets: one after the other gets one more, until it has what it wants or none is left."""
    got = [0] * len(wants)
    while room > 0 and got != list(wants):
        for index, want in enumerate(wants):
            if room > 0 and got[index] < want:
                got[index] += 1
                room -= 1
    return got


def _objective(one: PolicyObjective, report: Report) -> tuple[Cell, ...]:
    if one.rpo is None:
        return (one.policy, PLAIN), ("none", QUIET), ("", PLAIN), ("it promises nothing: no rpo is set", QUIET)
    counts = {
        Rpo.COMPLIANT: one.compliant,
        Rpo.AT_RISK: one.at_risk,
        Rpo.UNCERTAIN: one.uncertain,
        Rpo.VIOLATED: one.violated,
    }
    words = ", ".join(f"{counts[state]} {state.value}" for state in Rpo if counts.get(state)) or "no volumes"
    worst = ""
    if one.since is not None:
        age = max(0.0, (report.at - one.since).total_seconds())
        worst = f"; longest exposed is {one.worst}, for {span(age)} ({100 * age / one.rpo:.0f} % of the RPO)"
    tone = BAD if one.violated else WARN if one.at_risk or one.uncertain else GOOD
    bar = shares_bar(list(counts.values()))
    return (one.policy, PLAIN), (span(one.rpo), PLAIN), (bar, tone), (f"{words}{worst}", tone)


def shares_bar(counts: Sequence[int], width: int = BAR) -> str:
    """Volumes in proportion, by sign: `=` compliant, `~` at risk, `?` uncertain, `!` violated; none is left out."""
    signs = [sign for sign, _ in _SIGNS.values()]
    least = [1 if count else 0 for count in counts]
    whole = sum(counts)
    cells = [max(few, count * width // whole) for few, count in zip(least, counts, strict=True)] if whole else least
    if whole:
        cells[cells.index(max(cells))] += width - sum(cells)
    bar = "".join(sign * number for sign, number in zip(signs, cells, strict=True))
    return f"[{bar:<{width}}]"


def progress_bar(percent: int, width: int = BAR) -> str:
    """How far a backup is."""
    full = max(0, min(100, percent)) * width // 100
    return f"[{'#' * full}{'.' * (width - full)}]"


def _running(run: RunningRun, report: Report) -> tuple[Cell, ...]:
    lasts = span((report.at - run.since).total_seconds())
    words = f"{run.waiter} WAITS for it; {run.reason}" if run.waiter else run.reason
    return (
        (run.phase, PLAIN),
        (progress_bar(run.progress), GOOD),
        (f"{run.progress:3} %", PLAIN),
        (lasts, PLAIN),
        (_name(run), HEAD),
        (f"{run.policy}: {words}", WARN if run.waiter else PLAIN),
    )


def _waiting(run: WaitingRun, report: Report) -> tuple[Cell, ...]:
    waits = span((report.at - run.queued_at).total_seconds())
    return (waits, PLAIN), (_name(run), HEAD), (f"{run.policy}: {run.reason or 'waits for its turn'}", PLAIN)


def _unprotected(row: CoveredVolume) -> tuple[Cell, ...]:
    words = "; ".join(part for part in (row.reason, row.protection) if part)
    return (row.standing, _TONES[row.standing]), (_name(row), HEAD), (f"{row.policy}: {words}", PLAIN)


def _bare(row: UncoveredVolume) -> tuple[Cell, ...]:
    return ("uncovered", WARN), (_name(row), HEAD), (row.reason, PLAIN)


def _name(row: CoveredVolume | UncoveredVolume | RunningRun | WaitingRun) -> str:
    """A volume by its claim, which people know and which is short, or else by its own name."""
    return f"{row.pvc_namespace}/{row.pvc}" if row.pvc else row.volume
