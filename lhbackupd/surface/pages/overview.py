"""The first page, for whoever was woken at 3 a.m.: what is not protected, why, what to do; what runs, and what is next.

What is wrong comes first, with its next step; what is well is a number.
"""

from lhbackupd.core.rpo import Rpo
from lhbackupd.surface.markup import Html, badge, el, join, table
from lhbackupd.surface.pages.advice import advice, uncovered_advice
from lhbackupd.surface.pages.frame import Frame, alarms, as_of, document
from lhbackupd.surface.pages.parts import (
    BAD,
    GOOD,
    PLAIN,
    QUIET,
    RPO_TONE,
    WARN,
    facts,
    link,
    nothing,
    rpo_badge,
    section,
    standing_badge,
    volume_link,
    when,
)
from lhbackupd.surface.pages.runs import finished_table, running_table, waiting_table
from lhbackupd.surface.pages.timeline import timeline
from lhbackupd.surface.report import NodeState, Report, Totals
from lhbackupd.surface.standing import CALM

#: rows of each table; the other pages have all of them
ROWS = 20


def overview(frame: Frame) -> str:
    """The document."""
    report = frame.report
    tone, words = verdict(report)
    return document(
        frame,
        el("h1", words, class_=tone),
        as_of(report),
        alarms(report),
        _tiles(report),
        _aside(report),
        _unprotected(report),
        _risks(report),
        _running(report),
        _waiting(report),
        _day(report),
        _recent(report),
        _longhorn(report),
        title=words,
    )


def verdict(report: Report) -> tuple[str, str]:
    """The tone, and all of it in one sentence."""
    totals = report.totals
    broken = totals.failing + totals.unprotected
    bad = broken + totals.suspended + totals.uncovered
    everything = bad + totals.protected
    if not everything:
        return WARN, "No volumes are known yet"
    if not bad:
        return GOOD, f"All {everything:,} volumes are protected" if everything > 1 else "The one volume is protected"
    words = f"{bad:,} of {everything:,} volumes {'is' if bad == 1 else 'are'} not protected"
    return (BAD, words) if broken else (WARN, f"{words}, by configuration")


def _tiles(report: Report) -> Html:
    totals: Totals = report.totals
    states = (
        ("failing", totals.failing, BAD),
        ("unprotected", totals.unprotected, BAD),
        ("uncovered", totals.uncovered, WARN),
        ("suspended", totals.suspended, WARN),
        ("protected", totals.protected, GOOD),
    )
    tiles = [_tile(number, name, tone, link_to="volumes", state=name) for name, number, tone in states]
    if any(row.rpo is not Rpo.NONE for row in report.volumes):
        rpos = (Rpo.VIOLATED, Rpo.AT_RISK, Rpo.UNCERTAIN)
        tiles += [
            _tile(_so_many(report, rpo), f"RPO {rpo.value}", RPO_TONE[rpo], link_to="volumes", rpo=rpo) for rpo in rpos
        ]
    tiles += [
        _tile(len(report.running), "running", PLAIN, link_to="runs#running"),
        _tile(len(report.waiting), "waiting", PLAIN, link_to="runs#waiting"),
    ]
    return el("ul", *tiles, class_="tiles")


def _so_many(report: Report, rpo: Rpo) -> int:
    """The volumes that stand so to the RPO of a policy of theirs."""
    return len({row.volume for row in report.volumes if row.rpo is rpo})


def _risks(report: Report) -> Html:
    """What is protected today, and may not be for long, or of which nobody knows."""
    rows = [row for row in report.volumes if row.standing in CALM and row.rpo in {Rpo.AT_RISK, Rpo.UNCERTAIN}]
    if not rows:
        return Html()
    lines = (
        (
            volume_link(row.volume, row.pvc, row.pvc_namespace),
            row.policy,
            rpo_badge(row.rpo),
            row.objective,
            row.exposure,
            when(row.next_due, report.at),
        )
        for row in rows[:ROWS]
    )
    columns = ("Volume", "Policy", "RPO", "What is foreseen", "Exposure", "Next run")
    more = _more(len(rows) - ROWS, link("all volumes", "volumes", sort="state", rpo=Rpo.AT_RISK))
    inner = table(columns, lines, caption="Protected volumes whose RPO is at risk, or not known to be kept")
    return section("RPO at risk", inner, more, id_="risk", count=len(rows))


