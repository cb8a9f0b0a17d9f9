"""Fixtures that every ring of tests uses."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from tests.rig import Rig

# how long an example takes says something of the machine, and nothing of the code
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A simulated cluster in virtual time, with the setting on."""
    made = Rig(tmp_path)
    await made.allow()
    yield made
    await made.http.aclose()


@pytest.fixture(scope="session", autouse=True)
def _loop_is_set() -> Iterator[None]:
    """Have a loop set that is closed in the end.

    The plugin for virtual time asks every test, synchronous ones too, for the present loop, and where none is set
    asyncio makes one that nobody closes: a warning, and with that an error, in whichever test the garbage is collected.
    """
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        yield
        asyncio.set_event_loop(None)


@pytest.fixture(autouse=True)
def _logging_is_restored() -> Iterator[None]:
    """Have what a command sets up for its process, when it is called in ours, end with its test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
