"""When a policy's runs begin, and when all have ended."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from lhbackupd.core.model import Outcome, Phase, Run
from lhbackupd.surface.notify.rounds import Ping, Rounds
from tests.surface.house import ended, queued, running

VOLUMES = ("a", "b", "c")


def rounds(verdict: Ping = Ping.SUCCESS, *begun: Run) -> Rounds:
    return Rounds(begun=lambda: begun, verdict=lambda _policy: verdict)


def said(made: Rounds, *runs: Run) -> list[Ping | None]:
    return [made.moved(run) for run in runs]


def again(name: str, **fields: object) -> Run:
    return replace(queued(name), attempt=2, **fields)  # type: ignore[arg-type]


def test_a_round_begins_with_the_first_run_and_ends_with_the_last() -> None:
    made = rounds()
    runs = [
        queued("a"),
        queued("b"),
        running("a"),
        ended("a", Outcome.COMPLETED),
        running("b"),
        ended("b", Outcome.UNCHANGED),
    ]
    assert said(made, *runs) == [Ping.START, None, None, None, None, Ping.SUCCESS]
    assert said(made, queued("a"), ended("a", Outcome.COMPLETED)) == [Ping.START, Ping.SUCCESS]


def test_policies_are_told_apart() -> None:
    made = rounds()
    assert said(made, queued("a"), queued("a", policy="hourly")) == [Ping.START, Ping.START]


def test_a_failure_is_said_while_its_next_attempt_waits_and_that_attempt_is_a_round_of_its_own() -> None:
    made = rounds(Ping.FAIL)
    assert said(made, queued("a"), running("a"), ended("a", Outcome.FAILED), again("a")) == [
        Ping.START,
        None,
        Ping.FAIL,
        None,
    ]
    assert said(made, replace(running("a"), attempt=2), ended("a", Outcome.FAILED, attempt=2)) == [
        Ping.START,
        Ping.FAIL,
    ]


def test_a_volume_that_was_given_up_for_a_workload_is_waited_for() -> None:
    made = rounds()
    assert said(made, queued("a"), running("a"), ended("a", Outcome.YIELDED), again("a")) == [
        Ping.START,
        None,
        None,
        None,
    ]
    assert said(made, ended("a", Outcome.COMPLETED, attempt=2)) == [Ping.SUCCESS]


def test_a_run_that_was_skipped_ends_nothing() -> None:
    made = rounds()
    assert said(made, running("a"), ended("a", Outcome.SKIPPED)) == [Ping.START, None]
    assert said(made, ended("a", Outcome.COMPLETED)) == [Ping.SUCCESS]


def test_a_round_that_another_process_has_begun_ends_with_the_last_of_its_runs_wherever_that_ends() -> None:
    made = rounds(Ping.SUCCESS, queued("b"), again("c"), queued("x", policy="hourly"))
    runs = [running("a"), ended("a", Outcome.COMPLETED), running("c"), ended("c", Outcome.COMPLETED)]
    assert said(made, *runs) == [None] * 4
    assert said(made, ended("b", Outcome.NOT_INSPECTED)) == [Ping.SUCCESS], "from the queue"
    assert said(made, queued("a")) == [Ping.START]


def test_a_run_of_another_process_that_ends_with_its_first_move_ends_the_round() -> None:
    assert said(rounds(), ended("a", Outcome.COMPLETED)) == [Ping.SUCCESS]
    assert said(rounds(Ping.SUCCESS, running("b")), ended("a", Outcome.COMPLETED)) == [None]


ENDS = st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.SKIPPED])


@given(st.lists(st.tuples(st.sampled_from(VOLUMES), st.booleans(), ENDS), max_size=40))
def test_starts_and_ends_take_turns_whatever_order_runs_move_in(moves: list[tuple[str, bool, Outcome]]) -> None:
    made, pings = rounds(), []
    under_way: set[str] = set()
    for name, ends, outcome in moves:
        if ends and name in under_way:
            ping = made.moved(ended(name, outcome))
            if outcome not in (Outcome.YIELDED, Outcome.INTERRUPTED):
                under_way.discard(name)
        else:
            ping = made.moved(queued(name) if name not in under_way else running(name, Phase.INSPECTING))
            under_way.add(name)
        pings += [ping] if ping is not None else []
        assert (len(pings) % 2 == 1) == bool(under_way)
    assert all(ping is (Ping.SUCCESS if index % 2 else Ping.START) for index, ping in enumerate(pings))
