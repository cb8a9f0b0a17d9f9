"""What the benchmarks read out of the simulator's ledger."""

from typing import Any

import pytest

from benchmarks.account import Hold, holds, least_makespan, lets_go, makespan, requests_of_runs


def added(t: float, volume: str, ticket: str = "ours:1", node: str = "node-1") -> dict[str, Any]:
    return {"kind": "ticket-added", "t": t, "volume": volume, "id": ticket, "node": node}


def entry(kind: str, t: float, volume: str) -> dict[str, Any]:
    return {"kind": kind, "t": t, "volume": volume}


def hold(asked: float, detached: float, node: str = "node-1") -> Hold:
    return Hold(volume="v", node=node, asked=asked, detached=detached, cycles=1)


def test_a_hold_lasts_from_the_tickets_arrival_to_the_detach() -> None:
    entries = [added(1.0, "a"), entry("attached", 3.0, "a"), entry("detached", 14.5, "a")]
    (found,) = holds(entries, prefix="ours:")
    assert (found.volume, found.node, found.seconds, found.cycles) == ("a", "node-1", 13.5, 1)


def test_holds_of_other_clients_are_not_ours() -> None:
    entries = [added(1.0, "a", ticket="csi-1"), entry("attached", 3.0, "a"), entry("detached", 9.0, "a")]
    assert holds(entries, prefix="ours:") == ()


def test_a_hold_that_has_not_ended_is_none() -> None:
    assert holds([added(1.0, "a"), entry("attached", 3.0, "a")], prefix="ours:") == ()


def test_a_ticket_asked_for_again_does_not_begin_the_hold_anew() -> None:
    entries = [added(1.0, "a"), added(2.0, "a"), entry("attached", 3.0, "a"), entry("detached", 9.0, "a")]
    assert [found.seconds for found in holds(entries, prefix="ours:")] == [8.0]


def test_a_second_attach_within_a_hold_is_counted() -> None:
    entries = [added(0.0, "a"), entry("attached", 2.0, "a"), entry("attached", 6.0, "a"), entry("detached", 9.0, "a")]
    assert [found.cycles for found in holds(entries, prefix="ours:")] == [2]


def test_a_later_hold_of_the_same_volume_counts_its_own_attaches() -> None:
    one = [added(0.0, "a"), entry("attached", 2.0, "a"), entry("detached", 4.0, "a")]
    two = [added(10.0, "a"), entry("attached", 12.0, "a"), entry("detached", 14.5, "a")]
    assert [(found.seconds, found.cycles) for found in holds(one + two, prefix="ours:")] == [(4.0, 1), (4.5, 1)]


def test_the_makespan_is_from_the_first_ticket_to_the_last_detach() -> None:
    assert makespan([hold(2, 9), hold(1, 5), hold(4, 11)]) == 10


@pytest.mark.parametrize(
    ("found", "cluster", "least"),
    [
        ([hold(0, 4), hold(5, 9), hold(0, 5, "node-2")], 10, 8),
        ([hold(0, 4), hold(0, 4, "node-2"), hold(0, 4, "node-3")], 1, 12),
        ([hold(0, 30), hold(0, 1, "node-2")], 10, 30),
    ],
    ids=["the busiest node", "the cluster's places", "the longest hold"],
)
def test_no_order_undercuts(found: list[Hold], cluster: int, least: float) -> None:
    assert least_makespan(found, per_node=1, cluster=cluster) == least


def test_two_places_on_a_node_halve_its_time_but_not_a_hold() -> None:
    assert least_makespan([hold(0, 4), hold(0, 4)], per_node=2, cluster=10) == 4
    assert least_makespan([hold(0, 9), hold(0, 1)], per_node=2, cluster=10) == 9


def test_requests_of_runs_leave_the_inventorys_polls_out_and_nothing_else() -> None:
    counted = {
        "GET /v1/volumes": 7,
        "GET /v1/nodes": 7,
        "GET /v1/settings/*": 7,
        "GET /v1/backuptargets": 7,
        "GET /v1/volumes/*": 5,
        "POST /v1/volumes/*?action=attach": 1,
        "POST /v1/volumes": 2,
    }
    assert requests_of_runs(counted) == 8


def test_a_volume_is_let_go_when_the_last_ticket_but_the_workloads_went_before_it_had_it() -> None:
    def ticket(kind: str, t: float, of: str) -> dict[str, Any]:
        return {**entry(kind, t, "a"), "type": of}

    entries = [
        ticket("ticket-removed", 0.5, "snapshot-controller"),
        entry("pod-waiting", 1.0, "a"),
        entry("pod-waiting", 1.5, "a"),
        ticket("ticket-removed", 1.75, "longhorn-api"),
        ticket("ticket-removed", 2.0, "backup-controller"),
        ticket("ticket-satisfied", 4.0, "csi-attacher"),
        ticket("ticket-removed", 9.0, "backup-controller"),
        entry("pod-waiting", 1.0, "b"),
    ]
    assert lets_go(entries) == {"a": 1.0}
