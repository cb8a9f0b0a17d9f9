from collections.abc import Iterator

import pytest

from tests.surface import house as houses


@pytest.fixture
def house() -> Iterator[houses.House]:
    with houses.house() as found:
        yield found
