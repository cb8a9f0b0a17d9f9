"""The enhancement's test plan, step by step, on the real daemon and the simulated Longhorn.

The steps are played once, in order (see `story`); each test looks at what happened during its step, so the tests may
run in any order and on several workers.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from lhbackupd.core.model import Outcome
from tests.e2e.conftest import stages
from tests.e2e.harness import staged
from tests.e2e.step import Step
from tests.e2e.story import GB, MB, VOLUME, Story, left

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("enhancement"),
]

DETACHED: tuple[str, dict[str, object]] = ("detached", {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder: Path = tmp_path_factory.mktemp("story")
    async with staged(folder) as stage:
        yield Story(stage)


@pytest.fixture
def story(told: Story, request: pytest.FixtureRequest) -> Story:
    """The story, whose processes' lines are shown if the test fails."""
    request.node.stash[stages] = [told.stage]
    return told


def assert_backed_up_by_us(step: Step, node: str) -> None:
    """One ticket of ours, frontend disabled, one attach, on one node, one backup, and detached in the end."""
    cycle = step.cycles[0]
    (ticket,) = cycle.ours()
    assert (ticket["node"], ticket["frontend"], ticket["type"]) == (node, False, "longhorn-api")
    (attached,) = cycle.of("attached")
    assert (attached["node"], attached["frontend"]) == (node, False)
    assert [entry["id"] for entry in cycle.ours("ticket-removed")] == [ticket["id"]]
    kinds = ("ticket-added", "attached", "snapshot-created", "backup-asked", "backup-completed", "detached")
    ours = [e["kind"] for e in cycle.of(*kinds) if e["kind"] != "ticket-added" or e["id"] == ticket["id"]]
    assert ours == list(kinds)


def assert_nothing_moved(step: Step) -> None:
    """No rebuild, no new replica, and the ones there are where they were."""
    assert step.of("replica-rebuild-started", "replica-added", "replica-removed") == []
    assert step.replicas == step.replicas_before
    assert len(step.replicas) == 1


async def test_step_01_the_setting_is_false(story: Story) -> None:
    assert (await story.step("1")).setting == "false"


async def test_step_02_a_volume_is_created(story: Story) -> None:
    assert left((await story.step("2")).volume) == DETACHED


async def test_step_03_the_volume_is_attached_and_written_to(story: Story) -> None:
    step = await story.step("3")
    assert [entry["bytes"] for entry in step.of("write")] == [8 * 2**20]
    assert not step.protected


async def test_step_04_the_volume_is_detached(story: Story) -> None:
    assert left((await story.step("4")).volume) == DETACHED


async def test_step_05_a_backup_is_due_every_minute(story: Story) -> None:
    assert (await story.step("5")).schedules == (("job", VOLUME),)


async def test_step_06_no_backup_while_the_setting_is_false(story: Story) -> None:
    step = await story.step("6")
    assert len(step.outcomes) >= 2
    assert set(step.outcomes) == {Outcome.SUSPENDED}
    assert all("is false" in run.reason for run in step.runs)
    assert step.of("ticket-added", "attaching", "snapshot-asked", "backup-asked") == []
    assert step.backups == ()
    assert not step.protected


async def test_step_07_the_setting_is_true(story: Story) -> None:
    assert (await story.step("7")).setting == "true"


async def test_step_08_the_recurring_job_begins(story: Story) -> None:
    step = await story.step("8")
    (ticket,) = step.ours()
    assert ticket["attachedBy"] == "lhbackupd:lhbackupd"


async def test_step_09_the_volume_is_attached_backed_up_and_detached(story: Story) -> None:
    step = await story.between("8", "9")
    assert_backed_up_by_us(step, step.ours()[0]["node"])
    assert step.outcomes == [Outcome.COMPLETED]
    assert step.protected


async def test_step_10_without_new_data_the_volume_is_attached_and_detached_and_not_backed_up(story: Story) -> None:
    step = await story.step("10")
    assert set(step.outcomes) == {Outcome.UNCHANGED}
    assert len(step.outcomes) >= 2
    for cycle in step.cycles:
        assert [entry["frontend"] for entry in cycle.of("attached")] == [False]
    assert len(step.cycles) >= 1  # the last one may end with the next step
    assert step.of("snapshot-asked", "snapshot-created", "backup-asked") == []
    assert len(step.backups) == 1


async def test_step_11_the_recurring_job_is_deleted(story: Story) -> None:
    step = await story.step("11")
    assert step.schedules == ()
    assert [entry for entry in step.ours() if entry["seq"] > step.notes["seq"]] == []


