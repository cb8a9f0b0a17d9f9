"""The status page, for whoever was woken at 3 a.m.: what is not protected and why, what runs, what waits, what is next.

One document without scripts, which loads itself anew. The style sheet next to this module turns the rows of tables
into cards on narrow screens, with the names of the columns from `data-name`.
"""

from datetime import datetime

from lhbackupd.core.model import Outcome, Phase
from lhbackupd.surface.markup import badge, table, tag, text
from lhbackupd.surface.report import (
    CoveredVolume,
    DueNext,
    FinishedRun,
    Report,
    RunningRun,
    UncoveredVolume,
    WaitingRun,
)
from lhbackupd.surface.standing import Standing, Wait
from lhbackupd.surface.words import moment, span

#: seconds after which the page loads itself anew
REFRESH = 15

_GOOD, _BAD, _QUIET = "good", "bad", "quiet"
_TONE = {Standing.PROTECTED: _GOOD, Standing.SUSPENDED: "warn", Standing.SHADOW: _QUIET}
_OUTCOME_TONE = {
    Outcome.COMPLETED: _GOOD,
    Outcome.UNCHANGED: _GOOD,
    Outcome.FAILED: _BAD,
    Outcome.REFUSED: _BAD,
    Outcome.GONE: _QUIET,
    Outcome.SHADOWED: _QUIET,
    Outcome.CANCELLED: _QUIET,
}

Cell = tuple[str, str]


def page(report: Report) -> str:
    """The whole document."""
    body = (
        _header(report),
        _alarms(report),
        _tiles(report),
        _unprotected(report),
        _running(report),
        _waiting(report),
        _next(report),
        _recent(report),
        _protected(report),
        _longhorn(report),
        _footer(report),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><meta http-equiv="refresh" content="{REFRESH}">'
        f"<title>{_verdict(report)[1]} · {text(report.daemon.instance)}</title>"
        f'<link rel="stylesheet" href="style.css"></head><body>{"".join(body)}</body></html>\n'
    )


def _section(title: str, inner: str, count: int | None = None) -> str:
    number = tag("span", str(count), "count") if count is not None else ""
    return tag("section", tag("h2", f"{title} {number}") + inner)


def _name(volume: str, pvc: str, namespace: str) -> str:
    """A volume by its claim, which people know, and by its own name."""
    if not pvc:
        return tag("b", text(volume))
    return f"{tag('b', text(f'{namespace}/{pvc}'))}<br>{tag('small', text(volume))}"


def _when(when: datetime | None, now: datetime) -> str:
    """A time, and how long ago that was or how long it is until then."""
    if when is None:
        return tag("span", "never", _QUIET)
    seconds = (when - now).total_seconds()
    distance = f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"
    shown = f"{when:%H:%M:%S}" if when.date() == now.date() else f"{when:%Y-%m-%d %H:%M}"
    return f'<time datetime="{when.isoformat()}" title="{moment(when)}">{shown}</time> {tag("small", distance)}'


def _verdict(report: Report) -> Cell:
    """The page in one sentence, with its tone."""
    totals = report.totals
    broken = totals.failing + totals.unprotected
    bad = broken + totals.suspended + totals.uncovered
    everything = bad + totals.protected
    if not everything:
        return "warn", "No volumes are known yet"
    if not bad:
        return _GOOD, f"All {everything} volumes are protected" if everything > 1 else "The one volume is protected"
    words = f"{bad} of {everything} volumes {'is' if bad == 1 else 'are'} not protected"
    return (_BAD, words) if broken else ("warn", f"{words}, by configuration")


def _header(report: Report) -> str:
    tone, words = _verdict(report)
    name = tag("p", f"lhbackupd {tag('b', text(report.daemon.instance))}")
    return tag("header", name + tag("h1", words, tone) + tag("p", f"as of {moment(report.at)}", _QUIET))


