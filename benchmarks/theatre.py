"""Opens the stage that a scenario asks for: processes, on a clock of some speed, or virtual time."""

from contextlib import AbstractAsyncContextManager

from benchmarks import process, virtual
from benchmarks.row import VIRTUAL
from benchmarks.stage import Stage


def stage(*, nodes: int, speed: float) -> AbstractAsyncContextManager[Stage]:
    """A simulated Longhorn with so many nodes and the setting on; `VIRTUAL` is a speed too."""
    return virtual.stage(nodes=nodes) if speed == VIRTUAL else process.stage(nodes=nodes, speed=speed)
