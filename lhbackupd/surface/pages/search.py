"""The form above a long table: choices and words, sent as the page's own address, so that it works without scripts."""

from dataclasses import dataclass

from lhbackupd.surface.markup import Html, el, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of some values, or any of them."""

    name: str
    label: str
    values: tuple[str, ...]
    chosen: str


def search(path: str, *choices: Choice, words: str, words_name: str, words_label: str, keep: str = "") -> Html:
    """A form that asks `path` for what is chosen; `keep` is the order in which rows are shown."""
    field = el("input", type="search", name=words_name, value=words, id=f"f-{words_name}", maxlength="253")
    inner = [_labelled(words_name, words_label, field), *map(_select, choices)]
    kept = el("input", type="hidden", name="sort", value=keep) if keep else ""
    return el("form", *inner, kept, el("button", "Show", type="submit"), action=path, method="get", role="search")


def _select(choice: Choice) -> Html:
    options = [el("option", "any", value="")]
    options += [el("option", value, value=value, selected=value == choice.chosen) for value in choice.values]
    return _labelled(choice.name, choice.label, el("select", *options, name=choice.name, id=f"f-{choice.name}"))


def _labelled(name: str, label: str, field: Html) -> Html:
    return el("span", join((el("label", label, for_=f"f-{name}"), field)), class_="field")