def _alarms(report: Report) -> str:
    daemon, longhorn = report.daemon, report.longhorn
    alarms = [f"lhbackupd is not ready: {text(reason)}" for reason in daemon.unready]
    alarms.extend(f"{text(_capital(pause.words))}. What is due waits." for pause in report.paused)
    if not longhorn.reachable:
        alarms.append(f"Longhorn cannot be polled: {text(longhorn.fault)}. Volumes are shown as last seen.")
    alarms.extend(
        f"Backup target {text(target.name)} is not available: {text(target.message)}"
        for target in longhorn.targets
        if not target.available
    )
    alarms.extend(
        f"Node {text(node.name)} is not Ready: {text(node.message)}" for node in longhorn.nodes if not node.ready
    )
    return "".join(tag("p", alarm, "alarm") for alarm in alarms)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _tiles(report: Report) -> str:
    totals = report.totals
    tiles = (
        ("failing", totals.failing, _BAD),
        ("unprotected", totals.unprotected, _BAD),
        ("uncovered", totals.uncovered, "warn"),
        ("suspended", totals.suspended, "warn"),
        ("protected", totals.protected, _GOOD),
        ("running", len(report.running), "plain"),
        ("waiting", len(report.waiting), "plain"),
    )
    cells = (
        tag("li", tag("b", str(number)) + tag("span", name), tone if number else _QUIET) for name, number, tone in tiles
    )
    return tag("ul", "".join(cells), "tiles")


def _unprotected(report: Report) -> str:
    rows = [row for row in report.volumes if row.standing is not Standing.PROTECTED]
    if not rows and not report.uncovered:
        words = "Nothing: every volume is in a backup." if report.volumes else "Nothing is known yet."
        return _section("Not protected", tag("p", words, _QUIET))
    columns = ("Volume", "Policy", "Standing", "Why", "Protection", "Next run")
    lines = [_unprotected_row(row, report.at) for row in rows] + [_uncovered_row(row) for row in report.uncovered]
    return _section("Not protected", table(columns, lines))


def _unprotected_row(row: CoveredVolume, now: datetime) -> tuple[str, ...]:
    return (
        _name(row.volume, row.pvc, row.pvc_namespace),
        text(row.policy),
        badge(row.standing.value, _TONE.get(row.standing, _BAD)),
        text(row.reason),
        text(row.protection),
        _when(row.next_due, now),
    )


def _uncovered_row(row: UncoveredVolume) -> tuple[str, ...]:
    name = _name(row.volume, row.pvc, row.pvc_namespace)
    return name, tag("span", "none", _QUIET), badge(row.cover.value, "warn"), text(row.reason), "", ""


def _running(report: Report) -> str:
    if not report.running:
        return _section("Running", tag("p", "Nothing.", _QUIET))
    columns = ("Volume", "Policy", "Phase", "Since", "Node", "Doing", "Somebody waits")
    return _section(
        "Running", table(columns, (_running_row(run, report.at) for run in report.running)), len(report.running)
    )


def _running_row(run: RunningRun, now: datetime) -> tuple[str, ...]:
    shown = f'<progress max="100" value="{run.progress}"></progress> {run.progress} %'
    bar = tag("span", shown, "progress") if run.phase is Phase.BACKING_UP else ""
    waiter = ""
    if run.waiting_since is not None:
        waiter = badge(f"{run.waiter}, for {span((now - run.waiting_since).total_seconds())}", _BAD)
    attempt = tag("small", f"attempt {run.attempt}") if run.attempt > 1 else ""
    return (
        _name(run.volume, run.pvc, run.pvc_namespace),
        f"{text(run.policy)}<br>{tag('small', text(run.id))} {attempt}",
        f"{badge(run.phase.value, 'plain')} {bar}",
        _when(run.since, now),
        text(run.node),
        text(run.reason),
        waiter,
    )


def _waiting(report: Report) -> str:
    if not report.waiting:
        return _section("Waiting", tag("p", "Nothing.", _QUIET))
    columns = ("Volume", "Policy", "Due", "For", "What it waits for")
    lines = (_waiting_row(run, report.at) for run in report.waiting)
    return _section("Waiting", table(columns, lines), len(report.waiting))


