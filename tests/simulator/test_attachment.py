"""Which ticket wins, who is interrupted, and what each ticket is told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.simulator.attachment import (
    INTERRUPTIBLE,
    PRIORITY,
    WORKLOAD,
    choose,
    compatible,
    should_detach,
    verdict,
)
from lhbackupd.simulator.chain import Chain
from lhbackupd.simulator.model import Ticket, Volume

KINDS = [*PRIORITY, "my-own-type"]
NODES = ["node-1", "node-2"]
FRONTENDS = ["true", "false", "any"]

tickets = st.lists(
    st.builds(
        Ticket,
        id=st.sampled_from("abcdef"),
        kind=st.sampled_from(KINDS),
        node=st.sampled_from(NODES),
        parameters=st.fixed_dictionaries({"disableFrontend": st.sampled_from(FRONTENDS)}),
        added=st.just(0.0),
    ),
    max_size=5,
    unique_by=lambda t: t.id,
).map(lambda found: {t.id: t for t in found})


def volume(held: dict[str, Ticket], *, node: str = "node-1", disabled: bool = False) -> Volume:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    v = Volume("v", 1, at, {}, Chain(at), 1)
    v.tickets, v.desired_node, v.current_node, v.state = held, node, node, "attached"
    v.disable_frontend = disabled
    return v


@given(tickets)
def test_nobody_of_higher_priority_and_nobody_of_equal_priority_and_smaller_id_is_passed_over(
    held: dict[str, Ticket],
) -> None:
    winner = choose(held)
    if winner is None:
        assert not held
        return
    rank = (-PRIORITY.get(winner.kind, 0), winner.id)
    assert all(rank <= (-PRIORITY.get(t.kind, 0), t.id) for t in held.values())


@given(tickets, st.booleans())
def test_an_api_ticket_that_holds_is_never_interrupted(held: dict[str, Ticket], disabled: bool) -> None:
    ours = Ticket("ours", "longhorn-api", "node-1", {"disableFrontend": str(disabled).lower()}, 0.0)
    assert not should_detach(volume({**held, "ours": ours}, disabled=disabled))


@given(tickets)
def test_only_interruptible_holders_give_way_and_only_to_workloads_elsewhere(held: dict[str, Ticket]) -> None:
    v = volume(held)
    here = [t for t in held.values() if t.node == "node-1" and compatible(t, v)]
    gives_way = bool(here) and should_detach(v)
    elsewhere = any(t.node == "node-2" and t.kind in WORKLOAD for t in held.values())
    assert gives_way == (bool(here) and all(t.kind in INTERRUPTIBLE for t in here) and elsewhere)


@given(tickets, st.booleans())
def test_a_satisfied_ticket_has_its_node_and_its_frontend(held: dict[str, Ticket], disabled: bool) -> None:
    v = volume(held, disabled=disabled)
    for t in held.values():
        satisfied, _, _ = verdict(t, v)
        assert satisfied == (t.node == "node-1" and compatible(t, v))


@pytest.mark.parametrize(
    ("wish", "disabled", "fits"),
    [
        ("true", True, True),
        ("true", False, False),
        ("false", True, False),
        ("false", False, True),
        ("any", True, True),
        (None, False, True),
    ],
)
def test_a_tickets_frontend_wish_is_compared_with_the_volumes(wish: str | None, disabled: bool, fits: bool) -> None:
    parameters = {} if wish is None else {"disableFrontend": wish}
    assert compatible(Ticket("t", "longhorn-api", "node-1", parameters, 0.0), volume({}, disabled=disabled)) == fits
