"""The doctor in the house: what `lhbackupd doctor` would say, gathered by the daemon itself for its page.

It knows what the command line has to ask for, and looks at Longhorn as that does. What only an outsider sees, for
example whether the control socket can be reached, is left to the command.
"""

from collections.abc import Callable

from lhbackupd.core.selection import wants_groups
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal, JournalError
from lhbackupd.engine.survey import Survey, Surveyor
from lhbackupd.longhorn.client import Longhorn
from lhbackupd.longhorn.errors import LonghornError
from lhbackupd.surface.doctor import diagnose
from lhbackupd.surface.findings import DaemonFacts, Diagnosis, Facts, JournalFacts, worst
from lhbackupd.surface.report import Report
from lhbackupd.surface.status import Sources


async def house_call(
    *, sources: Sources, report: Callable[[], Report], longhorn: Longhorn, journal: Journal, offload: Offload
) -> Diagnosis:
    """Everything that can be said now. `report` is called in `offload` too."""
    rules, survey, unreachable = sources.keeper.rules, None, ""
    runs = sources.keeper.unfinished()
    policies = tuple(rules.policies.values())
    try:
        survey = await _survey(longhorn, sources, groups=wants_groups(policies, rules.excludes))
    except LonghornError as error:
        unreachable = str(error)
    try:
        # a run is in the journal before its ticket is in Longhorn, and may have ended since
        unfinished = await offload(journal.unfinished)
        known = {run.id for run in unfinished}
        also = tuple(run for run in runs if run.id not in known)
        protections = await offload(journal.protections)
        kept = JournalFacts(
            name=journal.name, origin=sources.origin.journal, runs=(*unfinished, *also), protections=protections
        )
    except JournalError as error:
        kept = JournalFacts(name=journal.name, fault=str(error))
    shown = await offload(report)
    facts = Facts(
        now=sources.clock.now(),
        version=sources.version,
        instance=sources.origin.instance,
        url=shown.longhorn.url,
        policies=policies,
        excludes=rules.excludes,
        journal=kept,
        daemon=DaemonFacts(report=shown),
        survey=survey,
        unreachable=unreachable,
    )
    findings = await offload(diagnose, facts)
    return Diagnosis(at=sources.clock.now(), worst=worst(findings), findings=findings)


async def _survey(longhorn: Longhorn, sources: Sources, *, groups: bool) -> Survey:
    return await Surveyor(longhorn=longhorn, now=sources.clock.now).survey(groups=groups)
