"""HTML as values that are escaped by construction.

`Html` is text that is markup already, and only the functions here make it. Whatever else is put into an element or an
attribute is made printable and escaped, so that a name from Longhorn cannot become a tag by being forgotten. A library
would bring a language of its own for templates; these are forty lines.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from lhbackupd.longhorn.errors import visible

#: characters of one value that are shown
LONGEST = 512
_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Markup, as opposed to text that has yet to be escaped."""

    __slots__ = ()


def text(value: object) -> Html:
    """A value as text of a document or of an attribute; markup stays as it is."""
    return value if isinstance(value, Html) else _escaped(str(value)[: LONGEST + 1])


@lru_cache(maxsize=2**12)  # a page says the same in row after row
def _escaped(value: str) -> Html:
    return Html(escape(visible(value, LONGEST)))


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other."""
    return Html(text(between).join(map(text, parts)))


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. Attributes are named `class_` or `aria_label`; None and False leave one out, True has no value."""
    start = f"<{name}"
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        start += f" {_attribute(key)}" if value is True else f' {_attribute(key)}="{text(value)}"'
    if name in _VOID:
        return Html(f"{start}>")
    return Html(f"{start}>{''.join([text(child) for child in children])}</{name}>")


@lru_cache
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


@lru_cache(maxsize=2**8, typed=True)  # markup and text are different types, and equal
def badge(words: object, tone: str) -> Html:
    """A word or two that stand out; `tone` is good, warn, bad, quiet or plain."""
    return el("span", words, class_=f"badge {tone}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, what stands in its head instead, and by which order the rows are sorted."""

    name: str
    head: Html | None = None
    order: str | None = None


def table(columns: Iterable[str | Column], rows: Iterable[tuple[object, ...]], *, caption: str, kind: str = "") -> Html:
    """A table whose rows are named by their first cell, and become cards on narrow screens."""
    known = [column if isinstance(column, Column) else Column(column) for column in columns]
    heads = (el("th", column.head or column.name, scope="col", aria_sort=column.order) for column in known)
    lines = (
        el("tr", *(_cell(column.name, cell, head=column is known[0]) for column, cell in zip(known, row, strict=True)))
        for row in rows
    )
    inner = (el("caption", caption, class_="unseen"), el("thead", el("tr", *heads)), el("tbody", *lines))
    return el("table", *inner, class_=kind or None)


def _cell(name: str, inner: object, *, head: bool) -> Html:
    if head:
        return el("th", inner, scope="row", data_name=name)
    return el("td", inner, data_name=name)
