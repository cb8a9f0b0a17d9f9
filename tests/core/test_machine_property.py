"""No order of looks, requests, crashes and other people's deeds breaks what a run promises.

The loop of `engine/runner.py` is walked by hand here, one look and one act at a time, against `longhorn_model`, so that
everything can happen between any two of its lines. What must hold is checked where it could break.
"""

import os
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lhbackupd.core.admission import admit
from lhbackupd.core.cluster import Fault, FaultKind, Setting, Target, Volume
from lhbackupd.core.commands import AskBackup, Attach, Command, CreateSnapshot, Detach, DropBackup, Seen
from lhbackupd.core.evidence import Evidence, Lookout, Trail, at_rest
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.holding import ASK_AGAIN
from lhbackupd.core.machine import EDGES, decide, views
from lhbackupd.core.model import Detached, Keep, Limits, Mode, Now, Outcome, Phase, Policy, Run
from lhbackupd.core.naming import LABEL_RUN, made_by
from lhbackupd.core.placement import places
from lhbackupd.core.protection import Protection
from lhbackupd.core.retention import expired, verdicts
from lhbackupd.core.retry import Retry, successor

from .examples import ORIGIN, detached, made, nodes
from .longhorn_model import Backup, Longhorn, Ticket

POLICIES = {
    "nightly": Policy(name="nightly", cron="0 2 * * *", keep=Keep(last=1), no_touch=timedelta(days=7)),
    "weekly": Policy(name="weekly", cron="0 3 * * 0", detached=Detached.ALWAYS, keep=Keep(last=2), give_way_after=0),
}
SHADOWS = {f"shadow {name}": name for name in POLICIES}
OUR_PREFIX = "lhbackupd:"
Crash = Literal["", "before save", "after save", "after act"]
Trouble = Literal[
    "", "blind", "half blind", "cut, undone", "cut, done", "cut, late", "cut, very late", "refused", "unheard"
]
#: what Longhorn itself labels every completed backup with (recording 247)
BY_HAND = {"longhorn.io/volume-access-mode": "rwo"}
UNREACHABLE = Fault(FaultKind.UNREACHABLE, "connection refused")
CUT = Fault(FaultKind.UNREACHABLE, "timed out", ambiguous=True)
REFUSED = Fault(FaultKind.REFUSED, "500: internal error")


