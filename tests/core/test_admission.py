"""Who may start, who waits, and what the waiting are told."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.admission import Admission, Slot, admit
from lhbackupd.core.cluster import Engine, Node, Replica, Volume
from lhbackupd.core.model import Limits, Phase, Run

from .examples import T0, attached, detached, nodes, run

THREE = nodes("node-1", "node-2", "node-3")


def volume(name: str, *homes: str, **changes: object) -> Volume:
    return detached(name=name, replicas=tuple(Replica(name=home, node=home) for home in homes), **changes)


def waiting(name: str, on: str | None = None, *, due: float = 0) -> Run:
    return run(id=name, volume=on or name, due=T0 + timedelta(seconds=due))


def ask(
    runs: list[Run],
    volumes: list[Volume],
    active: tuple[Run, ...] = (),
    limits: Limits = Limits(),  # noqa: B008 -- frozen
    where: dict[str, Node] = THREE,
) -> Admission:
    return admit(runs, active, volumes={v.name: v for v in volumes}, nodes=where, limits=limits)


def test_a_run_gets_its_volumes_node_and_target() -> None:
    given_out = ask([waiting("a")], [volume("a", "node-2", backup_target="second")])
    assert given_out.slots == {"a": Slot(node="node-2", target="second")}
    assert not given_out.waits


def test_among_equal_nodes_the_one_with_the_fewest_of_our_runs_is_taken() -> None:
    active = (run(Phase.BACKING_UP, id="x", volume="x", node="node-1"),)
    given_out = ask([waiting("a")], [volume("a", "node-1", "node-2")], active, Limits(per_node=2))
    assert given_out.slots["a"].node == "node-2"


def test_per_node_holds_for_attached_volumes_too() -> None:
    live = attached(name="live", engines=(Engine(node="node-3", running=True),))
    given_out = ask([waiting("live"), waiting("b", due=1)], [live, volume("b", "node-3")])
    assert given_out.slots["live"].node == "node-3"
    assert given_out.waits["b"] == "waits for one of 1 places on node-3 (limits.per_node)"


def test_an_active_live_run_counts_on_the_node_of_its_engine() -> None:
    active = (run(Phase.INSPECTING, id="x", volume="x", node="node-2", ticket=""),)
    assert "node-2" in ask([waiting("a")], [volume("a", "node-2")], active).waits["a"]


def test_the_cluster_limit_holds_over_all_nodes() -> None:
    runs = [waiting(name, due=index) for index, name in enumerate("abc")]
    volumes = [volume("a", "node-1"), volume("b", "node-2"), volume("c", "node-3")]
    given_out = ask(runs, volumes, limits=Limits(cluster=2))
    assert set(given_out.slots) == {"a", "b"}
    assert given_out.waits["c"] == "waits for one of 2 places in the cluster (limits.cluster)"


def test_the_target_limit_holds_for_one_target_alone() -> None:
    volumes = [volume("a", "node-1"), volume("b", "node-2"), volume("c", "node-3", backup_target="second")]
    given_out = ask([waiting("a"), waiting("b", due=1), waiting("c", due=2)], volumes, limits=Limits(per_target=1))
    assert set(given_out.slots) == {"a", "c"}
    assert given_out.waits["b"] == "waits for one of 1 places on backup target default"


def test_never_two_runs_on_one_volume() -> None:
    active = (run(Phase.DETACHING, id="x", volume="a", node="node-3"),)
    assert ask([waiting("r", "a")], [volume("a", "node-1")], active).waits["r"] == "waits for run x of the same volume"
    both = ask([waiting("r", "a"), waiting("s", "a", due=1)], [volume("a", "node-1", "node-2")], limits=Limits())
    assert set(both.slots) == {"r"}
    assert both.waits["s"] == "waits for run r of the same volume"


def test_the_oldest_due_time_comes_first_then_who_has_waited_longest() -> None:
    on_one = [volume(name, "node-1") for name in "abc"]
    given_out = ask([waiting("a", due=5), waiting("b", due=1), waiting("c", due=3)], on_one)
    assert set(given_out.slots) == {"b"}
    again = replace(waiting("a"), queued_at=T0 + timedelta(seconds=9))
    assert set(ask([again, waiting("b")], on_one).slots) == {"b"}


def test_a_volume_that_is_not_listed_waits_for_the_next_look() -> None:
    assert ask([waiting("a")], []).waits == {"a": "waits until Longhorn lists the volume again"}


def test_a_volume_that_can_be_attached_nowhere_says_so() -> None:
    dark = {"node-1": Node(name="node-1", ready=False)}
    assert ask([waiting("a")], [volume("a", "node-1")], where=dark).waits["a"] == "waits: no node is Ready (node-1)"


def test_who_waits_for_several_nodes_is_told_all_of_them() -> None:
    active = tuple(run(Phase.BACKING_UP, id=node, volume=node, node=node) for node in ("node-1", "node-2"))
    words = ask([waiting("a")], [volume("a", "node-1", "node-2")], active).waits["a"]
    assert words == "waits for one of 1 places on node-1 or node-2 (limits.per_node)"


@given(
    homes=st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["node-1", "node-2", "node-3"])), max_size=12),
    limits=st.builds(Limits, cluster=st.integers(0, 4), per_node=st.integers(0, 3), per_target=st.integers(0, 4)),
)
def test_no_limit_is_broken_and_everybody_hears_something(homes: list[tuple[str, str]], limits: Limits) -> None:
    volumes = {name: volume(name, home) for name, home in homes}
    runs = [waiting(f"r{index}", name) for index, (name, _) in enumerate(homes)]
    given_out = ask(runs, list(volumes.values()), limits=limits)
    assert set(given_out.slots) | set(given_out.waits) == {each.id for each in runs}
    assert not set(given_out.slots) & set(given_out.waits)
    per_node = Counter(slot.node for slot in given_out.slots.values())
    assert len(given_out.slots) <= min(limits.cluster, limits.per_target)
    assert all(count <= limits.per_node for count in per_node.values())
    started = [each.volume for each in runs if each.id in given_out.slots]
    assert len(started) == len(set(started))


def test_a_run_whose_volume_is_not_taken_back_keeps_the_volume_and_no_place() -> None:
    stuck = run(Phase.DETACHING, id="x", volume="x", node="node-1", stuck=True)
    asks = [waiting("a"), waiting("again", "x")]
    given_out = ask(asks, [volume("a", "node-1"), volume("x", "node-1")], (stuck,), Limits(cluster=1, per_node=1))
    assert given_out.slots == {"a": Slot(node="node-1", target="default")}
    assert "x of the same volume" in given_out.waits["again"]


def test_runs_of_equal_age_go_by_volume_and_policy_whatever_their_ids() -> None:
    asks = [waiting("1", "b"), waiting("2", "a")]
    given_out = ask(asks, [volume("a", "node-1"), volume("b", "node-1")], limits=Limits(cluster=1))
    assert list(given_out.slots) == ["2"]


def test_a_run_that_has_ended_takes_no_place_while_that_is_written_down() -> None:
    ended = tuple(run(Phase.FINISHED, id=name, volume=name) for name in ("x", "y"))
    asks = [waiting("a"), waiting("again", "x")]
    given_out = ask(asks, [volume("a", "node-1"), volume("x", "node-1")], ended, Limits(cluster=1))
    assert list(given_out.slots) == ["a"]
    assert "x of the same volume" in given_out.waits["again"]
