import asyncio
from collections.abc import Iterator

import pytest

from tests.surface import house as houses

# looptime asks every test for its loop, and where none was ever set, one is made for it that nobody closes
asyncio.set_event_loop(None)


@pytest.fixture
def house() -> Iterator[houses.House]:
    with houses.house() as found:
        yield found
