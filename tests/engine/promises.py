"""The promises that hold in every fault, counted from the simulated Longhorn's own ledger.

Nothing stays attached by us; completed is only said of a backup that was completed and listed; a run has at most one of
them; others' tickets and backups are left alone; every run ends, or waits and says for what.
"""

from collections import Counter

from lhbackupd.assembly import Engine
from lhbackupd.core.model import Outcome
from lhbackupd.core.naming import LABEL_RUN
from lhbackupd.engine.events import Defect, Moved
from tests.rig import Rig

OURS = "lhbackupd:"


async def held(rig: Rig) -> dict[str, str]:
    """Tickets of ours that are there, each with its volume."""
    there: dict[str, str] = {}
    for entry in await rig.ledger():
        if str(entry.get("id", "")).startswith(OURS) and entry["kind"] in {"ticket-added", "ticket-removed"}:
            if entry["kind"] == "ticket-added":
                there[entry["id"]] = entry["volume"]
            else:
                there.pop(entry["id"], None)
    return there


async def hold(rig: Rig, engine: Engine | None = None) -> None:
    """Assert the promises, of runs that are still waiting as well where their engine is given."""
    assert not [event for event in rig.events if isinstance(event, Defect)]
    assert await held(rig) == {}
    await _backups_are_true(rig)
    await _others_are_left_alone(rig)
    _every_run_ends_or_waits(rig, engine)


async def _backups_are_true(rig: Rig) -> None:
    made = {entry["backup"]: entry["labels"].get(LABEL_RUN, "") for entry in await rig.ledger("backup-asked")}
    completed = {entry["backup"] for entry in await rig.ledger("backup-completed")}
    for run in rig.runs():
        if run.outcome is Outcome.COMPLETED:
            assert run.backup in completed
            assert made[run.backup] == run.id
    most = Counter(made[name] for name in completed if made.get(name))
    assert not [run for run, count in most.items() if count > 1]


async def _others_are_left_alone(rig: Rig) -> None:
    """Whatever the API was asked to take away was ours: nobody but the daemon asks it in these tests."""
    removed = [e["id"] for e in await rig.ledger("ticket-removed") if e["by"] == "api"]
    assert not [ticket for ticket in removed if not ticket.startswith(OURS)]
    ours = {e["backup"] for e in await rig.ledger("backup-asked") if LABEL_RUN in e["labels"]}
    deleted = [e for e in await rig.ledger("backup-delete-asked") if e["by"] == "api"]
    assert not [e["backup"] for e in deleted if e["backup"] not in ours]


def _every_run_ends_or_waits(rig: Rig, engine: Engine | None) -> None:
    seen = {event.after.id for event in rig.events if isinstance(event, Moved)}
    open_runs = seen - {run.id for run in rig.runs()}
    if engine is None:
        return
    waiting = {**engine.keeper.waiting, **engine.keeper.active}
    assert not [run for run in open_runs if run not in waiting]
    assert not [run.id for run in waiting.values() if run.phase.value != "queued" and not run.reason]
