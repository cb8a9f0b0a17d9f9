"""How the demo looks: to a terminal and to a pipe.

A terminal gets a live table on its alternate screen, which fits 80 columns: one to three lines a volume, as the window
is high, with an ellipsis where words do not fit. Anything else gets plain lines, wrapped and without control codes.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.box import ASCII, SIMPLE_HEAD, Box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lhbackupd.cli.demo.board import Board, Shown, holder
from lhbackupd.cli.demo.cast import CAST, Part
from lhbackupd.cli.demo.promises import Finding, Promise, count
from lhbackupd.clock import Clock
from lhbackupd.core.model import PROTECTED, Outcome, Phase, Run

#: cells of a progress bar
_BAR = 8
#: widths of volume, what Longhorn shows, and run; what and why takes the rest
_WIDTHS = (17, 16, 13)
#: lines of the live view that are no volume's: title, heads with their rule, a blank one
_FRAME = 4
#: at most so many lines for a volume, and for what happened last
_ROWS, _NOTES = 3, 5


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs, also for a terminal that knows no others than ASCII."""

    full: str = "█"
    rest: str = "░"
    held: str = "✓"
    broken: str = "✗"
    more: str = "…"

    @classmethod
    def of(cls, console: Console) -> "Glyphs":
        """The signs that a console can show."""
        if console.encoding.lower().startswith("utf"):
            return cls()
        return cls(full="#", rest=".", held="+", broken="X", more="...")

    def plain(self, words: str) -> str:
        """Words with the signs that there are."""
        return words.replace("…", self.more)


def fit(words: str, *, width: int, lines: int, more: str = "…") -> str:
    """Words in at most so many lines; an ellipsis says where something was left out."""
    whole = textwrap.wrap(words, width)
    if len(whole) <= lines:
        return "\n".join(whole)
    last = whole[lines - 1][: width - len(more)]
    return "\n".join([*whole[: lines - 1], f"{last}{more}"])


class Lines:
    """Plain lines, one for each thing that happens."""

    def __init__(self, *, console: Console) -> None:
        self._console = console
        self._glyphs = Glyphs.of(console)

    def __call__(self, when: datetime, volume: str, words: str) -> None:
        """Print a line."""
        label = f"{volume:<8} " if volume else "* "
        text = self._glyphs.plain(f"{when:%H:%M:%S}  {label}{words}")
        hang = " " * (19 if volume else 12)
        for line in textwrap.wrap(text, self._console.width, subsequent_indent=hang, break_on_hyphens=False):
            self._console.print(Text(line), soft_wrap=True)


