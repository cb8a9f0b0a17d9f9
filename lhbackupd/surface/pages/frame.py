"""The document around every page: where one is, what is wrong with daemon and Longhorn, and how it stays up to date.

`page.js` replaces what is in `main` when the daemon says that something has changed. Without scripts the page loads
itself anew, as `noscript` has it. Links are relative, so that a proxy may serve all this under a path of its own.
"""

from dataclasses import dataclass

from lhbackupd.surface.markup import Html, el, join
from lhbackupd.surface.pages.parts import QUIET, link
from lhbackupd.surface.report import Report
from lhbackupd.surface.words import moment

#: seconds after which a page without scripts loads itself anew
REFRESH = 60

_STALE = "The daemon does not answer: what is shown is as it last was."
_PAGES = (("Overview", ""), ("Volumes", "volumes"), ("Runs", "runs"), ("Plan", "plan"), ("Doctor", "doctor"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a page needs to know of where it is."""

    report: Report
    #: changes when what can be seen changes
    version: str
    #: the page's path without its first slash
    path: str

    @property
    def root(self) -> str:
        """The way from the page to the root, "" or "../"; a volume's name has no slash."""
        return "../" if "/" in self.path else ""


def document(frame: Frame, *main: object, title: str) -> str:
    """The whole document; `main` begins with the page's h1."""
    report, root = frame.report, frame.root
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("noscript", el("meta", http_equiv="refresh", content=REFRESH)),
        el("title", f"{title} · {report.daemon.instance}"),
        el("link", rel="icon", href=f"{root}icon.svg"),
        el("link", rel="stylesheet", href=f"{root}page.css"),
        el("script", src=f"{root}page.js", defer=True),
    )
    body = el(
        "body",
        el("a", "Skip to content", href="#main", class_="skip"),
        _header(frame),
        el("p", _STALE, class_="alarm", role="alert", id="stale", hidden=True),
        el("main", *main, id="main", tabindex="-1", data_version=frame.version),
        _footer(frame),
        el("p", role="status", class_="unseen", id="said"),
        data_events=f"{root}events",
    )
    return f"<!doctype html>\n{el('html', head, body, lang='en')}\n"


def _header(frame: Frame) -> Html:
    brand = el("p", el("b", "lhbackupd"), " ", el("span", frame.report.daemon.instance), class_="brand")
    items = (
        el("li", el("a", name, href=frame.root + path or "./", aria_current=_current(frame.path, path)))
        for name, path in _PAGES
    )
    return el("header", brand, el("nav", el("ul", *items), aria_label="Pages"))


def _current(here: str, path: str) -> str | None:
    """Whether a link is to where one is, or to what that is a part of."""
    if here == path:
        return "page"
    return "true" if path and here.startswith(f"{path}/") else None


def alarms(report: Report) -> Html:
    """What is wrong with the daemon, or with Longhorn, and so with everything that is shown."""
    daemon, longhorn = report.daemon, report.longhorn
    found = [f"lhbackupd is not ready: {reason}" for reason in daemon.unready]
    found += [f"{pause.words[:1].upper()}{pause.words[1:]}. What is due waits." for pause in report.paused]
    if not longhorn.reachable:
        found.append(f"Longhorn cannot be polled: {longhorn.fault}. Volumes are shown as last seen.")
    found += [f"Backup target {t.name} is not available: {t.message}" for t in longhorn.targets if not t.available]
    found += [f"Node {node.name} is not Ready: {node.message}" for node in longhorn.nodes if not node.ready]
    return join(el("p", words, class_="alarm") for words in found)


def as_of(report: Report) -> Html:
    """When what is shown was so."""
    return el("p", f"as of {moment(report.at)}; all times are in UTC", class_=f"asof {QUIET}")


def _footer(frame: Frame) -> Html:
    daemon, root = frame.report.daemon, frame.root
    adopted = f" with {', '.join(daemon.adopted)} adopted" if daemon.adopted else ""
    about = f"lhbackupd {daemon.version}, up since {moment(daemon.started)}, origin {daemon.origin}{adopted}. "
    words = "This page only reads. It keeps itself up to date; without scripts it loads itself every minute. "
    links = (link("status.json", f"{root}status.json"), " ", link("metrics", f"{root}metrics"))
    return el("footer", el("p", about, words, *links))
