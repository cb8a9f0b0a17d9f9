"""Runs for volumes that were used and have been detached for a while: a policy's `on_detach`.

What polls show is put into words by `core.settling`, and written down as notes when it changes, so that a restart
forgets no volume that has come to rest. When a volume has rested long enough, a run is written into the journal like
that of a schedule, due at that moment; its note goes after it. A crash between the two repeats it, and the journal
knows it again by policy, volume and due time.

These are no jobs of APScheduler: each attach moves such a moment or takes it away, so the note would have to be there
besides, and two records of one thing can disagree.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from lhbackupd.clock import Clock
from lhbackupd.core.cluster import Volume
from lhbackupd.core.model import Phase, Policy, Run
from lhbackupd.core.settling import Use, due_on_detach, watched
from lhbackupd.engine.intake import BATCH, Offload
from lhbackupd.engine.inventory import Picture
from lhbackupd.engine.journal import Journal
from lhbackupd.engine.scheduler import Key, Scheduler, queued_run

#: the kind of the journal's notes, one per policy and volume
KIND = "detached"


class Detachments:
    """Watches volumes come to rest. Raises JournalError while the journal fails, and catches up with the next call."""

    def __init__(self, *, journal: Journal, scheduler: Scheduler, clock: Clock, offload: Offload) -> None:
        self._journal = journal
        self._scheduler = scheduler
        self._clock = clock
        self._offload = offload
        #: by policy and volume, as in the journal; None until that was read; never changed in place
        self._uses: Mapping[Key, Use] | None = None
        #: the poll that was looked at last, and the policies then; the volumes that it showed
        self._settled: tuple[object, object] = (None, None)
        self._volumes: Mapping[str, Volume] = {}
        #: when runs are due that wait for nothing but their volumes' rest, by policy and volume; never changed in place
        self.due: Mapping[Key, datetime] = {}

    async def watch(self, picture: Picture, policies: Mapping[str, Policy]) -> None:
        """Note what a new poll shows of the volumes whose policies have `on_detach`."""
        uses = self._uses
        if uses is None:
            notes = await self._offload(self._journal.notes, KIND, Use)
            uses = {(name.partition("/")[0], name.partition("/")[2]): use for name, use in notes.items()}
        given = (picture.at, policies)
        # the keeper turns far more often than Longhorn is polled, and each poll has a moment of its own
        if picture.at is None or all(now is then for now, then in zip(given, self._settled, strict=True)):
            self._uses = uses
            return
        changes = await self._offload(self._changes, picture, picture.at, policies, uses)
        self._uses = await self._noted(uses, changes)
        self._settled, self._volumes = given, picture.volumes
        dues = ((key, due_on_detach(use, policies.get(key[0]))) for key, use in self._uses.items())
        self.due = {key: due for key, due in dues if due is not None}

    def _changes(
        self, picture: Picture, at: datetime, policies: Mapping[str, Policy], uses: Mapping[Key, Use]
    ) -> dict[Key, Use | None]:
        """In the worker: thousands of volumes looked through on the loop would hold it up."""
        asking = {name for name, policy in policies.items() if policy.on_detach is not None}
        wanted = {key for key in self._scheduler.schedules if key[0] in asking} if asking else set[Key]()
        changes: dict[Key, Use | None] = dict.fromkeys(uses.keys() - wanted)
        for key in wanted:
            volume = picture.volumes.get(key[1])
            use = uses.get(key)
            after = watched(use, self._volumes.get(key[1]), volume, at) if volume else use
            if after != use:
                changes[key] = after
        return changes

    async def _noted(self, uses: Mapping[Key, Use], changes: Mapping[Key, Use | None]) -> Mapping[Key, Use]:
        """What is known after `changes`, which are written down first; None takes a use away."""
        if not changes:
            return uses
        await self._offload(self._journal.note, KIND, {"/".join(key): use for key, use in changes.items()})
        return {key: use for key, use in {**uses, **changes}.items() if use is not None}

    async def fire(self, unfinished: Callable[[], Iterable[Run]], receive: Callable[[Run], None]) -> None:
        """Write a run into the journal for every volume that has rested long enough, and hand over those that are new.

        A run of the same policy that has not begun will find all there is, and serves. One that has may have taken its
        snapshot before the volume was let go: the new one follows when it has ended.
        """
        now = self._clock.now()
        rested = sorted((due, key) for key, due in self.due.items() if due <= now)
        going = {(run.policy, run.volume): run for run in unfinished()} if rested else {}
        begun = {key for key, run in going.items() if run.phase is not Phase.QUEUED}
        ripe = [(due, key) for due, key in rested if key not in begun]
        for start in range(0, len(ripe), BATCH):
            batch = ripe[start : start + BATCH]
            runs = [self._run(key, due, now) for due, key in batch if key not in going]
            fresh = await self._offload(self._journal.enqueue, runs)
            for run in runs:
                if run.id in fresh:
                    receive(run)
            done = dict.fromkeys(key for _, key in batch)
            self._uses = await self._noted(self._uses or {}, done)
            self.due = {key: due for key, due in self.due.items() if key not in done}

    def _run(self, key: Key, due: datetime, now: datetime) -> Run:
        use = (self._uses or {}).get(key)
        since = f"{use.rests_since:%H:%M:%S} UTC" if use and use.rests_since else "then"
        words = f"its volume was used, and has been detached since {since}"
        return replace(queued_run(key, due=due, now=now), reason=words)
