"""What is known at a moment: of the cluster by its ledger, of the daemon by its own events.

The two are kept apart, because the demo's point is to hold one against the other. The live view and the plain lines
show the board; the script waits for things to stand on it; the promises are judged by it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from lhbackupd.core.model import Phase, Run
from lhbackupd.core.naming import TicketName
from lhbackupd.engine.events import Defect, Event, JournalTrouble, Moved

Entry = dict[str, Any]
#: told of every line that is worth a line: moment, volume or "", words
Hear = Callable[[datetime, str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A volume as Longhorn's ledger has it."""

    state: str = "detached"
    node: str = ""
    #: ids of its tickets, and whether each is satisfied
    tickets: dict[str, bool] = field(default_factory=dict)
    #: backups that were completed
    backups: int = 0


def holder(ticket: str) -> str:
    """Who stands behind a ticket, in a word."""
    if TicketName.parse(ticket):
        return "us"
    kinds = {"csi-": "pod", "backup-controller-": "backup", "snapshot-controller-": "snapshot"}
    return next((word for prefix, word in kinds.items() if ticket.startswith(prefix)), "client")


class Board:
    """The state of the demo; `hear` is told of moves, acts and what befalls pods."""

    def __init__(self, *, hear: Hear, now: Callable[[], datetime]) -> None:
        self._hear = hear
        self._now = now
        #: the daemon's runs by id, as it told of them last
        self.runs: dict[str, Run] = {}
        #: the daemon's queue: its waiting runs by id, each with what it waits for
        self.queue: Mapping[str, Run] = {}
        #: the cluster's ledger so far
        self.entries: list[Entry] = []
        self.volumes: dict[str, Shown] = {}
        #: what the script or the cluster did last, newest last
        self.notes: list[tuple[datetime, str]] = []
        #: defects and journal troubles of the daemon: there should be none
        self.troubles: list[str] = []

    def note(self, words: str) -> None:
        """Say what happens to the cluster from outside."""
        self.notes.append((self._now(), words))
        self._hear(self._now(), "", words)

    def tell(self, event: Event) -> None:
        """The daemon tells of an event."""
        match event:
            case Moved(before, after):
                known = self.runs.get(after.id, before)
                self.runs[after.id] = after
                if (known is None or known.phase is not after.phase) and describe(after) != Phase.QUEUED:
                    self._hear(self._now(), after.volume, describe(after))
                if after.waiting_since and not (known and known.waiting_since):
                    self._hear(self._now(), after.volume, f"{after.waiter} waits for run {after.id}")
            case Defect(run, error):
                whose = f"run {run.id} of {run.volume}" if run else "the keeper"
                self.troubles.append(f"{whose}: {type(error).__name__}: {error}")
                self.note(f"a defect of lhbackupd: {self.troubles[-1]}")
            case JournalTrouble(text) if text:
                self.troubles.append(f"journal: {text}")
                self.note(f"the journal fails: {text}")
            case _:
                pass

    def read(self, entries: Iterable[Entry]) -> None:
        """More of the cluster's ledger."""
        for entry in entries:
            self.entries.append(entry)
            if name := entry.get("volume"):
                self.volumes[name] = _after(self.volumes.get(name, Shown()), entry)
            if words := _news(entry):
                self.note(words)

    def latest(self, volume: str) -> Run | None:
        """The run of a volume that began last."""
        runs = [self.queue.get(run.id, run) for run in self.runs.values() if run.volume == volume]
        return max(runs, key=lambda run: (run.due, run.attempt), default=None)

    def rounds(self) -> int:
        """How many due times have come and are all done with: nothing queued, running or to be tried again."""
        dues = {run.due for run in self.runs.values()}
        return len(dues) if all(run.finished for run in self.runs.values()) else len(dues) - 1

    def happened(self, kind: str, volume: str) -> bool:
        """Whether the ledger has an entry of this kind for a volume."""
        return any(entry["kind"] == kind and entry.get("volume") == volume for entry in self.entries)


def describe(run: Run) -> str:
    """A run's phase, or its outcome, and why."""
    if run.finished and run.outcome:
        return f"{run.outcome.value}: {run.reason}"
    # the reason why a run leaves is said once more, and for good, when it has left
    return f"{run.phase.value}: {run.reason}" if run.reason and run.phase is not Phase.DETACHING else run.phase.value


def _after(shown: Shown, entry: Entry) -> Shown:
    """A volume after one more entry."""
    match entry["kind"]:
        case "attaching":
            return replace(shown, state="attaching", node=entry["node"])
        case "attached":
            return replace(shown, state="attached", node=entry["node"])
        case "detached":
            return replace(shown, state="detached", node="")
        case "ticket-added" | "ticket-interrupted":
            return replace(shown, tickets={**shown.tickets, entry["id"]: False})
        case "ticket-satisfied":
            return replace(shown, tickets={**shown.tickets, entry["id"]: True})
        case "ticket-removed":
            return replace(shown, tickets={key: held for key, held in shown.tickets.items() if key != entry["id"]})
        case "backup-completed":
            return replace(shown, backups=shown.backups + 1)
        case _:
            return shown


def _news(entry: Entry) -> str:
    """What of the ledger is worth telling, besides what the daemon does."""
    match entry["kind"]:
        case "pod-running":
            return f"pod {entry['pod']} runs on {entry['node']}, after {entry['waited']:.0f} s"
        case "backup-error":
            return f"Longhorn's backup of {entry['volume']} fails: {entry['error']}"
        case "replica-rebuild-started":
            return f"Longhorn rebuilds a replica of {entry['volume']} on {entry['node']}"
        case _:
            return ""
