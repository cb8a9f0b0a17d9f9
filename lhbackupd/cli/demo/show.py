"""How the demo looks: to a terminal and to a pipe.

A terminal gets a live table on its alternate screen, which fits 80 columns: two lines a volume, or one where the window
is low, with an ellipsis where words do not fit. Anything else gets plain lines, wrapped and without control codes.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rich.box import ASCII, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lhbackupd.cli.demo.board import Board, Shown, describe, holder
from lhbackupd.cli.demo.cast import CAST, Part
from lhbackupd.cli.demo.promises import Finding, Promise
from lhbackupd.clock import Clock
from lhbackupd.core.model import PROTECTED, Outcome, Phase, Run

#: cells of a progress bar
_BAR = 9
#: lines around the rows of volumes: title, heads with their rule, and the notes with theirs
_FRAME = 7
_NOTES = 3
#: widths of the columns, but for the last one, which takes the rest
_WIDTHS = (8, 12, 10, 14)
_PADDING = 2 * len(_WIDTHS) + 2


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs, also for a terminal that knows no others than ASCII."""

    full: str = "█"
    rest: str = "░"
    held: str = "✓"
    broken: str = "✗"
    more: str = "…"
    times: str = "×"

    @classmethod
    def of(cls, console: Console) -> "Glyphs":
        """The signs that a console can show."""
        if console.encoding.lower().startswith("utf"):
            return cls()
        return cls(full="#", rest=".", held="+", broken="X", more="...", times="x")

    def plain(self, words: str) -> str:
        """Words with the signs that there are."""
        return words.replace("×", self.times).replace("…", self.more)


def fit(words: str, *, width: int, lines: int, more: str = "…") -> str:
    """Words in at most so many lines; an ellipsis says where something was left out."""
    return "\n".join(textwrap.wrap(words, max(width, 8), max_lines=lines, placeholder=f" {more}")) or ""


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
        rows = 2 if self._console.height >= 2 * len(CAST) + _FRAME - 1 else 1
        room = max(self._console.width - sum(_WIDTHS) - _PADDING, 12)
        table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1), show_edge=False)
        for head, width in zip(("Volume", "", "Longhorn", "Run"), _WIDTHS, strict=True):
            table.add_column(head, width=width, no_wrap=True, overflow="ellipsis")
        table.add_column("What and why", no_wrap=True, overflow="ellipsis", ratio=1)
        for part in CAST:
            table.add_row(*self._row(part, rows, room))
        return Group(self._title(), table, *self._notes(rows))

    def _title(self) -> Text:
        line = Text("lhbackupd demo", style="bold")
        line.append(f"   {self._clock.now():%H:%M:%S}", style="bold cyan")
        line.append(f"   time runs {self._clock.speed:.0f}{self._glyphs.times} as fast", style="default")
        return line

    def _row(self, part: Part, rows: int, room: int) -> Iterator[Text]:
        run, shown = self._board.latest(part.name), self._board.volumes.get(part.name, Shown())
        backups = f"{shown.backups} backup" + ("" if shown.backups == 1 else "s")
        yield self._cell([part.name, backups if shown.backups else ""], rows, _WIDTHS[0] + 2, "bold")
        yield Text(fit(part.kind, width=_WIDTHS[1], lines=rows, more=self._glyphs.more))
        held = ", ".join(sorted({holder(ticket) for ticket, satisfied in shown.tickets.items() if satisfied}))
        where = f"{shown.node}: {held}" if held else shown.node
        yield self._cell([shown.state, where], rows, _WIDTHS[2], "" if shown.state == "detached" else "cyan")
        yield self._run(run, rows)
        words = self._glyphs.plain(self._words(run))
        yield Text(fit(words, width=room, lines=rows, more=self._glyphs.more), style=_style(run))

    def _cell(self, lines: list[str], rows: int, _width: int, style: str) -> Text:
        text = Text(lines[0], style=style)
        return text if rows == 1 else text.append(f"\n{lines[1]}", style="default")

    def _run(self, run: Run | None, rows: int) -> Text:
        if run is None:
            return Text("")
        word = run.outcome.value if run.finished and run.outcome else run.phase.value
        text = Text(word, style=_style(run))
        if rows > 1 and run.phase is Phase.BACKING_UP:
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

    def _notes(self, rows: int) -> Iterator[Text]:
        yield Text("")
        number = _NOTES if rows > 1 else 1
        for when, words in self._board.notes[-number:]:
            line = f"{when:%H:%M:%S}  {words}"
            yield Text(fit(line, width=self._console.width, lines=1, more=self._glyphs.more), style="yellow")


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
    box = SIMPLE_HEAD if console.encoding.lower().startswith("utf") else ASCII
    table = Table(box=box, pad_edge=False, show_edge=False, padding=(0, 1), expand=console.width < 100)  # noqa: PLR2004
    table.add_column("Volume", no_wrap=True)
    table.add_column("Promised", overflow="fold", ratio=5)
    table.add_column("What the cluster's ledger says", overflow="fold", ratio=6)
    table.add_column("Held", no_wrap=True)
    for promise, finding in findings:
        mark = Text(f"{glyphs.held} yes", "green") if finding.held else Text(f"{glyphs.broken} NO", "bold red")
        table.add_row(promise.volume or "all", promise.words, glyphs.plain(finding.words), mark)
    return table


__all__ = ["Glyphs", "Lines", "View", "describe", "fit", "verdict"]