class OneVolume(RuleBasedStateMachine):
    """Two policies on one volume that many hands are on."""

    def __init__(self) -> None:
        super().__init__()
        self.longhorn = Longhorn()
        self.journal: dict[str, Run] = {}
        #: what the process holds of the run that it drives: the run, since when idle, the last answer
        self.active: tuple[Run, float, Fault | None] | None = None
        self.policies = dict(POLICIES)
        self.setting = Setting.ALLOWED
        self.target_up = True
        self.stopping = False
        self.journal_down = False
        self.refused_write = False
        #: runs that an operator has called off: written down before it is answered, so that no crash takes it back
        self.called_off: set[str] = set()
        self.paused = False
        #: everything speaks for it that nobody has touched the volume
        self.untouched = False
        self.counter = 0
        #: runs whose request may take effect long after it was made
        self.excused: set[str] = set()

    # the daemon

    @initialize(policy=st.sampled_from(sorted(POLICIES)), written=st.booleans())
    def a_volume_and_a_first_run(self, policy: str, written: bool) -> None:
        if written:
            self.longhorn.write(-2)
        self.a_policy_is_due(policy, 0)

    @rule(policy=st.sampled_from(sorted(POLICIES)), steps=st.integers(0, 9))
    def a_policy_is_due(self, policy: str, steps: int) -> None:
        busy = any(run.policy == policy and not run.finished for run in self.journal.values())
        if busy or self.stopping or self.journal_down or policy not in self.policies:
            return
        self.counter += 1
        now = self.longhorn.wall()
        run = Run(id=f"r{self.counter}", policy=policy, volume="vol", due=now, queued_at=now)
        self.journal[run.id] = run
        self.the_daemon_works_undisturbed(steps, 1)

    @rule(turns=st.integers(1, 4))
    def the_daemon_goes_on(self, turns: int) -> None:
        self.the_daemon_works_undisturbed(turns, 1)

    @rule(trouble=st.sampled_from(Trouble.__args__), crash=st.sampled_from(Crash.__args__), times=st.integers(1, 4))  # type: ignore[attr-defined]
    def the_daemon_looks_and_acts(self, trouble: Trouble, crash: Crash, times: int) -> None:
        for _ in range(times):
            self._turn(trouble, crash)
            self.longhorn.pass_time(1)

    @precondition(lambda self: any(not run.finished for run in self.journal.values()))
    @rule(data=st.data())
    def an_operator_cancels_a_run(self, data: st.DataObject) -> None:
        open_runs = sorted(run.id for run in self.journal.values() if not run.finished)
        self.called_off.add(data.draw(st.sampled_from(open_runs)))

    @rule()
    def an_operator_pauses_or_resumes(self) -> None:
        self.paused = not self.paused

    @rule()
    def something_speaks_for_leaving_it_alone_or_against_it(self) -> None:
        self.untouched = not self.untouched

    @rule(steps=st.integers(5, 30), pause=st.integers(0, 4))
    def the_daemon_works_undisturbed(self, steps: int, pause: int) -> None:
        for _ in range(steps):
            self._turn()
            self.longhorn.pass_time(pause)

    def _turn(self, trouble: Trouble = "", crash: Crash = "") -> None:
        """One round of the runner's loop, or letting a run in."""
        if self.active is None and not self._let_in():
            return
        assert self.active is not None
        run, began, answer = self.active
        seen = self._see(run, answer, trouble)
        now = Now(wall=self.longhorn.wall(), idle=self.longhorn.time - began)
        after, command = decide(run, seen, now, self.policies.get(run.policy), ORIGIN)
        self._check_move(run, after, command, seen, now)
        if crash == "before save":
            self.active = None
            return
        gives_back = after.phase in {Phase.DETACHING, Phase.FINISHED}
        self.refused_write = False
        needed = not after.backup or isinstance(command, Attach)
        if not gives_back and after != run and self.journal_down and needed:
            after, command, self.refused_write = run, None, True
        elif not self.journal_down and not after.finished:
            self.journal[after.id] = after
        if crash == "after save" and not gives_back:
            self.active = None
            return
        answer = self._act(after, command, trouble) if command else None
        if crash == "after act":
            self.active = None
            return
        self._go_on(run, after, began, answer, seen)

    def _go_on(self, run: Run, after: Run, began: float, answer: Fault | None, seen: Seen) -> None:
        if after.finished:
            if self.journal_down:
                return  # it ends when the journal takes it
            self.journal[after.id] = after
            self._check_called_off(after)
            self._follow(after)
            self.active = None
            return
        handed_over = after.phase is Phase.BACKING_UP and after.backup and seen.volume is not None
        if handed_over and self.stopping and seen.volume and seen.volume.ticket(after.ticket) is None:
            self.active = None
            return
        if after.phase is Phase.QUEUED:
            self.active = None
            return
        self.active = (after, self.longhorn.time if after.mark != run.mark else began, answer)

    def _follow(self, run: Run) -> None:
        if follows := successor(run, Now(wall=self.longhorn.wall()), Retry(), None):
            assert follows.id not in self.journal
            assert run.id not in self.called_off, "tried again although it was called off"
            self.journal[follows.id] = follows
        policy = self.policies.get(run.policy)
        if run.outcome is Outcome.COMPLETED and policy is not None:
            gone = expired(
                verdicts(
                    self.longhorn.listed(), volume="vol", policy=run.policy, origin=ORIGIN, keep=policy.keep, zone=UTC
                )
            )
            for each in [b for b in self.longhorn.backups if b.name in {g.backup.name for g in gone}]:
                done = [b for b in self.longhorn.backups if b.state == "Completed"]
                own = [b for b in done if made_by(b.labels, policy=run.policy, origin=ORIGIN)]
                assert each in own, "retention touches what others made"
                assert each.number < max(b.number for b in own), "retention deletes the newest of the policy"
                assert each.number < max(b.number for b in done), "retention deletes the newest of the volume"
                self.longhorn.delete_backup(each)

    def _let_in(self) -> bool:
        """Carry on what the journal holds, or start what waits, with leave from `admit`."""
        for run in self.journal.values():
            if run.phase not in {Phase.QUEUED, Phase.FINISHED}:
                self.active = (run, self.longhorn.time, None)
                return True
        now = self.longhorn.wall()
        ready = [r for r in self.journal.values() if not r.finished and (r.not_before is None or r.not_before <= now)]
        if self.stopping or self.journal_down or not ready:
            return False
        run = min(ready, key=lambda r: (r.due, r.id))
        self.active = (run, self.longhorn.time, None)
        return True

    def _see(self, run: Run, answer: Fault | None, trouble: Trouble) -> Seen:
        seen = Seen(fault=UNREACHABLE) if trouble == "blind" else self.longhorn.look(run)
        if trouble == "half blind" and views(run, seen.volume):
            seen = replace(seen, chain=None, snapshot=None, fault=UNREACHABLE)
        volumes: dict[str, Volume] = {"vol": seen.volume} if seen.volume else {}
        given = admit([run], (), volumes=volumes, nodes=nodes("node-1", "node-2"), limits=Limits())
        return replace(
            seen,
            answer=answer,
            setting=self.setting,
            target=Target(name="default", available=self.target_up),
            slot=given.slots.get(run.id),
            places=places(seen.volume, nodes("node-1", "node-2")) if seen.volume else None,
            paused="paused" if self.paused else "",
            cancelled=run.id in self.called_off,
            evidence=self._evidence(run) if self.untouched else None,
            stopping=self.stopping,
            journal_down=self.refused_write,
        )

    def _evidence(self, run: Run) -> Evidence:
        """That nobody has touched the volume: what is decided on it must not claim more, true or not."""
        now, day = self.longhorn.wall(), timedelta(days=1)
        return Evidence(
            word=Protection(policy=run.policy, volume="vol", last_check=now, attached_at=now, let_alone=1),
            known=Exposure(policy=run.policy, volume="vol", born=now - day, clear=now),
            trail=Trail(rest=at_rest(detached()), ours=now),
            lookout=Lookout(since=now - day, last=now),
        )

    def _act(self, run: Run, command: Command, trouble: Trouble) -> Fault | None:
        match trouble:
            case "unheard":
                return UNREACHABLE
            case "refused":
                return REFUSED
            case "cut, undone":
                return CUT
            case "cut, late" | "cut, very late" if isinstance(command, CreateSnapshot | AskBackup):
                delay = 5 if trouble == "cut, late" else ASK_AGAIN + 25
                if trouble == "cut, very late":
                    self.excused.add(run.id)
                self.longhorn.late.append((self.longhorn.time + delay, command))
                return CUT
            case _:
                fault = self.longhorn.act(command)
                return CUT if trouble == "cut, done" and fault is None else fault

    # what must hold at every move

    def _check_move(self, run: Run, after: Run, command: Command | None, seen: Seen, now: Now) -> None:
        assert after.phase is run.phase or (run.phase, after.phase) in EDGES, (run.phase, after.phase)
        assert (after.outcome is not None) == (after.phase in {Phase.DETACHING, Phase.FINISHED})
        if after.finished and after.ticket:
            assert seen.volume or not seen.fault, "ended without knowing whether our ticket is gone"
            assert seen.volume is None or seen.volume.ticket(after.ticket) is None, "ended while our ticket is there"
        if run.phase is Phase.ATTACHING and after.phase is Phase.INSPECTING:
            own = seen.volume.ticket(after.ticket) if seen.volume else None
            assert own is not None
            assert own.satisfied, "called attached while our ticket is not satisfied"
        self._check_command(run, after, command, seen)
        if after.outcome is not run.outcome:
            self._check_outcome(after, seen, now)

    def _check_command(self, run: Run, after: Run, command: Command | None, seen: Seen) -> None:
        volume = seen.volume
        policy = self.policies.get(run.policy)
        if policy is not None and policy.mode is Mode.SHADOW:
            begun = bool(run.ticket or run.snapshot or run.asked_at)
            assert command is None or (begun and (isinstance(command, Detach) or after.former)), "a shadow touched it"
        match command:
            case Attach(ticket=name):
                assert name == after.ticket
                assert volume is not None
                if after.former:
                    assert volume.ticket(after.former) is not None, "renewed a ticket that we no longer have"
                    return
                assert volume.plainly_detached
                assert self.setting is Setting.ALLOWED or run.policy == "weekly"
                assert self.target_up
            case Detach(ticket=name):
                assert name in {after.ticket, after.former}
                assert name.startswith(OUR_PREFIX)
            case DropBackup(backup=backup):
                self._check_dropped(after, backup)
            case CreateSnapshot() | AskBackup():
                assert volume is not None
                assert volume.attached
                if after.ticket:
                    # while it is renewed the former one holds the volume
                    own = [ticket for ticket in volume.tickets if ticket.id in {after.ticket, after.former}]
                    assert any(ticket.satisfied for ticket in own)
                if isinstance(command, AskBackup):
                    assert seen.backups is not None, "asked without having looked"
                else:
                    self._check_deleted(command.delete)
            case None:
                pass

    def _check_dropped(self, after: Run, name: str) -> None:
        for backup in self.longhorn.backups:
            if backup.name == name:
                # a request of ours that was lost, and somebody else's of that very snapshot: nothing tells them apart
                lost = backup.snapshot == after.snapshot and after.id not in {
                    each.labels.get(LABEL_RUN) for each in self.longhorn.backups
                }
                assert backup.labels.get(LABEL_RUN) == after.id or lost, "not a backup of this run"
                assert after.outcome in {Outcome.YIELDED, Outcome.FAILED, Outcome.CANCELLED}
                assert backup.running, "a completed backup is deleted"

    def _check_called_off(self, run: Run) -> None:
        """Of a run that says it was called off nothing is left behind: no backup, running or completed."""
        if run.outcome is Outcome.CANCELLED and self.longhorn.exists and run.id not in self.excused:
            own = [b for b in self.longhorn.backups if b.labels.get(LABEL_RUN) == run.id]
            assert not [b for b in own if b.running or b.state == "Completed"]

    def _check_deleted(self, names: tuple[str, ...]) -> None:
        for name in names:
            labels = self.longhorn.snapshots[name].labels
            assert made_by(labels, policy=labels["lhbackupd.io/policy"], origin=ORIGIN), "not a snapshot of ours"
        needed = {b.snapshot for b in self.longhorn.backups if b.running}
        for policy in POLICIES:
            if last := self._last(policy):
                needed.add(last.snapshot)
        assert not needed & set(names), "a snapshot is deleted that the next backup needs"

    def _check_outcome(self, run: Run, seen: Seen, now: Now) -> None:
        if run.outcome is Outcome.COMPLETED:
            done = [b for b in self.longhorn.backups if b.name == run.backup]
            assert [b.state for b in done] == ["Completed"]
            assert done[0].labels.get(LABEL_RUN) == run.id, "somebody else's backup is called ours"
            assert done[0].snapshot == run.snapshot
            assert run.protected_until is not None
            assert run.protected_until <= now.wall
        if run.outcome is Outcome.NOT_INSPECTED:
            assert self.untouched
            assert seen.volume is not None
            assert seen.volume.plainly_detached
            assert (run.ticket, run.protected_until, run.backup, run.entered.keys()) == ("", None, "", {"finished"})
        if run.outcome is Outcome.SHADOWED:
            assert run.protected_until is None
            assert not run.backup
        if run.outcome is Outcome.UNCHANGED:
            assert not seen.fault
            last = self._last(run.policy)
            assert self.longhorn.attached
            assert run.ticket or self.longhorn.frontend_disabled, "a live volume is never unchanged"
            held = 0 if last is None else last.content
            assert held == self.longhorn.head_content, "data called protected that is in no backup"

    def _last(self, policy: str) -> Backup | None:
        own = (b for b in self.longhorn.backups if b.state == "Completed")
        mine = [b for b in own if made_by(b.labels, policy=policy, origin=ORIGIN)]
        return max(mine, key=lambda b: b.number, default=None)

    # time and trouble

    @rule(seconds=st.sampled_from([1, 2, 5, 16, 60, 400, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.longhorn.pass_time(seconds)

    @rule(
        what=st.sampled_from(
            ["kill", "stop", "journal", "target", "deleted", "grown", *sorted(POLICIES), *SHADOWS, *Setting]
        )
    )
    def circumstances_change(self, what: str) -> None:
        match what:
            case "kill":
                self.active = None
            case "stop":
                self.stopping = not self.stopping
                self.active = self.active if self.stopping else None
            case "journal":
                self.journal_down = not self.journal_down
            case "target":
                self.target_up = not self.target_up
            case "deleted":
                (self.longhorn.delete_volume if self.longhorn.exists else self.longhorn.create_volume)()
            case "grown":
                self.longhorn.size += 4096
            case Setting():
                self.setting = what
            case _ if what in SHADOWS:  # it becomes one, or active again
                if policy := self.policies.get(SHADOWS[what]):
                    mode = Mode.ACTIVE if policy.mode is Mode.SHADOW else Mode.SHADOW
                    self.policies[policy.name] = replace(policy, mode=mode)
            case _:  # a policy is removed, or configured again
                if self.policies.pop(what, None) is None:
                    self.policies[what] = POLICIES[what]

    # other hands

    @precondition(lambda self: self.longhorn.exists)
    @rule(
        who=st.sampled_from([("csi-1", "csi-attacher"), ("ui", "longhorn-api")]),
        node=st.sampled_from(["node-1", "node-2"]),
        frontend_disabled=st.booleans(),
    )
    def somebody_asks_for_the_volume_or_lets_go(self, who: tuple[str, str], node: str, frontend_disabled: bool) -> None:
        name, kind = who
        if self.longhorn.tickets.pop(name, None) is None:
            off = frontend_disabled and kind == "longhorn-api"
            self.longhorn.tickets[name] = Ticket(name, kind, node, frontend_disabled=off)

    @precondition(lambda self: self.longhorn.attached)
    @rule(crash=st.booleans())
    def the_engine_crashes_or_somebody_detaches_everybody(self, crash: bool) -> None:
        if crash:
            self.longhorn.state, self.longhorn.until = "detaching", self.longhorn.time + 2
        else:
            self.longhorn.tickets.clear()

    @precondition(lambda self: self.longhorn.exists)
    @rule()
    def data_is_written(self) -> None:
        """By whoever has it attached, or by a workload that came and went while nobody looked."""
        quiet = self.longhorn.state == "detached" and not self.longhorn.tickets
        if quiet or (self.longhorn.attached and not self.longhorn.frontend_disabled):
            self.counter += 1
            self.longhorn.write(self.counter)

    @precondition(lambda self: self.longhorn.attached and self.longhorn.snapshots)
    @rule(data=st.data(), revert=st.booleans())
    def the_volume_is_reverted_or_a_snapshot_purged(self, data: st.DataObject, revert: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.longhorn.snapshots)))
        (self.longhorn.revert if revert else self.longhorn.remove)(name)

    @precondition(lambda self: self.longhorn.attached)
    @rule(back_up=st.booleans())
    def a_native_job_takes_a_snapshot(self, back_up: bool) -> None:
        self.counter += 1
        name = f"native-{self.counter}"
        self.longhorn.snapshot(name, {"RecurringJob": "native"})
        if back_up:
            self.longhorn.back_up(name, {"RecurringJob": "native"})

    @precondition(lambda self: self.longhorn.snapshots)
    @rule(data=st.data())
    def somebody_backs_up_a_snapshot(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.longhorn.snapshots)))
        self.longhorn.back_up(name, data.draw(st.sampled_from([BY_HAND, {**BY_HAND, "RecurringJob": "native"}])))

    @rule(policy=st.sampled_from(sorted(POLICIES)))
    def a_twin_completes_a_backup(self, policy: str) -> None:
        self.longhorn.made += 1
        from_twin = {**made(policy, "twin"), "lhbackupd.io/origin": "an0ther"}
        backup = Backup(
            f"backup-{self.longhorn.made}", self.longhorn.made, "twins", -1, self.longhorn.time, from_twin,
            self.longhorn.size, self.longhorn.time, "Completed", 100,
        )  # fmt: skip
        self.longhorn.backups.append(backup)

    @precondition(lambda self: any(b.running for b in self.longhorn.backups))
    @rule(what=st.sampled_from(["Error", "Unknown", "stuck"]))
    def a_running_backup_goes_wrong(self, what: str) -> None:
        backup = next(b for b in self.longhorn.backups if b.running)
        if what == "stuck":
            backup.stuck = True
        else:
            self.longhorn._end(backup, what)

    @precondition(lambda self: self.longhorn.backups)
    @rule(data=st.data())
    def somebody_deletes_a_backup(self, data: st.DataObject) -> None:
        self.longhorn.delete_backup(data.draw(st.sampled_from(self.longhorn.backups)))

    # what must hold always

    @invariant()
    def every_ticket_of_ours_is_of_a_run_that_is_not_over(self) -> None:
        unfinished = [run for run in self.journal.values() if not run.finished]
        if self.active is not None:
            unfinished.append(self.active[0])
        live = {ticket for run in unfinished for ticket in (run.ticket, run.former)}
        for name in self.longhorn.tickets:
            assert not name.startswith(OUR_PREFIX) or name in live

    @invariant()
    def no_run_makes_two_backups(self) -> None:
        for run in self.journal.values():
            own = [b for b in self.longhorn.backups if b.labels.get(LABEL_RUN) == run.id]
            assert len(own) <= 1 or run.id in self.excused

    def teardown(self) -> None:
        """With Longhorn healthy and time to spare every run ends, and nothing of ours holds the volume."""
        self.stopping = self.journal_down = self.paused = False
        self.target_up, self.setting, self.active = True, Setting.ALLOWED, None
        for backup in self.longhorn.backups:
            backup.stuck = False
        for _ in range(400):
            if all(run.finished for run in self.journal.values()):
                break
            self._turn()
            self.longhorn.pass_time(3)
        over = [run for run in self.journal.values() if not run.finished]
        assert not over, f"never ended: {over[0].phase}, {over[0].reason}"
        assert not [name for name in self.longhorn.tickets if name.startswith(OUR_PREFIX)]
        self.every_ticket_of_ours_is_of_a_run_that_is_not_over()
        self.no_run_makes_two_backups()


PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")

TestOneVolume = pytest.mark.timeout(300 if PROFILE == "ci" else 0)(OneVolume.TestCase)
TestOneVolume.settings = settings.get_profile(PROFILE)
