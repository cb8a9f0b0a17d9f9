"""HTML in the few pieces that the status page is made of.

Every value goes through `text`, which makes it printable and escapes it; all else that these functions are given is
markup already.
"""

from collections.abc import Iterable
from html import escape

from lhbackupd.longhorn.errors import visible

#: rows that a table shows, and characters of one value
ROWS, LONGEST = 200, 512


def text(value: object) -> str:
    """A value as text of a document or of an attribute."""
    return escape(visible(str(value), LONGEST))


def tag(name: str, inner: str, kind: str = "") -> str:
    """An element; `inner` is markup."""
    return f'<{name} class="{kind}">{inner}</{name}>' if kind else f"<{name}>{inner}</{name}>"


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], kind: str = "") -> str:
    """A table; cells are markup, one of nothing is left out on narrow screens."""
    lines: list[str] = []
    more = 0
    for row in rows:
        if len(lines) == ROWS:
            more += 1
            continue
        cells = (f'<td data-name="{name}">{cell}</td>' for name, cell in zip(columns, row, strict=True))
        lines.append(tag("tr", "".join(cells)))
    head = tag("thead", tag("tr", "".join(f'<th scope="col">{name}</th>' for name in columns)))
    rest = tag("p", f'and {more} more, see <a href="status.json">status.json</a>', "quiet") if more else ""
    return tag("table", head + tag("tbody", "".join(lines)), kind) + rest


def badge(words: object, tone: str) -> str:
    """A word or two that stand out; `tone` is good, warn, bad, quiet or plain."""
    return tag("span", text(words), f"badge {tone}")
