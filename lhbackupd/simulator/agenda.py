"""What will happen, in order of time: the heart of the discrete-event simulation.

Nothing runs by itself. `run(until)` performs everything that fell due, each at its own moment and in the
order of being planned where moments are equal, so results do not depend on when somebody happened to look.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Agenda:
    """A clock of its own (`now`, seconds since the cluster began) and a heap of due actions."""

    now: float = 0.0
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _planned: int = 0

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Plan `action` for `seconds` from now."""
        self._planned += 1
        heapq.heappush(self._due, (self.now + max(0.0, seconds), self._planned, action))

    def run(self, until: float) -> None:
        """Perform everything due up to and including `until`, then be there."""
        while self._due and self._due[0][0] <= until:
            moment, _, action = heapq.heappop(self._due)
            self.now = max(self.now, moment)
            action()
        self.now = max(self.now, until)

    def next_due(self) -> float | None:
        """When the next action falls due, or None."""
        return self._due[0][0] if self._due else None