def _waiting_row(run: WaitingRun, now: datetime) -> tuple[str, ...]:
    reason = text(run.reason) or "its turn"
    if run.waits_for is Wait.TIME:
        reason = f"starts {_when(run.not_before, now)}<br>{reason}"
    attempt = tag("small", f"attempt {run.attempt}") if run.attempt > 1 else ""
    return (
        _name(run.volume, run.pvc, run.pvc_namespace),
        f"{text(run.policy)} {attempt}",
        _when(run.due, now),
        badge(run.waits_for.value, "plain"),
        reason,
    )


def _next(report: Report) -> str:
    if not report.next:
        return _section("Next", tag("p", "Nothing is scheduled.", _QUIET))
    lines = ((_span_of(due, report.at), tag("b", text(due.policy)), str(due.volumes)) for due in report.next)
    return _section("Next", table(("Due", "Policy", "Volumes"), lines, "narrow"))


def _span_of(due: DueNext, now: datetime) -> str:
    last = due.until if due.until not in {None, due.due} else None
    return f"{_when(due.due, now)} to {_when(last, now)}" if last else _when(due.due, now)


def _recent(report: Report) -> str:
    if not report.recent:
        return ""
    columns = ("Ended", "Volume", "Policy", "Outcome", "Reason")
    return _section("Ended lately", table(columns, (_recent_row(run, report.at) for run in report.recent[:20])))


def _recent_row(run: FinishedRun, now: datetime) -> tuple[str, ...]:
    waited = f"<br>{text(run.waiter)} waited {span(run.waited)}" if run.waited else ""
    outcome = badge(run.outcome.value, _OUTCOME_TONE.get(run.outcome, "warn")) if run.outcome else ""
    return _when(run.finished_at, now), text(run.volume), text(run.policy), outcome, f"{text(run.reason)}{waited}"


def _protected(report: Report) -> str:
    rows = [row for row in report.volumes if row.standing is Standing.PROTECTED]
    if not rows:
        return ""
    lines = (
        (
            _name(row.volume, row.pvc, row.pvc_namespace),
            text(row.policy),
            text(row.protection),
            _when(row.last_check, report.at),
            _when(row.next_due, report.at),
        )
        for row in rows
    )
    inner = table(("Volume", "Policy", "Protection", "Last looked at", "Next run"), lines)
    summary = tag("summary", f"Protected {tag('span', str(len(rows)), 'count')}")
    return tag("section", tag("details", summary + inner))


def _longhorn(report: Report) -> str:
    longhorn = report.longhorn
    lines = [
        ("Address", text(longhorn.url)),
        ("Last poll", _when(longhorn.last_poll, report.at)),
        ("Setting", f"{badge(longhorn.setting.value, 'plain')} {text(longhorn.setting_means)}"),
        ("Nodes", " ".join(_node(node.name, node.ready, node.cordoned) for node in longhorn.nodes) or ""),
        ("Targets", " ".join(badge(t.name, _GOOD if t.available else _BAD) for t in longhorn.targets) or ""),
    ]
    return _section("Longhorn", tag("dl", "".join(tag("dt", name) + tag("dd", value) for name, value in lines)))


def _node(name: str, ready: bool, cordoned: bool) -> str:
    return badge(f"{name} (cordoned)" if cordoned else name, (_GOOD if not cordoned else "warn") if ready else _BAD)


def _footer(report: Report) -> str:
    daemon = report.daemon
    adopted = f" with {text(', '.join(daemon.adopted))} adopted" if daemon.adopted else ""
    about = (
        f"lhbackupd {text(daemon.version)}, up since {moment(daemon.started)}, origin {text(daemon.origin)}{adopted}, "
    )
    links = '<a href="status.json">status.json</a> <a href="metrics">metrics</a>'
    return tag("footer", f"{about}{report.schedules} schedules. This page loads itself every {REFRESH} s. {links}")
