"""The simulated Longhorn asks its clock, never the operating system.

The clock is a constructor argument: the process gives a real or sped-up one, a test a hand-driven one. The
cluster only reads it when a request arrives and then catches up with everything that fell due meanwhile;
`sleep` is for streams.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What the simulated Longhorn needs of time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
