"""Standard output as people see it.

Colours only on a terminal, and there as NO_COLOR says. Tables are folded to the width of a terminal; where there is
none each row is one whole line, so that `| grep` finds everything. Text of Longhorn's or of a volume's owner is shown
as it is: it is no markup, and can neither break a line nor steer the terminal.
"""

import shutil
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from typing_extensions import override

from lhbackupd.cli.options import LONGEST
from lhbackupd.longhorn.errors import visible

#: columns that are folded rather than cut: names of 40 characters would leave no room for why
_NAMES = frozenset({"volume", "policy", "node", "backup"})
#: characters of a line where no terminal cuts it
_WIDE = 100_000
#: columns that every table has room in; a terminal of fewer wraps its lines itself
_LEAST = 80


class Screen(Console):
    """A console for foreign text; one that is drawn on again and again is as large as its terminal at that moment."""

    def __init__(self, *, live: bool = False) -> None:
        terminal = sys.stdout.isatty()
        fixed = max(_LEAST, shutil.get_terminal_size().columns) if terminal else _WIDE
        super().__init__(
            force_terminal=terminal, width=None if live else fixed, markup=False, emoji=False, highlight=False
        )

    @override
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text, LONGEST), **options)


def table(*names: str, last: str, title: str | None = None) -> Table:
    """A table with these columns; names and the last column, which is in words, are folded where there is no room."""
    made = Table(box=None, pad_edge=False, title=title)
    for name in names:
        made.add_column(name, no_wrap=name not in _NAMES, overflow="fold" if name in _NAMES else "ellipsis")
    made.add_column(last, overflow="fold")
    return made
