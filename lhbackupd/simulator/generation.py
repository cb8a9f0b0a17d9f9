"""What differs between generations of Longhorn's API, by version.

The recordings are of 1.13; older generations are cut out of it after Longhorn's source at their tags.
"""

from typing import Any

from lhbackupd.simulator.data import SCHEMAS

NEWEST = (1, 13)


def schemas(version: tuple[int, int]) -> list[dict[str, Any]]:
    """The schemas that a manager of this version shows."""
    assert version == NEWEST, "no other generation is simulated"
    found: list[dict[str, Any]] = SCHEMAS["schemas"]
    return found


def choose(world: Any, text: str) -> str:
    """Switch the generation."""
    from lhbackupd.simulator.refusal import unsupported

    if text not in {"1.13", "1.13.0", "1.13-dev"}:
        raise unsupported(f"play Longhorn {text} yet")
    world.generation = NEWEST
    return text
