"""What stands above every status in words: the daemon, what is paused, Longhorn, and the totals."""

from collections.abc import Iterator

from lhbackupd.surface.report import Report


def headlines(report: Report) -> Iterator[str]:
    """A line each; what is wrong is in capitals."""
    daemon, longhorn, totals = report.daemon, report.longhorn, report.totals
    yield f"lhbackupd {daemon.version} ({daemon.instance}), {'ready' if daemon.ready else 'NOT READY'}"
    for reason in daemon.unready:
        yield f"  {reason}"
    if daemon.adopted:
        yield f"origin {daemon.origin}, with {', '.join(daemon.adopted)} adopted"
    for pause in report.paused:
        yield f"PAUSED{', OVERDUE' if pause.overdue else ''}: {pause.words}"
    yield f"Longhorn at {longhorn.url}: {'reachable' if longhorn.reachable else f'NOT REACHABLE: {longhorn.fault}'}"
    yield f"setting {longhorn.setting}: {longhorn.setting_means}"
    yield (
        f"{totals.protected} protected, {totals.unprotected} unprotected, {totals.failing} failing, "
        f"{totals.suspended} suspended, {totals.uncovered} uncovered, "
        f"{totals.native} left to Longhorn's own jobs, {totals.excluded} excluded"
    )
