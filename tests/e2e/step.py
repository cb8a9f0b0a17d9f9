"""What happened during one step of the enhancement's story, as ledger and journal tell it."""

from dataclasses import dataclass, field
from typing import Any

from lhbackupd.core.model import Outcome, Run
from tests.e2e.simulated import OURS, Entry


@dataclass(slots=True)
class Step:
    """What happened during one step."""

    #: entries of the ledger
    entries: list[Entry] = field(default_factory=list)
    #: runs that ended
    runs: list[Run] = field(default_factory=list)
    #: the volume at the end, as Longhorn shows it; None before it was made
    volume: Any = None
    #: replicas as (name, node) at its beginning and end
    replicas_before: frozenset[tuple[str, str]] = frozenset()
    replicas: frozenset[tuple[str, str]] = frozenset()
    #: the setting at its end
    setting: str = ""
    #: names of the policies and volumes that are scheduled
    schedules: tuple[tuple[str, str], ...] = ()
    #: whether a completed backup holds all there is
    protected: bool = False
    #: names of the completed backups
    backups: tuple[str, ...] = ()
    #: anything else that the step saw
    notes: dict[str, Any] = field(default_factory=dict)

    def of(self, *kinds: str) -> list[Entry]:
        """Entries of some kinds, in order."""
        return [entry for entry in self.entries if entry["kind"] in kinds]

    def ours(self, kind: str = "ticket-added") -> list[Entry]:
        """Entries about tickets of ours."""
        return [entry for entry in self.of(kind) if entry["id"].startswith(OURS)]

    @property
    def outcomes(self) -> list[Outcome | None]:
        """How the runs ended, but for due times that passed while the run before was still going."""
        return [run.outcome for run in self.runs if run.outcome is not Outcome.SKIPPED]

    @property
    def cycles(self) -> list["Step"]:
        """Each time that we attached the volume: from our ticket to the detached volume; not the one that lasts."""
        found: list[Step] = []
        begun: list[Entry] = []
        for entry in self.entries:
            if begun or (entry["kind"] == "ticket-added" and entry["id"].startswith(OURS)):
                begun.append(entry)
            if begun and entry["kind"] == "detached":
                found.append(Step(entries=begun))
                begun = []
        return found