class View:
    """The live table."""

    def __init__(self, *, board: Board, clock: Clock, console: Console) -> None:
        self._board = board
        self._clock = clock
        self._console = console
        self._glyphs = Glyphs.of(console)

    def __rich__(self) -> RenderableType:
        width, height = self._console.size
        # two lines for notes at least, as long as each volume can have one
        rows = min(_ROWS, max(1, (height - _FRAME - 2) // len(CAST)))
        left = max(0, min(_NOTES, height - _FRAME - rows * len(CAST)))
        table = Table(box=self._box(), expand=True, pad_edge=False, padding=0, show_edge=False)
        for head, column in zip(("Volume", "In Longhorn", "Last run"), _WIDTHS, strict=True):
            table.add_column(head, width=column, no_wrap=True, overflow="ellipsis")
        table.add_column("What and why", no_wrap=True, overflow="ellipsis", ratio=1)
        room = max(12, width - sum(_WIDTHS) - len(_WIDTHS))
        for part in CAST:
            table.add_row(*(self._cut(cell, rows) for cell in self._row(part, room, rows)))
        return Group(self._title(), table, Text(""), *self._notes(width, left))

    def _box(self) -> Box:
        return SIMPLE_HEAD if self._glyphs == Glyphs() else ASCII

    def _title(self) -> Text:
        line = Text("lhbackupd demo", style="bold")
        line.append(f"   {self._clock.now():%H:%M:%S}", style="bold cyan")
        return line.append(f"   time runs {self._clock.speed:.0f} times as fast", style="default")

    def _cut(self, cell: Text, rows: int) -> Text:
        """A cell without the lines that there is no room for: what matters is in the first one."""
        return Text("\n").join(cell.split("\n")[:rows])

    def _row(self, part: Part, room: int, rows: int) -> Iterator[Text]:
        run, shown = self._board.latest(part.name), self._board.volumes.get(part.name, Shown())
        backups = count(shown.backups, "backup") if shown.backups else ""
        name = Text(f"{part.name:<8}", "bold").append(f"{backups:>9}", "default")
        yield name.append(f"\n{part.kind}", "dim")
        where = Text(f"{shown.state} {shown.node}", "" if shown.state == "detached" else "cyan")
        yield where.append(f"\n{_holders(shown)}", "default")
        yield self._run(run)
        words = fit(self._glyphs.plain(self._words(run)), width=room, lines=rows, more=self._glyphs.more)
        yield Text(words, style=_style(run))

    def _run(self, run: Run | None) -> Text:
        if run is None:
            return Text("")
        word = run.outcome.value if run.finished and run.outcome else run.phase.value
        text = Text(word, style=_style(run))
        if run.phase is Phase.BACKING_UP:
            full = round(run.progress * _BAR / 100)
            bar = self._glyphs.full * full + self._glyphs.rest * (_BAR - full)
            text.append(f"\n{bar}{run.progress:>3} %", style="default")
        return text

    def _words(self, run: Run | None) -> str:
        if run is None:
            return "waits for its policy to be due"
        if run.waiting_since:
            seconds = (self._clock.now() - run.waiting_since).total_seconds()
            return f"{run.waiter} has waited {seconds:.0f} s; {run.reason}"
        return run.reason

    def _notes(self, width: int, lines: int) -> Iterator[Text]:
        for when, words in self._board.notes[max(0, len(self._board.notes) - lines) :]:
            line = f"{when:%H:%M:%S}  {self._glyphs.plain(words)}"
            yield Text(fit(line, width=width, lines=1, more=self._glyphs.more), style="yellow")


def _holders(shown: Shown) -> str:
    """Whose tickets hold a volume, and whose do not."""
    holders = sorted({holder(ticket) for ticket, satisfied in shown.tickets.items() if satisfied})
    waiters = sorted({holder(ticket) for ticket, satisfied in shown.tickets.items() if not satisfied})
    words = f"by {', '.join(holders)}" if holders else ""
    if waiters and shown.state == "attached":
        return f"{words}; {', '.join(waiters)} waits"
    return words


def _style(run: Run | None) -> str:
    if run is None:
        return ""
    if not run.finished:
        return "magenta" if run.phase is not Phase.QUEUED else ""
    if run.outcome in PROTECTED:
        return "green"
    return "red" if run.outcome is Outcome.FAILED else "yellow"


def verdict(findings: Iterable[tuple[Promise, Finding]], *, console: Console) -> Table:
    """The table of what was promised and what the ledger says."""
    glyphs = Glyphs.of(console)
    box = SIMPLE_HEAD if glyphs == Glyphs() else ASCII
    table = Table(box=box, pad_edge=False, show_edge=False, padding=(0, 1), expand=console.width < 100)  # noqa: PLR2004
    table.add_column("Volume", no_wrap=True)
    table.add_column("Promised", overflow="fold", ratio=5)
    table.add_column("What the cluster's ledger says", overflow="fold", ratio=6)
    table.add_column("Held", no_wrap=True)
    for promise, finding in findings:
        mark = Text(f"{glyphs.held} yes", "green") if finding.held else Text(f"{glyphs.broken} NO", "bold red")
        table.add_row(promise.volume or "all", promise.words, glyphs.plain(finding.words), mark)
    return table