def _aside(report: Report) -> Html:
    """What is left alone on purpose, and what is configured for nothing."""
    totals = report.totals
    parts: list[object] = []
    if totals.native:
        parts += [link(f"{totals.native:,} left to Longhorn's own recurring jobs", "volumes", state="native"), ". "]
    if totals.excluded:
        parts += [link(f"{totals.excluded:,} left out on purpose", "volumes", state="excluded"), ". "]
    if report.unused:
        parts.append(f"Policies that match no volume: {', '.join(report.unused)}.")
    return el("p", *parts, class_="aside") if parts else Html()


def _tile(number: int, name: str, tone: str, *, link_to: str, **query: object) -> Html:
    return el(
        "li", link(join((el("b", f"{number:,}"), el("span", name))), link_to, **query), class_=tone if number else QUIET
    )


def _unprotected(report: Report) -> Html:
    rows = [row for row in report.volumes if row.standing not in CALM]
    count = len(rows) + len(report.uncovered)
    if not count:
        words = "Nothing: every volume is in a backup." if report.volumes else "Nothing is known yet."
        return section("Not protected", nothing(words), id_="unprotected")
    lines: list[tuple[object, ...]] = [
        (
            volume_link(row.volume, row.pvc, row.pvc_namespace),
            standing_badge(row.standing),
            join((row.reason, " ", rpo_badge(row.rpo), el("br"), el("small", f"{row.policy}: {row.protection}"))),
            advice(row),
            when(row.next_due, report.at),
        )
        for row in rows[:ROWS]
    ]
    lines += [
        (
            volume_link(row.volume, row.pvc, row.pvc_namespace),
            badge("uncovered", WARN),
            row.reason,
            uncovered_advice(),
            el("span", "never", class_=QUIET),
        )
        for row in report.uncovered[: max(0, ROWS - len(rows))]
    ]
    columns = ("Volume", "State", "Why", "What to do", "Next run")
    inner = table(columns, lines, caption="Volumes that are not protected, worst first")
    more = _more(count - len(lines), link("all volumes", "volumes"))
    return section("Not protected", inner, more, id_="unprotected", count=count)


def _more(count: int, where: Html) -> Html:
    return el("p", f"and {count:,} more: see ", where, class_="more") if count > 0 else Html()


def _running(report: Report) -> Html:
    if not report.running:
        return section("Running", nothing("Nothing."), id_="running")
    more = _more(len(report.running) - ROWS, link("all runs", "runs"))
    return section(
        "Running", running_table(report.running[:ROWS], report.at), more, id_="running", count=len(report.running)
    )


def _waiting(report: Report) -> Html:
    if not report.waiting:
        return Html()
    more = _more(len(report.waiting) - ROWS, link("all runs", "runs"))
    return section(
        "Waiting", waiting_table(report.waiting[:ROWS], report.at), more, id_="waiting", count=len(report.waiting)
    )


def _day(report: Report) -> Html:
    if not report.day:
        later = (
            (f"Nothing in the next 24 hours. {report.next[0].policy} is due ", when(report.next[0].due, report.at), ".")
            if report.next
            else ("Nothing is scheduled.",)
        )
        return section("Next 24 hours", el("p", *later, class_=QUIET), id_="next")
    return section("Next 24 hours", timeline(report.day, report.at), id_="next")


def _recent(report: Report) -> Html:
    if not report.recent:
        return Html()
    more = el("p", link("More runs", "runs"), class_="more")
    return section("Ended lately", finished_table(report.recent[:10], report), more, id_="ended")


def _longhorn(report: Report) -> Html:
    longhorn = report.longhorn
    nodes = (badge(f"{node.name}: {_node_words(node)}", _node_tone(node)) for node in longhorn.nodes)
    targets = (
        badge(
            f"{target.name}: {'available' if target.available else 'not available'}", GOOD if target.available else BAD
        )
        for target in longhorn.targets
    )
    known = facts(
        (
            ("Address", longhorn.url),
            ("Last poll", when(longhorn.last_poll, report.at)),
            ("Setting", join((badge(longhorn.setting.value, PLAIN), " ", longhorn.setting_means))),
            ("Nodes", join(nodes, " ")),
            ("Targets", join(targets, " ")),
        )
    )
    return section("Longhorn", known, id_="longhorn")


def _node_words(node: NodeState) -> str:
    ready = "Ready" if node.ready else "not Ready"
    return f"{ready}, cordoned" if node.cordoned else ready


def _node_tone(node: NodeState) -> str:
    if not node.ready:
        return BAD
    return WARN if node.cordoned else GOOD
