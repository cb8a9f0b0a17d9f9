"""The recorded requests, made again with other names, sizes and order, get the recorded kind of answer."""

from collections.abc import Awaitable, Callable

import pytest

from tests.simulator import scenario_backups, scenario_basics, scenario_others
from tests.simulator.replaying import RECORDINGS, Replay

SCENARIOS: tuple[Callable[[Replay], Awaitable[None]], ...] = (
    scenario_others.real_engine,
    scenario_others.own_job,
    scenario_others.jobs,
    scenario_others.races,
    scenario_others.priorities,
    scenario_others.locality,
    scenario_backups.handed_over,
    scenario_backups.snapshots,
    scenario_basics.detaching,
    scenario_basics.details,
    scenario_basics.tickets,
    scenario_basics.volumes,
    scenario_basics.root_and_settings,
)
#: recordings made again elsewhere, or not at all, with the reason
ELSEWHERE = {
    f"exchanges/{path.stem}": "a websocket: frames and messages are compared in test_streams.py"
    for path in (RECORDINGS / "exchanges").glob("7*.json")
} | {
    f"real-engine/{path.stem}": "a trace: compared in test_traces.py"
    for path in (RECORDINGS / "real-engine").glob("trace-*.json")
}


def all_recordings() -> list[str]:
    return sorted(
        f"{folder}/{path.stem}"
        for folder in ("exchanges", "real-engine")
        for path in (RECORDINGS / folder).glob("*.json")
    )


NOTES: dict[str, list[str]] = {}


async def replayed() -> dict[str, list[str]]:
    """What differs, by recording; the scenarios are played once."""
    if not NOTES:
        notes: dict[str, list[str]] = {}
        for number, scenario in enumerate(SCENARIOS):
            async with Replay(notes, seed=number) as replay:
                await scenario(replay)
        NOTES.update(notes)
    return NOTES


async def test_every_recording_is_replayed_or_listed_with_a_reason() -> None:
    played = await replayed()
    assert set(all_recordings()) == set(played) | set(ELSEWHERE)
    assert not set(played) & set(ELSEWHERE)


@pytest.mark.parametrize("name", [name for name in all_recordings() if name not in ELSEWHERE])
async def test_the_answer_is_of_the_recorded_kind(name: str) -> None:
    assert (await replayed())[name] == []
