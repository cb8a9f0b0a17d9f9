"""Stages, and what their processes said when a test fails."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests.e2e.harness import Stage, staged

#: where a test keeps the stages whose processes are to be heard if it fails
stages = pytest.StashKey[list[Stage]]()


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A simulated Longhorn with a detached volume `db` that holds 8 MiB; the setting is on."""
    async with staged(tmp_path) as made:
        request.node.stash[stages] = [made]
        await made.longhorn.allow(True)
        await made.longhorn.create("db", data=8 * 2**20)
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.when != "teardown":
        for stage in item.stash.get(stages, []):
            report.sections += stage.story()
    return report
