"""The enhancement's manual test, played once: 31 steps in order, each with what happened during it.

A step is played when it, or a later one, is asked for, and only once; a step that fails fails all that come after it.
What a test may look at is what the ledger and the journal hold between a step's beginning and its end. The daemon's
policy stands for the recurring job: to delete the job is to remove the policy and reload.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from lhbackupd.core.model import Outcome, Run
from tests.e2e.harness import Daemon, Stage, policy
from tests.e2e.processes import until
from tests.e2e.simulated import MIB, Simulated, tickets
from tests.e2e.step import Step

VOLUME = "vol"
GB = 1000**3
MB = 1000**2

EVERY_MINUTE, EVERY_TWO_MINUTES = "* * * * *", "*/2 * * * *"

#: the step that is told twice, and once more with data locality still on
STEPS = (*(str(number) for number in range(1, 31)), "30-cordoned", "30-best-effort", "31")


class Story:
    """The steps on one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._longhorn: Simulated = stage.longhorn
        self._daemon: Daemon
        self._played: dict[str, Step] = {}
        self._failed: dict[str, AssertionError] = {}
        self._notes: dict[str, Any] = {}
        #: up to which entry of the ledger, and which runs, earlier steps have told
        self._seq = 0
        self._told: set[str] = set()

    async def between(self, first: str, last: str) -> Step:
        """What happened from the beginning of one step to the end of another."""
        await self.step(last)
        steps = [self._played[name] for name in STEPS[STEPS.index(first) : STEPS.index(last) + 1]]
        entries = [entry for step in steps for entry in step.entries]
        return replace(
            steps[-1],
            entries=entries,
            runs=[run for step in steps for run in step.runs],
            replicas_before=steps[0].replicas_before,
        )

    async def step(self, name: str) -> Step:
        """What happened in a step; plays what comes before it, if that has not been played yet."""
        for current in STEPS[: STEPS.index(name) + 1]:
            if current in self._failed:
                raise AssertionError(f"step {current} failed") from self._failed[current]
            if current not in self._played:
                try:
                    self._played[current] = await self._play(current)
                except AssertionError as error:
                    self._failed[current] = error
                    raise
        return self._played[name]

    async def _play(self, name: str) -> Step:
        if not self._played:
            self._daemon = await self.stage.daemon("")
        action: Callable[[], Awaitable[None]] = getattr(self, "_step_" + name.replace("-", "_"))
        before = await self._glance()
        self._notes = {}
        await action()
        step = await self._glance()
        step.entries = await self._longhorn.ledger(since=self._seq)
        step.runs = [run for run in self._daemon.runs() if run.finished and run.id not in self._told]
        self._seq += len(step.entries)
        self._told |= {run.id for run in step.runs}
        step.replicas_before, step.notes = before.replicas, self._notes
        return step

    async def _glance(self) -> Step:
        step = Step(setting=await self._longhorn.setting())
        volumes = (await self._longhorn.call("GET", "/v1/volumes"))["data"] or []
        step.volume = next((volume for volume in volumes if volume["name"] == VOLUME), None)
        if step.volume is not None:
            step.replicas = frozenset((r["name"], r["hostId"]) for r in step.volume["replicas"] or [])
            step.protected = await self._longhorn.protected(VOLUME)
            step.backups = tuple(sorted(backup["name"] for backup in await self._longhorn.backups(VOLUME)))
        step.schedules = tuple(sorted(self._daemon.schedules()))
        return step

    # What the steps are made of

    async def _attach(self, node: str) -> None:
        """As somebody does in Longhorn's own page: without an id, the frontend enabled."""
        await self._longhorn.act(VOLUME, "attach", hostId=node, disableFrontend=False)
        await self._longhorn.in_state(VOLUME, "attached", robustness="healthy")

    async def _detach(self) -> None:
        await self._longhorn.act(VOLUME, "detach", attachmentID="")
        await self._longhorn.at_rest(VOLUME)

    async def _job(self, cron: str, **more: str) -> None:
        await self._daemon.reload(policy("job", cron, **more))
        await self._daemon.scheduled(VOLUME, "job")

    async def _delete_job(self) -> None:
        """Remove the policy, and let the next due times pass."""
        await self._daemon.reload()

        async def gone() -> bool:
            return not self._daemon.schedules() and all(run.finished for run in self._daemon.runs())

        await until("the schedule to be removed", gone)
        self._notes["seq"] = await self._longhorn.seq()
        await self.stage.passes(self.stage.clock.now() + timedelta(minutes=2, seconds=5))

    async def _next_runs(self, count: int) -> None:
        """Wait until so many runs have ended that no step has told of."""

        async def look() -> bool:
            return len(self._news()) >= count

        await until(f"{count} more runs to end", look)

    def _news(self) -> list[Run]:
        runs = self._daemon.runs()
        return [r for r in runs if r.finished and r.id not in self._told and r.outcome is not Outcome.SKIPPED]

    async def _run_begins(self) -> None:

        async def look() -> bool:
            return bool(await self._longhorn.ours("ticket-satisfied", VOLUME, since=self._seq))

        await until("the policy's run to have the volume", look)

    # Steps 1 to 11: no backup while the setting is off, one while it is on, and none without new data

    async def _step_1(self) -> None:
        await self._longhorn.allow(False)

    async def _step_2(self) -> None:
        # one replica from the start: step 22 asks for one
        body = {"name": VOLUME, "size": str(4 * 1024 * MIB), "numberOfReplicas": 1}
        await self._longhorn.call("POST", "/v1/volumes", body)
        await self._longhorn.in_state(VOLUME, "detached")

    async def _step_3(self) -> None:
        await self._attach("node-1")
        await self._longhorn.write(VOLUME, 8 * MIB)

    async def _step_4(self) -> None:
        await self._detach()

    async def _step_5(self) -> None:
        await self._job(EVERY_MINUTE)

    async def _step_6(self) -> None:
        await self._next_runs(2)

    async def _step_7(self) -> None:
        await self._longhorn.allow(True)

    async def _step_8(self) -> None:
        await self._run_begins()

    async def _step_9(self) -> None:
        await self._next_runs(1)

    async def _step_10(self) -> None:
        await self._next_runs(2)

    async def _step_11(self) -> None:
        await self._delete_job()

    # Steps 12 to 20: a pod waits for the backup

    async def _step_12(self) -> None:
        await self._longhorn.call("POST", f"/sim/volumes/{VOLUME}/pvc", {"namespace": "shop", "pvc": "data"})

    async def _step_13(self) -> None:
        await self._longhorn.start_pod(VOLUME, "node-1")
        await self._longhorn.pod_runs()

    async def _step_14(self) -> None:
        await self._longhorn.write(VOLUME, GB)

    async def _step_15(self) -> None:
        await self._longhorn.stop_pod()
        await self._longhorn.at_rest(VOLUME)

    async def _step_16(self) -> None:
        # the pod of step 17 stays: without this its volume, attached and in use, is backed up each time
        await self._longhorn.slow_backups(VOLUME, 60.0)  # in which the pod is started
        await self._job(EVERY_TWO_MINUTES, skip_unchanged_attached="true")

    async def _step_17(self) -> None:
        await self._run_begins()
        await self._longhorn.start_pod(VOLUME, "node-1")

    async def _step_18(self) -> None:
        await self._next_runs(1)
        await self._longhorn.pod_runs()
        await self._daemon.finished()

    async def _step_19(self) -> None:
        await self._next_runs(2)

    async def _step_20(self) -> None:
        await self._delete_job()

    # Steps 21 to 31: nothing moves for a backup

    async def _step_21(self) -> None:
        await self._longhorn.stop_pod()
        await self._longhorn.at_rest(VOLUME)
        await self._longhorn.act(VOLUME, "updateDataLocality", dataLocality="best-effort")

    async def _step_22(self) -> None:
        await self._longhorn.act(VOLUME, "updateReplicaCount", replicaCount=1)

    async def _step_23(self) -> None:
        await self._attach("node-1")

        async def look() -> bool:
            replicas = (await self._longhorn.volume(VOLUME))["replicas"]
            return [(r["hostId"], r["mode"]) for r in replicas] == [("node-1", "RW")]

        await until("one replica, on node-1", look)

    async def _step_24(self) -> None:
        await self._longhorn.write(VOLUME, 200 * MB)

    async def _step_25(self) -> None:
        await self._detach()

    async def _step_26(self) -> None:
        await self._longhorn.act(VOLUME, "updateDataLocality", dataLocality="disabled")

    async def _step_27(self) -> None:
        await self._attach("node-2")

    async def _step_28(self) -> None:
        await self._detach()

    async def _step_29(self) -> None:
        await self._job(EVERY_MINUTE)

    async def _step_30(self) -> None:
        await self._next_runs(1)

    async def _step_30_cordoned(self) -> None:
        await self._again("node-1")

    async def _step_30_best_effort(self) -> None:
        await self._longhorn.act(VOLUME, "updateDataLocality", dataLocality="best-effort")
        await self._again("node-1")

    async def _again(self, cordoned: str) -> None:
        """Data is written on node-1 once more, which is cordoned before the next run."""
        await self._daemon.reload()
        await self._daemon.finished()
        await self._longhorn.node(cordoned, cordoned=False)
        await self._attach("node-1")
        await self._longhorn.write(VOLUME, 8 * MIB, GB + 8 * MIB * len(self._played))
        await self._detach()
        await self._longhorn.node(cordoned, cordoned=True)
        await self._longhorn.polled()
        self._told |= {run.id for run in self._daemon.runs()}
        self._notes["seq"] = await self._longhorn.seq()
        await self._job(EVERY_MINUTE)
        await self._next_runs(1)

    async def _step_31(self) -> None:
        await self._longhorn.allow(True)


def left(volume: Any) -> tuple[str, dict[str, Any]]:
    """State and tickets of a volume."""
    return volume["state"], tickets(volume)
