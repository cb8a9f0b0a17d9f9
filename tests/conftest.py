"""Fixtures that every ring of tests uses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig import Rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A simulated cluster in virtual time, with the setting on."""
    made = Rig(tmp_path)
    await made.allow()
    yield made
    await made.http.aclose()