async def test_step_12_the_volume_has_a_pvc(story: Story) -> None:
    status = (await story.step("12")).volume["kubernetesStatus"]
    assert (status["namespace"], status["pvcName"]) == ("shop", "data")


async def test_step_13_a_pod_runs_with_the_pvc(story: Story) -> None:
    step = await story.step("13")
    assert [entry["pod"] for entry in step.of("pod-running")] == ["db-0"]


async def test_step_14_the_pod_writes_1_gb(story: Story) -> None:
    step = await story.step("14")
    assert [entry["bytes"] for entry in step.of("write")] == [GB]
    assert not step.protected


async def test_step_15_scaled_down_the_volume_is_detached(story: Story) -> None:
    assert left((await story.step("15")).volume) == DETACHED


async def test_step_16_a_backup_is_due_every_two_minutes(story: Story) -> None:
    assert (await story.step("16")).schedules == (("job", VOLUME),)


async def test_step_17_the_backup_has_begun_and_the_pod_is_started(story: Story) -> None:
    step = await story.between("16", "17")
    (held,) = step.ours("ticket-satisfied")
    (waiting,) = step.of("pod-waiting")
    assert held["id"] in waiting["behind"]


async def test_step_18_the_pod_cannot_start_until_the_backup_has_finished(story: Story) -> None:
    step = await story.between("16", "18")
    (completed,) = step.of("backup-completed")
    (returned,) = step.ours("ticket-removed")
    (running,) = step.of("pod-running")
    assert completed["seq"] < returned["seq"] < running["seq"]
    assert step.outcomes[0] is Outcome.COMPLETED
    assert step.runs[0].waiter == "pod shop/db-0"
    assert step.protected


async def test_step_19_without_new_data_there_is_no_backup(story: Story) -> None:
    step = await story.step("19")
    assert set(step.outcomes) == {Outcome.UNCHANGED}
    assert len(step.outcomes) >= 2
    assert step.of("snapshot-asked", "backup-asked", "ticket-added", "detached") == []
    assert len(step.backups) == 2


async def test_step_20_the_recurring_job_is_deleted(story: Story) -> None:
    step = await story.step("20")
    assert step.schedules == ()
    assert set(step.outcomes) <= {Outcome.UNCHANGED}


async def test_step_21_data_locality_is_on(story: Story) -> None:
    assert (await story.step("21")).volume["dataLocality"] == "best-effort"


async def test_step_22_the_volume_wants_one_replica(story: Story) -> None:
    assert (await story.step("22")).volume["numberOfReplicas"] == 1


async def test_step_23_attached_to_node_1_the_only_replica_is_there(story: Story) -> None:
    step = await story.step("23")
    assert [node for _, node in step.replicas] == ["node-1"]
    assert step.volume["robustness"] == "healthy"


async def test_step_24_200_mb_are_written(story: Story) -> None:
    step = await story.step("24")
    assert [entry["bytes"] for entry in step.of("write")] == [200 * MB]
    assert not step.protected


async def test_step_25_the_volume_is_detached(story: Story) -> None:
    assert left((await story.step("25")).volume) == DETACHED


async def test_step_26_data_locality_is_off(story: Story) -> None:
    assert (await story.step("26")).volume["dataLocality"] == "disabled"


async def test_step_27_the_volume_is_attached_to_node_2(story: Story) -> None:
    step = await story.step("27")
    assert [entry["node"] for entry in step.of("attached")] == ["node-2"]
    assert_nothing_moved(step)


async def test_step_28_the_volume_is_detached(story: Story) -> None:
    assert left((await story.step("28")).volume) == DETACHED


async def test_step_29_a_backup_is_due_every_minute(story: Story) -> None:
    assert (await story.step("29")).schedules == (("job", VOLUME),)


async def test_step_30_placed_by_us_the_backup_is_made_on_the_replicas_node_and_nothing_is_rebuilt(
    story: Story,
) -> None:
    step = await story.between("29", "30")
    assert_backed_up_by_us(step, "node-1")
    assert step.outcomes[0] is Outcome.COMPLETED
    assert_nothing_moved(step)
    assert step.protected


@pytest.mark.parametrize("name", ["30-cordoned", "30-best-effort"])
async def test_step_30_with_node_1_cordoned_the_backup_is_made_on_node_2_and_nothing_is_rebuilt(
    story: Story, name: str
) -> None:
    step = await story.step(name)
    since = replace(step, entries=[entry for entry in step.entries if entry["seq"] > step.notes["seq"]])
    assert_backed_up_by_us(since, "node-2")
    assert since.outcomes[0] is Outcome.COMPLETED
    assert_nothing_moved(step)
    assert step.protected


async def test_step_31_the_setting_is_true(story: Story) -> None:
    assert (await story.step("31")).setting == "true"
