"""What is not as it should be, from configuration to Longhorn, each with its next step."""

from lhbackupd.surface.findings import Diagnosis, Finding, Level
from lhbackupd.surface.markup import Html, badge, el, table
from lhbackupd.surface.pages.frame import Frame, document
from lhbackupd.surface.pages.parts import BAD, GOOD, QUIET, WARN, command, nothing, section
from lhbackupd.surface.words import moment

_TONE = {Level.OK: GOOD, Level.WARNING: WARN, Level.FAULT: BAD}


def doctor(frame: Frame, diagnosis: Diagnosis) -> str:
    """The document."""
    bad = [finding for finding in diagnosis.findings if finding.level is not Level.OK]
    good = [finding for finding in diagnosis.findings if finding.level is Level.OK]
    words = "Nothing is wrong" if not bad else f"{len(bad)} {'thing is' if len(bad) == 1 else 'things are'} not right"
    return document(
        frame,
        el("h1", words, class_=_TONE[diagnosis.worst]),
        el("p", f"as of {moment(diagnosis.at)}; looked at once a minute at most", class_=f"asof {QUIET}"),
        section("To be seen to", _table(bad) if bad else nothing("Nothing."), id_="bad"),
        section("All is well with", _table(good) if good else nothing("Nothing."), id_="good"),
        el("p", "The same, also with the daemon down: ", command("lhbackupd", "doctor"), class_="more"),
        title=words,
    )


def _table(findings: list[Finding]) -> Html:
    columns = ("About", "State", "What", "What to do")
    rows = ((one.check, badge(one.level.value, _TONE[one.level]), one.text, one.next) for one in findings)
    return table(columns, rows, caption="Findings, in the order in which one thing hangs on the other")
