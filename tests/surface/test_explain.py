"""What is said of one volume."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest

from lhbackupd.assembly import Worker
from lhbackupd.core.cluster import Backup, Chain, Engine, Fault, FaultKind, Pod, Replica, Setting, Snapshot, Volume
from lhbackupd.core.exposure import Exposure
from lhbackupd.core.model import Detached, Exclude, Keep, Match, Mode, Outcome, Policy
from lhbackupd.core.recurring import membership
from lhbackupd.engine.closeup import CloseUp
from lhbackupd.surface.answers import Answers
from lhbackupd.surface.explain import Unknown, explain, why
from lhbackupd.surface.explanation import Explanation
from tests.surface.house import HOURLY, NIGHTLY, NOON, ORIGIN, TODAY, House, ended, queued, volume

OURS = {"lhbackupd.io/policy": "nightly", "lhbackupd.io/origin": ORIGIN.journal, "lhbackupd.io/run": "r"}


def placed(name: str, **fields: Any) -> Volume:
    return volume(name, replicas=(Replica(name="r", node="node-1"),), **fields)


def backup(name: str, *, days: float, **fields: Any) -> Backup:
    made = NOON - timedelta(days=days)
    known: dict[str, Any] = {"volume": "pvc-a", "snapshot": f"s-{name}", "state": "Completed", "labels": OURS}
    return Backup(**(known | {"name": name, "created": made, "snapshot_created": made, "volume_size": 2**30} | fields))


def said(house: House, **seen: Any) -> Explanation:
    made = explain(house.sources, "pvc-a", CloseUp(**({"backups": ()} | seen)))
    assert msgspec.json.decode(msgspec.json.encode(made), type=Explanation) == made
    return made


def test_policies_say_whether_they_are_for_it_and_why(house: House) -> None:
    house.has(placed("pvc-a"))
    house.has(placed("pvc-db"), policy=HOURLY)
    nightly, hourly = said(house).policies
    assert (nightly.applies, nightly.why) == (True, "namespace = ['shop'] fits")
    assert (hourly.applies, hourly.why, hourly.standing) == (False, "name = ['pvc-db'] does not fit", None)


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (Match(), "it is for all volumes"),
        (Match(name=("pvc-*",), group=("gold",)), "group = ['gold'] hangs on groups not read yet"),
        (Match(name=("pvc-*",), pvc=("a",)), "name = ['pvc-*'], pvc = ['a'] fits"),
        (Match(name=("x",), group=("gold",)), "name = ['x'] does not fit"),
    ],
)
def test_each_key_of_a_match_is_asked_about_alone(match: Match, words: str) -> None:
    assert why(match, volume("pvc-a"), None) == words


def test_runs_are_told_with_the_times_of_their_phases(house: House) -> None:
    house.has(placed("pvc-a"))
    house.keeper.waiting["y"] = queued("pvc-a", reason="waits for one of 1 places on node-1 (limits.per_node)")
    made = said(house, runs=(ended("pvc-a", Outcome.COMPLETED, "100 bytes"),))
    (run,) = made.finished
    assert [(one.phase, one.seconds) for one in run.phases] == [
        ("queued", 1),
        ("attaching", 7),
        ("backing-up", 22),
        ("detaching", 10),
    ]
    assert [(run.reason, run.phases) for run in made.unfinished] == [
        ("waits for one of 1 places on node-1 (limits.per_node)", ())
    ]


def test_a_volume_that_nobody_backs_up_is_not_fine_nor_is_one_that_fails(house: House) -> None:
    house.look(volumes={"pvc-a": placed("pvc-a", pvc_namespace="dev")})
    assert not said(house).fine
    house.has(placed("pvc-a"))
    assert not said(house).fine
    house.knows(ended("pvc-a", Outcome.SUSPENDED))
    assert said(house).fine
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    assert said(house).fine
    house.knows(ended("pvc-a", Outcome.FAILED))
    assert not said(house).fine


def test_a_volume_is_not_fine_exactly_when_status_would_say_so(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, rpo=timedelta(hours=26)))
    house.knows(ended("pvc-a", Outcome.SUSPENDED))
    since = NOON - timedelta(hours=27)
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=TODAY, since=since, sign="attached"))
    assert not said(house).fine, "its RPO is violated"
    house.exposed(Exposure(policy="nightly", volume="pvc-a", born=TODAY, clear=NOON))
    house.has(placed("pvc-a"), policy=replace(HOURLY, mode=Mode.SHADOW))
    made = said(house)
    assert made.fine, "a shadow beside the policy that protects it takes nothing away"
    assert made.cover is None


@pytest.mark.parametrize(
    ("cover", "fine", "words"),
    [
        ({"excludes": (Exclude(match=Match(name=("pvc-a",)), reason="scratch"),)}, True, "excluded: scratch"),
        ({"policies": {"nightly": replace(NIGHTLY, mode=Mode.SHADOW)}}, False, "only as a shadow"),
        ({}, False, "no policy matches it"),
    ],
)
def test_a_volume_without_a_policy_is_fine_if_that_is_meant(house: House, cover: Any, fine: bool, words: str) -> None:
    house.look(volumes={"pvc-a": placed("pvc-a")}, groups={"pvc-a": membership()})
    house.keeper.rules = replace(house.keeper.rules, **{"policies": {}, **cover})
    house.settle()
    made = said(house)
    assert made.cover is not None
    assert words in made.cover.reason
    assert made.fine is fine


@pytest.mark.parametrize(
    ("policy", "changes", "setting", "words"),
    [
        (NIGHTLY, {}, Setting.UNREAD, "it waits until Longhorn's setting can be read"),
        (NIGHTLY, {}, Setting.FORBIDDEN, "is false"),
        (replace(NIGHTLY, detached=Detached.ALWAYS), {"standby": True}, Setting.UNREAD, "standby"),
        (NIGHTLY, {}, Setting.ALLOWED, ""),
    ],
)
def test_why_a_run_would_not_back_it_up_now(
    house: House, policy: Policy, changes: Any, setting: Setting, words: str
) -> None:
    house.has(placed("pvc-a", **changes), policy=policy)
    house.look(setting=setting)
    (word,) = said(house).policies
    assert words in word.barred
    assert bool(word.barred) is bool(words)


def test_under_no_touch_it_is_said_what_lets_it_alone_or_why_it_is_inspected(house: House) -> None:
    policy = replace(NIGHTLY, no_touch=timedelta(days=7))
    house.has(placed("pvc-a"), policy=policy)
    (word,) = said(house).policies
    assert word.no_touch.startswith("its next run inspects it: no inspection by an attach of ours")
    house.let_alone("pvc-a")
    explained = said(house)
    (word,) = explained.policies
    assert word.no_touch.startswith(
        "let alone: no attach but ours in Longhorn's events, which were last looked at 2026-10-22"
    )
    assert word.no_touch.endswith("; to be inspected again by 2026-10-29 02:00 UTC")
    assert explained.fine
    house.has(placed("pvc-a"), policy=NIGHTLY)
    assert [word.no_touch for word in said(house).policies] == [""]


def test_new_data_of_an_attached_volume_is_looked_at(house: House) -> None:
    live = placed(
        "pvc-a",
        state="attached",
        engines=(Engine(node="node-1", running=True),),
        pods=(Pod(name="db-0", status="Running"),),
    )
    house.has(live)
    house.knows(ended("pvc-a", Outcome.COMPLETED, protected_until=TODAY))
    chain = Chain(
        {
            "volume-head": Snapshot(name="volume-head", parent="s-b1", size=8192),
            "s-b1": Snapshot(name="s-b1", parent="", size=1),
        }
    )
    made = said(house, volume=live, chain=chain, backups=(backup("b1", days=0.5),))
    assert made.state == "attached to node-1, used by db-0"
    assert made.protected_until == TODAY
    (word,) = made.policies
    assert word.new_bytes == 8192
    assert "8192 bytes since backup b1" in word.new
    assert [(choice.node, choice.chosen) for choice in made.nodes] == [("node-1", True)]
    assert said(house, volume=live, faults=("its snapshots could not be read: x",)).policies[0].new_bytes is None


def test_the_next_run_has_its_place_among_all_others(house: House) -> None:
    house.has(placed("pvc-a"), placed("pvc-b"), placed("pvc-c"))
    (run,) = said(house).next
    assert (run.due, run.node) == (TODAY + timedelta(days=1), "node-1")
    other = explain(house.sources, "pvc-c", CloseUp())
    assert other.next[0].start == run.due + timedelta(seconds=26)
    assert other.backups is None


def test_a_run_that_is_due_in_a_month_is_not_foreseen(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, name="yearly", cron="0 0 1 1 *"))
    made = said(house)
    assert made.next == ()
    standing = next(policy.standing for policy in made.policies if policy.applies)
    assert standing
    assert standing.next_due
    assert standing.next_due.year == 2027


def test_retention_has_a_word_for_every_backup(house: House) -> None:
    house.has(placed("pvc-a"), policy=replace(NIGHTLY, keep=Keep(last=1)))
    backups = (
        backup("old", days=3),
        backup("new", days=1),
        backup("failed", days=2, state="Error", labels={}, error="target is full"),
        backup("foreign", days=4, labels={}),
        backup("twin", days=5, labels=OURS | {"lhbackupd.io/origin": "other"}),
        backup("former", days=6, labels=OURS | {"lhbackupd.io/policy": "weekly"}),
        backup("running", days=0, state="InProgress", labels={}, created=None, snapshot_created=None),
    )
    found = said(house, backups=backups).backups
    assert found
    words = {one.name: one.verdict for one in found}
    assert words == {
        "new": "kept: newest of the policy, minimum 1, last 1, newest of the volume",
        "failed": "not completed: target is full",
        "old": "no rule keeps it: it goes after the next completed backup",
        "foreign": "not made by lhbackupd: let alone",
        "twin": "made with journal other, not with ours: let alone",
        "former": "its policy weekly is no longer configured: let alone",
        "running": "not completed",
    }
    assert [one.name for one in found][:3] == ["new", "failed", "old"]
    assert [one.name for one in found if one.expires] == ["old"]
    assert {one.name for one in found if one.ours} == {"old", "new", "former"}


def test_what_could_not_be_read_is_said(house: House) -> None:
    house.look(broken={"pvc-a": "size is no number"}, fault=Fault(FaultKind.UNREACHABLE, "no route to host"))
    made = said(house, faults=("its backups could not be read: no",), backups=None)
    assert made.faults == ("its backups could not be read: no", "the last poll: no route to host")
    assert (made.state, made.nodes, made.size) == ("size is no number", (), 0)
    assert made.policies[0].why == "Longhorn does not list it"


async def test_a_name_that_is_unknown_is_compared_with_others_off_the_loop(house: House) -> None:
    class Watched(dict[str, Volume]):
        """Knows which threads have gone through it."""

        def keys(self) -> Any:
            by.add(threading.current_thread())
            return super().keys()

        def __iter__(self) -> Iterator[str]:
            by.add(threading.current_thread())
            return super().__iter__()

    by: set[threading.Thread] = set()
    house.has(volume("pvc-a"), volume("pvc-b"))
    house.look(volumes=Watched(house.inventory.picture.volumes))
    worker, nothing = Worker("reader"), cast("Any", None)
    answers = Answers(
        sources=lambda: house.sources,
        report=nothing,
        longhorn=nothing,
        journal=nothing,
        offload=worker,
        foresight=nothing,
    )
    by.clear()
    with pytest.raises(Unknown, match="no volume pvc-c; do you mean pvc-b or pvc-a"):
        await answers.explain("pvc-c")
    worker.close()
    assert by
    assert threading.current_thread() not in by
