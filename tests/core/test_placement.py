"""On which node a detached volume is attached."""

from dataclasses import replace

import pytest

from lhbackupd.core.cluster import Engine, Node, Replica, Volume
from lhbackupd.core.placement import Choice, candidates, choices, nowhere, places

from .examples import attached, detached

A, B, C = (Node(name=f"node-{letter}", ready=True) for letter in "abc")
ON_A = detached(replicas=(Replica(name="r1", node="node-a"),))
ON_A_AND_B = detached(replicas=(Replica(name="r1", node="node-a"), Replica(name="r2", node="node-b")))


def where(volume: object, *nodes: Node) -> tuple[str, ...]:
    return candidates(volume, {node.name: node for node in nodes})  # type: ignore[arg-type]  # always a Volume


def down(node: Node) -> Node:
    return replace(node, ready=False)


def cordoned(node: Node) -> Node:
    return replace(node, cordoned=True)


def test_nodes_with_a_replica_come_first() -> None:
    assert where(ON_A_AND_B, C, B, A) == ("node-a", "node-b")


def test_a_cordoned_node_is_left_out_while_another_holds_a_replica() -> None:
    assert where(ON_A_AND_B, cordoned(A), B, C) == ("node-b",)


def test_a_node_without_a_replica_is_better_than_a_cordoned_one_with_it() -> None:
    assert where(ON_A, cordoned(A), B, C) == ("node-b", "node-c")


def test_a_cordoned_node_will_do_if_no_other_will() -> None:
    assert where(ON_A, cordoned(A), down(B), down(C)) == ("node-a",)
    assert where(ON_A, down(A), cordoned(B)) == ("node-b",)
    assert where(ON_A, cordoned(A), cordoned(B)) == ("node-a",)


def test_any_ready_node_will_do_where_no_replicas_node_is_ready() -> None:
    assert where(ON_A, down(A), B, C) == ("node-b", "node-c")


def test_a_failed_replica_is_no_reason_to_go_to_its_node() -> None:
    volume = detached(replicas=(Replica(name="r1", node="node-a", failed=True), Replica(name="r2", node="node-b")))
    assert where(volume, A, B) == ("node-b",)


def test_a_strict_local_volume_goes_to_its_replica_or_nowhere() -> None:
    volume = replace(ON_A, data_locality="strict-local")
    assert where(volume, A, B) == ("node-a",)
    assert where(volume, cordoned(A), B) == ("node-a",)
    assert where(volume, down(A), B) == ()


@pytest.mark.parametrize("nodes", [(), (down(A), down(B))])
def test_without_a_ready_node_there_is_nowhere(nodes: tuple[Node, ...]) -> None:
    assert where(ON_A, *nodes) == ()


def test_why_there_is_nowhere_names_the_nodes() -> None:
    strict = replace(ON_A, data_locality="strict-local")
    assert nowhere(strict, {"node-a": down(A)}) == "strict-local: its replica is on node-a, which is not Ready"
    assert "no node" in nowhere(replace(strict, replicas=()), {})
    assert nowhere(ON_A, {"node-b": down(B), "node-a": down(A)}) == "no node is Ready (node-a, node-b)"
    assert nowhere(ON_A, {}) == "no node is Ready (none is known)"


def why(volume: Volume, *nodes: Node) -> dict[str, str]:
    """The reason of each node, and that those are chosen which `places` names."""
    listed = {node.name: node for node in nodes}
    found = choices(volume, listed)
    assert tuple(choice.node for choice in found if choice.chosen) == places(volume, listed)
    return {choice.node: choice.reason for choice in found}


def test_every_node_has_a_reason_why_it_is_chosen_or_not() -> None:
    broken = replace(ON_A, replicas=(*ON_A.replicas, Replica(name="r2", node="node-b", failed=True)))
    assert why(broken, A, B, replace(down(C), message="kubelet stopped")) == {
        "node-a": "it holds a good replica",
        "node-b": "it holds no good replica; its replica there has failed",
        "node-c": "it is not Ready: kubelet stopped",
    }
    assert why(ON_A, cordoned(A), B, cordoned(C)) == {
        "node-a": "it holds a good replica, but is cordoned",
        "node-b": "it holds no good replica",
        "node-c": "it holds no good replica, and is cordoned",
    }
    assert why(ON_A, down(A))["node-a"] == "it is not Ready"


def test_a_strict_local_volume_has_one_place() -> None:
    assert why(replace(ON_A, data_locality="strict-local"), A, B) == {
        "node-a": "it holds a good replica, and is the only place for strict-local",
        "node-b": "it holds no good replica, and the volume is strict-local",
    }


def test_an_attached_volume_is_backed_up_where_it_is() -> None:
    live = attached(engines=(Engine(node="node-b", running=True),))
    assert why(live, A, B) == {"node-a": "it is attached to node-b", "node-b": "it is attached here"}


def test_a_node_is_chosen_by_name_whatever_the_order_they_are_listed_in() -> None:
    assert choices(ON_A, {"node-b": B, "node-a": A})[0] == Choice(
        node="node-a", chosen=True, reason="it holds a good replica"
    )
