"""What operators have ordered and what holds until it is taken back: pauses, runs called off, lost journals adopted.

An order is in the journal, as a note, before it is answered, so that no crash takes it back; what it comes to is
decided in the core, by what is read here. Writing raises JournalError, and then nothing was ordered.
"""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.core.commands import Seen
from lhbackupd.core.model import Origin, Run
from lhbackupd.core.pausing import REMIND, Pause, in_force
from lhbackupd.engine.events import Ordered, PauseOverdue, Tell
from lhbackupd.engine.intake import Offload
from lhbackupd.engine.journal import Journal, JournalError

#: the kinds of notes: pauses by policy; who has called off which run, and adopted which lost journal
_PAUSE, _CANCEL, ADOPTED = "pause", "cancel", "origin"


class Orders:
    """The orders that hold."""

    def __init__(self, *, origin: Origin, journal: Journal, clock: Clock, offload: Offload, tell: Tell) -> None:
        #: who we are, with the lost journals that were adopted
        self.origin = origin
        self._journal = journal
        self._clock = clock
        self._offload = offload
        self._tell = tell
        self._pauses: Mapping[str, Pause] = {}
        #: ids of runs that were called off and have not finished, with who did it
        self._called_off: dict[str, str] = {}
        #: when an overdue pause was last told
        self._reminded: dict[str, datetime] = {}

    async def open(self, unfinished: Collection[str]) -> None:
        """Read what holds; `unfinished` are the ids of runs that have not finished. Raises JournalError."""
        adopted = await self._offload(self._journal.notes, ADOPTED, str)
        self.origin = replace(self.origin, adopted=frozenset(adopted))
        self._pauses = await self._offload(self._journal.notes, _PAUSE, Pause)
        noted = await self._offload(self._journal.notes, _CANCEL, str)
        self._called_off = {run: by for run, by in noted.items() if run in unfinished}
        with contextlib.suppress(JournalError):  # of runs that are over: they harm nobody if the disk is full
            await self._offload(self._journal.note, _CANCEL, dict.fromkeys(noted.keys() - self._called_off.keys()))

    @property
    def pauses(self) -> tuple[Pause, ...]:
        """The pauses that hold, longest first."""
        return tuple(sorted(self._pauses.values(), key=lambda pause: (pause.since, pause.policy)))

    def paused(self, policy: str) -> str:
        """Why a policy starts nothing, in words; "" while it is not paused."""
        pause = in_force(self._pauses, policy)
        return pause.words(self._clock.now()) if pause else ""

    def cancelled(self, run: str) -> bool:
        """Whether the run of this id was called off."""
        return run in self._called_off

    def heeded(self, seen: Seen, run: Run) -> Seen:
        """`seen` with what was ordered about `run`."""
        paused, cancelled = self.paused(run.policy), self.cancelled(run.id)
        return replace(seen, paused=paused, cancelled=cancelled) if paused or cancelled else seen

    async def pause(self, pause: Pause) -> Pause:
        """Let a policy, or all, start nothing; one that is paused stays so, with the new end and reason."""
        known = self._pauses.get(pause.policy)
        pause = replace(pause, since=known.since if known else pause.since)
        await self._offload(self._journal.note, _PAUSE, {pause.policy: pause})
        self._pauses = {**self._pauses, pause.policy: pause}
        self._reminded.pop(pause.policy, None)
        self._tell(Ordered("pause", pause.by, pause.words(self._clock.now()), {"policy": pause.policy}))
        return pause

    async def resume(self, policies: Collection[str], by: str) -> tuple[Pause, ...]:
        """End the pauses under these names; those that there were."""
        ended = tuple(pause for pause in self.pauses if pause.policy in policies)
        if ended:
            await self._offload(self._journal.note, _PAUSE, dict.fromkeys(pause.policy for pause in ended))
            self._pauses = {name: pause for name, pause in self._pauses.items() if pause not in ended}
        for pause in ended:
            self._tell(Ordered("resume", by, f"{pause.what} no longer paused", {"policy": pause.policy}))
        return ended

    async def call_off(self, run: Run, by: str) -> None:
        """Call a run off; once more changes nothing."""
        if run.id in self._called_off:
            return
        await self._offload(self._journal.note, _CANCEL, {run.id: by})
        self._called_off[run.id] = by
        facts = {"run": run.id, "policy": run.policy, "volume": run.volume}
        self._tell(Ordered("cancel", by, f"run {run.id} of {run.policy} for volume {run.volume} is called off", facts))

    async def adopt(self, journal: str, by: str) -> None:
        """Take what a lost journal's daemon has made for ours, for good; once more changes nothing."""
        if journal in self.origin.adopted:
            return
        await self._offload(self._journal.note, ADOPTED, {journal: by})
        self.origin = replace(self.origin, adopted=self.origin.adopted | {journal})
        text = f"backups and snapshots of origin {journal} are ours from now on, for retention and as bases"
        self._tell(Ordered("adopt", by, text, {"origin": journal}))

    def told_to_prune(self, policy: str | None, volume: str | None, by: str) -> None:
        """A person wants deleted now what no rule keeps."""
        facts = {name: value for name, value in (("policy", policy), ("volume", volume)) if value is not None}
        what = f"{policy or 'every policy'}, {f'volume {volume}' if volume else 'all volumes'}"
        self._tell(Ordered("prune", by, f"old backups are pruned now: {what}", facts))

    def asked(self, run: Run, by: str, *, new: bool) -> None:
        """A person has asked for a backup, which `run` gives."""
        what = "makes" if new else "goes on already and gives"
        text = f"run {run.id} of {run.policy} {what} the backup of volume {run.volume} that was asked for"
        self._tell(Ordered("backup", by, text, {"run": run.id, "policy": run.policy, "volume": run.volume}))

    async def over(self, run: str) -> None:
        """A run has finished: what was ordered about it no longer matters."""
        if self._called_off.pop(run, None) is None:
            return
        try:
            await self._offload(self._journal.note, _CANCEL, {run: None})
        except JournalError:
            return  # the next start drops it

    def heed(self) -> None:
        """Tell of pauses that should be over: once, and then every hour."""
        now = self._clock.now()
        for pause in self._pauses.values():
            last = self._reminded.get(pause.policy)
            # a clock that was set back must not keep it from being told
            if pause.overdue(now) and (last is None or not now - REMIND < last <= now):
                self._reminded[pause.policy] = now
                self._tell(PauseOverdue(pause, pause.words(now)))
