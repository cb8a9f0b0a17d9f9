"""Why does it not work: from facts to findings, each with what to do next.

Pure: `diagnose` gets what could be read of configuration, journal, daemon and Longhorn, and looks through it in the
order in which one thing hangs on the other. Here is our own side of it, in `checkup` Longhorn's.
"""

from collections.abc import Iterator

from lhbackupd.core.pausing import ALL
from lhbackupd.surface.checkup import CHECKS
from lhbackupd.surface.findings import Facts, Finding, fault, names, ok, warning
from lhbackupd.surface.words import moment


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Everything that can be said about `facts`."""
    findings = [*_config(facts), *_journal(facts), *_daemon(facts)]
    if facts.survey is None:
        step = "check longhorn.url, and from this machine: curl -sS " + facts.url + "/v1"
        return (*findings, fault("longhorn", f"{facts.url} cannot be reached: {facts.unreachable}", step))
    for check in CHECKS:
        findings += check(facts, facts.survey)
    return tuple(findings)


def _config(facts: Facts) -> Iterator[Finding]:
    if facts.policies:
        yield ok("config", f"no faults; policies {names(policy.name for policy in facts.policies)}")
    else:
        yield warning("config", "there is no policy, so nothing is ever backed up", "add a [[policy]]")


def _journal(facts: Facts) -> Iterator[Finding]:
    journal, report = facts.journal, facts.daemon.report
    if not journal.made:
        yield warning("journal", f"there is no {journal.name} yet", "the first `lhbackupd run` makes it")
    elif journal.fault:
        step = "ask as the daemon's user (sudo -u lhbackupd lhbackupd doctor), or see to state.url and its disk"
        yield fault("journal", journal.fault, step)
    else:
        text = f"{journal.name} can be read; origin {journal.origin}, {len(journal.runs)} runs are not finished"
        yield ok("journal", text)
    if report and report.daemon.journal_trouble:
        step = "see to its disk: space, permissions, read-only mounts; the daemon tries on by itself"
        yield fault("journal", f"the daemon cannot write it: {report.daemon.journal_trouble}", step)


def _daemon(facts: Facts) -> Iterator[Finding]:
    report = facts.daemon.report
    if report is None:
        reason_ = facts.daemon.control or "it does not answer"
        step = "start it: systemctl start lhbackupd (see journalctl -u lhbackupd), or lhbackupd run"
        yield fault("daemon", f"it does not run, or cannot be asked: {reason_}", step)
        return
    state = report.daemon
    if state.ready:
        yield ok("daemon", f"{state.version} ({state.instance}) is ready, and runs since {moment(state.started)}")
    for reason in state.unready:
        yield fault("daemon", f"it is not ready: {reason}", _cure(reason))
    for pause in report.paused:
        step = f"lhbackupd resume {'--all' if pause.policy == ALL else f'--policy {pause.policy}'}, once it may go on"
        yield (fault if pause.overdue else warning)("daemon", f"{pause.words}; what is due waits", step)
    if facts.daemon.control:
        step = "see to the directory and group of control.socket"
        orders = "lhbackupd backup, cancel, pause, adopt, leave"
        yield warning("daemon", f"it takes no orders ({orders}): {facts.daemon.control}", step)
    if state.version != facts.version:
        text = f"the daemon is of version {state.version}, this command of {facts.version}"
        yield warning("daemon", text, "restart the daemon: systemctl restart lhbackupd")
    if facts.journal.origin and facts.journal.origin != state.origin:
        text = f"the daemon that answers has journal {state.origin}, this configuration {facts.journal.origin}"
        yield warning("daemon", text, "give --config the file that the daemon runs with")


def _cure(reason: str) -> str:
    cures = {
        "configuration": "correct it (lhbackupd config check), then systemctl reload lhbackupd",
        "journal": "see to the journal's disk: space, permissions, read-only mounts",
        "twin": "stop the other daemon of this instance, or if a disk was lost: lhbackupd adopt",
        "left": "restart it to begin again: systemctl restart lhbackupd",
        "scheduler": "restart it: systemctl restart lhbackupd; and report the defect",
    }
    return cures.get(reason.partition(":")[0], "see its log: journalctl -u lhbackupd")
